//! What is known of callers, from memory: who a credential stands for, and what that account may.
//!
//! # Why an answer from here is never out of date
//!
//! 1. **Here.** Whatever changes an account's standing says so (`Tx::invalidate`), and [`AuthCache::invalidate`] runs before the change
//!    is answered. So the next request on this replica reads the database.
//! 2. **Elsewhere.** Triggers on the same tables `NOTIFY` in the changing transaction, whoever makes it: another replica,
//!    the command line, psql. PostgreSQL has signalled every listening connection before it answers the commit, and a
//!    listening connection delivers what it was signalled of with the answer to its next query. So a query that *began*
//!    after the commit was answered, and has come back, has brought the news.
//! 3. **The lease.** [`AuthCache::get`] answers only while such a query began less than [`LEASE`] ago. A listener that is cut
//!    off, slow or stopped lets the lease run out, and every request goes to the database: slower, not wrong. That bounds
//!    the time for which another replica can still accept what was revoked: [`LEASE`].
//! 4. **No late fill.** A fill takes a [`FillTicket`] before it reads the database, and is thrown away if anything was forgotten
//!    since: what it read may be from before the change.
//! 5. **Only yes.** Memory never refuses: what is not here, or has run out of time, is asked of the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::{Actor, Authority, Identity, Origin};
use crate::platform::db::Invalidation;
use crate::platform::http::Kept;
use crate::platform::ids::{GrantId, SessionId};

/// How long after the last news memory may still answer.
pub const LEASE: Duration = Duration::from_millis(100);

/// How old a page gets before it is read anew. For twice as long at most it may lack what other replicas do not tell, such
/// as the time of the last sign-in.
const PAGE_AGE: Duration = Duration::from_secs(1);

/// How many credentials, accounts and pages are remembered at most; some tens of megabytes when full.
const CAPACITY: usize = 50_000;

/// What a caller proves who it is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An access token of a session.
    Session(SessionId),
    /// A personal access token, by its digest.
    Token([u8; 32]),
    /// An access token of a service client.
    Client(GrantId),
}

/// What a credential stands for.
pub struct ResolvedCaller {
    /// Who it is.
    pub identity: Identity,
    /// Its name.
    pub username: Arc<str>,
    /// What it may.
    pub authority: Arc<Authority>,
    /// The account or client whose changes concern it.
    pub principal: Uuid,
    /// When it is over at the latest.
    pub ends_at: Option<DateTime<Utc>>,
    /// How long it may be unused; `None`: for ever.
    pub idle: Option<TimeDelta>,
    last_seen: AtomicI64,
}

impl ResolvedCaller {
    /// Facts of a credential that was last seen at `last_seen`.
    #[must_use]
    pub fn new(
        identity: Identity,
        username: &str,
        authority: Authority,
        principal: Uuid,
        ends_at: Option<DateTime<Utc>>,
        idle: Option<TimeDelta>,
        last_seen: DateTime<Utc>,
    ) -> Self {
        Self {
            identity,
            username: username.into(),
            authority: Arc::new(authority),
            principal,
            ends_at,
            idle,
            last_seen: AtomicI64::new(last_seen.timestamp()),
        }
    }

    /// Whether the credential is still good at `now`, as far as time goes.
    #[must_use]
    pub fn lasts(&self, now: DateTime<Utc>) -> bool {
        let last_seen = self.last_seen.load(Ordering::Relaxed);
        self.ends_at.is_none_or(|end| now < end)
            && self
                .idle
                .is_none_or(|idle| now.timestamp() - last_seen < idle.num_seconds())
    }

    /// Whether its use should be noted in the database; says yes once a minute.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        const EVERY: i64 = 60;
        let last_seen = self.last_seen.load(Ordering::Relaxed);
        now.timestamp() - last_seen >= EVERY
            && self
                .last_seen
                .compare_exchange(
                    last_seen,
                    now.timestamp(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// The actor that this is, coming from `origin`.
    #[must_use]
    pub fn actor(&self, origin: Origin) -> Actor {
        Actor {
            identity: self.identity.clone(),
            username: Some(Arc::clone(&self.username)),
            authority: Arc::clone(&self.authority),
            origin,
        }
    }
}

/// Leave to fill memory with what is read from now on.
#[derive(Clone, Copy, Debug)]
pub struct FillTicket(u64);

/// A party as it is remembered; when it is forgotten, all that was remembered with this stamp is void. It has a size, so
/// that no two are the same to [`Arc::ptr_eq`].
type Generation = Arc<u8>;

/// The memory of one process.
pub struct AuthCache {
    began: Instant,
    /// Microseconds after `began` at which the last query began whose news have all been heeded; -1: none.
    heard: AtomicI64,
    /// How often something was forgotten.
    changes: AtomicU64,
    principals: Cache<Uuid, Generation>,
    credentials: Cache<Credential, (Generation, Arc<ResolvedCaller>)>,
    pages: Cache<Uuid, (Generation, Instant, Arc<Kept>)>,
    catalogue: Cache<(), (Generation, Arc<str>)>,
}

/// What stands for everybody where a party is asked for: it is forgotten with everybody, and with nobody else.
const EVERYBODY: Uuid = Uuid::nil();

impl Default for AuthCache {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            heard: AtomicI64::new(-1),
            changes: AtomicU64::new(0),
            principals: Cache::new(CAPACITY),
            credentials: Cache::new(CAPACITY),
            pages: Cache::new(CAPACITY),
            catalogue: Cache::new(1),
        }
    }
}

