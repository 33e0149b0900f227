//! Error responses as RFC 9457 `application/problem+json`, without internal causes. This module maps error categories to
//! status codes. [`RequestMiddleware`](super::RequestMiddleware) writes the body, because only it knows the trace id.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as _;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::trace_id::TraceId;
use crate::platform::error::{AppError, Code, ErrorCategory, ExceededLimit, FieldError};

/// The media type of every error response except those of the OAuth endpoints.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The body of every error response (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `urn:rosterd:problem:` followed by the code.
    #[schema(example = "urn:rosterd:problem:request_invalid")]
    r#type: String,
    /// A summary; the same for every occurrence of the code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// An explanation of this occurrence for people; the text can change between releases.
    detail: String,
    /// The stable error code, for programs.
    #[schema(value_type = ProblemCode)]
    code: &'static str,
    /// The trace id of the request, as in the log.
    #[schema(value_type = String, example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: TraceId,
    /// The invalid members of the request; empty if the error is not about members.
    errors: Vec<ProblemFieldError>,
    #[serde(flatten)]
    #[schema(value_type = ProblemExtension)]
    extension: BTreeMap<&'static str, serde_json::Value>,
}

/// The members that only some codes have.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the members of a map in the API document"
)]
struct ProblemExtension {
    /// With `auth_password_change_required` at the sign-in: the token for `POST /api/v1/auth/change-password`.
    #[schema(rename = "changeToken", nullable = false)]
    change_token: Option<String>,
    /// With `role_in_use` and `permission_in_use`: how many accounts have the role, or hold the permission.
    #[schema(nullable = false)]
    count: Option<i64>,
    /// With `user_username_conflict` and `user_email_conflict`, for callers who may see deleted accounts: the id of the deleted account.
    #[schema(rename = "deletedUserId", nullable = false)]
    deleted_user_id: Option<String>,
    /// With `auth_reauthentication_required`: how long ago the sign-in may be.
    #[schema(rename = "maxAgeSeconds", nullable = false)]
    max_age_seconds: Option<i64>,
    /// With `rate_limited`: the names of the exceeded rate limits.
    #[schema(rename = "violated-policies", nullable = false)]
    violated_policies: Option<Vec<String>>,
}

/// One invalid member, parameter or header of the request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProblemError)]
pub struct ProblemFieldError {
    /// A JSON pointer (RFC 6901) into the body, `?name` for a query parameter, or the name of a header.
    #[schema(value_type = String, example = "/password")]
    pointer: Cow<'static, str>,
    /// The stable error code in `snake_case`.
    #[schema(example = "too_short")]
    code: &'static str,
    /// An explanation for people; the text can change between releases.
    #[schema(value_type = String)]
    detail: Cow<'static, str>,
}

impl Problem {
    /// The public part of `error`.
    #[must_use]
    pub fn from_error(error: &AppError, trace_id: TraceId) -> Self {
        let code = error.code();
        Self {
            r#type: format!("urn:rosterd:problem:{}", code.as_str()),
            title: code.title(),
            status: status_of(code.category()).as_u16(),
            detail: error.detail().unwrap_or(code.title()).to_owned(),
            code: code.as_str(),
            trace_id,
            errors: error
                .field_errors()
                .iter()
                .cloned()
                .map(ProblemFieldError::from)
                .collect(),
            extension: error.extension().cloned().into_iter().collect(),
        }
    }
}

impl From<FieldError> for ProblemFieldError {
    fn from(
        FieldError {
            pointer,
            code,
            detail,
        }: FieldError,
    ) -> Self {
        Self {
            pointer,
            code,
            detail,
        }
    }
}

/// The schema of a problem's `code`: an enumeration of all codes.
pub struct ProblemCode;

impl ToSchema for ProblemCode {}

impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "The stable error code. Codes may be added, but are never renamed or removed.",
            ))
            .enum_values(Some(Code::ALL.iter().map(|code| code.as_str())))
            .into()
    }
}

