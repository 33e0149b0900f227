//! Keyset pagination: page size, page and cursor. A cursor carries a MAC, so that only cursors created by this service for
//! the same list, order and filters are accepted.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
// The only name of the trait that `utoipa::path` requires of generic bodies.
use utoipa::__dev::ComposeSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::query::{ParamError, QueryReader};
use crate::platform::error::AppError;

/// The maximum number of items on a page: 1 to 200, 50 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = PageLimit, value_type = u16, minimum = 1, maximum = 200, default = 50)]
pub struct PageLimit(u16);

impl Default for PageLimit {
    fn default() -> Self {
        Self(50)
    }
}

impl PageLimit {
    const MAX: u16 = 200;

    /// Takes the query parameter `limit`.
    pub fn take(params: &mut QueryReader<'_>) -> Self {
        params.take_with("limit", Self::parse).unwrap_or_default()
    }

    fn parse(text: &str) -> Result<Self, ParamError> {
        match text.parse() {
            Ok(limit @ 1..=Self::MAX) => Ok(Self(limit)),
            _ => Err(("out_of_range", "must be from 1 to 200")),
        }
    }

    /// The maximum number of items on the page.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// The number of rows to query: one more than the limit, which shows whether there is a next page.
    #[must_use]
    pub fn query_limit(self) -> i64 {
        i64::from(self.0) + 1
    }
}

/// The response body for one page of a list.
#[derive(Clone, Debug, Serialize)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// The next cursor, the limit and the total.
    pub page: PageInfo,
}

/// Written by hand, to reference the schema of `T` by name (as for [`Data<T>`](super::reply::Data)).
impl<T: ToSchema> ComposeSchema for Page<T> {
    fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        ObjectBuilder::new()
            .property(
                "data",
                ArrayBuilder::new().items(Ref::from_schema_name(T::name())),
            )
            .property("page", Ref::from_schema_name(PageInfo::name()))
            .required("data")
            .required("page")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (name, schema) in [
            (T::name(), T::schema()),
            (PageInfo::name(), PageInfo::schema()),
        ] {
            schemas.push((name.into_owned(), schema));
        }
        T::schemas(schemas);
        PageInfo::schemas(schemas);
    }
}

/// The cursor of the next page, the limit and the total of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    /// The cursor of the next page; `null` on the last page.
    #[schema(required)]
    pub next: Option<String>,
    /// The maximum number of items on a page.
    pub limit: PageLimit,
    /// The total number of items; present if the request has `count=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub total: Option<i64>,
    /// Until when the list is complete; present in the revocation feed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub complete_until_utc: Option<DateTime<Utc>>,
}

impl<T> Page<T> {
    /// Creates a page from `rows`, which were queried with [`PageLimit::query_limit`]. `cursor` encodes the position of a row.
    ///
    /// # Errors
    /// The errors of `cursor`.
    pub fn from_rows(
        mut rows: Vec<T>,
        limit: PageLimit,
        cursor: impl FnOnce(&T) -> Result<String, AppError>,
    ) -> Result<Self, AppError> {
        let max_len = usize::from(limit.get());
        let has_next_page = rows.len() > max_len;
        rows.truncate(max_len);
        let next = rows
            .last()
            .filter(|_| has_next_page)
            .map(cursor)
            .transpose()?;
        let page = PageInfo {
            next,
            limit,
            total: None,
            complete_until_utc: None,
        };
        Ok(Self { data: rows, page })
    }

    /// Creates a page of a list that grows: it always has a next page, which is empty until items are added.
    #[must_use]
    pub const fn unbounded(data: Vec<T>, limit: PageLimit, next: String) -> Self {
        let page = PageInfo {
            next: Some(next),
            limit,
            total: None,
            complete_until_utc: None,
        };
        Self { data, page }
    }

    /// Sets the time until which the list is complete.
    #[must_use]
    pub const fn with_complete_until(mut self, time: DateTime<Utc>) -> Self {
        self.page.complete_until_utc = Some(time);
        self
    }

    /// Sets the total number of items, if they were counted.
    #[must_use]
    pub fn with_total(mut self, total: Option<i64>) -> Self {
        self.page.total = total;
        self
    }
}

/// Encodes and decodes cursors: the base64url of a MAC and a position as JSON.
pub struct Cursors {
    key: hmac::Key,
    /// The key before the secret key was replaced.
    previous: Option<hmac::Key>,
}

/// HMAC-SHA-256 is truncated to 128 bits, to keep URLs short.
const MAC_LEN: usize = 16;
const MAX_CURSOR_LEN: usize = 2048;

