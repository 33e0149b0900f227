//! Properties of random sequences of actions between accounts: no caller grants permissions it does not hold, no caller
//! raises its own authority, and a `SuperAdmin` remains.

use chrono::DateTime;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::access::actor::{ADMIN, SUPER_ADMIN, SUPER_ADMIN_RANK, USER};

const PERMISSIONS: [&str; 4] = ["a.read", "b.read", "c.read", "d.read"];

/// The built-in roles, one between them, and one of the lowest rank that has a permission.
const ROLES: [(&str, i32, &[&str]); 5] = [
    (SUPER_ADMIN, SUPER_ADMIN_RANK, &[]),
    (ADMIN, 100, &["a.read", "b.read", "c.read"]),
    ("Clerk", 50, &["a.read", "d.read"]),
    ("Reader", 0, &["d.read"]),
    (USER, 0, &[]),
];

/// An account with the properties that the rules read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent property of an account"
)]
struct Account {
    id: UserId,
    role: usize,
    grants: Vec<String>,
    is_active: bool,
    expires: bool,
    is_deleted: bool,
    has_password: bool,
}

fn authority(role: usize, grants: &[String]) -> Authority {
    let (name, rank, permissions) = ROLES[role];
    let of_role: Vec<String> = permissions.iter().map(|&name| name.to_owned()).collect();
    Authority {
        role: name.to_owned(),
        rank,
        permissions: PermissionSet::of_role_and_grants(name, &of_role, grants),
    }
}

impl Account {
    fn authority(&self) -> Authority {
        authority(self.role, &self.grants)
    }

    fn can_always_sign_in(&self) -> bool {
        self.is_active && !self.is_deleted && !self.expires && self.has_password
    }

    fn as_manager(&self) -> UserPolicyCaller {
        UserPolicyCaller {
            id: Some(self.id),
            authority: self.authority(),
            is_program: false,
        }
    }

    fn as_target(&self) -> ManagedUser {
        ManagedUser {
            id: self.id,
            authority: self.authority(),
            can_always_sign_in: self.can_always_sign_in(),
        }
    }

    /// The account after the action.
    fn after(&self, action: &UserAction) -> Self {
        let mut after = self.clone();
        match action {
            UserAction::SetRole(role) => {
                after.role = ROLES
                    .iter()
                    .position(|(name, ..)| *name == role.role)
                    .unwrap();
            }
            UserAction::Grant(added) => after.grants.extend(added.iter().cloned()),
            UserAction::Withdraw => after.grants.clear(),
            UserAction::SetActive(active) => after.is_active = *active,
            UserAction::SetExpiry(expires) => after.expires = *expires,
            UserAction::Delete | UserAction::DeleteOwn => after.is_deleted = true,
            UserAction::Restore => after.is_deleted = false,
            UserAction::RemovePassword => after.has_password = false,
            UserAction::TakeOver => after.has_password = true,
            UserAction::Edit
            | UserAction::ReadSessions
            | UserAction::SignOut
            | UserAction::EditOwn => {}
        }
        after
    }
}

fn is_allowed(manager: &UserPolicyCaller, target: &ManagedUser, actions: &[UserAction]) -> bool {
    check_actions(manager, target, actions).is_ok()
}

fn any_grants() -> impl Strategy<Value = Vec<String>> {
    subsequence(PERMISSIONS.map(str::to_owned).to_vec(), 0..=4)
}

fn any_account(number: i64) -> impl Strategy<Value = Account> {
    let time = DateTime::from_timestamp(number, 0).unwrap();
    (0..ROLES.len(), any_grants()).prop_map(move |(role, grants)| Account {
        id: UserId::new(time),
        role,
        grants,
        is_active: true,
        expires: false,
        is_deleted: false,
        has_password: true,
    })
}

/// Five accounts, the first of them a `SuperAdmin`.
fn any_accounts() -> impl Strategy<Value = Vec<Account>> {
    let all = [0, 1, 2, 3, 4].map(any_account);
    all.prop_map(|mut all| {
        all[0].role = 0;
        all.to_vec()
    })
}

