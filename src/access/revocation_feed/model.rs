//! An entry of the revocation feed as JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::VisibleRow;

/// Revoked access tokens: those whose claim `sid`, `sub` or `role` has the value given here and whose `iat` is less than
/// `notBefore`, or those whose header member `kid` has the value given here, whatever their `iat`. Exactly one of `sid`,
/// `sub`, `role` and `kid` is not `null`.
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
    /// The signing key that was disclosed. Reject every token with this `kid`.
    pub kid: Option<String>,
    /// The time of the revocation.
    pub revoked_at_utc: DateTime<Utc>,
    /// A whole second after the revocation took effect, in seconds since 1970. A token that was issued in the same second is
    /// treated as revoked: refresh it again.
    pub not_before: i64,
}

impl From<VisibleRow> for Revocation {
    fn from(VisibleRow { row, read_at, .. }: VisibleRow) -> Self {
        Self {
            sid: row.sid,
            sub: row.sub,
            role: row.role,
            kid: row.kid,
            revoked_at_utc: row.at,
            not_before: row.committed_by.unwrap_or(read_at).timestamp() + 1,
        }
    }
}
