//! Who may make and manage which service client. No database, no clock.
//!
//! As with accounts: whoever manages a client ranks strictly above it, before and after, or it is of rank 0; nobody gives
//! it what they do not hold; and what hands it over takes all that it holds.

use crate::access::authentication::{Actor, Authority, Identity};
use crate::accounts::roles::{NotHeld, SUPER_ADMIN_RANK};
use crate::platform::error::{AppError, Code};
use crate::platform::ids::ClientId;

/// No client ranks with a `SuperAdmin`.
pub const HIGHEST_RANK: i32 = SUPER_ADMIN_RANK - 1;

/// Whoever wants to do something, with the authority of this moment.
#[derive(Clone, Debug)]
pub struct Manager {
    /// The client, if it is one.
    pub client: Option<ClientId>,
    /// On what authority.
    pub authority: Authority,
}

impl Manager {
    /// This actor, on this authority.
    pub fn new(by: &Actor, authority: Authority) -> Self {
        let client = match by.identity {
            Identity::Client { id, .. } => Some(id),
            _ => None,
        };
        Self { client, authority }
    }
}

/// The client that it is done to, as it is before.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The client.
    pub id: ClientId,
    /// Its rank.
    pub rank: i32,
    /// What it may.
    pub permissions: &'a [String],
}

/// One thing done to a client.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Rename it, take permissions from it, switch it off or on, delete it.
    Manage,
    /// Give it another rank.
    SetRank(i32),
    /// Give it these permissions that it had not.
    Grant(Vec<String>),
    /// Give it another secret, which its maker then has.
    TakeOver,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// A client's managing itself.
    Itself,
    /// The caller stands not far enough above the client: in rank or, for what hands it over, in permissions.
    Rank,
    /// The caller does not hold these.
    NotHeld(NotHeld),
}

/// Whether somebody of this authority may make a client of this rank with these permissions.
///
/// # Errors
/// The first reason why not.
pub fn may_make(by: &Authority, rank: i32, permissions: &[String]) -> Result<(), Denied> {
    if !by.ranks_above(rank) {
        return Err(Denied::Rank);
    }
    Ok(by.permissions.require(permissions)?)
}

/// Whether `by` may do all these `deeds` to `target`.
///
/// # Errors
/// The first reason why not.
pub fn may(by: &Manager, target: &Target<'_>, deeds: &[Deed]) -> Result<(), Denied> {
    if by.client == Some(target.id) {
        return Err(Denied::Itself);
    }
    let authority = &by.authority;
    let ranks_after = deeds.iter().all(|deed| match deed {
        Deed::SetRank(rank) => authority.ranks_above(*rank),
        _ => true,
    });
    let hands_over = deeds.iter().any(|deed| matches!(deed, Deed::TakeOver));
    let covers = authority.permissions.missing(target.permissions).is_empty();
    if !authority.ranks_above(target.rank) || !ranks_after || (hands_over && !covers) {
        return Err(Denied::Rank);
    }
    deeds.iter().try_for_each(|deed| match deed {
        Deed::Grant(added) => Ok(authority.permissions.require(added)?),
        _ => Ok(()),
    })
}

impl From<NotHeld> for Denied {
    fn from(lacking: NotHeld) -> Self {
        Self::NotHeld(lacking)
    }
}

impl From<Denied> for AppError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Itself => {
                Self::new(Code::ClientManageForbidden).detail("No client manages itself.")
            }
            Denied::Rank => Code::ClientManageForbidden.into(),
            Denied::NotHeld(lacking) => lacking.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::roles::{PermissionSet, SUPER_ADMIN};
    use chrono::DateTime;
    use proptest::prelude::*;

    fn authority(rank: i32, permissions: &[&str]) -> Authority {
        let permissions: Vec<String> = permissions.iter().map(|name| (*name).to_owned()).collect();
        Authority {
            role: "Lead".to_owned(),
            rank,
            permissions: PermissionSet::of("Lead", &permissions, &[]),
        }
    }

    fn person(authority: Authority) -> Manager {
        Manager {
            client: None,
            authority,
        }
    }

    fn target(rank: i32, permissions: &[String]) -> Target<'_> {
        Target {
            id: ClientId::new(DateTime::UNIX_EPOCH),
            rank,
            permissions,
        }
    }

    #[test]
    fn no_client_does_anything_to_itself() {
        let target = target(0, &[]);
        let itself = Manager {
            client: Some(target.id),
            authority: authority(500, &["clients.manage"]),
        };
        for deed in [
            Deed::Manage,
            Deed::SetRank(0),
            Deed::Grant(Vec::new()),
            Deed::TakeOver,
        ] {
            assert_eq!(may(&itself, &target, &[deed]), Err(Denied::Itself));
        }
    }

    #[test]
    fn another_secret_is_given_by_those_only_who_hold_what_the_client_holds() {
        let permissions = ["a.b".to_owned()];
        let target = target(0, &permissions);
        let lacking = person(authority(500, &["clients.manage"]));
        assert_eq!(may(&lacking, &target, &[Deed::Manage]), Ok(()));
        assert_eq!(may(&lacking, &target, &[Deed::TakeOver]), Err(Denied::Rank));
        let holding = person(authority(500, &["a.b"]));
        assert_eq!(may(&holding, &target, &[Deed::TakeOver]), Ok(()));
    }

    proptest! {
        #[test]
        fn nobody_makes_or_touches_what_does_not_stand_below_them(mine in 0..=999, theirs in 0..=999, then in 0..=999) {
            let lead = person(authority(mine, &[]));
            let above = |rank| rank == 0 || rank < mine;
            prop_assert_eq!(may_make(&lead.authority, theirs, &[]).is_ok(), above(theirs));
            for deed in [Deed::Manage, Deed::TakeOver] {
                prop_assert_eq!(may(&lead, &target(theirs, &[]), &[deed]).is_ok(), above(theirs));
            }
            let moved = may(&lead, &target(theirs, &[]), &[Deed::SetRank(then)]);
            prop_assert_eq!(moved.is_ok(), above(theirs) && above(then));
        }

        #[test]
        fn no_client_is_given_what_its_giver_does_not_hold(mine in prop::collection::btree_set("[a-c]\\.[a-c]", 0..5), given in prop::collection::vec("[a-c]\\.[a-c]", 0..5)) {
            let lead = person(Authority { role: "Lead".to_owned(), rank: 50, permissions: PermissionSet::Only(mine.clone()) });
            let all_held = given.iter().all(|name| mine.contains(name));
            prop_assert_eq!(may_make(&lead.authority, 0, &given).is_ok(), all_held);
            prop_assert_eq!(may(&lead, &target(0, &[]), &[Deed::Grant(given.clone())]).is_ok(), all_held);
            let chief = Authority { role: SUPER_ADMIN.to_owned(), rank: 1000, permissions: PermissionSet::All };
            prop_assert!(may_make(&chief, HIGHEST_RANK, &given).is_ok());
        }
    }
}
