//! Invites as the API returns them. The token is returned only when the invite is created.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::InviteRow;
use super::validity::{InviteConditions, InviteState};
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
    /// The role that it grants.
    #[schema(example = "User")]
    pub role: String,
    /// The permissions that it grants directly, sorted.
    pub permissions: Vec<String>,
    /// The email address that must be used to register; `null` for any address.
    pub email: Option<String>,
    /// How many accounts can be created with it.
    pub max_uses: i32,
    /// How many accounts were created with it.
    pub uses: i32,
    /// Who created it; `null` if it was created on the command line.
    pub made_by: Option<InviteCreator>,
    /// When it was created.
    pub created_at_utc: DateTime<Utc>,
    /// When it expires.
    pub expires_at_utc: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at_utc: Option<DateTime<Utc>>,
    #[serde(skip)]
    #[schema(ignore)]
    version: i64,
}

/// The account that created an invite.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = InviteCreator)]
pub struct InviteCreator {
    /// The account's id.
    pub id: UserId,
    /// The account's username.
    #[schema(example = "ada")]
    pub username: String,
}

/// A new invite with its token. The token is not shown again.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CreatedInvite)]
pub struct InviteWithToken {
    /// The `inviteToken` for `POST /auth/register`.
    #[schema(example = "rst_inv_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E")]
    pub token: String,
    /// `ROSTERD_INVITE_URL` with the token.
    #[schema(
        example = "https://app.example.org/join#rst_inv_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E"
    )]
    pub url: String,
    /// Why the invite cannot be used at present: registration is closed (`ROSTERD_REGISTRATION`). Otherwise `null`.
    pub warning: Option<&'static str>,
    /// The invite.
    #[serde(flatten)]
    pub invite: Invite,
}

impl InviteRow {
    /// The values that decide whether the invite can be used.
    pub(super) fn conditions(&self) -> InviteConditions<'_> {
        InviteConditions {
            uses: self.uses,
            max_uses: self.max_uses,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            email: self.email.as_deref(),
        }
    }
}

impl Invite {
    /// The invite of a row, with its state at `now`. `username` is that of the creator.
    pub(super) fn new(row: InviteRow, username: Option<String>, now: DateTime<Utc>) -> Self {
        Self {
            state: row.conditions().state(now),
            id: row.id,
            role: row.role,
            permissions: row.permissions,
            email: row.email,
            max_uses: row.max_uses,
            uses: row.uses,
            made_by: row
                .created_by
                .zip(username)
                .map(|(id, username)| InviteCreator { id, username }),
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
