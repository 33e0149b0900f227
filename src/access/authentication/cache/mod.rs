//! The cache of resolved callers, of responses that show an account, and of the permission catalogue.
//!
//! # Why a cached answer is never stale
//!
//! 1. **On this replica.** A transaction that changes an account declares it with `Tx::invalidate`, and
//!    [`AuthCache::invalidate`] runs before the change is answered. The next request on this replica reads the database.
//! 2. **On other replicas.** Triggers on the same tables send `NOTIFY` in the changing transaction, whichever process runs
//!    it: another replica, the command line, psql. PostgreSQL signals every listening connection before it answers the
//!    commit, and a listening connection delivers the notifications with the answer to its next query. A query that *began*
//!    after the commit was answered, and has returned, has therefore delivered the notification.
//! 3. **The lease.** [`AuthCache::get`] answers only if such a query began less than [`LEASE`] ago. If the listener is
//!    disconnected, slow or stopped, the lease expires and every request reads the database. [`LEASE`] is therefore the
//!    longest time for which another replica can accept a revoked credential, and a revocation is answered after that time
//!    (`Tx::wait_for_leases`).
//! 4. **No late insert.** [`AuthCache::begin_fill`] is called before the database is read. An insert is discarded if
//!    anything was invalidated since, because the value may have been read before the change.
//! 5. **An age limit.** Nothing is answered that was read more than [`MAX_AGE`] ago, so that an unknown failure of the
//!    notifications ends by itself.
//! 6. **Only positive answers.** The cache never rejects a caller: a credential that is missing or no longer valid is looked
//!    up in the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::credential::{Credential, ResolvedCaller};
use crate::platform::db::{Invalidation, LEASE, LeaseInstant};
use crate::platform::http::StoredReply;

/// How old a cached value can get before it is read again.
const MAX_AGE: Duration = Duration::from_secs(5);

/// How old a cached user response can get before it is read again. Changes that are not notified, such as the time of the
/// last sign-in, can be missing for twice this time.
const USER_RESPONSE_MAX_AGE: Duration = Duration::from_secs(1);

/// The maximum number of principals, of credentials and of user responses: some tens of megabytes when full.
const CAPACITY: usize = 50_000;

/// The value of `polled_at` when there is no lease.
const NO_LEASE: i64 = -1;

/// The state of the cache when a fill began.
#[derive(Clone, Copy, Debug)]
pub struct FillTicket {
    invalidations: u64,
    began_at: Instant,
}

/// Identifies the entries of a principal that were inserted since its last invalidation. Compared with [`Arc::ptr_eq`], so it
/// must have a size.
type Generation = Arc<u8>;

/// A response that shows an account.
#[derive(Clone)]
struct UserResponse {
    generation: Generation,
    read_at: Instant,
    /// When a request is told to read the account again.
    refresh_at: Instant,
    response: Arc<StoredReply>,
}

/// The cache of one process.
pub struct AuthCache {
    created_at: LeaseInstant,
    /// When the last fully applied poll for notifications began, in microseconds after `created_at`; `NO_LEASE` if
    /// there is no lease.
    polled_at: AtomicI64,
    /// The number of invalidations.
    invalidations: AtomicU64,
    principals: Cache<Uuid, Generation>,
    credentials: Cache<Credential, (Generation, Instant, Arc<ResolvedCaller>)>,
    user_responses: Cache<Uuid, UserResponse>,
    catalogue: Cache<(), (Generation, Instant, Arc<str>)>,
}

/// The principal of entries that only [`Invalidation::All`] invalidates.
const ALL_PRINCIPALS: Uuid = Uuid::nil();

impl Default for AuthCache {
    fn default() -> Self {
        Self {
            created_at: LeaseInstant::now(),
            polled_at: AtomicI64::new(NO_LEASE),
            invalidations: AtomicU64::new(0),
            principals: Cache::new(CAPACITY),
            credentials: Cache::new(CAPACITY),
            user_responses: Cache::new(CAPACITY),
            catalogue: Cache::new(1),
        }
    }
}

impl AuthCache {
    /// The caller of this credential, if it is cached and valid.
    #[must_use]
    pub fn get(&self, credential: &Credential, now: DateTime<Utc>) -> Option<Arc<ResolvedCaller>> {
        if !self.has_lease() {
            return None;
        }
        let (generation, read_at, caller) = self.credentials.get(credential)?;
        let is_current = self.is_current(caller.principal, &generation);
        (is_current && read_at.elapsed() < MAX_AGE && caller.is_valid(now)).then_some(caller)
    }