fn any_action() -> impl Strategy<Value = UserAction> {
    prop_oneof![
        Just(UserAction::Edit),
        (0..ROLES.len()).prop_map(|role| UserAction::SetRole(authority(role, &[]))),
        any_grants().prop_map(UserAction::Grant),
        Just(UserAction::Withdraw),
        any::<bool>().prop_map(UserAction::SetActive),
        any::<bool>().prop_map(UserAction::SetExpiry),
        Just(UserAction::Delete),
        Just(UserAction::Restore),
        Just(UserAction::TakeOver),
        Just(UserAction::RemovePassword),
        Just(UserAction::ReadSessions),
        Just(UserAction::SignOut),
        Just(UserAction::EditOwn),
        Just(UserAction::DeleteOwn),
    ]
}

/// Steps of (actor, target, actions); actor and target are indexes of accounts.
fn any_steps() -> impl Strategy<Value = Vec<(usize, usize, Vec<UserAction>)>> {
    let step = (
        0..5_usize,
        0..5_usize,
        prop::collection::vec(any_action(), 1..3),
    );
    prop::collection::vec(step, 1..40)
}

/// Applies each step that the rules allow. Skips the steps of actors whose account is not usable. After each applied step,
/// calls `each` with the actor, the target before and the target after the step.
fn run_steps(
    accounts: &mut [Account],
    steps: &[(usize, usize, Vec<UserAction>)],
    mut each: impl FnMut(&Account, &Account, &Account),
) {
    for (actor, target, actions) in steps {
        let (manager, before) = (accounts[*actor].clone(), accounts[*target].clone());
        let others = accounts.iter().filter(|one| one.id != before.id);
        let permanent = others
            .filter(|one| one.role == 0 && one.can_always_sign_in())
            .count();
        let is_usable = manager.is_active && !manager.is_deleted;
        if is_usable
            && is_allowed(&manager.as_manager(), &before.as_target(), actions)
            && (permanent > 0 || !removes_super_admin(&before.as_target(), actions))
        {
            let after = actions
                .iter()
                .fold(before.clone(), |one, action| one.after(action));
            each(&manager, &before, &after);
            accounts[*target] = after;
        }
    }
}

fn permissions(account: &Account) -> Vec<String> {
    let permissions = account.authority().permissions;
    let mut names: Vec<String> = PERMISSIONS.map(str::to_owned).to_vec();
    names.push("registered.later".to_owned());
    names.retain(|name| permissions.has(name));
    names
}

