//! Lists by keyset: how many, from where, and the cursor that says where the next page begins.
//! A cursor is sealed: only what this service wrote, for the same list in the same order, is read again.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::__dev::ComposeSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::query::{Params, Wrong};
use crate::platform::error::AppError;

/// How many items a page may have: 1 to 200, 50 when nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u16, minimum = 1, maximum = 200, default = 50)]
pub struct Limit(u16);

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl Limit {
    const MOST: u16 = 200;

    /// The parameter `limit`.
    pub fn take(params: &mut Params<'_>) -> Self {
        params.take_with("limit", Self::parse).unwrap_or_default()
    }

    fn parse(text: &str) -> Result<Self, Wrong> {
        match text.parse() {
            Ok(limit @ 1..=Self::MOST) => Ok(Self(limit)),
            _ => Err(("out_of_range", "must be from 1 to 200")),
        }
    }

    /// How many items to answer.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// How many rows to ask for: one more than is answered tells whether there is a next page.
    #[must_use]
    pub fn rows(self) -> i64 {
        i64::from(self.0) + 1
    }
}

/// A page of a list, as it is answered.
#[derive(Clone, Debug, Serialize)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// Where they stand in the list.
    pub page: PageInfo,
}

/// By hand, to refer to `T` by name (as `Data<T>` does).
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

/// Where a page stands in its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PageInfo {
    /// The cursor of the next page; `null` on the last one.
    #[schema(required)]
    pub next: Option<String>,
    /// How many items a page has at most.
    pub limit: Limit,
    /// How many items there are in all, if `count=true` was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub total: Option<i64>,
}

impl<T> Page<T> {
    /// The page made of `rows`, which were asked for by [`Limit::rows`]; `cursor` says where a row stands.
    ///
    /// # Errors
    /// Those of `cursor`.
    pub fn of(
        mut rows: Vec<T>,
        limit: Limit,
        cursor: impl FnOnce(&T) -> Result<String, AppError>,
    ) -> Result<Self, AppError> {
        let most = usize::from(limit.get());
        let more = rows.len() > most;
        rows.truncate(most);
        let next = rows.last().filter(|_| more).map(cursor).transpose()?;
        let page = PageInfo {
            next,
            limit,
            total: None,
        };
        Ok(Self { data: rows, page })
    }

    /// The one page of a list that is always shown whole.
    #[must_use]
    pub fn whole(data: Vec<T>) -> Self {
        let page = PageInfo {
            next: None,
            limit: Limit(Limit::MOST),
            total: None,
        };
        Self { data, page }
    }

    /// The same page, saying how many items there are in all, if they were counted.
    #[must_use]
    pub fn counted(mut self, total: Option<i64>) -> Self {
        self.page.total = total;
        self
    }
}

/// Seals and opens cursors.
pub struct Cursors(hmac::Key);

/// Half of the MAC is as much as a cursor needs, and keeps addresses short.
const SEAL: usize = 16;
const LONGEST: usize = 2048;

