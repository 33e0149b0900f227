//! Credentials and the callers that they resolve to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::access::actor::{Actor, Authority, CredentialFacts, Identity, Origin};
use crate::platform::ids::{ClientGrantId, SessionId};

/// How often the last use of a credential is written to the database, in seconds.
const USE_INTERVAL_SECONDS: i64 = 60;

/// What a caller authenticates with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An access token of a session.
    Session(SessionId),
    /// A personal access token, by its digest.
    Token([u8; 32]),
    /// An access token of a service client.
    Client(ClientGrantId),
}

/// The caller that a credential belongs to.
pub struct ResolvedCaller {
    /// The identity.
    pub identity: Identity,
    /// The username or client name.
    pub username: Arc<str>,
    /// The authority.
    pub authority: Arc<Authority>,
    /// What applications are told about the credential.
    pub facts: CredentialFacts,
    /// The account or client. A change of it invalidates this entry.
    pub principal: Uuid,
    /// When the credential expires, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// How long it stays valid without being used; `None` means without limit.
    pub idle_limit: Option<TimeDelta>,
    /// Seconds since 1970.
    last_used: AtomicI64,
    /// Access tokens that were issued later than this, in seconds since 1970, were not used before.
    recorded_uses: AtomicI64,
}

impl ResolvedCaller {
    /// A caller whose credential was last used at `last_used`.
    #[must_use]
    pub fn new(
        identity: Identity,
        username: &str,
        authority: Authority,
        principal: Uuid,
        expires_at: Option<DateTime<Utc>>,
        idle_limit: Option<TimeDelta>,
        last_used: DateTime<Utc>,
    ) -> Self {
        Self {
            identity,
            username: username.into(),
            authority: Arc::new(authority),
            facts: CredentialFacts::default(),
            principal,
            expires_at,
            idle_limit,
            last_used: AtomicI64::new(last_used.timestamp()),
            recorded_uses: AtomicI64::new(i64::MAX),
        }
    }

    /// The caller with these facts about its credential.
    #[must_use]
    pub fn with_facts(self, facts: CredentialFacts) -> Self {
        Self { facts, ..self }
    }

    /// The caller, of whose access tokens the first use was recorded for those that were issued until `issued_at`, in seconds
    /// since 1970.
    #[must_use]
    pub fn with_recorded_uses(self, issued_at: i64) -> Self {
        Self {
            recorded_uses: AtomicI64::new(issued_at),
            ..self
        }
    }

    /// Whether the use of an access token that was issued at this time is its first one and must be written to the database.
    /// Returns true once.
    #[must_use]
    pub fn must_record_first_use(&self, issued_at: DateTime<Utc>) -> bool {
        let issued_at = issued_at.timestamp();
        // The load avoids a write to shared memory with each request.
        self.recorded_uses.load(Ordering::Relaxed) < issued_at
            && self.recorded_uses.fetch_max(issued_at, Ordering::Relaxed) < issued_at
    }

    /// Whether the credential has neither expired nor been idle for too long at `now`.
    #[must_use]
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        let last_used = self.last_used.load(Ordering::Relaxed);
        self.expires_at.is_none_or(|end| now < end)
            && self
                .idle_limit
                .is_none_or(|idle| now.timestamp() - last_used < idle.num_seconds())
    }

    /// Whether the caller must write this use to the database. Returns true at most once a minute.
    #[must_use]
    pub fn must_record_use(&self, now: DateTime<Utc>) -> bool {
        let last_used = self.last_used.load(Ordering::Relaxed);
        now.timestamp() - last_used >= USE_INTERVAL_SECONDS
            && self
                .last_used
                .compare_exchange(
                    last_used,
                    now.timestamp(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// The actor for a request from `origin`.
    #[must_use]
    pub fn actor(&self, origin: Origin) -> Actor {
        Actor {
            identity: self.identity.clone(),
            username: Some(Arc::clone(&self.username)),
            authority: Arc::clone(&self.authority),
            credential: self.facts,
            origin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ids::UserId;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn a_credential_expires_and_is_limited_by_idle_time() {
        let user = UserId::new(NOW);
        let identity = Identity::User {
            id: user,
            session: SessionId(Uuid::nil()),
        };
        let (end, idle) = (NOW + TimeDelta::hours(2), TimeDelta::hours(1));
        let caller = ResolvedCaller::new(
            identity,
            "ada",
            Authority::none(),
            user.0,
            Some(end),
            Some(idle),
            NOW,
        );
        assert!(caller.is_valid(NOW + TimeDelta::minutes(59)));
        assert!(!caller.is_valid(NOW + TimeDelta::minutes(60)));
        assert!(caller.must_record_use(NOW + TimeDelta::minutes(59)));
        assert!(!caller.must_record_use(NOW + TimeDelta::minutes(59)));
        assert!(caller.is_valid(NOW + TimeDelta::minutes(118)) && !caller.is_valid(end));
    }
}