impl Cursors {
    /// `key` must be secret, the same on every replica, and used for nothing else.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self::with_previous(key, None)
    }

    /// Cursors that were created with the previous key are accepted too.
    #[must_use]
    pub fn with_previous(key: &[u8], previous: Option<&[u8]>) -> Self {
        let new_key = |key| hmac::Key::new(hmac::HMAC_SHA256, key);
        Self {
            key: new_key(key),
            previous: previous.map(new_key),
        }
    }

    /// Encodes `position` as a cursor. `context` identifies the list with its order and filters.
    ///
    /// # Errors
    /// [`Code::Internal`](crate::platform::error::Code::Internal) if `position` can't be serialized.
    pub fn encode(&self, context: &str, position: &impl Serialize) -> Result<String, AppError> {
        let position = serde_json::to_vec(position).map_err(AppError::internal)?;
        let mut bytes = mac(&self.key, context, &position).to_vec();
        bytes.extend_from_slice(&position);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Decodes the position of a cursor.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`](crate::platform::error::Code::RequestInvalid) at `?cursor` if the cursor is invalid or
    /// belongs to another list.
    pub fn decode<T: DeserializeOwned>(&self, context: &str, cursor: &str) -> Result<T, AppError> {
        self.decode_at("?cursor", context, cursor)
    }

    /// Like [`decode`](Self::decode), for a parameter with another name.
    ///
    /// # Errors
    /// Like [`decode`](Self::decode), at `pointer`.
    pub fn decode_at<T: DeserializeOwned>(
        &self,
        pointer: &'static str,
        context: &str,
        cursor: &str,
    ) -> Result<T, AppError> {
        self.verify_and_decode(context, cursor).ok_or_else(|| {
            let detail = "is not a cursor of this list; use the value of page.next";
            AppError::invalid_field(pointer, "invalid_cursor", detail)
        })
    }

    fn verify_and_decode<T: DeserializeOwned>(&self, context: &str, cursor: &str) -> Option<T> {
        let cursor = Some(cursor).filter(|cursor| cursor.len() <= MAX_CURSOR_LEN)?;
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (cursor_mac, position) = bytes.split_at_checked(MAC_LEN)?;
        let is_valid =
            |key| verify_slices_are_equal(cursor_mac, &mac(key, context, position)).is_ok();
        if is_valid(&self.key) || self.previous.as_ref().is_some_and(is_valid) {
            serde_json::from_slice(position).ok()
        } else {
            None
        }
    }
}

/// The MAC input starts with the length of the context, so that different pairs of context and position have different
/// inputs.
fn mac(key: &hmac::Key, context: &str, position: &[u8]) -> [u8; MAC_LEN] {
    let mut hmac = hmac::Context::with_key(key);
    hmac.update(&(context.len() as u64).to_be_bytes());
    hmac.update(context.as_bytes());
    hmac.update(position);
    let mut mac = [0; MAC_LEN];
    for (to, from) in mac.iter_mut().zip(hmac.sign().as_ref()) {
        *to = *from;
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::http::query::{FromQuery, InvalidQuery, parse_query};
    use proptest::prelude::*;

    fn cursors() -> Cursors {
        Cursors::new(&[7; 32])
    }

    fn is_invalid_cursor(result: Result<(i64, String), AppError>) -> bool {
        result.is_err_and(|error| {
            error
                .field_errors()
                .iter()
                .any(|error| (&*error.pointer, error.code) == ("?cursor", "invalid_cursor"))
        })
    }

    #[test]
    fn cursor_is_valid_only_for_its_list_and_key() {
        let position = (7_i64, "ada".to_owned());
        let cursor = cursors().encode("users:-createdAtUtc", &position).unwrap();
        let decode = |cursors: Cursors, context| cursors.decode(context, &cursor);
        assert_eq!(decode(cursors(), "users:-createdAtUtc").unwrap(), position);
        assert!(is_invalid_cursor(decode(cursors(), "users:+createdAtUtc")));
        assert!(is_invalid_cursor(decode(
            Cursors::new(&[8; 32]),
            "users:-createdAtUtc"
        )));
    }

    #[test]
    fn forged_and_malformed_cursors_are_rejected() {
        let forged = URL_SAFE_NO_PAD.encode(b"0123456789abcdef[7,\"' OR 1=1\"]");
        for cursor in [
            "",
            "a",
            "AAAA",
            "%",
            "' OR 1=1 --",
            &forged,
            &"A".repeat(100_000),
        ] {
            assert!(
                is_invalid_cursor(cursors().decode("users", cursor)),
                "{cursor}"
            );
        }
    }

    proptest! {
        #[test]
        fn cursor_with_a_changed_character_is_rejected(number: i64, name in "\\PC{0,12}", at: prop::sample::Index, c in "[A-Za-z0-9_-]") {
            let cursor = cursors().encode("users", &(number, name)).unwrap();
            let at = at.index(cursor.len());
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &c);
            prop_assume!(changed != cursor);
            prop_assert!(is_invalid_cursor(cursors().decode("users", &changed)));
        }
    }

    #[test]
    fn page_has_a_cursor_if_there_are_more_rows() {
        let page = |rows: u16| {
            let limit = PageLimit::parse("2").unwrap();
            let after = |last: &u16| Ok(format!("after {last}"));
            Page::from_rows((0..rows).collect(), limit, after).unwrap()
        };
        assert_eq!(page(0).page.next, None);
        assert_eq!(page(2).page.next, None);
        assert_eq!(page(3).page.next.as_deref(), Some("after 1"));
        assert_eq!(page(3).data, vec![0, 1]);
        let json = serde_json::to_string(&page(2).with_total(Some(9))).unwrap();
        assert_eq!(
            json,
            r#"{"data":[0,1],"page":{"next":null,"limit":2,"total":9}}"#
        );
        let json = serde_json::to_string(&page(0)).unwrap();
        assert_eq!(json, r#"{"data":[],"page":{"next":null,"limit":2}}"#);
    }

    #[test]
    fn limit_is_from_1_to_200() {
        struct LimitParam(PageLimit);
        impl FromQuery for LimitParam {
            fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
                Ok(Self(PageLimit::take(params)))
            }
        }
        let limit = |query: &str| parse_query::<LimitParam>(query).map(|param| param.0.get());
        assert_eq!(limit("").unwrap(), 50);
        assert_eq!(limit("limit=200").unwrap(), 200);
        for text in ["0", "201", "-1", "x", "", "1000000000", "1.0", "%201"] {
            let error = limit(&format!("limit={text}")).unwrap_err();
            assert_eq!(error.field_errors()[0].code, "out_of_range", "{text}");
        }
    }
}
