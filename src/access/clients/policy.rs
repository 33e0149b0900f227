//! Rules for creating and managing service clients. Pure decisions: no database, no clock.
//!
//! As for accounts, the caller must rank above the client before and after the change, and can only grant permissions it
//! holds ([`management`]). To rotate the secret, the caller needs every permission of the client.

use crate::access::actor::management::{self, ManagementDenied, ManagementRequirements, RankRule};
use crate::access::actor::{
    Actor, Authority, Identity, PermissionSet, PermissionsNotHeld, SUPER_ADMIN_RANK,
};
use crate::platform::error::{AppError, Code};
use crate::platform::ids::ClientId;

/// The highest rank of a client: below `SuperAdmin`.
pub const HIGHEST_RANK: i32 = SUPER_ADMIN_RANK - 1;

/// The caller with its current authority.
#[derive(Clone, Debug)]
pub struct ClientPolicyCaller {
    /// The caller's client id, if it is a service client.
    pub client: Option<ClientId>,
    /// Its current authority.
    pub authority: Authority,
}

impl ClientPolicyCaller {
    /// The actor with this authority.
    pub fn new(actor: &Actor, authority: Authority) -> Self {
        let client = match actor.identity {
            Identity::Client { id, .. } => Some(id),
            _ => None,
        };
        Self { client, authority }
    }
}

/// The client to act on, as it is before the action.
#[derive(Clone, Debug)]
pub struct ManagedClient {
    /// The client.
    pub id: ClientId,
    /// Its rank.
    pub rank: i32,
    /// Its permissions.
    pub permissions: PermissionSet,
}

/// An action on a client.
#[derive(Clone, Debug)]
pub enum ClientAction {
    /// Rename it, remove permissions, enable, disable or delete it.
    Manage,
    /// Change its rank.
    SetRank(i32),
    /// Add these permissions.
    Grant(Vec<String>),
    /// Rotate its secret, which the caller then knows.
    TakeOver,
}

/// Why an action on a client is forbidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientActionDenied {
    /// A client cannot manage itself.
    OwnClient,
    /// The caller's rank is too low or, to rotate the secret, it lacks some of the client's permissions.
    Rank,
    /// The caller cannot grant permissions that it does not hold.
    NotHeld(PermissionsNotHeld),
}

/// Checks whether the caller may create a client of this rank with these permissions.
///
/// # Errors
/// The first rule that is violated.
pub fn check_creation(
    caller: &Authority,
    rank: i32,
    permissions: &[String],
) -> Result<(), ClientActionDenied> {
    let requirements = ManagementRequirements {
        rule: RankRule::BelowOrZero,
        ranks: vec![rank],
        takes_over: None,
        grants: vec![PermissionSet::only(permissions)],
    };
    Ok(management::check(caller, &requirements)?)
}

/// Checks whether `manager` may perform all `actions` on `target`.
///
/// # Errors
/// The first rule that is violated.
pub fn check_actions(
    manager: &ClientPolicyCaller,
    target: &ManagedClient,
    actions: &[ClientAction],
) -> Result<(), ClientActionDenied> {
    if manager.client == Some(target.id) {
        return Err(ClientActionDenied::OwnClient);
    }
    let mut ranks = vec![target.rank];
    let mut grants = Vec::new();
    let mut takes_over = None;
    for action in actions {
        match action {
            ClientAction::SetRank(rank) => ranks.push(*rank),
            ClientAction::Grant(added) => grants.push(PermissionSet::only(added)),
            ClientAction::TakeOver => takes_over = Some(&target.permissions),
            ClientAction::Manage => {}
        }
    }
    let requirements = ManagementRequirements {
        rule: RankRule::BelowOrZero,
        ranks,
        takes_over,
        grants,
    };
    Ok(management::check(&manager.authority, &requirements)?)
}

impl From<ManagementDenied> for ClientActionDenied {
    fn from(denied: ManagementDenied) -> Self {
        match denied {
            ManagementDenied::Rank => Self::Rank,
            ManagementDenied::NotHeld(permissions) => Self::NotHeld(permissions),
        }
    }
}

