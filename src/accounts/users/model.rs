//! An account as the API shows it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::store::UserRow;
use crate::platform::http::Versioned;
use crate::platform::ids::UserId;

/// An account. Absent values are `null`, never missing.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent member"
)]
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The account's id (UUID version 7).
    pub id: UserId,
    /// Unique among all accounts that are not purged.
    #[schema(example = "ada")]
    pub username: String,
    /// The name to display.
    pub display_name: Option<String>,
    /// Unique, compared case-insensitively.
    pub email: Option<String>,
    /// Whether the email address is confirmed. Sign-in and password reset by email need a confirmed address.
    pub email_confirmed: bool,
    /// The role's name.
    #[schema(example = "User")]
    pub role: String,
    /// The direct grants, sorted.
    pub permissions: Vec<String>,
    /// The direct grants and the permissions of the role, sorted.
    pub effective_permissions: Vec<String>,
    /// A disabled account cannot sign in, and its tokens are rejected.
    pub is_active: bool,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Attributes that applications store: an object of at most 16 KiB.
    #[schema(value_type = Object)]
    pub attributes: Value,
    /// Whether the password must be changed at the next sign-in.
    pub must_change_password: bool,
    /// Whether the account has a password.
    pub has_password: bool,
    /// The identity provider: `local`, or the name of an external provider.
    #[schema(example = "local")]
    pub auth_provider: String,
    /// The id of this user at that provider.
    pub auth_id: Option<String>,
    /// Whether a second factor is confirmed. False for all users in this release, which has no second factors yet.
    pub mfa_enabled: bool,
    /// When it was created.
    pub created_at_utc: DateTime<Utc>,
    /// When it was last changed. Signing in does not change it.
    pub updated_at_utc: DateTime<Utc>,
    /// When it last signed in.
    pub last_login_at_utc: Option<DateTime<Utc>>,
    /// When it expires.
    pub expires_at_utc: Option<DateTime<Utc>>,
    /// When it was deleted. It can be restored until it is purged.
    pub deleted_at_utc: Option<DateTime<Utc>>,
    /// The numbers of sessions and tokens, with `expand=stats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stats: Option<UserStats>,
    #[serde(skip)]
    #[schema(ignore)]
    version: i64,
}

/// The numbers of sessions and tokens of an account.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = UserStats)]
pub struct UserStats {
    /// Active sessions.
    pub sessions: i64,
    /// Personal access tokens that have not expired.
    pub tokens: i64,
}

impl User {
    /// The account of this row with these effective permissions.
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
