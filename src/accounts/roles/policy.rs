//! Rules for creating, changing and deleting roles. Pure decisions: no database, no clock.
//!
//! The checks run in a fixed order: what is fixed for built-in roles, the caller's own role, then rank and permissions
//! ([`management`]). Moving accounts to another role follows the rules for accounts.

use crate::access::actor::management::{self, ManagementDenied, ManagementRequirements, RankRule};
use crate::access::actor::{Authority, PermissionSet, PermissionsNotHeld, SUPER_ADMIN};
use crate::platform::error::{AppError, Code};

/// A role as it is before the action.
#[derive(Clone, Copy, Debug)]
pub struct ManagedRole<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its rank, which is the rank of all accounts that have it.
    pub rank: i32,
    /// Whether the service created it.
    pub is_built_in: bool,
}

/// An action on a role.
#[derive(Clone, Debug)]
pub enum RoleAction {
    /// Change the description.
    Describe,
    /// Change the name.
    Rename,
    /// Change the rank.
    SetRank(i32),
    /// Add these permissions.
    Grant(Vec<String>),
    /// Remove permissions.
    Withdraw,
    /// Delete it.
    Delete,
}

/// Why an action on a role is forbidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleActionDenied {
    /// A built-in role cannot be changed in this way.
    BuiltIn,
    /// Users cannot change their own role: that would change their own permissions.
    OwnRole,
    /// The caller does not rank above the role.
    Rank,
    /// The caller cannot grant permissions that it does not hold.
    NotHeld(PermissionsNotHeld),
}

/// Checks whether the caller may create a role of this rank with these permissions.
///
/// # Errors
/// The first rule that is violated.
pub fn check_creation(
    caller: &Authority,
    rank: i32,
    permissions: &[String],
) -> Result<(), RoleActionDenied> {
    let requirements = ManagementRequirements {
        rule: RankRule::StrictlyBelow,
        ranks: vec![rank],
        takes_over: None,
        grants: vec![PermissionSet::only(permissions)],
    };
    Ok(management::check(caller, &requirements)?)
}

/// Checks whether the caller may perform all `actions` on `target`. Only a `SuperAdmin` may change built-in roles.
///
/// # Errors
/// The first rule that is violated, in the order of the module documentation.
pub fn check_actions(
    caller: &Authority,
    target: &ManagedRole<'_>,
    actions: &[RoleAction],
) -> Result<(), RoleActionDenied> {
    if actions.iter().any(|action| is_fixed(target, action)) {
        return Err(RoleActionDenied::BuiltIn);
    }
    if target.name == caller.role {
        return Err(RoleActionDenied::OwnRole);
    }
    if target.is_built_in && !caller.is_super_admin() {
        return Err(RoleActionDenied::Rank);
    }
    let mut ranks = vec![target.rank];
    let mut grants = Vec::new();
    for action in actions {
        match action {
            RoleAction::SetRank(rank) => ranks.push(*rank),
            RoleAction::Grant(added) => grants.push(PermissionSet::only(added)),
            RoleAction::Describe
            | RoleAction::Rename
            | RoleAction::Withdraw
            | RoleAction::Delete => {}
        }
    }
    let requirements = ManagementRequirements {
        rule: RankRule::StrictlyBelow,
        ranks,
        takes_over: None,
        grants,
    };
    Ok(management::check(caller, &requirements)?)
}

/// Whether no caller may do this: `SuperAdmin` never changes, and other built-in roles keep their name and rank.
fn is_fixed(target: &ManagedRole<'_>, action: &RoleAction) -> bool {
    let keeps_name_and_rank = matches!(
        action,
        RoleAction::Describe | RoleAction::Grant(_) | RoleAction::Withdraw
    );
    target.name == SUPER_ADMIN || (target.is_built_in && !keeps_name_and_rank)
}

impl From<ManagementDenied> for RoleActionDenied {
    fn from(denied: ManagementDenied) -> Self {
        match denied {
            ManagementDenied::Rank => Self::Rank,
            ManagementDenied::NotHeld(permissions) => Self::NotHeld(permissions),
        }
    }
}

