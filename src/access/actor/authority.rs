//! What decisions about a caller are based on: role, rank and permissions.

use super::names::{SUPER_ADMIN, SUPER_ADMIN_RANK};
use super::permission_set::PermissionSet;

/// The authority of an actor: its role, rank and permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The role's name; empty for a service client.
    pub role: String,
    /// The rank of the role or the client.
    pub rank: i32,
    /// The effective permissions.
    pub permissions: PermissionSet,
}

impl Authority {
    /// The authority of a `SuperAdmin`, used for the operator at the command line and for rosterd itself.
    #[must_use]
    pub fn system() -> Self {
        Self {
            role: SUPER_ADMIN.to_owned(),
            rank: SUPER_ADMIN_RANK,
            permissions: PermissionSet::All,
        }
    }

    /// No authority: the lowest rank and no permissions.
    #[must_use]
    pub fn none() -> Self {
        Self {
            role: String::new(),
            rank: 0,
            permissions: PermissionSet::only(&[]),
        }
    }

    /// Whether the role is `SuperAdmin`.
    #[must_use]
    pub fn is_super_admin(&self) -> bool {
        self.role == SUPER_ADMIN
    }

    /// Whether the caller may manage something of this rank: it ranks strictly above it, or the rank is 0, or the caller is
    /// a `SuperAdmin`.
    #[must_use]
    pub fn ranks_above(&self, rank: i32) -> bool {
        self.is_super_admin() || rank == 0 || rank < self.rank
    }
}
