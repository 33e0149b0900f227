//! Whatever people do to one another's accounts, one after the other: nobody gains what they do not hold, nobody gets above
//! themselves, and a `SuperAdmin` remains.

use chrono::DateTime;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::accounts::roles::{ADMIN, SUPER_ADMIN, SUPER_ADMIN_RANK, USER};

const PERMISSIONS: [&str; 4] = ["a.read", "b.read", "c.read", "d.read"];

/// The roles: the built-in ones, one between them, and one of the lowest rank that gives something all the same.
const ROLES: [(&str, i32, &[&str]); 5] = [
    (SUPER_ADMIN, SUPER_ADMIN_RANK, &[]),
    (ADMIN, 100, &["a.read", "b.read", "c.read"]),
    ("Clerk", 50, &["a.read", "d.read"]),
    ("Reader", 0, &["d.read"]),
    (USER, 0, &[]),
];

/// An account as the rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact that the rules ask for"
)]
struct Account {
    id: UserId,
    role: usize,
    grants: Vec<String>,
    is_active: bool,
    ends: bool,
    is_deleted: bool,
    has_password: bool,
}

fn authority(role: usize, grants: &[String]) -> Authority {
    let (name, rank, permissions) = ROLES[role];
    let of_role: Vec<String> = permissions.iter().map(|&name| name.to_owned()).collect();
    Authority {
        role: name.to_owned(),
        rank,
        permissions: PermissionSet::of(name, &of_role, grants),
    }
}

impl Account {
    fn authority(&self) -> Authority {
        authority(self.role, &self.grants)
    }

    fn is_lasting(&self) -> bool {
        self.is_active && !self.is_deleted && !self.ends && self.has_password
    }

    fn manager(&self) -> Manager {
        Manager {
            id: Some(self.id),
            authority: self.authority(),
            is_program: false,
        }
    }

    fn target(&self) -> Target {
        Target {
            id: self.id,
            authority: self.authority(),
            is_lasting: self.is_lasting(),
        }
    }

    /// The account after the deed.
    fn after(&self, deed: &Deed) -> Self {
        let mut after = self.clone();
        match deed {
            Deed::SetRole(role) => {
                after.role = ROLES
                    .iter()
                    .position(|(name, ..)| *name == role.role)
                    .unwrap();
            }
            Deed::Grant(added) => after.grants.extend(added.iter().cloned()),
            Deed::Withdraw => after.grants.clear(),
            Deed::SetActive(active) => after.is_active = *active,
            Deed::SetExpiry(ends) => after.ends = *ends,
            Deed::Delete | Deed::Leave => after.is_deleted = true,
            Deed::Restore => after.is_deleted = false,
            Deed::RemovePassword => after.has_password = false,
            Deed::TakeOver => after.has_password = true,
            Deed::Edit | Deed::Watch | Deed::SignOut | Deed::EditOwn => {}
        }
        after
    }
}

fn is_allowed(by: &Manager, target: &Target, deeds: &[Deed]) -> bool {
    may(by, target, deeds).is_ok()
}

fn some_grants() -> impl Strategy<Value = Vec<String>> {
    subsequence(PERMISSIONS.map(str::to_owned).to_vec(), 0..=4)
}

fn some_account(number: i64) -> impl Strategy<Value = Account> {
    let time = DateTime::from_timestamp(number, 0).unwrap();
    (0..ROLES.len(), some_grants()).prop_map(move |(role, grants)| Account {
        id: UserId::new(time),
        role,
        grants,
        is_active: true,
        ends: false,
        is_deleted: false,
        has_password: true,
    })
}

/// Five accounts, the first of them a `SuperAdmin`.
fn some_accounts() -> impl Strategy<Value = Vec<Account>> {
    let all = [0, 1, 2, 3, 4].map(some_account);
    all.prop_map(|mut all| {
        all[0].role = 0;
        all.to_vec()
    })
}

fn some_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        Just(Deed::Edit),
        (0..ROLES.len()).prop_map(|role| Deed::SetRole(authority(role, &[]))),
        some_grants().prop_map(Deed::Grant),
        Just(Deed::Withdraw),
        any::<bool>().prop_map(Deed::SetActive),
        any::<bool>().prop_map(Deed::SetExpiry),
        Just(Deed::Delete),
        Just(Deed::Restore),
        Just(Deed::TakeOver),
        Just(Deed::RemovePassword),
        Just(Deed::Watch),
        Just(Deed::SignOut),
        Just(Deed::EditOwn),
        Just(Deed::Leave),
    ]
}

/// Who does what to whom, by their places in the list of accounts.
fn some_story() -> impl Strategy<Value = Vec<(usize, usize, Vec<Deed>)>> {
    let step = (
        0..5_usize,
        0..5_usize,
        prop::collection::vec(some_deed(), 1..3),
    );
    prop::collection::vec(step, 1..40)
}

/// Plays the story: what the rules refuse does not happen, nor what a disabled, deleted or expired account would do.
/// `each` sees the account that acts, the account that suffers it, and that account afterwards.
fn play(
    accounts: &mut [Account],
    story: &[(usize, usize, Vec<Deed>)],
    mut each: impl FnMut(&Account, &Account, &Account),
) {
    for (actor, target, deeds) in story {
        let (by, before) = (accounts[*actor].clone(), accounts[*target].clone());
        let others = accounts.iter().filter(|one| one.id != before.id);
        let lasting = others
            .filter(|one| one.role == 0 && one.is_lasting())
            .count();
        let lasting = i64::try_from(lasting).unwrap();
        let lives = by.is_active && !by.is_deleted;
        if lives
            && is_allowed(&by.manager(), &before.target(), deeds)
            && leaves_a_super_admin(&before.target(), deeds, lasting)
        {
            let after = deeds
                .iter()
                .fold(before.clone(), |one, deed| one.after(deed));
            each(&by, &before, &after);
            accounts[*target] = after;
        }
    }
}

