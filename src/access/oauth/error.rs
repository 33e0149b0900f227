//! Errors of the OAuth endpoints, in the form of RFC 6749, section 5.2, instead of problem details.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::policy::RevocationDenied;
use super::response::json;
use crate::platform::error::{AppError, Code, ErrorCategory};
use crate::platform::http::{RequestContext, problem};

/// The error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OAuthErrorCode)]
pub enum OAuthErrorCode {
    /// The request is malformed.
    InvalidRequest,
    /// Client authentication failed.
    InvalidClient,
    /// The refresh token is invalid, has expired, or was issued to another client.
    InvalidGrant,
    /// The client may not use this grant type.
    UnauthorizedClient,
    /// The grant type is not supported.
    UnsupportedGrantType,
    /// The scope exceeds the permissions of the client.
    InvalidScope,
    /// The `resource` is not an audience for which a token can be issued (RFC 8707, section 2).
    InvalidTarget,
    /// Tokens of this type cannot be revoked here (RFC 7009, section 2.2.1).
    UnsupportedTokenType,
    /// The service is overloaded or the client is rate-limited; retry later.
    TemporarilyUnavailable,
    /// An internal error.
    ServerError,
}

/// The error response of the OAuth endpoints (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub struct OAuthErrorBody {
    /// The error code. It is stable.
    #[schema(example = "invalid_client")]
    error: OAuthErrorCode,
    /// A description for developers. It may change.
    error_description: String,
}

/// An error of an OAuth endpoint.
pub struct OAuthError {
    code: OAuthErrorCode,
    description: Cow<'static, str>,
    /// The error that caused this one. Its headers are part of the response.
    cause: Option<AppError>,
}

impl OAuthError {
    pub fn new(code: OAuthErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: description.into(),
            cause: None,
        }
    }

    /// The error response. Logs the cause.
    pub fn into_response(self, context: &RequestContext) -> HttpResponse {
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
        if self.code == OAuthErrorCode::InvalidClient {
            let challenge = HeaderValue::from_static(r#"Basic realm="rosterd", charset="UTF-8""#);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        let body = OAuthErrorBody {
            error: self.code,
            error_description: replace_forbidden_chars(&self.description),
        };
        json(response, &body)
    }

    fn status(&self) -> StatusCode {
        match (self.code, &self.cause) {
            (OAuthErrorCode::InvalidClient, _) => StatusCode::UNAUTHORIZED,
            (OAuthErrorCode::TemporarilyUnavailable | OAuthErrorCode::ServerError, Some(cause)) => {
                cause.status_code()
            }
            (_, Some(cause))
                if matches!(
                    cause.code().category(),
                    ErrorCategory::PayloadTooLarge | ErrorCategory::RequestTimeout
                ) =>
            {
                cause.status_code()
            }
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<RevocationDenied> for OAuthError {
    fn from(denied: RevocationDenied) -> Self {
        match denied {
            RevocationDenied::IssuedToAnotherClient => {
                let detail = "the token was issued to another client";
                Self::new(OAuthErrorCode::InvalidGrant, detail)
            }
            RevocationDenied::UnsupportedTokenType => {
                let detail =
                    "to revoke a personal access token, use DELETE /api/v1/auth/tokens/{id}";
                Self::new(OAuthErrorCode::UnsupportedTokenType, detail)
            }
        }
    }
}

/// Replaces characters that are not allowed in `error_description` (RFC 6749, section 5.2), and truncates the text.
fn replace_forbidden_chars(text: &str) -> String {
    let is_allowed = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    text.chars()
        .map(|c| if is_allowed(c) { c } else { '?' })
        .take(500)
        .collect()
}

impl From<AppError> for OAuthError {
    fn from(cause: AppError) -> Self {
        let code = match (cause.code(), cause.code().category()) {
            (Code::AuthInvalidCredentials, _) => OAuthErrorCode::InvalidClient,
            (
                Code::AuthRefreshTokenInvalid
                | Code::AuthRefreshTokenExpired
                | Code::AuthRefreshTokenReused,
                _,
            ) => OAuthErrorCode::InvalidGrant,
            (Code::PermissionNotHeld, _) => OAuthErrorCode::InvalidScope,
            (Code::InvalidTarget, _) => OAuthErrorCode::InvalidTarget,
            (_, ErrorCategory::RateLimited | ErrorCategory::Unavailable) => {
                OAuthErrorCode::TemporarilyUnavailable
            }
            (_, ErrorCategory::Internal) => OAuthErrorCode::ServerError,
            _ => OAuthErrorCode::InvalidRequest,
        };
        let description = match (code, cause.field_errors(), cause.detail()) {
            (OAuthErrorCode::InvalidClient, ..) => {
                "the client id or the client secret is wrong".into()
            }
            (_, [error, ..], _) => {
                let name = error.pointer.trim_start_matches(['?', '/']);
                format!("{name} {}", error.detail).into()
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
    fn forbidden_characters_in_a_description_are_replaced() {
        assert_eq!(replace_forbidden_chars("plain text."), "plain text.");
        assert_eq!(replace_forbidden_chars("a\"b\\c\nd\u{1b}é"), "a?b?c?d??");
        assert_eq!(replace_forbidden_chars(&"x".repeat(1000)).len(), 500);
    }
}
