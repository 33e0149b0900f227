//! What memory answers, and for how long.

use super::*;
use crate::platform::http::Reply;
use crate::platform::ids::UserId;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn facts(user: UserId) -> Arc<ResolvedCaller> {
    let identity = Identity::User {
        id: user,
        session: SessionId(Uuid::nil()),
    };
    let authority = Authority::none();
    Arc::new(ResolvedCaller::new(
        identity, "ada", authority, user.0, None, None, NOW,
    ))
}

/// A memory that has just heard the news, an account and a credential of it.
fn scene() -> (AuthCache, UserId, Credential) {
    let memory = AuthCache::default();
    memory.renew_lease(Instant::now());
    (
        memory,
        UserId::new(NOW),
        Credential::Session(SessionId::new(NOW)),
    )
}

#[test]
fn what_was_kept_is_recalled_until_its_party_is_touched() {
    let (memory, user, credential) = scene();
    memory.insert(memory.begin_fill(), credential, &facts(user));
    assert!(memory.get(&credential, NOW).is_some());
    memory.invalidate(Invalidation::Principal(UserId::new(NOW).0));
    assert!(
        memory.get(&credential, NOW).is_some(),
        "somebody else was touched"
    );
    memory.invalidate(Invalidation::Principal(user.0));
    assert!(memory.get(&credential, NOW).is_none());
}

#[test]
fn a_fill_that_began_before_a_change_is_thrown_away() {
    let (memory, user, credential) = scene();
    let begin_fill = memory.begin_fill();
    memory.invalidate(Invalidation::Principal(user.0));
    memory.insert(begin_fill, credential, &facts(user));
    assert!(memory.get(&credential, NOW).is_none());
    memory.insert_user_response(
        begin_fill,
        user.0,
        Arc::new(Reply::no_content().into_kept()),
    );
    assert!(memory.get_user_response(user.0).is_none());
}

#[test]
fn a_new_fill_of_one_credential_does_not_revive_another() {
    let (memory, user, credential) = scene();
    let other = Credential::Session(SessionId::new(NOW));
    memory.insert(memory.begin_fill(), credential, &facts(user));
    memory.invalidate(Invalidation::Principal(user.0));
    memory.insert(memory.begin_fill(), other, &facts(user));
    assert!(memory.get(&other, NOW).is_some());
    assert!(memory.get(&credential, NOW).is_none());
}

#[test]
fn without_news_nothing_is_answered() {
    let (memory, user, credential) = scene();
    memory.insert(memory.begin_fill(), credential, &facts(user));
    memory.drop_lease();
    assert!(memory.get(&credential, NOW).is_none());
    memory.renew_lease(Instant::now());
    assert!(
        memory.get(&credential, NOW).is_none(),
        "what was remembered before the gap does not count"
    );
    memory.insert(memory.begin_fill(), credential, &facts(user));
    assert!(memory.get(&credential, NOW).is_some());
    if let Some(long_ago) = memory.began.checked_sub(LEASE) {
        memory.renew_lease(long_ago);
        std::thread::sleep(LEASE);
        assert!(
            memory.get(&credential, NOW).is_none(),
            "the lease has run out"
        );
    }
}

#[test]
fn time_runs_out_in_memory_too() {
    let user = UserId::new(NOW);
    let identity = Identity::User {
        id: user,
        session: SessionId(Uuid::nil()),
    };
    let (end, idle) = (NOW + TimeDelta::hours(2), TimeDelta::hours(1));
    let facts = ResolvedCaller::new(
        identity,
        "ada",
        Authority::none(),
        user.0,
        Some(end),
        Some(idle),
        NOW,
    );
    assert!(facts.lasts(NOW + TimeDelta::minutes(59)));
    assert!(!facts.lasts(NOW + TimeDelta::minutes(60)));
    assert!(facts.is_due(NOW + TimeDelta::minutes(59)));
    assert!(
        !facts.is_due(NOW + TimeDelta::minutes(59)),
        "once is enough"
    );
    assert!(facts.lasts(NOW + TimeDelta::minutes(118)) && !facts.lasts(end));
}

#[test]
fn the_catalogue_is_forgotten_with_everybody_and_with_nobody_else() {
    let (memory, user, _) = scene();
    let names: Arc<str> = Arc::from("users.read");
    assert!(memory.get_catalogue().is_none());
    memory.insert_catalogue(memory.begin_fill(), Arc::clone(&names));
    memory.invalidate(Invalidation::Principal(user.0));
    assert_eq!(memory.get_catalogue(), Some(Arc::clone(&names)));
    let early = memory.begin_fill();
    memory.invalidate(Invalidation::All);
    assert!(memory.get_catalogue().is_none());
    memory.insert_catalogue(early, Arc::clone(&names));
    assert!(memory.get_catalogue().is_none(), "read before the change");
    memory.insert_catalogue(memory.begin_fill(), names);
    memory.drop_lease();
    memory.renew_lease(Instant::now());
    assert!(
        memory.get_catalogue().is_none(),
        "news may have been missed"
    );
}

#[test]
fn an_old_page_is_read_anew_by_one_and_not_by_all() {
    let (memory, user, _) = scene();
    let page = Arc::new(Reply::no_content().into_kept());
    memory.insert_user_response(memory.begin_fill(), user.0, page);
    std::thread::sleep(PAGE_AGE);
    memory.renew_lease(Instant::now());
    assert!(memory.get_user_response(user.0).is_none());
    assert!(memory.get_user_response(user.0).is_some());
    memory.invalidate(Invalidation::Principal(user.0));
    assert!(memory.get_user_response(user.0).is_none());
}
