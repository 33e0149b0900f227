//! How the OAuth endpoints refuse: in the form of RFC 6749, section 5.2, and not as problems.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::policy::Denied;
use super::wire::json;
use crate::platform::error::{AppError, Code, Kind};
use crate::platform::http::{RequestContext, problem};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OAuthErrorCode)]
pub enum ErrorCode {
    /// The request is malformed.
    InvalidRequest,
    /// Who is calling is not known.
    InvalidClient,
    /// The refresh token is not good, or not the caller's.
    InvalidGrant,
    /// This client may not ask in this way.
    UnauthorizedClient,
    /// There is no such `grant_type` here.
    UnsupportedGrantType,
    /// The scope is more than the client may.
    InvalidScope,
    /// Tokens of this kind are not revoked here (RFC 7009, section 2.2.1).
    UnsupportedTokenType,
    /// Try again later.
    TemporarilyUnavailable,
    /// A defect of the service.
    ServerError,
}

/// What every refusal of these endpoints answers (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
pub struct OAuthError {
    /// Stable: what a program decides by.
    #[schema(example = "invalid_client")]
    error: ErrorCode,
    /// For a person; not stable.
    error_description: String,
}

/// Why an OAuth endpoint does not do what was asked.
pub struct Refusal {
    code: ErrorCode,
    description: Cow<'static, str>,
    /// What it came from, with the headers that belong to it.
    cause: Option<AppError>,
}

impl Refusal {
    /// A refusal of this kind.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: description.into(),
            cause: None,
        }
    }

    /// The refusal as it is answered.
    pub fn answer(self, context: &RequestContext) -> HttpResponse {
        let status = self.status();
        let mut response = match &self.cause {
            Some(cause) => cause.error_response().drop_body(),
            None => HttpResponse::new(status).drop_body(),
        };
        if let Some(cause) = &self.cause {
            problem::log_cause(cause, context.trace_id);
        }
        *response.status_mut() = status;
        response.headers_mut().remove(WWW_AUTHENTICATE);
        if self.code == ErrorCode::InvalidClient {
            let challenge = HeaderValue::from_static(r#"Basic realm="rosterd", charset="UTF-8""#);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        let answer = OAuthError {
            error: self.code,
            error_description: printable(&self.description),
        };
        // There is nothing in it that can't be written as JSON.
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        json(response, body)
    }

    fn status(&self) -> StatusCode {
        match (self.code, &self.cause) {
            (ErrorCode::InvalidClient, _) => StatusCode::UNAUTHORIZED,
            (ErrorCode::TemporarilyUnavailable | ErrorCode::ServerError, Some(cause)) => {
                cause.status_code()
            }
            (_, Some(cause)) if matches!(cause.code().kind(), Kind::TooLarge | Kind::TooSlow) => {
                cause.status_code()
            }
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Foreign => {
                let detail = "the token was issued to another client";
                Self::new(ErrorCode::InvalidGrant, detail)
            }
            Denied::Unsupported => {
                let detail = "personal access tokens are revoked at /api/v1/auth/tokens";
                Self::new(ErrorCode::UnsupportedTokenType, detail)
            }
        }
    }
}

/// The characters that a description may have (RFC 6749, section 5.2).
fn printable(text: &str) -> String {
    let is_allowed = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    text.chars()
        .map(|c| if is_allowed(c) { c } else { '?' })
        .take(500)
        .collect()
}

impl From<AppError> for Refusal {
    fn from(cause: AppError) -> Self {
        let code = match (cause.code(), cause.code().kind()) {
            (Code::AuthInvalidCredentials, _) => ErrorCode::InvalidClient,
            (
                Code::AuthRefreshTokenInvalid
                | Code::AuthRefreshTokenExpired
                | Code::AuthRefreshTokenReused,
                _,
            ) => ErrorCode::InvalidGrant,
            (Code::PermissionNotHeld, _) => ErrorCode::InvalidScope,
            (_, Kind::Throttled | Kind::Unavailable) => ErrorCode::TemporarilyUnavailable,
            (_, Kind::Internal) => ErrorCode::ServerError,
            _ => ErrorCode::InvalidRequest,
        };
        let description = match (code, cause.faults(), cause.detail_text()) {
            (ErrorCode::InvalidClient, ..) => {
                "the client is not known, or not with this secret".into()
            }
            (_, [fault, ..], _) => {
                let name = fault.pointer.trim_start_matches(['?', '/']);
                format!("{name} {}", fault.detail).into()
            }
            (_, [], Some(detail)) => detail.to_owned().into(),
            (_, [], None) => cause.code().title().into(),
        };
        Self {
            code,
            description,
            cause: Some(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_only_the_characters_that_it_may_have() {
        assert_eq!(printable("plain text."), "plain text.");
        assert_eq!(printable("a\"b\\c\nd\u{1b}é"), "a?b?c?d??");
        assert_eq!(printable(&"x".repeat(1000)).len(), 500);
    }
}
