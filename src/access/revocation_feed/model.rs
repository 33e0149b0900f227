//! An entry of the revocation feed as JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::RevocationRow;

/// Revoked access tokens: those whose claim `sid`, `sub` or `role` has the value given here and whose `iat` is less than
/// `notBefore`. Exactly one of `sid`, `sub` and `role` is not `null`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// The session or client grant that has ended.
    pub sid: Option<Uuid>,
    /// The account or service client whose permissions or status changed.
    #[schema(example = "client:0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de")]
    pub sub: Option<String>,
    /// The role whose permissions changed.
    #[schema(example = "Admin")]
    pub role: Option<String>,
    /// The time of the revocation.
    pub revoked_at_utc: DateTime<Utc>,
    /// The first whole second after the revocation, in seconds since 1970. A token issued within the same second as the
    /// revocation is treated as revoked: refresh it again.
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