impl From<RoleActionDenied> for AppError {
    fn from(denied: RoleActionDenied) -> Self {
        match denied {
            RoleActionDenied::BuiltIn => Code::RoleBuiltIn.into(),
            RoleActionDenied::OwnRole => Code::UserSelfPermissionsForbidden.into(),
            RoleActionDenied::Rank => Code::RoleManageForbidden.into(),
            RoleActionDenied::NotHeld(permissions) => permissions.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::actor::{ADMIN, PermissionSet, SUPER_ADMIN_RANK, USER};
    use proptest::prelude::*;

    fn authority(role: &str, rank: i32, permissions: &[&str]) -> Authority {
        Authority {
            role: role.to_owned(),
            rank,
            permissions: PermissionSet::of_role_and_grants(
                role,
                &permissions
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>(),
                &[],
            ),
        }
    }

    fn super_admin() -> Authority {
        authority(SUPER_ADMIN, SUPER_ADMIN_RANK, &[])
    }

    const fn role(name: &str, rank: i32) -> ManagedRole<'_> {
        ManagedRole {
            name,
            rank,
            is_built_in: false,
        }
    }

    const fn built_in(name: &str, rank: i32) -> ManagedRole<'_> {
        ManagedRole {
            name,
            rank,
            is_built_in: true,
        }
    }

    fn every_action() -> [RoleAction; 6] {
        [
            RoleAction::Describe,
            RoleAction::Rename,
            RoleAction::SetRank(1),
            RoleAction::Grant(Vec::new()),
            RoleAction::Withdraw,
            RoleAction::Delete,
        ]
    }

    #[test]
    fn the_super_admin_role_cannot_be_changed() {
        for action in every_action() {
            assert_eq!(
                check_actions(
                    &super_admin(),
                    &built_in(SUPER_ADMIN, 1000),
                    std::slice::from_ref(&action)
                ),
                Err(RoleActionDenied::BuiltIn),
                "{action:?}"
            );
        }
    }

    #[test]
    fn other_built_in_roles_keep_name_and_rank_and_only_a_super_admin_changes_them() {
        let admin = authority(ADMIN, 100, &["roles.manage"]);
        for target in [built_in(ADMIN, 100), built_in(USER, 0)] {
            for action in every_action() {
                let fixed = matches!(
                    action,
                    RoleAction::Rename | RoleAction::SetRank(_) | RoleAction::Delete
                );
                let result = check_actions(&super_admin(), &target, std::slice::from_ref(&action));
                assert_eq!(
                    result,
                    if fixed {
                        Err(RoleActionDenied::BuiltIn)
                    } else {
                        Ok(())
                    },
                    "{action:?}"
                );
            }
        }
        assert_eq!(
            check_actions(&admin, &built_in(USER, 0), &[RoleAction::Withdraw]),
            Err(RoleActionDenied::Rank)
        );
        assert_eq!(
            check_actions(&admin, &built_in(ADMIN, 100), &[RoleAction::Withdraw]),
            Err(RoleActionDenied::OwnRole)
        );
    }

    #[test]
    fn callers_cannot_change_their_own_role() {
        let lead = authority("Lead", 50, &["roles.manage"]);
        for action in every_action() {
            assert_eq!(
                check_actions(&lead, &role("Lead", 50), std::slice::from_ref(&action)),
                Err(RoleActionDenied::OwnRole),
                "{action:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn callers_only_manage_roles_below_their_rank(own in 0..=999, target_rank in 0..=999, new_rank in 0..=999) {
            let lead = authority("Lead", own, &["roles.manage"]);
            prop_assert_eq!(check_creation(&lead, target_rank, &[]).is_ok(), target_rank < own);
            for action in [RoleAction::Describe, RoleAction::Rename, RoleAction::Withdraw, RoleAction::Delete] {
                prop_assert_eq!(check_actions(&lead, &role("Other", target_rank), &[action]).is_ok(), target_rank < own);
            }
            let result = check_actions(&lead, &role("Other", target_rank), &[RoleAction::SetRank(new_rank)]);
            prop_assert_eq!(result.is_ok(), target_rank < own && new_rank < own);
        }

        #[test]
        fn a_role_only_grants_permissions_its_creator_holds(own in prop::collection::btree_set("[a-c]\\.[a-c]", 0..5), given in prop::collection::vec("[a-c]\\.[a-c]", 0..5)) {
            let lead = Authority { role: "Lead".to_owned(), rank: 50, permissions: PermissionSet::Only(own.clone()) };
            let all_held = given.iter().all(|name| own.contains(name));
            prop_assert_eq!(check_creation(&lead, 1, &given).is_ok(), all_held);
            prop_assert_eq!(check_actions(&lead, &role("Other", 1), &[RoleAction::Grant(given.clone())]).is_ok(), all_held);
            prop_assert!(check_creation(&super_admin(), 999, &given).is_ok());
            prop_assert_eq!(check_creation(&super_admin(), 1000, &given), Err(RoleActionDenied::Rank));
        }
    }
}
