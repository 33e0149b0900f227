//! `Reply`, the response type of handlers: a body `{"data": …}`, an `ETag` for versioned resources, and 304 for a matching
//! `If-None-Match`. A reply can be stored and restored, for idempotent retries and for caching.

use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderName, HeaderValue, InvalidHeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};
// The only name of the trait that `utoipa::path` requires of generic bodies.
use utoipa::__dev::ComposeSchema;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};

use super::etag::{etag, matches_if_none_match};
use super::page::Page;
use crate::platform::error::AppError;

/// Set on a response that repeats a stored one (Idempotency-Key).
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The response body for a single resource.
#[derive(Clone, Debug, Serialize)]
pub struct Data<T> {
    /// The resource.
    pub data: T,
}

/// Written by hand, to reference the schema of `T` by name. The derived schema would inline `T` in every response, and
/// generated clients would have no type for it.
impl<T: ToSchema> ComposeSchema for Data<T> {
    fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        ObjectBuilder::new()
            .property("data", Ref::from_schema_name(T::name()))
            .required("data")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Data<T> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// A resource with a version; its responses have an `ETag`.
pub trait Versioned {
    /// Incremented by every change that `If-Match` must detect.
    fn version(&self) -> i64;
}

/// A successful response.
#[derive(Clone, Debug)]
pub struct Reply {
    stored: StoredReply,
    is_replayed: bool,
    cookies: Vec<String>,
}

/// The parts of a [`Reply`] that are stored for retries and caches. Cookies are not included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReply {
    /// The HTTP status.
    pub status: u16,
    /// The path of the created resource.
    pub location: Option<String>,
    /// The entity tag, including the quotes.
    pub etag: Option<String>,
    /// JSON; empty if the response has no body.
    pub body: Vec<u8>,
}

impl Reply {
    /// 200 with a resource without a version.
    ///
    /// # Errors
    /// [`Code::Internal`](crate::platform::error::Code::Internal) if `data` can't be serialized.
    pub fn ok(data: &impl Serialize) -> Result<Self, AppError> {
        to_json(&Data { data }).map(|body| Self::new(StatusCode::OK, body))
    }

    /// 200 with a versioned resource.
    ///
    /// # Errors
    /// See [`Reply::ok`].
    pub fn resource(data: &(impl Serialize + Versioned)) -> Result<Self, AppError> {
        Self::ok(data).map(|reply| reply.with_etag(data))
    }

    /// 201 with a resource without a version, created at `location`.
    ///
    /// # Errors
    /// See [`Reply::ok`].
    pub fn created(location: String, data: &impl Serialize) -> Result<Self, AppError> {
        let mut reply = Self::ok(data)?;
        reply.stored.status = StatusCode::CREATED.as_u16();
        reply.stored.location = Some(location);
        Ok(reply)
    }

    /// 201 with a versioned resource, created at `location`.
    ///
    /// # Errors
    /// See [`Reply::ok`].
    pub fn created_resource(
        location: String,
        data: &(impl Serialize + Versioned),
    ) -> Result<Self, AppError> {
        Self::created(location, data).map(|reply| reply.with_etag(data))
    }

    /// 200 with a page of a list.
    ///
    /// # Errors
    /// See [`Reply::ok`].
    pub fn page<T: Serialize>(page: &Page<T>) -> Result<Self, AppError> {
        to_json(page).map(|body| Self::new(StatusCode::OK, body))
    }

    /// 202 without a body.
    #[must_use]
    pub fn accepted() -> Self {
        Self::new(StatusCode::ACCEPTED, Vec::new())
    }

