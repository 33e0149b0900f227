//! An invite as callers see it. Its token is shown when it is made, and never again.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::policy::{InviteState, InviteStatus};
use super::store::InviteRow;
use crate::platform::http::Versioned;
use crate::platform::ids::{InviteId, UserId};

/// An invite.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    /// The invite's id (UUID version 7).
    pub id: InviteId,
    /// Whether it can be used.
    pub state: InviteState,
    /// The role that it gives.
    #[schema(example = "User")]
    pub role: String,
    /// The direct grants that it gives, sorted.
    pub permissions: Vec<String>,
    /// The address that whoever uses it has to register with.
    pub email: Option<String>,
    /// How many accounts it is good for.
    pub max_uses: i32,
    /// How many have been made with it.
    pub uses: i32,
    /// Who made it; `null`: the operator.
    pub made_by: Option<Maker>,
    /// When it was made.
    pub created_at_utc: DateTime<Utc>,
    /// When it ends.
    pub expires_at_utc: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at_utc: Option<DateTime<Utc>>,
    #[serde(skip)]
    #[schema(ignore)]
    version: i64,
}

/// Who made an invite.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Maker {
    /// The account.
    pub id: UserId,
    /// Its username.
    #[schema(example = "ada")]
    pub username: String,
}

/// An invite that was just made: with its token, which is shown here and nowhere else.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InviteWithToken {
    /// What `POST /auth/register` takes as `inviteToken`.
    #[schema(example = "rst_inv_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E")]
    pub token: String,
    /// `ROSTERD_INVITE_URL` with the token in it.
    #[schema(
        example = "https://app.example.org/join#rst_inv_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E"
    )]
    pub url: String,
    /// The invite.
    #[serde(flatten)]
    pub invite: Invite,
}

impl InviteRow {
    /// What its use is decided by.
    pub(super) fn facts(&self) -> InviteStatus<'_> {
        InviteStatus {
            uses: self.uses,
            max_uses: self.max_uses,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            email: self.email.as_deref(),
        }
    }
}

impl Invite {
    /// The invite of this row as it is at `now`; `username` is that of whoever made it.
    pub(super) fn new(row: InviteRow, username: Option<String>, now: DateTime<Utc>) -> Self {
        Self {
            state: row.facts().state(now),
            id: row.id,
            role: row.role,
            permissions: row.permissions,
            email: row.email,
            max_uses: row.max_uses,
            uses: row.uses,
            made_by: row
                .made_by
                .zip(username)
                .map(|(id, username)| Maker { id, username }),
            created_at_utc: row.created_at,
            expires_at_utc: row.expires_at,
            revoked_at_utc: row.revoked_at,
            version: row.version,
        }
    }
}

impl Versioned for Invite {
    fn version(&self) -> i64 {
        self.version
    }
}