fn permissions(account: &Account) -> Vec<String> {
    let permissions = account.authority().permissions;
    let mut names: Vec<String> = PERMISSIONS.map(str::to_owned).to_vec();
    names.push("what is registered later".to_owned());
    names.retain(|name| permissions.has(name));
    names
}

proptest! {
    #[test]
    fn nobody_gives_what_they_do_not_hold(mut accounts in some_accounts(), story in some_story()) {
        play(&mut accounts, &story, |by, before, after| {
            let gained: Vec<String> = permissions(after)
                .into_iter()
                .filter(|name| !permissions(before).contains(name))
                .collect();
            assert_eq!(by.authority().permissions.missing(&gained), Vec::<String>::new());
        });
    }

    #[test]
    fn no_company_without_a_super_admin_gains_anything(mut accounts in some_accounts(), story in some_story()) {
        let story: Vec<_> = story.into_iter().filter(|(actor, ..)| *actor != 0).collect();
        for account in accounts.iter_mut().skip(1) {
            account.role = account.role.max(1);
        }
        let had: Vec<String> = accounts.iter().skip(1).flat_map(permissions).collect();
        let highest = accounts.iter().skip(1).map(|one| one.authority().rank).max();
        play(&mut accounts, &story, |_, _, _| ());
        for account in accounts.iter().skip(1) {
            prop_assert!(permissions(account).iter().all(|name| had.contains(name)));
            prop_assert!(Some(account.authority().rank) <= highest);
        }
        prop_assert!(accounts[0].is_lasting() && accounts[0].role == 0);
    }

    #[test]
    fn whoever_manages_an_account_stands_above_it_before_and_after(
        mut accounts in some_accounts(), story in some_story(),
    ) {
        play(&mut accounts, &story, |by, before, after| {
            if by.id != before.id {
                for state in [before, after] {
                    assert!(by.authority().ranks_above(state.authority().rank));
                    assert!(is_allowed(&by.manager(), &state.target(), &[Deed::Edit]));
                }
            }
        });
    }

    /// But by leaving, which takes it all.
    #[test]
    fn nobody_changes_their_own_standing(mut accounts in some_accounts(), story in some_story()) {
        play(&mut accounts, &story, |by, before, after| {
            if by.id == before.id {
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
    fn only_a_super_admin_makes_or_unmakes_one(mut accounts in some_accounts(), story in some_story()) {
        play(&mut accounts, &story, |by, before, after| {
            let state = |one: &Account| (one.role == 0).then(|| one.is_lasting());
            assert!(by.role == 0 || state(before) == state(after));
        });
    }

    #[test]
    fn a_super_admin_who_lasts_remains(mut accounts in some_accounts(), story in some_story()) {
        play(&mut accounts, &story, |_, _, _| ());
        prop_assert!(accounts.iter().any(|one| one.role == 0 && one.is_lasting()));
    }

    #[test]
    fn whoever_takes_an_account_over_gains_nothing_by_it(by in some_account(1), target in some_account(2)) {
        if is_allowed(&by.manager(), &target.target(), &[Deed::TakeOver]) {
            prop_assert!(by.authority().permissions.covers(&target.authority().permissions));
            prop_assert!(by.authority().ranks_above(target.authority().rank));
        }
    }

    #[test]
    fn deeds_together_are_allowed_exactly_when_each_is(
        by in some_account(1), target in some_account(2), is_self: bool,
        deeds in prop::collection::vec(some_deed(), 1..4),
    ) {
        let target = if is_self { by.target() } else { target.target() };
        let each = deeds.iter().all(|deed| is_allowed(&by.manager(), &target, std::slice::from_ref(deed)));
        prop_assert_eq!(is_allowed(&by.manager(), &target, &deeds), each);
    }

    /// To make an account is to make an empty one and then to give it the role and the grants.
    #[test]
    fn making_an_account_is_no_way_around(by in some_account(1), role in 0..ROLES.len(), grants in some_grants()) {
        let empty = Account { role: ROLES.len() - 1, grants: Vec::new(), ..by.clone() };
        let empty = Target { id: UserId::new(DateTime::UNIX_EPOCH), ..empty.target() };
        let role = authority(role, &[]);
        let deeds = [Deed::SetRole(role.clone()), Deed::Grant(grants.clone())];
        prop_assert_eq!(may_create(&by.manager().authority, &role, &grants), may(&by.manager(), &empty, &deeds));
    }

    /// The operator at the command line is nobody's equal and nobody's self.
    #[test]
    fn the_machine_may_everything_but_unmake_the_last(target in some_account(1), deed in some_deed()) {
        let machine = Manager { id: None, authority: Authority::system(), is_program: false };
        let allowed = is_allowed(&machine, &target.target(), std::slice::from_ref(&deed));
        prop_assert_eq!(allowed, !is_only_ones_own_business(&deed));
        let after = target.after(&deed);
        let remains = after.role == 0 && after.is_lasting();
        let leaves = leaves_a_super_admin(&target.target(), &[deed], 0);
        prop_assert_eq!(leaves, target.role != 0 || remains);
    }
}
