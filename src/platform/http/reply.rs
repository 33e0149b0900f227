//! How handlers answer: `{"data": …}`, with an `ETag` where a thing can change, and 304 where the caller has it already.
//! A reply can be taken apart and put together again, so that a retry is answered as the first try was.

use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderName, HeaderValue, InvalidHeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use utoipa::__dev::ComposeSchema;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};

use super::etag::{etag, is_current};
use super::page::Page;
use crate::platform::error::AppError;

/// Says that an answer was given before (Idempotency-Key).
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The form of every successful answer about one thing.
#[derive(Clone, Debug, Serialize)]
pub struct Data<T> {
    /// The thing.
    pub data: T,
}

/// By hand, to refer to `T` by name; derived, it would be described anew in each answer and clients would have no type.
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

/// A single thing that can change: its answers carry an `ETag`.
pub trait Versioned {
    /// Grows with each change that a concurrent writer has to know of.
    fn version(&self) -> i64;
}

/// A successful answer.
#[derive(Clone, Debug)]
pub struct Reply {
    kept: Kept,
    replayed: bool,
    cookies: Vec<String>,
}

/// The parts of a [`Reply`] that are kept for a retry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The HTTP status.
    pub status: u16,
    /// Where the thing that was made is.
    pub location: Option<String>,
    /// The entity tag, quotes included.
    pub etag: Option<String>,
    /// JSON; empty when the answer has no body.
    pub body: Vec<u8>,
}

impl Reply {
    /// 200 with something that has no version.
    ///
    /// # Errors
    /// [`Code::Internal`](crate::platform::error::Code::Internal) when it can't be written as JSON; so for all of these.
    pub fn ok(data: &impl Serialize) -> Result<Self, AppError> {
        write(&Data { data }).map(|body| Self::new(StatusCode::OK, body))
    }

    /// 200 with a thing that can change.
    ///
    /// # Errors
    /// As [`Reply::ok`].
    pub fn resource(data: &(impl Serialize + Versioned)) -> Result<Self, AppError> {
        Self::ok(data).map(|reply| reply.tagged(data))
    }

    /// 201 with something that has no version and can be found at `location` from now on.
    ///
    /// # Errors
    /// As [`Reply::ok`].
    pub fn created(location: String, data: &impl Serialize) -> Result<Self, AppError> {
        let mut reply = Self::ok(data)?;
        reply.kept.status = StatusCode::CREATED.as_u16();
        reply.kept.location = Some(location);
        Ok(reply)
    }

    /// 201 with a thing that can change.
    ///
    /// # Errors
    /// As [`Reply::ok`].
    pub fn created_resource(
        location: String,
        data: &(impl Serialize + Versioned),
    ) -> Result<Self, AppError> {
        Self::created(location, data).map(|reply| reply.tagged(data))
    }

    /// 200 with a page of a list.
    ///
    /// # Errors
    /// As [`Reply::ok`].
    pub fn page<T: Serialize>(page: &Page<T>) -> Result<Self, AppError> {
        write(page).map(|body| Self::new(StatusCode::OK, body))
    }

    /// 202: it will be done, or not; there is nothing to tell.
    #[must_use]
    pub fn accepted() -> Self {
        Self::new(StatusCode::ACCEPTED, Vec::new())
    }

