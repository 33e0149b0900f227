//! A personal access token as callers see it: whole when it is made, never again after that.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::TokenRow;
use crate::platform::http::Versioned;
use crate::platform::ids::{PersonalTokenId, UserId};

/// A token, without what would let one use it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalToken {
    /// Its id, which is no secret.
    pub id: PersonalTokenId,
    /// The account that it acts for.
    pub user_id: UserId,
    /// What it is for.
    #[schema(example = "nightly export")]
    pub name: String,
    /// What it was made for, sorted; it gives of these what its account holds.
    pub permissions: Vec<String>,
    /// When it was made.
    pub created_at_utc: DateTime<Utc>,
    /// When it ends.
    pub expires_at_utc: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at_utc: Option<DateTime<Utc>>,
}

/// A token that was just made: shown whole here and nowhere else.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenWithSecret {
    /// Its id, which is no secret.
    pub id: PersonalTokenId,
    /// For `Authorization: Bearer`.
    #[schema(example = "rst_pat_6f1VqGkY0uXbJ3mN8wQ2sT5zR7cL9dH4eA1iO6pBvCxWyE3kTn")]
    pub token: String,
    /// The account that it acts for.
    pub user_id: UserId,
    /// What it is for.
    #[schema(example = "nightly export")]
    pub name: String,
    /// What it was made for, sorted; it gives of these what its account holds.
    pub permissions: Vec<String>,
    /// When it was made.
    pub created_at_utc: DateTime<Utc>,
    /// When it ends.
    pub expires_at_utc: Option<DateTime<Utc>>,
    /// When it was last used: not yet.
    pub last_used_at_utc: Option<DateTime<Utc>>,
}

impl PersonalToken {
    /// Nobody edits a token, so it has one version only.
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
