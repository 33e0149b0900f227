//! Personal access tokens as the API shows them. The token itself is only shown when it is created.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::TokenRow;
use crate::platform::http::Versioned;
use crate::platform::ids::{PersonalTokenId, UserId};

/// A personal access token, without the secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalToken {
    /// The token's id, which is not secret.
    pub id: PersonalTokenId,
    /// The account that owns the token.
    pub user_id: UserId,
    /// What the token is for.
    #[schema(example = "nightly export")]
    pub name: String,
    /// The permissions of the token, sorted. Each has an effect only while the account also holds it.
    pub permissions: Vec<String>,
    /// When it was created.
    pub created_at_utc: DateTime<Utc>,
    /// When it expires.
    pub expires_at_utc: Option<DateTime<Utc>>,
    /// When it was last used, with a resolution of one minute.
    pub last_used_at_utc: Option<DateTime<Utc>>,
}

/// A personal access token that was just created, with the secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreatedToken)]
pub struct TokenWithSecret {
    /// The token's id, which is not secret.
    pub id: PersonalTokenId,
    /// The token for the header `Authorization: Bearer`. It is not shown again.
    #[schema(example = "rst_pat_6f1VqGkY0uXbJ3mN8wQ2sT5zR7cL9dH4eA1iO6pBvCxWyE3kTn")]
    pub token: String,
    /// The account that owns the token.
    pub user_id: UserId,
    /// What the token is for.
    #[schema(example = "nightly export")]
    pub name: String,
    /// The permissions of the token, sorted. Each has an effect only while the account also holds it.
    pub permissions: Vec<String>,
    /// When it was created.
    pub created_at_utc: DateTime<Utc>,
    /// When it expires.
    pub expires_at_utc: Option<DateTime<Utc>>,
    /// When it was last used; `null` for a new token.
    pub last_used_at_utc: Option<DateTime<Utc>>,
}

impl PersonalToken {
    /// Tokens cannot be changed, so they have a single version.
    pub(super) const VERSION: i64 = 1;
}

impl Versioned for PersonalToken {
    fn version(&self) -> i64 {
        Self::VERSION
    }
}

impl From<TokenRow> for PersonalToken {
    fn from(row: TokenRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            name: row.name,
            permissions: row.permissions,
            created_at_utc: row.created_at,
            expires_at_utc: row.expires_at,
            last_used_at_utc: row.last_used_at,
        }
    }
}

impl TokenWithSecret {
    pub(super) fn new(row: TokenRow, token: String) -> Self {
        Self {
            id: row.id,
            token,
            user_id: row.user_id,
            name: row.name,
            permissions: row.permissions,
            created_at_utc: row.created_at,
            expires_at_utc: row.expires_at,
            last_used_at_utc: row.last_used_at,
        }
    }
}