    /// The response that shows this account, if it is cached.
    #[must_use]
    pub fn get_user_response(&self, account: Uuid) -> Option<Arc<StoredReply>> {
        if !self.has_lease() {
            return None;
        }
        let cached = self.user_responses.get(&account)?;
        let is_current = self.is_current(account, &cached.generation);
        if !is_current || cached.read_at.elapsed() >= MAX_AGE {
            return None;
        }
        let now = Instant::now();
        if now >= cached.refresh_at {
            // This request reads the account again; concurrent ones use the old response for one more interval.
            let refresh_at = now + USER_RESPONSE_MAX_AGE;
            self.user_responses.insert(
                account,
                UserResponse {
                    refresh_at,
                    ..cached
                },
            );
            return None;
        }
        Some(cached.response)
    }

    /// The names of the permission catalogue in one line, if they are cached.
    #[must_use]
    pub fn get_catalogue(&self) -> Option<Arc<str>> {
        if !self.has_lease() {
            return None;
        }
        let (generation, read_at, names) = self.catalogue.get(&())?;
        let is_current = self.is_current(ALL_PRINCIPALS, &generation);
        (is_current && read_at.elapsed() < MAX_AGE).then_some(names)
    }

    /// Must be called before the database is read for one of the `insert` functions.
    #[must_use]
    pub fn begin_fill(&self) -> FillTicket {
        FillTicket {
            began_at: Instant::now(),
            invalidations: self.invalidations.load(Ordering::SeqCst),
        }
    }

    /// Caches what was read since the fill began, unless anything was invalidated in between.
    pub fn insert(&self, ticket: FillTicket, credential: Credential, caller: &Arc<ResolvedCaller>) {
        if let Some(generation) = self.generation(ticket, caller.principal) {
            self.credentials.insert(
                credential,
                (generation, ticket.began_at, Arc::clone(caller)),
            );
        }
    }

    /// Caches the response that shows an account, under the conditions of [`AuthCache::insert`].
    pub fn insert_user_response(
        &self,
        ticket: FillTicket,
        account: Uuid,
        response: Arc<StoredReply>,
    ) {
        if let Some(generation) = self.generation(ticket, account) {
            let cached = UserResponse {
                generation,
                read_at: ticket.began_at,
                refresh_at: Instant::now() + USER_RESPONSE_MAX_AGE,
                response,
            };
            self.user_responses.insert(account, cached);
        }
    }

    /// Caches the names of the permission catalogue, under the conditions of [`AuthCache::insert`].
    pub fn insert_catalogue(&self, ticket: FillTicket, names: Arc<str>) {
        if let Some(generation) = self.generation(ticket, ALL_PRINCIPALS) {
            self.catalogue
                .insert((), (generation, ticket.began_at, names));
        }
    }

    /// The generation for an insert, or `None` if the ticket is no longer valid.
    ///
    /// The generation is read before the ticket is compared, and [`AuthCache::invalidate`] counts before it removes
    /// generations. So either the comparison fails, or the generation is removed afterwards.
    fn generation(&self, ticket: FillTicket, principal: Uuid) -> Option<Generation> {
        let generation = self
            .principals
            .get_or_insert_with(&principal, || Ok::<_, ()>(Generation::default()))
            .ok()?;
        (self.invalidations.load(Ordering::SeqCst) == ticket.invalidations).then_some(generation)
    }

    fn is_current(&self, principal: Uuid, generation: &Generation) -> bool {
        self.principals
            .get(&principal)
            .is_some_and(|current| Arc::ptr_eq(generation, &current))
    }

    /// Removes the entries that a change affects. Fills that are in progress will be discarded.
    pub fn invalidate(&self, invalidation: Invalidation) {
        self.invalidations.fetch_add(1, Ordering::SeqCst);
        match invalidation {
            Invalidation::Principal(id) => {
                self.principals.remove(&id);
            }
            Invalidation::All => self.principals.clear(),
            Invalidation::SigningKeys => {}
        }
    }

    /// Starts a lease at `polled_at`: all notifications of a poll that began then have been applied.
    pub fn renew_lease(&self, polled_at: LeaseInstant) {
        let micros = polled_at.duration_since(self.created_at).as_micros();
        self.polled_at
            .store(i64::try_from(micros).unwrap_or(NO_LEASE), Ordering::SeqCst);
    }

    /// Ends the lease and removes all entries, because notifications may have been missed.
    pub fn drop_lease(&self) {
        self.polled_at.store(NO_LEASE, Ordering::SeqCst);
        self.invalidate(Invalidation::All);
    }

    fn has_lease(&self) -> bool {
        let polled_at = self.polled_at.load(Ordering::SeqCst);
        let now = i64::try_from(self.created_at.elapsed().as_micros()).unwrap_or(i64::MAX);
        let lease = i64::try_from(LEASE.as_micros()).unwrap_or(0);
        polled_at >= 0 && now - polled_at < lease
    }
}

#[cfg(test)]
mod tests;