    /// 204 without a body.
    #[must_use]
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Vec::new())
    }

    /// Restores a reply that is sent as a new response.
    #[must_use]
    pub fn from_stored(stored: StoredReply) -> Self {
        Self {
            stored,
            is_replayed: false,
            cookies: Vec::new(),
        }
    }

    /// Restores a reply that repeats an earlier response; it is marked with [`REPLAYED`].
    #[must_use]
    pub fn replayed(stored: StoredReply) -> Self {
        Self {
            stored,
            is_replayed: true,
            cookies: Vec::new(),
        }
    }

    /// Adds a `Set-Cookie` header, which is not stored.
    #[must_use]
    pub fn with_cookie(mut self, cookie: String) -> Self {
        self.cookies.push(cookie);
        self
    }

    /// The parts to store.
    #[must_use]
    pub fn into_stored(self) -> StoredReply {
        self.stored
    }

    fn new(status: StatusCode, body: Vec<u8>) -> Self {
        let stored = StoredReply {
            status: status.as_u16(),
            location: None,
            etag: None,
            body,
        };
        Self {
            stored,
            is_replayed: false,
            cookies: Vec::new(),
        }
    }

    fn with_etag(mut self, data: &impl Versioned) -> Self {
        self.stored.etag = Some(etag(data.version(), &self.stored.body));
        self
    }

    /// Whether `req` is a GET whose `If-None-Match` matches this reply.
    fn is_not_modified(&self, req: &HttpRequest) -> bool {
        let tag = self.stored.etag.as_deref();
        *req.method() == Method::GET
            && tag.is_some_and(|tag| matches_if_none_match(req.headers(), tag))
    }

    fn into_response(self, is_not_modified: bool) -> Result<HttpResponse, InvalidHeaderValue> {
        let status = if is_not_modified {
            Ok(StatusCode::NOT_MODIFIED)
        } else {
            StatusCode::from_u16(self.stored.status)
        };
        let mut response = HttpResponse::new(status.unwrap_or(StatusCode::OK));
        let headers = response.headers_mut();
        if let Some(location) = self.stored.location {
            headers.insert(header::LOCATION, HeaderValue::try_from(location)?);
        }
        if let Some(tag) = self.stored.etag {
            headers.insert(header::ETAG, HeaderValue::try_from(tag)?);
        }
        for cookie in self.cookies {
            headers.append(header::SET_COOKIE, HeaderValue::try_from(cookie)?);
        }
        if self.is_replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if is_not_modified || self.stored.body.is_empty() {
            return Ok(response);
        }
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Ok(response.set_body(BoxBody::new(self.stored.body)))
    }
}

/// Serializes `data`. Most bodies are a few hundred bytes and fit the initial capacity.
fn to_json(data: &impl Serialize) -> Result<Vec<u8>, AppError> {
    let mut body = Vec::with_capacity(1024);
    serde_json::to_writer(&mut body, data).map_err(AppError::internal)?;
    Ok(body)
}

impl Responder for Reply {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        let is_not_modified = self.is_not_modified(req);
        self.into_response(is_not_modified)
            .unwrap_or_else(|error| HttpResponse::from_error(AppError::internal(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Item {
        name: &'static str,
        #[serde(skip)]
        version: i64,
    }

    impl Versioned for Item {
        fn version(&self) -> i64 {
            self.version
        }
    }

    const ITEM: Item = Item {
        name: "a",
        version: 3,
    };

    #[test]
    fn replayed_reply_equals_the_first_one() {
        let first = Reply::created_resource("/items/1".to_owned(), &ITEM).unwrap();
        let stored = first.clone().into_stored();
        assert_eq!(stored.status, 201);
        assert_eq!(stored.body, br#"{"data":{"name":"a"}}"#);
        let req = TestRequest::post().to_http_request();
        let first = first.respond_to(&req);
        let replayed = Reply::replayed(stored.clone()).respond_to(&req);
        assert_eq!(replayed.status(), first.status());
        for name in [header::LOCATION, header::ETAG, header::CONTENT_TYPE] {
            assert!(first.headers().contains_key(&name));
            assert_eq!(replayed.headers().get(&name), first.headers().get(&name));
        }
        assert!(!first.headers().contains_key(REPLAYED));
        assert_eq!(replayed.headers().get(REPLAYED).unwrap(), "true");
        let json = serde_json::to_vec(&stored).unwrap();
        assert_eq!(
            serde_json::from_slice::<StoredReply>(&json).unwrap(),
            stored
        );
    }

    #[test]
    fn only_a_get_of_an_unchanged_resource_is_304() {
        let reply = Reply::resource(&ITEM).unwrap();
        let tag = reply.stored.etag.clone().unwrap();
        let status = |req: TestRequest, tag: &str| {
            let req = req
                .insert_header((header::IF_NONE_MATCH, tag))
                .to_http_request();
            reply.clone().respond_to(&req).status().as_u16()
        };
        assert_eq!(status(TestRequest::get(), &tag), 304);
        assert_eq!(status(TestRequest::get(), "\"3-0000000000000000\""), 200);
        assert_eq!(status(TestRequest::patch(), &tag), 200);
    }

    #[test]
    fn location_with_invalid_header_characters_is_an_internal_error() {
        let reply = Reply::created("/a\r\nSet-Cookie: x=1".to_owned(), &ITEM).unwrap();
        let response = reply.respond_to(&TestRequest::post().to_http_request());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!response.headers().contains_key(header::LOCATION));
    }
}
