//! Roles and permissions as the API shows them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::store::{PermissionRow, RoleRow};
use crate::access::actor::{Authority, PermissionSet};
use crate::platform::http::Versioned;
use crate::platform::resource_name::check_description;

/// A role.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// The name, which is also the id.
    #[schema(example = "Admin")]
    pub name: String,
    /// The rank. A caller can manage accounts that rank strictly below it.
    #[schema(minimum = 0, maximum = 1000)]
    pub rank: i32,
    /// What the role is for.
    pub description: Option<String>,
    /// The permissions of the role, sorted; for `SuperAdmin` the whole catalogue.
    pub permissions: Vec<String>,
    /// Whether the role is built in. Built-in roles cannot be deleted.
    pub is_built_in: bool,
    /// When it was created.
    pub created_at_utc: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at_utc: DateTime<Utc>,
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) version: i64,
}

impl Versioned for Role {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Role {
    /// The authority of an account with this role and these direct grants.
    #[must_use]
    pub fn authority(&self, direct: &[String]) -> Authority {
        Authority {
            permissions: PermissionSet::of_role_and_grants(&self.name, &self.permissions, direct),
            rank: self.rank,
            role: self.name.clone(),
        }
    }
}

/// With the stored permissions: none for `SuperAdmin`, which holds every permission.
impl From<RoleRow> for Role {
    fn from(row: RoleRow) -> Self {
        Self {
            name: row.name,
            rank: row.rank,
            description: row.description,
            permissions: row.permissions,
            is_built_in: row.built_in,
            created_at_utc: row.created_at,
            updated_at_utc: row.updated_at,
            version: row.version,
        }
    }
}

/// A permission in the catalogue.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    /// The name: `resource.action`.
    #[schema(example = "assets.read")]
    pub name: String,
    /// What it permits.
    pub description: Option<String>,
    /// Whether the service itself uses it. Such a permission cannot be removed.
    pub is_built_in: bool,
    /// When it was registered.
    pub created_at_utc: DateTime<Utc>,
}

impl From<PermissionRow> for Permission {
    fn from(row: PermissionRow) -> Self {
        Self {
            name: row.name,
            description: row.description,
            is_built_in: row.built_in,
            created_at_utc: row.created_at,
        }
    }
}

/// Which of the requested permissions the caller holds, each once, in the requested order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PermissionCheck)]
pub struct PermissionCheck {
    /// The permissions that the caller holds.
    #[schema(example = json!(["users.read"]))]
    pub granted: Vec<String>,
    /// The permissions that the caller does not hold, including names that are not in the catalogue.
    #[schema(example = json!(["users.delete"]))]
    pub missing: Vec<String>,
}

/// The body of a request that registers a permission.
#[derive(Debug, Deserialize, ToSchema, validator::Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = PermissionCreate)]
pub struct NewPermission {
    /// The name: `resource.action`.
    #[schema(
        example = "assets.read",
        pattern = r"^[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)+$",
        max_length = 100
    )]
    pub name: String,
    /// What it permits.
    #[validate(length(max = 500), custom(function = "check_description"))]
    #[schema(max_length = 500)]
    pub description: Option<String>,
}
