//! What memory answers, and for how long.

use super::*;
use crate::http::Reply;
use crate::ids::UserId;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn facts(user: UserId) -> Arc<Facts> {
    let who = Who::User {
        id: user,
        session: SessionId(Uuid::nil()),
    };
    let standing = Standing::of_nobody();
    Arc::new(Facts::new(who, "ada", standing, user.0, None, None, NOW))
}

/// A memory that has just heard the news, an account and a credential of it.
fn scene() -> (Memory, UserId, Credential) {
    let memory = Memory::default();
    memory.heard_up_to(Instant::now());
    (
        memory,
        UserId::new(NOW),
        Credential::Session(SessionId::new(NOW)),
    )
}

#[test]
fn what_was_kept_is_recalled_until_its_party_is_touched() {
    let (memory, user, credential) = scene();
    memory.keep(memory.ticket(), credential, &facts(user));
    assert!(memory.recall(&credential, NOW).is_some());
    memory.forget(Touched::Party(UserId::new(NOW).0));
    assert!(
        memory.recall(&credential, NOW).is_some(),
        "somebody else was touched"
    );
    memory.forget(Touched::Party(user.0));
    assert!(memory.recall(&credential, NOW).is_none());
}

#[test]
fn a_fill_that_began_before_a_change_is_thrown_away() {
    let (memory, user, credential) = scene();
    let ticket = memory.ticket();
    memory.forget(Touched::Party(user.0));
    memory.keep(ticket, credential, &facts(user));
    assert!(memory.recall(&credential, NOW).is_none());
    memory.keep_page(ticket, user.0, Arc::new(Reply::no_content().into_kept()));
    assert!(memory.recall_page(user.0).is_none());
}

#[test]
fn a_new_fill_of_one_credential_does_not_revive_another() {
    let (memory, user, credential) = scene();
    let other = Credential::Session(SessionId::new(NOW));
    memory.keep(memory.ticket(), credential, &facts(user));
    memory.forget(Touched::Party(user.0));
    memory.keep(memory.ticket(), other, &facts(user));
    assert!(memory.recall(&other, NOW).is_some());
    assert!(memory.recall(&credential, NOW).is_none());
}

#[test]
fn without_news_nothing_is_answered() {
    let (memory, user, credential) = scene();
    memory.keep(memory.ticket(), credential, &facts(user));
    memory.lost_touch();
    assert!(memory.recall(&credential, NOW).is_none());
    memory.heard_up_to(Instant::now());
    assert!(
        memory.recall(&credential, NOW).is_none(),
        "what was remembered before the gap does not count"
    );
    memory.keep(memory.ticket(), credential, &facts(user));
    assert!(memory.recall(&credential, NOW).is_some());
    if let Some(long_ago) = memory.began.checked_sub(LEASE) {
        memory.heard_up_to(long_ago);
        std::thread::sleep(LEASE);
        assert!(
            memory.recall(&credential, NOW).is_none(),
            "the lease has run out"
        );
    }
}

#[test]
fn time_runs_out_in_memory_too() {
    let user = UserId::new(NOW);
    let who = Who::User {
        id: user,
        session: SessionId(Uuid::nil()),
    };
    let (end, idle) = (NOW + TimeDelta::hours(2), TimeDelta::hours(1));
    let facts = Facts::new(
        who,
        "ada",
        Standing::of_nobody(),
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
    assert!(memory.recall_catalogue().is_none());
    memory.keep_catalogue(memory.ticket(), Arc::clone(&names));
    memory.forget(Touched::Party(user.0));
    assert_eq!(memory.recall_catalogue(), Some(Arc::clone(&names)));
    let early = memory.ticket();
    memory.forget(Touched::Everyone);
    assert!(memory.recall_catalogue().is_none());
    memory.keep_catalogue(early, Arc::clone(&names));
    assert!(
        memory.recall_catalogue().is_none(),
        "read before the change"
    );
    memory.keep_catalogue(memory.ticket(), names);
    memory.lost_touch();
    memory.heard_up_to(Instant::now());
    assert!(
        memory.recall_catalogue().is_none(),
        "news may have been missed"
    );
}

#[test]
fn an_old_page_is_read_anew_by_one_and_not_by_all() {
    let (memory, user, _) = scene();
    let page = Arc::new(Reply::no_content().into_kept());
    memory.keep_page(memory.ticket(), user.0, page);
    std::thread::sleep(PAGE_AGE);
    memory.heard_up_to(Instant::now());
    assert!(memory.recall_page(user.0).is_none());
    assert!(memory.recall_page(user.0).is_some());
    memory.forget(Touched::Party(user.0));
    assert!(memory.recall_page(user.0).is_none());
}
