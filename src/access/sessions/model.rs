//! A session, and the tokens that go with it, as callers see them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::SessionRow;
use crate::accounts::users::User;
use crate::platform::http::Versioned;
use crate::platform::ids::{SessionId, UserId};

/// A signed-in session.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The `sid` of its access tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// When it began.
    pub created_at_utc: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at_utc: DateTime<Utc>,
    /// When it ends if it is not used again, and at the latest.
    pub expires_at_utc: DateTime<Utc>,
    /// Whether it has the long limits.
    pub remember_me: bool,
    /// From where it began.
    pub ip: String,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// Whether it is the caller's own.
    pub is_current: bool,
}

impl Session {
    /// Nobody edits a session, so it has one version only.
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
    /// When it ends if it is not used again.
    pub fn ends_at(&self) -> DateTime<Utc> {
        (self.last_seen_at + TimeDelta::seconds(self.idle_timeout_seconds)).min(self.expires_at)
    }
}

/// What signing in gives, and each refresh.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// A JWT (RFC 9068) for `Authorization: Bearer`.
    pub access_token: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// When the access token ends.
    pub access_token_expires_at_utc: DateTime<Utc>,
    /// Good for one refresh; `null` when it is kept in a cookie.
    pub refresh_token: Option<String>,
    /// When the refresh token ends if it is not used.
    pub refresh_token_expires_at_utc: DateTime<Utc>,
    /// The session.
    pub session: Session,
    /// The account.
    pub user: User,
}
