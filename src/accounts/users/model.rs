//! An account as callers see it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::store::UserRow;
use crate::platform::http::Versioned;
use crate::platform::ids::UserId;

/// An account. What it does not have is `null`, never missing.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a member each, independent of one another"
)]
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The account's id (UUID version 7).
    pub id: UserId,
    /// Unique for ever among accounts that are not purged.
    #[schema(example = "ada")]
    pub username: String,
    /// What people call this person.
    pub display_name: Option<String>,
    /// Unique without regard to case.
    pub email: Option<String>,
    /// Whether the address was proven to be this person's; sign-in and reset by email need it.
    pub email_confirmed: bool,
    /// The role's name.
    #[schema(example = "User")]
    pub role: String,
    /// The direct grants, sorted.
    pub permissions: Vec<String>,
    /// The direct grants and the role's, sorted.
    pub effective_permissions: Vec<String>,
    /// A disabled account can't sign in, and no token of it is good.
    pub is_active: bool,
    /// Labels, sorted.
    pub tags: Vec<String>,
    /// What apps note about this account: an object of at most 16 KiB.
    #[schema(value_type = Object)]
    pub attributes: Value,
    /// At the next sign-in the password must be changed first.
    pub must_change_password: bool,
    /// Whether it can sign in with a password.
    pub has_password: bool,
    /// Who vouches for this person: `local`, or the name of an outside provider.
    #[schema(example = "local")]
    pub auth_provider: String,
    /// The id of this person at that provider.
    pub auth_id: Option<String>,
    /// Whether a second factor is confirmed.
    pub mfa_enabled: bool,
    /// When it was made.
    pub created_at_utc: DateTime<Utc>,
    /// When it was last changed; signing in does not count.
    pub updated_at_utc: DateTime<Utc>,
    /// When it last signed in.
    pub last_login_at_utc: Option<DateTime<Utc>>,
    /// When it stops being good.
    pub expires_at_utc: Option<DateTime<Utc>>,
    /// When it was deleted; it can be restored until it is purged.
    pub deleted_at_utc: Option<DateTime<Utc>>,
    /// What hangs on it, if `expand=stats` was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stats: Option<Stats>,
    #[serde(skip)]
    #[schema(ignore)]
    version: i64,
}

/// How many things hang on an account.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Stats {
    /// Sessions that have not ended.
    pub sessions: i64,
    /// Personal access tokens that have not expired.
    pub tokens: i64,
}

impl User {
    /// The account of this row, with everything that it effectively may.
    pub(super) fn new(row: UserRow, effective_permissions: Vec<String>) -> Self {
        Self {
            id: row.id,
            username: row.username,
            display_name: row.display_name,
            email: row.email,
            email_confirmed: row.email_confirmed,
            role: row.role,
            permissions: row.permissions,
            effective_permissions,
            is_active: row.is_active,
            tags: row.tags,
            attributes: row.attributes,
            must_change_password: row.must_change_password,
            has_password: row.password_hash.is_some(),
            auth_provider: row.auth_provider,
            auth_id: row.auth_id,
            mfa_enabled: row.mfa_enabled,
            created_at_utc: row.created_at,
            updated_at_utc: row.updated_at,
            last_login_at_utc: row.last_login_at,
            expires_at_utc: row.expires_at,
            deleted_at_utc: row.deleted_at,
            stats: None,
            version: row.version,
        }
    }
}

impl Versioned for User {
    fn version(&self) -> i64 {
        self.version
    }
}