impl Cursors {
    /// Cursors sealed under `key`, which has to be secret, the same on every replica, and used for nothing else.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The cursor that stands for `position` in the list that `context` names (with its order and its filters).
    ///
    /// # Errors
    /// [`Code::Internal`](crate::platform::error::Code::Internal) when `position` can't be written as JSON.
    pub fn encode(&self, context: &str, position: &impl Serialize) -> Result<String, AppError> {
        let position = serde_json::to_vec(position).map_err(AppError::internal)?;
        let mut sealed = self.seal(context, &position).to_vec();
        sealed.extend_from_slice(&position);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The position that a cursor stands for.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`](crate::platform::error::Code::RequestInvalid) at `?cursor` when it is not one of this list.
    pub fn decode<T: DeserializeOwned>(&self, context: &str, cursor: &str) -> Result<T, AppError> {
        self.decode_at("?cursor", context, cursor)
    }

    /// [`decode`](Self::decode) for a parameter of another name.
    ///
    /// # Errors
    /// As there, at `pointer`.
    pub fn decode_at<T: DeserializeOwned>(
        &self,
        pointer: &'static str,
        context: &str,
        cursor: &str,
    ) -> Result<T, AppError> {
        self.open(context, cursor)
            .ok_or_else(|| AppError::fault(pointer, "invalid_cursor", "is no cursor of this list"))
    }

    fn open<T: DeserializeOwned>(&self, context: &str, cursor: &str) -> Option<T> {
        let sealed = Some(cursor).filter(|cursor| cursor.len() <= LONGEST)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (seal, position) = sealed.split_at_checked(SEAL)?;
        verify_slices_are_equal(seal, &self.seal(context, position)).ok()?;
        serde_json::from_slice(position).ok()
    }

    /// The context's length goes first, so that no two pairs of context and position are sealed alike.
    fn seal(&self, context: &str, position: &[u8]) -> [u8; SEAL] {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(&(context.len() as u64).to_be_bytes());
        mac.update(context.as_bytes());
        mac.update(position);
        let mut seal = [0; SEAL];
        for (byte, from) in seal.iter_mut().zip(mac.sign().as_ref()) {
            *byte = *from;
        }
        seal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::http::query::{FromQuery, Noted, parse};
    use proptest::prelude::*;

    fn cursors() -> Cursors {
        Cursors::new(&[7; 32])
    }

    fn refused(result: Result<(i64, String), AppError>) -> bool {
        result.is_err_and(|error| {
            error
                .faults()
                .iter()
                .any(|fault| (&*fault.pointer, fault.code) == ("?cursor", "invalid_cursor"))
        })
    }

    #[test]
    fn a_cursor_is_read_only_for_the_list_it_was_made_for() {
        let position = (7_i64, "ada".to_owned());
        let cursor = cursors().encode("users:-createdAtUtc", &position).unwrap();
        let read = |cursors: Cursors, context| cursors.decode(context, &cursor);
        assert_eq!(read(cursors(), "users:-createdAtUtc").unwrap(), position);
        assert!(refused(read(cursors(), "users:+createdAtUtc")));
        assert!(refused(read(Cursors::new(&[8; 32]), "users:-createdAtUtc")));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
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
            assert!(refused(cursors().decode("users", cursor)), "{cursor}");
        }
    }

    proptest! {
        #[test]
        fn no_changed_letter_goes_unnoticed(number: i64, name in "\\PC{0,12}", at: prop::sample::Index, letter in "[A-Za-z0-9_-]") {
            let cursor = cursors().encode("users", &(number, name)).unwrap();
            let at = at.index(cursor.len());
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &letter);
            prop_assume!(changed != cursor);
            prop_assert!(refused(cursors().decode("users", &changed)));
        }
    }

    #[test]
    fn a_page_knows_whether_there_is_another() {
        let page = |rows: u16| {
            let limit = Limit::parse("2").unwrap();
            let after = |last: &u16| Ok(format!("after {last}"));
            Page::of((0..rows).collect(), limit, after).unwrap()
        };
        assert_eq!(page(0).page.next, None);
        assert_eq!(page(2).page.next, None);
        assert_eq!(page(3).page.next.as_deref(), Some("after 1"));
        assert_eq!(page(3).data, vec![0, 1]);
        let json = serde_json::to_string(&page(2).counted(Some(9))).unwrap();
        assert_eq!(
            json,
            r#"{"data":[0,1],"page":{"next":null,"limit":2,"total":9}}"#
        );
        let json = serde_json::to_string(&page(0)).unwrap();
        assert_eq!(json, r#"{"data":[],"page":{"next":null,"limit":2}}"#);
    }

    #[test]
    fn the_limit_is_bounded() {
        struct Only(Limit);
        impl FromQuery for Only {
            fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
                Ok(Self(Limit::take(params)))
            }
        }
        let limit = |query: &str| parse::<Only>(query).map(|only| only.0.get());
        assert_eq!(limit("").unwrap(), 50);
        assert_eq!(limit("limit=200").unwrap(), 200);
        for wrong in ["0", "201", "-1", "x", "", "1000000000", "1.0", "%201"] {
            let error = limit(&format!("limit={wrong}")).unwrap_err();
            assert_eq!(error.faults()[0].code, "out_of_range", "{wrong}");
        }
    }
}
