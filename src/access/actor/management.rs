//! Rank and permission rules for managing users, roles and service clients. Pure decisions: no database, no clock.
//!
//! The three kinds of objects share these rules. What is special to a kind (acting on oneself, `SuperAdmin`, built-in
//! roles) is in the `policy` of its module, which calls [`check`] last.

use super::authority::Authority;
use super::permission_set::{PermissionSet, PermissionsNotHeld};

/// Which ranks a caller may manage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankRule {
    /// Below the caller's rank, or 0; a `SuperAdmin` manages all ranks. For users and clients.
    BelowOrZero,
    /// Only ranks below the caller's. Used for roles: even a `SuperAdmin` cannot create a role of its own rank.
    StrictlyBelow,
}

/// What an operation on an object requires of the caller.
#[derive(Clone, Debug)]
pub struct ManagementRequirements<'a> {
    /// Which ranks the caller may manage.
    pub rule: RankRule,
    /// The ranks involved: that of the object before and, if it changes, after the operation.
    pub ranks: Vec<i32>,
    /// The permissions of the object, if the operation lets the caller act as the object.
    pub takes_over: Option<&'a PermissionSet>,
    /// The permissions that the operation grants.
    pub grants: Vec<PermissionSet>,
}

/// Why the caller may not manage the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManagementDenied {
    /// The caller's rank is too low or, to take over the object, the caller lacks some of its permissions.
    Rank,
    /// The caller does not hold these permissions and cannot grant them.
    NotHeld(PermissionsNotHeld),
}

/// Checks the requirements against the caller's authority: first rank, then permissions.
///
/// # Errors
/// The first rule that is violated.
pub fn check(
    caller: &Authority,
    requirements: &ManagementRequirements<'_>,
) -> Result<(), ManagementDenied> {
    let may_manage = |rank: i32| match requirements.rule {
        RankRule::BelowOrZero => caller.ranks_above(rank),
        RankRule::StrictlyBelow => rank < caller.rank,
    };
    let covers = |target: &PermissionSet| caller.permissions.covers(target);
    if !requirements.ranks.iter().copied().all(may_manage)
        || !requirements.takes_over.is_none_or(covers)
    {
        return Err(ManagementDenied::Rank);
    }
    requirements
        .grants
        .iter()
        .try_for_each(|granted| caller.permissions.require_all_of(granted))
        .map_err(ManagementDenied::NotHeld)
}