/// The HTTP status of an error category.
#[must_use]
pub const fn status_of(category: ErrorCategory) -> StatusCode {
    match category {
        ErrorCategory::Invalid => StatusCode::BAD_REQUEST,
        ErrorCategory::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCategory::Forbidden => StatusCode::FORBIDDEN,
        ErrorCategory::NotFound => StatusCode::NOT_FOUND,
        ErrorCategory::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCategory::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCategory::Conflict => StatusCode::CONFLICT,
        ErrorCategory::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorCategory::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCategory::UriTooLong => StatusCode::URI_TOO_LONG,
        ErrorCategory::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCategory::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCategory::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCategory::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ErrorCategory::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCategory::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The code for a status that was set by actix-web or a library.
fn code_for_status(status: StatusCode) -> Code {
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

/// The `WWW-Authenticate` challenge for a code, if any (RFC 9110, section 11.6.1; RFC 6750, section 3; RFC 9470, section 3).
fn challenge(code: Code) -> Option<&'static str> {
    match (code, code.category()) {
        (Code::AuthReauthenticationRequired, _) => {
            Some(r#"Bearer realm="rosterd", error="insufficient_user_authentication""#)
        }
        (Code::AuthMfaRequired, _) => Some(
            r#"Bearer realm="rosterd", error="insufficient_user_authentication", acr_values="mfa""#,
        ),
        (Code::AuthTokenInvalid, _) => Some(r#"Bearer realm="rosterd", error="invalid_token""#),
        (Code::PermissionRequired, _) => {
            Some(r#"Bearer realm="rosterd", error="insufficient_scope""#)
        }
        (_, ErrorCategory::Unauthenticated) => Some(r#"Bearer realm="rosterd""#),
        _ => None,
    }
}

/// `Retry-After` in whole seconds, rounded up, at least 1. Always present for 429 and 503.
fn retry_after_seconds(error: &AppError) -> Option<u64> {
    let delay = match error.code().category() {
        ErrorCategory::RateLimited | ErrorCategory::Unavailable => {
            Some(error.retry_after().unwrap_or_default())
        }
        _ => error.retry_after(),
    };
    delay.map(|delay| {
        let round_up = u64::from(delay.subsec_nanos() > 0);
        delay.as_secs().saturating_add(round_up).max(1)
    })
}

/// Adds `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers): the quota of the exceeded limit, and
/// that nothing remains for `retry_after` seconds.
fn add_rate_limit_headers(headers: &mut HeaderMap, limit: ExceededLimit, retry_after: u64) {
    let ExceededLimit { policy, quota, .. } = limit;
    let window = limit.window.as_secs().max(1);
    let fields = [
        (
            RATE_LIMIT_POLICY,
            format!("\"{policy}\";q={quota};w={window}"),
        ),
        (RATE_LIMIT, format!("\"{policy}\";r=0;t={retry_after}")),
    ];
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

impl ResponseError for AppError {
    fn status_code(&self) -> StatusCode {
        status_of(self.code().category())
    }

    /// Sets the status and the headers. The middleware writes the body.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::new(self.status_code());
        let headers = response.headers_mut();
        if let Some(challenge) = challenge(self.code()) {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        if let Some(seconds) = retry_after_seconds(self) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            if let Some(limit) = self.exceeded_limit() {
                add_rate_limit_headers(headers, limit, seconds);
            }
        }
        response
    }
}

/// The detail for a path whose `{id}` is not an id.
const ID_EXPECTED: &str = "There is no such resource. The path needs its id, a UUID; to find a resource by its name, use the list.";

/// Adds to a 404 of an operation with an `{id}` that an id is expected, if the path has something else there.
#[must_use]
pub fn explain_missing_id(
    request: &HttpRequest,
    response: HttpResponse<BoxBody>,
) -> HttpResponse<BoxBody> {
    let is_unexplained =
        |error: &AppError| error.code() == Code::NotFound && error.detail().is_none();
    let error = response.error().and_then(|error| error.as_error());
    let id = request.match_info().get("id");
    let names_no_id = id.is_some_and(|id| uuid::Uuid::parse_str(id).is_err());
    if names_no_id && error.is_some_and(is_unexplained) {
        HttpResponse::from_error(AppError::new(Code::NotFound).with_detail(ID_EXPECTED))
    } else {
        response
    }
}

/// Writes a problem as the body of an error response that has no JSON body yet: an error of a handler, an extractor or
/// actix-web. Logs the cause with the trace id.
#[must_use]
pub fn fill_error_body(
    response: HttpResponse<BoxBody>,
    trace_id: TraceId,
) -> HttpResponse<BoxBody> {
    let problem = match response.error() {
        Some(error) => problem_from_actix_error(error, response.status(), trace_id),
        None if is_error_without_json(&response) => {
            Problem::from_error(&code_for_status(response.status()).into(), trace_id)
        }
        None => return response,
    };
    with_body(response, &problem)
}

fn problem_from_actix_error(
    error: &actix_web::Error,
    status: StatusCode,
    trace_id: TraceId,
) -> Problem {
    if let Some(error) = error.as_error::<AppError>() {
        log_cause(error, trace_id);
        return Problem::from_error(error, trace_id);
    }
    if status.is_server_error() {
        tracing::error!(traceId = %trace_id, cause = %error, "request failed");
    }
    Problem::from_error(&code_for_status(status).into(), trace_id)
}

/// Whether this is an error response without a JSON body. A JSON body was written by the handler and is kept.
fn is_error_without_json(response: &HttpResponse<BoxBody>) -> bool {
    let status = response.status();
    let is_json = |content_type: &HeaderValue| content_type.as_bytes().ends_with(b"json");
    (status.is_client_error() || status.is_server_error())
        && !response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(is_json)
}

fn with_body(mut response: HttpResponse<BoxBody>, problem: &Problem) -> HttpResponse<BoxBody> {
    // A problem contains nothing that can't be serialized.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(response.status());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, PROBLEM_JSON);
    response.set_body(BoxBody::new(body))
}

/// Logs the cause of an error. Internal errors are logged even without a cause. `Unavailable` errors without a cause are not,
/// because an overload would flood the log.
pub fn log_cause(error: &AppError, trace_id: TraceId) {
    let code = error.code().as_str();
    match (error.source(), error.code().category()) {
        (Some(cause), ErrorCategory::Internal | ErrorCategory::Unavailable) => {
            tracing::error!(traceId = %trace_id, code, %cause, "request failed");
        }
        (None, ErrorCategory::Internal) => {
            tracing::error!(traceId = %trace_id, code, "request failed");
        }
        (Some(cause), _) => tracing::warn!(traceId = %trace_id, code, %cause, "request rejected"),
        (None, _) => {}
    }
}

#[cfg(test)]
mod tests;
