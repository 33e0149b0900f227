//! How a failure looks on the wire: RFC 9457 `application/problem+json`, and nothing of what went wrong inside.
//! The status comes from the failure's kind here and nowhere else; the body is written by the envelope, which alone
//! knows the trace id.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::trace::TraceId;
use crate::error::{AppError, Code, Fault, Kind};

/// The media type of every error but those of the OAuth endpoints.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What every error answers (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `urn:rosterd:problem:` and the code.
    #[schema(example = "urn:rosterd:problem:request_invalid")]
    r#type: String,
    /// The same at each occurrence of the code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// For a person; not stable.
    detail: String,
    /// Stable: what a program decides by.
    #[schema(value_type = ProblemCode)]
    code: &'static str,
    /// Finds the lines of the log that belong to this request.
    #[schema(value_type = String, example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: TraceId,
    /// What is wrong with the request, member by member; empty when it is not about members.
    errors: Vec<ProblemFault>,
    #[serde(flatten)]
    #[schema(ignore)]
    extension: BTreeMap<&'static str, serde_json::Value>,
}

/// One thing that is wrong with the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemFault {
    /// JSON pointer (RFC 6901) into the body; `?name` for a query parameter; a header by its name.
    #[schema(value_type = String, example = "/password")]
    pointer: Cow<'static, str>,
    /// Stable `snake_case`.
    #[schema(example = "too_short")]
    code: &'static str,
    /// For a person; not stable.
    #[schema(value_type = String)]
    detail: Cow<'static, str>,
}

impl Problem {
    /// What the caller may know of `error`.
    #[must_use]
    pub fn of(error: &AppError, trace_id: TraceId) -> Self {
        let code = error.code();
        Self {
            r#type: format!("urn:rosterd:problem:{}", code.as_str()),
            title: code.title(),
            status: status(code.kind()).as_u16(),
            detail: error.detail_text().unwrap_or(code.title()).to_owned(),
            code: code.as_str(),
            trace_id,
            errors: error
                .faults()
                .iter()
                .cloned()
                .map(ProblemFault::from)
                .collect(),
            extension: error.extension().cloned().into_iter().collect(),
        }
    }
}

impl From<Fault> for ProblemFault {
    fn from(
        Fault {
            pointer,
            code,
            detail,
        }: Fault,
    ) -> Self {
        Self {
            pointer,
            code,
            detail,
        }
    }
}

/// The schema of a problem's `code`: every code there is.
pub struct ProblemCode;

impl ToSchema for ProblemCode {}

impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Stable; codes are added, never renamed or removed."))
            .enum_values(Some(Code::ALL.iter().map(|code| code.as_str())))
            .into()
    }
}

/// The HTTP status of a kind of failure.
#[must_use]
pub const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Missing => StatusCode::NOT_FOUND,
        Kind::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        Kind::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Stale => StatusCode::PRECONDITION_FAILED,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::AddressTooLong => StatusCode::URI_TOO_LONG,
        Kind::WrongFormat => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Contradicts => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        Kind::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The code that says the same as a status which the framework chose.
#[must_use]
pub fn code_for(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::AuthRequired,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => Code::RequestTimeout,
        StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
        StatusCode::URI_TOO_LONG => Code::UriTooLong,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Code::HeadersTooLarge,
        StatusCode::SERVICE_UNAVAILABLE => Code::Overloaded,
        other if other.is_client_error() => Code::RequestInvalid,
        _ => Code::Internal,
    }
}

/// The challenge that belongs to a code (RFC 9110, section 11.6.1; RFC 6750, section 3), if any.
fn challenge(code: Code) -> Option<&'static str> {
    match (code, code.kind()) {
        (Code::AuthTokenInvalid, _) => Some(r#"Bearer realm="rosterd", error="invalid_token""#),
        (Code::PermissionRequired, _) => {
            Some(r#"Bearer realm="rosterd", error="insufficient_scope""#)
        }
        (_, Kind::Unauthenticated) => Some(r#"Bearer realm="rosterd""#),
        _ => None,
    }
}

/// `Retry-After` in whole seconds, rounded up, at least 1; what throttles or is unavailable always has one.
fn retry_after(error: &AppError) -> Option<u64> {
    let wait = match error.code().kind() {
        Kind::Throttled | Kind::Unavailable => Some(error.wait().unwrap_or_default()),
        _ => error.wait(),
    };
    wait.map(|wait| {
        let begun = u64::from(wait.subsec_nanos() > 0);
        wait.as_secs().saturating_add(begun).max(1)
    })
}

impl ResponseError for AppError {
    fn status_code(&self) -> StatusCode {
        status(self.code().kind())
    }

    /// Status and headers; the envelope writes the body.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::new(self.status_code());
        let headers = response.headers_mut();
        if let Some(challenge) = challenge(self.code()) {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        if let Some(seconds) = retry_after(self) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
