//! Sessions and their tokens as the API shows them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::policy::NewestToken;
use super::store::SessionRow;
use crate::accounts::users::User;
use crate::platform::http::Versioned;
use crate::platform::ids::{SessionId, UserId};

/// A signed-in session.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The session's id: the `sid` claim of its access tokens.
    pub id: SessionId,
    /// The account.
    pub user_id: UserId,
    /// When it began.
    pub created_at_utc: DateTime<Utc>,
    /// When it was last used, with a resolution of one minute.
    pub last_seen_at_utc: DateTime<Utc>,
    /// When it expires if it is not used again.
    pub expires_at_utc: DateTime<Utc>,
    /// Whether it was created with `rememberMe` and therefore lasts longer.
    pub remember_me: bool,
    /// The application for which its access tokens are valid; `null` for the service itself. A session of the service can also
    /// get tokens for an application.
    #[schema(example = "https://photos.example.org")]
    pub resource: Option<String>,
    /// The client address at which it began.
    pub ip: String,
    /// The `User-Agent` header with which it began.
    pub user_agent: Option<String>,
    /// Whether it is the session of the request.
    pub is_current: bool,
}

impl Session {
    /// Sessions cannot be changed, so they have a single version.
    pub(super) const VERSION: i64 = 1;

    pub(super) fn new(row: SessionRow, current: Option<SessionId>) -> Self {
        Self {
            is_current: current == Some(row.id),
            expires_at_utc: row.ends_at(),
            id: row.id,
            user_id: row.user_id,
            created_at_utc: row.created_at,
            last_seen_at_utc: row.last_seen_at,
            remember_me: row.remember_me,
            resource: row.resource,
            ip: row.ip,
            user_agent: row.user_agent,
        }
    }
}

impl Versioned for Session {
    fn version(&self) -> i64 {
        Self::VERSION
    }
}

impl SessionRow {
    /// The newest refresh token.
    pub fn newest_token(&self) -> NewestToken {
        NewestToken {
            generation: self.generation,
            issued_at: self.rotated_at,
            used_at: self
                .successor_used_at
                .filter(|used_at| *used_at >= self.rotated_at),
            late_repetitions: self.late_repetitions,
            repeated_generation: self.repeated_generation,
        }
    }

    /// When it expires if it is not used again.
    pub fn ends_at(&self) -> DateTime<Utc> {
        (self.last_seen_at + TimeDelta::seconds(self.idle_timeout_seconds)).min(self.expires_at)
    }
}

/// The tokens that a sign-in or a refresh returns.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TokenSet)]
pub struct Tokens {
    /// A JWT (RFC 9068) for the header `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// When the access token expires.
    pub access_token_expires_at_utc: DateTime<Utc>,
    /// The refresh token, valid for one refresh. `null` if it is sent as a cookie.
    pub refresh_token: Option<String>,
    /// When the refresh token expires if it is not used.
    pub refresh_token_expires_at_utc: DateTime<Utc>,
    /// The session.
    pub session: Session,
    /// The account.
    pub user: User,
}
