//! Who may make, change and delete which role. Every rule of this kind is decided here, for every path that leads to it.
//!
//! The answers come in a fixed order: what nobody may, what one does to oneself, rank, and what the caller does not
//! hold. Giving accounts another role is decided where everything about accounts is.

use super::values::{NotHeld, SUPER_ADMIN};
use crate::access::authentication::Authority;
use crate::platform::error::{AppError, Code};

/// A role as it is before.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its rank, which all its holders have.
    pub rank: i32,
    /// Whether the service brought it.
    pub is_built_in: bool,
}

/// What is done to a role.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Say something else about it.
    Describe,
    /// Call it otherwise.
    Rename,
    /// Give it another rank.
    SetRank(i32),
    /// Let it give these permissions that it did not give.
    Grant(Vec<String>),
    /// Take permissions from it.
    Withdraw,
    /// Delete it.
    Delete,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nobody does this to a role that the service brought.
    BuiltIn,
    /// It is the caller's own role: to change it is to change one's own permissions.
    OwnRole,
    /// The caller does not stand above the role.
    Rank,
    /// The caller does not hold these.
    NotHeld(NotHeld),
}

/// Whether `by` may make a role of this rank with these permissions.
///
/// # Errors
/// The first reason why not, in the order told above.
pub fn may_make(by: &Authority, rank: i32, permissions: &[String]) -> Result<(), Denied> {
    stands_above(by, rank)?;
    Ok(by.permissions.require(permissions)?)
}

/// Whether `by` may do all these `deeds` to `target`. The built-in ones are a `SuperAdmin`'s to change.
///
/// # Errors
/// As [`may_make`].
pub fn may(by: &Authority, target: &Target<'_>, deeds: &[Deed]) -> Result<(), Denied> {
    if deeds.iter().any(|deed| is_for_nobody(target, deed)) {
        return Err(Denied::BuiltIn);
    }
    if target.name == by.role {
        return Err(Denied::OwnRole);
    }
    if target.is_built_in && !by.is_super_admin() {
        return Err(Denied::Rank);
    }
    stands_above(by, target.rank)?;
    deeds.iter().try_for_each(|deed| match deed {
        Deed::SetRank(rank) => stands_above(by, *rank),
        Deed::Grant(added) => Ok(by.permissions.require(added)?),
        Deed::Describe | Deed::Rename | Deed::Withdraw | Deed::Delete => Ok(()),
    })
}

fn is_for_nobody(target: &Target<'_>, deed: &Deed) -> bool {
    let keeps_its_place = matches!(deed, Deed::Describe | Deed::Grant(_) | Deed::Withdraw);
    target.name == SUPER_ADMIN || (target.is_built_in && !keeps_its_place)
}

/// Strictly, for nobody else either; so nobody makes a `SuperAdmin`'s equal.
const fn stands_above(by: &Authority, rank: i32) -> Result<(), Denied> {
    if rank < by.rank {
        Ok(())
    } else {
        Err(Denied::Rank)
    }
}

impl From<NotHeld> for Denied {
    fn from(lacking: NotHeld) -> Self {
        Self::NotHeld(lacking)
    }
}

impl From<Denied> for AppError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::BuiltIn => Code::RoleBuiltIn.into(),
            Denied::OwnRole => Code::UserSelfPermissionsForbidden.into(),
            Denied::Rank => Code::RoleManageForbidden.into(),
            Denied::NotHeld(lacking) => lacking.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::roles::{ADMIN, PermissionSet, SUPER_ADMIN_RANK, USER};
    use proptest::prelude::*;

    fn authority(role: &str, rank: i32, permissions: &[&str]) -> Authority {
        Authority {
            role: role.to_owned(),
            rank,
            permissions: PermissionSet::of(
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

    const fn role(name: &str, rank: i32) -> Target<'_> {
        Target {
            name,
            rank,
            is_built_in: false,
        }
    }

    const fn built_in(name: &str, rank: i32) -> Target<'_> {
        Target {
            name,
            rank,
            is_built_in: true,
        }
    }

    fn every_deed() -> [Deed; 6] {
        [
            Deed::Describe,
            Deed::Rename,
            Deed::SetRank(1),
            Deed::Grant(Vec::new()),
            Deed::Withdraw,
            Deed::Delete,
        ]
    }

    #[test]
    fn nobody_changes_super_admin_in_any_way() {
        for deed in every_deed() {
            assert_eq!(
                may(
                    &super_admin(),
                    &built_in(SUPER_ADMIN, 1000),
                    std::slice::from_ref(&deed)
                ),
                Err(Denied::BuiltIn),
                "{deed:?}"
            );
        }
    }

    #[test]
    fn the_other_built_in_roles_keep_name_and_rank_and_are_a_super_admins_to_change() {
        let admin = authority(ADMIN, 100, &["roles.manage"]);
        for target in [built_in(ADMIN, 100), built_in(USER, 0)] {
            for deed in every_deed() {
                let fixed = matches!(deed, Deed::Rename | Deed::SetRank(_) | Deed::Delete);
                let answer = may(&super_admin(), &target, std::slice::from_ref(&deed));
                assert_eq!(
                    answer,
                    if fixed { Err(Denied::BuiltIn) } else { Ok(()) },
                    "{deed:?}"
                );
            }
        }
        assert_eq!(
            may(&admin, &built_in(USER, 0), &[Deed::Withdraw]),
            Err(Denied::Rank)
        );
        assert_eq!(
            may(&admin, &built_in(ADMIN, 100), &[Deed::Withdraw]),
            Err(Denied::OwnRole)
        );
    }

    #[test]
    fn a_role_of_ones_own_is_left_alone_whatever_one_does_to_it() {
        let lead = authority("Lead", 50, &["roles.manage"]);
        for deed in every_deed() {
            assert_eq!(
                may(&lead, &role("Lead", 50), std::slice::from_ref(&deed)),
                Err(Denied::OwnRole),
                "{deed:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn nobody_touches_what_does_not_stand_below_them(mine in 0..=999, theirs in 0..=999, then in 0..=999) {
            let lead = authority("Lead", mine, &["roles.manage"]);
            prop_assert_eq!(may_make(&lead, theirs, &[]).is_ok(), theirs < mine);
            for deed in [Deed::Describe, Deed::Rename, Deed::Withdraw, Deed::Delete] {
                prop_assert_eq!(may(&lead, &role("Other", theirs), &[deed]).is_ok(), theirs < mine);
            }
            let answer = may(&lead, &role("Other", theirs), &[Deed::SetRank(then)]);
            prop_assert_eq!(answer.is_ok(), theirs < mine && then < mine);
        }

        #[test]
        fn no_role_gives_what_its_maker_does_not_hold(mine in prop::collection::btree_set("[a-c]\\.[a-c]", 0..5), given in prop::collection::vec("[a-c]\\.[a-c]", 0..5)) {
            let lead = Authority { role: "Lead".to_owned(), rank: 50, permissions: PermissionSet::Only(mine.clone()) };
            let all_held = given.iter().all(|name| mine.contains(name));
            prop_assert_eq!(may_make(&lead, 1, &given).is_ok(), all_held);
            prop_assert_eq!(may(&lead, &role("Other", 1), &[Deed::Grant(given.clone())]).is_ok(), all_held);
            prop_assert!(may_make(&super_admin(), 999, &given).is_ok());
            prop_assert_eq!(may_make(&super_admin(), 1000, &given), Err(Denied::Rank));
        }
    }
}
