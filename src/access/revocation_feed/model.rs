//! A line of the feed as callers see it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::RevocationRow;

/// Access tokens that are good no more: those that have the claim named here with this value and an `iat` below `notBefore`.
/// One of `sid`, `sub` and `role` is not `null`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// The session, or what a service client was given, has ended.
    pub sid: Option<Uuid>,
    /// What this account or service client may has changed.
    #[schema(example = "client:0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de")]
    pub sub: Option<String>,
    /// What this role gives has changed.
    #[schema(example = "Admin")]
    pub role: Option<String>,
    /// When that was.
    pub revoked_at_utc: DateTime<Utc>,
    /// The first whole second after that, since 1970. A token that was made within the same second before it counts as old:
    /// refresh it once more.
    pub not_before: i64,
}

impl From<RevocationRow> for Revocation {
    fn from(row: RevocationRow) -> Self {
        Self {
            sid: row.sid,
            sub: row.sub,
            role: row.role,
            revoked_at_utc: row.at,
            not_before: row.at.timestamp() + 1,
        }
    }
}