impl From<ClientActionDenied> for AppError {
    fn from(denied: ClientActionDenied) -> Self {
        match denied {
            ClientActionDenied::OwnClient => {
                Self::new(Code::ClientManageForbidden).with_detail("A client cannot manage itself.")
            }
            ClientActionDenied::Rank => Code::ClientManageForbidden.into(),
            ClientActionDenied::NotHeld(permissions) => permissions.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::actor::{PermissionSet, SUPER_ADMIN};
    use chrono::DateTime;
    use proptest::prelude::*;

    fn authority(rank: i32, permissions: &[&str]) -> Authority {
        let permissions: Vec<String> = permissions.iter().map(|name| (*name).to_owned()).collect();
        Authority {
            role: "Lead".to_owned(),
            rank,
            permissions: PermissionSet::only(&permissions),
        }
    }

    fn person(authority: Authority) -> ClientPolicyCaller {
        ClientPolicyCaller {
            client: None,
            authority,
        }
    }

    fn target(rank: i32, permissions: &[String]) -> ManagedClient {
        ManagedClient {
            id: ClientId::new(DateTime::UNIX_EPOCH),
            rank,
            permissions: PermissionSet::only(permissions),
        }
    }

    #[test]
    fn a_client_cannot_manage_itself() {
        let target = target(0, &[]);
        let client = ClientPolicyCaller {
            client: Some(target.id),
            authority: authority(500, &["clients.manage"]),
        };
        for action in [
            ClientAction::Manage,
            ClientAction::SetRank(0),
            ClientAction::Grant(Vec::new()),
            ClientAction::TakeOver,
        ] {
            assert_eq!(
                check_actions(&client, &target, &[action]),
                Err(ClientActionDenied::OwnClient)
            );
        }
    }

    #[test]
    fn rotating_a_secret_needs_all_permissions_of_the_client() {
        let permissions = ["a.b".to_owned()];
        let target = target(0, &permissions);
        let without = person(authority(500, &["clients.manage"]));
        assert_eq!(
            check_actions(&without, &target, &[ClientAction::Manage]),
            Ok(())
        );
        assert_eq!(
            check_actions(&without, &target, &[ClientAction::TakeOver]),
            Err(ClientActionDenied::Rank)
        );
        let with = person(authority(500, &["a.b"]));
        assert_eq!(
            check_actions(&with, &target, &[ClientAction::TakeOver]),
            Ok(())
        );
    }

    proptest! {
        #[test]
        fn callers_only_manage_clients_below_their_rank(own in 0..=999, target_rank in 0..=999, new_rank in 0..=999) {
            let lead = person(authority(own, &[]));
            let above = |rank| rank == 0 || rank < own;
            prop_assert_eq!(check_creation(&lead.authority, target_rank, &[]).is_ok(), above(target_rank));
            for action in [ClientAction::Manage, ClientAction::TakeOver] {
                prop_assert_eq!(check_actions(&lead, &target(target_rank, &[]), &[action]).is_ok(), above(target_rank));
            }
            let changed = check_actions(&lead, &target(target_rank, &[]), &[ClientAction::SetRank(new_rank)]);
            prop_assert_eq!(changed.is_ok(), above(target_rank) && above(new_rank));
        }

        #[test]
        fn a_client_only_gets_permissions_its_creator_holds(own in prop::collection::btree_set("[a-c]\\.[a-c]", 0..5), given in prop::collection::vec("[a-c]\\.[a-c]", 0..5)) {
            let lead = person(Authority { role: "Lead".to_owned(), rank: 50, permissions: PermissionSet::Only(own.clone()) });
            let all_held = given.iter().all(|name| own.contains(name));
            prop_assert_eq!(check_creation(&lead.authority, 0, &given).is_ok(), all_held);
            prop_assert_eq!(check_actions(&lead, &target(0, &[]), &[ClientAction::Grant(given.clone())]).is_ok(), all_held);
            let super_admin = Authority { role: SUPER_ADMIN.to_owned(), rank: 1000, permissions: PermissionSet::All };
            prop_assert!(check_creation(&super_admin, HIGHEST_RANK, &given).is_ok());
        }
    }
}
