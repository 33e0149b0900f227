//! When the cache answers and when it does not.

use super::*;
use crate::access::actor::{Authority, Identity};
use crate::platform::http::Reply;
use crate::platform::ids::{SessionId, UserId};

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn caller(user: UserId) -> Arc<ResolvedCaller> {
    let identity = Identity::User {
        id: user,
        session: SessionId(Uuid::nil()),
    };
    let authority = Authority::none();
    Arc::new(ResolvedCaller::new(
        identity, "ada", authority, user.0, None, None, NOW,
    ))
}

/// An empty cache with a lease, and the ids of an account and of one of its sessions.
fn cache_with_lease() -> (AuthCache, UserId, Credential) {
    let cache = AuthCache::default();
    cache.renew_lease(LeaseInstant::now());
    (
        cache,
        UserId::new(NOW),
        Credential::Session(SessionId::new(NOW)),
    )
}

#[test]
fn an_entry_is_returned_until_its_principal_is_invalidated() {
    let (cache, user, credential) = cache_with_lease();
    cache.insert(cache.begin_fill(), credential, &caller(user));
    assert!(cache.get(&credential, NOW).is_some());
    cache.invalidate(Invalidation::Principal(UserId::new(NOW).0));
    assert!(
        cache.get(&credential, NOW).is_some(),
        "another account was invalidated"
    );
    cache.invalidate(Invalidation::Principal(user.0));
    assert!(cache.get(&credential, NOW).is_none());
}

#[test]
fn a_fill_that_began_before_an_invalidation_is_discarded() {
    let (cache, user, credential) = cache_with_lease();
    let ticket = cache.begin_fill();
    cache.invalidate(Invalidation::Principal(user.0));
    cache.insert(ticket, credential, &caller(user));
    assert!(cache.get(&credential, NOW).is_none());
    let response = Arc::new(Reply::no_content().into_stored());
    cache.insert_user_response(ticket, user.0, response);
    assert!(cache.get_user_response(user.0).is_none());
}

#[test]
fn inserting_one_credential_does_not_restore_another() {
    let (cache, user, credential) = cache_with_lease();
    let other = Credential::Session(SessionId::new(NOW));
    cache.insert(cache.begin_fill(), credential, &caller(user));
    cache.invalidate(Invalidation::Principal(user.0));
    cache.insert(cache.begin_fill(), other, &caller(user));
    assert!(cache.get(&other, NOW).is_some());
    assert!(cache.get(&credential, NOW).is_none());
}

#[test]
fn nothing_is_returned_without_a_lease() {
    let (cache, user, credential) = cache_with_lease();
    cache.insert(cache.begin_fill(), credential, &caller(user));
    cache.drop_lease();
    assert!(cache.get(&credential, NOW).is_none());
    cache.renew_lease(LeaseInstant::now());
    assert!(
        cache.get(&credential, NOW).is_none(),
        "entries from before the gap are removed"
    );
    cache.insert(cache.begin_fill(), credential, &caller(user));
    assert!(cache.get(&credential, NOW).is_some());
    let polled_at = LeaseInstant::now();
    std::thread::sleep(LEASE);
    cache.renew_lease(polled_at);
    assert!(
        cache.get(&credential, NOW).is_none(),
        "the lease begins with the poll, not when its result arrives"
    );
}

#[test]
fn the_catalogue_is_invalidated_with_all_principals_only() {
    let (cache, user, _) = cache_with_lease();
    let names: Arc<str> = Arc::from("users.read");
    assert!(cache.get_catalogue().is_none());
    cache.insert_catalogue(cache.begin_fill(), Arc::clone(&names));
    cache.invalidate(Invalidation::Principal(user.0));
    assert_eq!(cache.get_catalogue(), Some(Arc::clone(&names)));
    let early = cache.begin_fill();
    cache.invalidate(Invalidation::All);
    assert!(cache.get_catalogue().is_none());
    cache.insert_catalogue(early, Arc::clone(&names));
    assert!(cache.get_catalogue().is_none(), "read before the change");
    cache.insert_catalogue(cache.begin_fill(), names);
    cache.drop_lease();
    cache.renew_lease(LeaseInstant::now());
    assert!(
        cache.get_catalogue().is_none(),
        "notifications may have been missed"
    );
}

#[test]
fn only_one_request_reads_an_old_user_response_again() {
    let (cache, user, _) = cache_with_lease();
    let response = Arc::new(Reply::no_content().into_stored());
    cache.insert_user_response(cache.begin_fill(), user.0, response);
    std::thread::sleep(USER_RESPONSE_MAX_AGE);
    cache.renew_lease(LeaseInstant::now());
    assert!(cache.get_user_response(user.0).is_none());
    assert!(cache.get_user_response(user.0).is_some());
    cache.invalidate(Invalidation::Principal(user.0));
    assert!(cache.get_user_response(user.0).is_none());
}

#[test]
fn values_are_not_returned_after_the_age_limit() {
    let (cache, user, credential) = cache_with_lease();
    let response = Arc::new(Reply::no_content().into_stored());
    let fill = |age: Duration| FillTicket {
        began_at: Instant::now().checked_sub(age).unwrap(),
        ..cache.begin_fill()
    };
    for (age, is_returned) in [(MAX_AGE / 2, true), (MAX_AGE, false)] {
        cache.insert(fill(age), credential, &caller(user));
        cache.insert_user_response(fill(age), user.0, Arc::clone(&response));
        cache.insert_catalogue(fill(age), "users.read".into());
        assert_eq!(cache.get(&credential, NOW).is_some(), is_returned);
        assert_eq!(cache.get_user_response(user.0).is_some(), is_returned);
        assert_eq!(cache.get_catalogue().is_some(), is_returned);
    }
}