    /// 204.
    #[must_use]
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Vec::new())
    }

    /// The answer that is about to be kept.
    #[must_use]
    pub fn first(kept: Kept) -> Self {
        Self {
            kept,
            replayed: false,
            cookies: Vec::new(),
        }
    }

    /// An answer that was given before.
    #[must_use]
    pub fn replay(kept: Kept) -> Self {
        Self {
            kept,
            replayed: true,
            cookies: Vec::new(),
        }
    }

    /// The same answer with this `Set-Cookie`; it is not kept.
    #[must_use]
    pub fn with_cookie(mut self, cookie: String) -> Self {
        self.cookies.push(cookie);
        self
    }

    /// What to keep so that the answer can be given again.
    #[must_use]
    pub fn into_kept(self) -> Kept {
        self.kept
    }

    fn new(status: StatusCode, body: Vec<u8>) -> Self {
        let kept = Kept {
            status: status.as_u16(),
            location: None,
            etag: None,
            body,
        };
        Self {
            kept,
            replayed: false,
            cookies: Vec::new(),
        }
    }

    fn tagged(mut self, data: &impl Versioned) -> Self {
        self.kept.etag = Some(etag(data.version(), &self.kept.body));
        self
    }

    /// Whether the caller, who only reads, has this already.
    fn is_known_to(&self, req: &HttpRequest) -> bool {
        let tag = self.kept.etag.as_deref();
        *req.method() == Method::GET && tag.is_some_and(|tag| is_current(req.headers(), tag))
    }

    fn respond(self, known: bool) -> Result<HttpResponse, InvalidHeaderValue> {
        let status = if known {
            Ok(StatusCode::NOT_MODIFIED)
        } else {
            StatusCode::from_u16(self.kept.status)
        };
        let mut response = HttpResponse::new(status.unwrap_or(StatusCode::OK));
        let headers = response.headers_mut();
        if let Some(location) = self.kept.location {
            headers.insert(header::LOCATION, HeaderValue::try_from(location)?);
        }
        if let Some(tag) = self.kept.etag {
            headers.insert(header::ETAG, HeaderValue::try_from(tag)?);
        }
        for cookie in self.cookies {
            headers.append(header::SET_COOKIE, HeaderValue::try_from(cookie)?);
        }
        if self.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if known || self.kept.body.is_empty() {
            return Ok(response);
        }
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Ok(response.set_body(BoxBody::new(self.kept.body)))
    }
}

/// Most answers are a few hundred bytes: one allocation, no growing.
fn write(data: &impl Serialize) -> Result<Vec<u8>, AppError> {
    let mut body = Vec::with_capacity(1024);
    serde_json::to_writer(&mut body, data).map_err(AppError::internal)?;
    Ok(body)
}

impl Responder for Reply {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        let known = self.is_known_to(req);
        self.respond(known)
            .unwrap_or_else(|error| HttpResponse::from_error(AppError::internal(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Thing {
        name: &'static str,
        #[serde(skip)]
        version: i64,
    }

    impl Versioned for Thing {
        fn version(&self) -> i64 {
            self.version
        }
    }

    const THING: Thing = Thing {
        name: "a",
        version: 3,
    };

    #[test]
    fn what_is_kept_answers_again_as_the_first_time() {
        let first = Reply::created_resource("/things/1".to_owned(), &THING).unwrap();
        let kept = first.clone().into_kept();
        assert_eq!(kept.status, 201);
        assert_eq!(kept.body, br#"{"data":{"name":"a"}}"#);
        let req = TestRequest::post().to_http_request();
        let (first, again) = (
            first.respond_to(&req),
            Reply::replay(kept.clone()).respond_to(&req),
        );
        assert_eq!(again.status(), first.status());
        for name in [header::LOCATION, header::ETAG, header::CONTENT_TYPE] {
            assert!(first.headers().contains_key(&name));
            assert_eq!(again.headers().get(&name), first.headers().get(&name));
        }
        assert!(!first.headers().contains_key(REPLAYED));
        assert_eq!(again.headers().get(REPLAYED).unwrap(), "true");
        let stored = serde_json::to_vec(&kept).unwrap();
        assert_eq!(serde_json::from_slice::<Kept>(&stored).unwrap(), kept);
    }

    #[test]
    fn only_a_read_of_what_is_unchanged_is_304() {
        let reply = Reply::resource(&THING).unwrap();
        let tag = reply.kept.etag.clone().unwrap();
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
    fn a_location_that_is_no_header_is_an_internal_error() {
        let reply = Reply::created("/a\r\nSet-Cookie: x=1".to_owned(), &THING).unwrap();
        let response = reply.respond_to(&TestRequest::post().to_http_request());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!response.headers().contains_key(header::LOCATION));
    }
}