impl AuthCache {
    /// What this credential stands for, if that is known for certain.
    #[must_use]
    pub fn get(&self, credential: &Credential, now: DateTime<Utc>) -> Option<Arc<ResolvedCaller>> {
        if !self.is_leased() {
            return None;
        }
        let (generation, facts) = self.credentials.get(credential)?;
        (self.is_current(facts.principal, &generation) && facts.lasts(now)).then_some(facts)
    }

    /// The account as it is shown, if that is known for certain.
    #[must_use]
    pub fn get_user_response(&self, account: Uuid) -> Option<Arc<Kept>> {
        if !self.is_leased() {
            return None;
        }
        let (generation, since, page) = self.pages.get(&account)?;
        if !self.is_current(account, &generation) {
            return None;
        }
        if since.elapsed() >= PAGE_AGE {
            // Whoever comes first reads it anew; for those who come meanwhile it is good for as long again.
            self.pages
                .insert(account, (generation, Instant::now(), page));
            return None;
        }
        Some(page)
    }

    /// Every permission that there is, in one line, if that is known for certain.
    #[must_use]
    pub fn get_catalogue(&self) -> Option<Arc<str>> {
        if !self.is_leased() {
            return None;
        }
        let (generation, line) = self.catalogue.get(&())?;
        self.is_current(EVERYBODY, &generation).then_some(line)
    }

    /// To be called before the database is read for [`AuthCache::insert`].
    #[must_use]
    pub fn begin_fill(&self) -> FillTicket {
        FillTicket(self.changes.load(Ordering::SeqCst))
    }

    /// Remembers what was read since the ticket, unless anything was forgotten meanwhile.
    pub fn insert(
        &self,
        begin_fill: FillTicket,
        credential: Credential,
        facts: &Arc<ResolvedCaller>,
    ) {
        if let Some(generation) = self.generation(begin_fill, facts.principal) {
            self.credentials
                .insert(credential, (generation, Arc::clone(facts)));
        }
    }

    /// Remembers how an account is shown, as [`AuthCache::insert`] does.
    pub fn insert_user_response(&self, begin_fill: FillTicket, account: Uuid, page: Arc<Kept>) {
        if let Some(generation) = self.generation(begin_fill, account) {
            self.pages
                .insert(account, (generation, Instant::now(), page));
        }
    }

    /// Remembers every permission that there is, as [`AuthCache::insert`] does.
    pub fn insert_catalogue(&self, begin_fill: FillTicket, line: Arc<str>) {
        if let Some(generation) = self.generation(begin_fill, EVERYBODY) {
            self.catalogue.insert((), (generation, line));
        }
    }

    /// The stamp to remember something about `principal` with. It is taken before the ticket is looked at, and forgetting
    /// counts before it removes stamps: so either the ticket is seen to be void, or the stamp is still to be removed.
    fn generation(&self, begin_fill: FillTicket, principal: Uuid) -> Option<Generation> {
        let generation = self
            .principals
            .get_or_insert_with(&principal, || Ok::<_, ()>(Generation::default()))
            .ok()?;
        (self.changes.load(Ordering::SeqCst) == begin_fill.0).then_some(generation)
    }

    fn is_current(&self, principal: Uuid, generation: &Generation) -> bool {
        self.principals
            .get(&principal)
            .is_some_and(|current| Arc::ptr_eq(generation, &current))
    }

    /// Forgets what has changed. What is being read at this moment will not be remembered either.
    pub fn invalidate(&self, touched: Invalidation) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        match touched {
            Invalidation::Principal(id) => {
                self.principals.remove(&id);
            }
            Invalidation::All => self.principals.clear(),
            Invalidation::Keys => {}
        }
    }

    /// Says that all news up to `since` has been heeded.
    pub fn renew_lease(&self, since: Instant) {
        let micros = since.saturating_duration_since(self.began).as_micros();
        self.heard
            .store(i64::try_from(micros).unwrap_or(-1), Ordering::SeqCst);
    }

    /// Says that news may have been missed: nothing is answered from memory until there are news again, and nothing that
    /// was remembered before counts.
    pub fn drop_lease(&self) {
        self.heard.store(-1, Ordering::SeqCst);
        self.invalidate(Invalidation::All);
    }

    fn is_leased(&self) -> bool {
        let heard = self.heard.load(Ordering::SeqCst);
        let now = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        let lease = i64::try_from(LEASE.as_micros()).unwrap_or(0);
        heard >= 0 && now - heard < lease
    }
}

#[cfg(test)]
mod tests;