proptest! {
    #[test]
    fn callers_only_grant_permissions_they_hold(mut accounts in any_accounts(), steps in any_steps()) {
        run_steps(&mut accounts, &steps, |manager, before, after| {
            let gained: Vec<String> = permissions(after)
                .into_iter()
                .filter(|name| !permissions(before).contains(name))
                .collect();
            assert_eq!(manager.authority().permissions.missing(&gained), Vec::<String>::new());
        });
    }

    #[test]
    fn accounts_below_super_admin_cannot_gain_permissions_or_rank_together(mut accounts in any_accounts(), steps in any_steps()) {
        let steps: Vec<_> = steps.into_iter().filter(|(actor, ..)| *actor != 0).collect();
        for account in accounts.iter_mut().skip(1) {
            account.role = account.role.max(1);
        }
        let had: Vec<String> = accounts.iter().skip(1).flat_map(permissions).collect();
        let highest = accounts.iter().skip(1).map(|one| one.authority().rank).max();
        run_steps(&mut accounts, &steps, |_, _, _| ());
        for account in accounts.iter().skip(1) {
            prop_assert!(permissions(account).iter().all(|name| had.contains(name)));
            prop_assert!(Some(account.authority().rank) <= highest);
        }
        prop_assert!(accounts[0].can_always_sign_in() && accounts[0].role == 0);
    }

    #[test]
    fn a_manager_ranks_above_the_account_before_and_after(
        mut accounts in any_accounts(), steps in any_steps(),
    ) {
        run_steps(&mut accounts, &steps, |manager, before, after| {
            if manager.id != before.id {
                for state in [before, after] {
                    assert!(manager.authority().ranks_above(state.authority().rank));
                    assert!(is_allowed(&manager.as_manager(), &state.as_target(), &[UserAction::Edit]));
                }
            }
        });
    }

    /// The exception is the deletion of the own account.
    #[test]
    fn no_account_changes_its_own_authority(mut accounts in any_accounts(), steps in any_steps()) {
        run_steps(&mut accounts, &steps, |manager, before, after| {
            if manager.id == before.id {
                let same = Account {
                    has_password: before.has_password,
                    is_deleted: before.is_deleted,
                    ..after.clone()
                };
                assert_eq!(&same, before);
            }
        });
    }

    #[test]
    fn only_a_super_admin_creates_or_removes_a_super_admin(mut accounts in any_accounts(), steps in any_steps()) {
        run_steps(&mut accounts, &steps, |manager, before, after| {
            let state = |one: &Account| (one.role == 0).then(|| one.can_always_sign_in());
            assert!(manager.role == 0 || state(before) == state(after));
        });
    }

    #[test]
    fn a_super_admin_that_can_always_sign_in_remains(mut accounts in any_accounts(), steps in any_steps()) {
        run_steps(&mut accounts, &steps, |_, _, _| ());
        prop_assert!(accounts.iter().any(|one| one.role == 0 && one.can_always_sign_in()));
    }

    #[test]
    fn taking_over_an_account_adds_no_permissions(manager in any_account(1), target in any_account(2)) {
        if is_allowed(&manager.as_manager(), &target.as_target(), &[UserAction::TakeOver]) {
            prop_assert!(manager.authority().permissions.covers(&target.authority().permissions));
            prop_assert!(manager.authority().ranks_above(target.authority().rank));
        }
    }

    #[test]
    fn actions_together_are_allowed_exactly_when_each_is(
        manager in any_account(1), target in any_account(2), is_self: bool,
        actions in prop::collection::vec(any_action(), 1..4),
    ) {
        let target = if is_self { manager.as_target() } else { target.as_target() };
        let each = actions.iter().all(|action| is_allowed(&manager.as_manager(), &target, std::slice::from_ref(action)));
        prop_assert_eq!(is_allowed(&manager.as_manager(), &target, &actions), each);
    }

    /// Creation follows the same rules as assigning the role and the grants to an empty account.
    #[test]
    fn creating_an_account_follows_the_rules_of_changing_one(manager in any_account(1), role in 0..ROLES.len(), grants in any_grants()) {
        let empty = Account { role: ROLES.len() - 1, grants: Vec::new(), ..manager.clone() };
        let empty = ManagedUser { id: UserId::new(DateTime::UNIX_EPOCH), ..empty.as_target() };
        let role = authority(role, &[]);
        let actions = [UserAction::SetRole(role.clone()), UserAction::Grant(grants.clone())];
        prop_assert_eq!(check_creation(&manager.as_manager().authority, &role, &grants), check_actions(&manager.as_manager(), &empty, &actions));
    }

    /// The operator at the command line has no account.
    #[test]
    fn the_operator_may_do_everything_except_remove_the_last_super_admin(target in any_account(1), action in any_action()) {
        let operator = UserPolicyCaller { id: None, authority: Authority::system(), is_program: false };
        let allowed = is_allowed(&operator, &target.as_target(), std::slice::from_ref(&action));
        prop_assert_eq!(allowed, !is_self_only(&action));
        let after = target.after(&action);
        let remains = after.role == 0 && after.can_always_sign_in();
        let leaves = !removes_super_admin(&target.as_target(), &[action]);
        prop_assert_eq!(leaves, target.role != 0 || remains);
    }
}
