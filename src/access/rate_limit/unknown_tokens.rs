//! Limits lookups of personal access tokens that do not exist. Anyone can invent tokens of the right form, and each would
//! cost a query. The limits are per process and in memory. Tokens that have been found are not affected, so that an attacker cannot
//! lock out the programs of its own network.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::policy::source_key;
use crate::platform::error::{AppError, Code, ExceededLimit};

/// Lookups of tokens that do not exist, per source and window.
const QUOTA: u32 = 100;
const WINDOW: Duration = Duration::from_secs(60);

/// The maximum number of remembered tokens of each kind, and of sources.
const CAPACITY: usize = 10_000;

/// The tokens that were looked up, by digest, and how many unknown ones each source sent.
pub struct UnknownTokens {
    /// Those that do not exist.
    unknown: Cache<[u8; 32], ()>,
    /// Those that exist. They may have expired.
    found: Cache<[u8; 32], ()>,
    sources: Cache<String, Arc<Mutex<Window>>>,
}

/// The lookups of one source in the current window.
struct Window {
    started_at: Instant,
    lookups: u32,
}

impl Default for UnknownTokens {
    fn default() -> Self {
        Self {
            unknown: Cache::new(CAPACITY),
            found: Cache::new(CAPACITY),
            sources: Cache::new(CAPACITY),
        }
    }
}

impl UnknownTokens {
    /// Checks whether a token may be looked up. `source` is `None` for lookups without a limit.
    ///
    /// # Errors
    /// [`Code::AuthTokenInvalid`] for a token that was looked up in vain: tokens are random, so it cannot have come into
    /// existence since. [`Code::RateLimited`] when the source has looked up too many such tokens.
    pub fn check(
        &self,
        digest: &[u8; 32],
        source: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), AppError> {
        if self.unknown.get(digest).is_some() {
            return Err(Code::AuthTokenInvalid.into());
        }
        if self.found.get(digest).is_some() {
            return Ok(());
        }
        let window = source.and_then(|source| self.sources.get(&source_key(source)));
        let Some(window) = window else {
            return Ok(());
        };
        let window = window.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_duration_since(window.started_at);
        if window.lookups < QUOTA || age >= WINDOW {
            return Ok(());
        }
        let limit = ExceededLimit {
            policy: "unknown-tokens",
            quota: QUOTA,
            window: WINDOW,
        };
        Err(AppError::rate_limited(limit, WINDOW.saturating_sub(age)))
    }

    /// Records that a token with this digest exists.
    pub fn record_found(&self, digest: [u8; 32]) {
        if self.found.get(&digest).is_none() {
            self.found.insert(digest, ());
        }
    }

    /// Records that no token with this digest exists.
    pub fn record_unknown(&self, digest: [u8; 32], source: Option<IpAddr>, now: Instant) {
        self.unknown.insert(digest, ());
        let new_window = || Window {
            started_at: now,
            lookups: 0,
        };
        let Some(source) = source else { return };
        let window = self.sources.get_or_insert_with(&source_key(source), || {
            Ok::<_, ()>(Arc::new(Mutex::new(new_window())))
        });
        let Ok(window) = window else { return };
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.started_at) >= WINDOW {
            *window = new_window();
        }
        window.lookups = window.lookups.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u32) -> [u8; 32] {
        crate::platform::crypto::digest(&number.to_string())
    }

    #[test]
    fn source_is_refused_after_the_quota_until_the_window_ends() {
        let unknown = UnknownTokens::default();
        let start = Instant::now();
        let attacker = Some("203.0.113.7".parse().unwrap());
        let other = Some("203.0.113.8".parse().unwrap());
        for number in 0..QUOTA {
            unknown.check(&digest(number), attacker, start).unwrap();
            unknown.record_unknown(digest(number), attacker, start);
        }
        let next = digest(QUOTA);
        let error = unknown.check(&next, attacker, start).unwrap_err();
        assert_eq!(error.code(), Code::RateLimited);
        assert_eq!(error.retry_after(), Some(WINDOW));
        assert!(unknown.check(&next, other, start).is_ok());
        assert!(unknown.check(&next, None, start).is_ok());
        unknown.record_found(digest(1_000));
        assert!(unknown.check(&digest(1_000), attacker, start).is_ok());
        let later = start + WINDOW;
        assert!(unknown.check(&next, attacker, later).is_ok());
        unknown.record_unknown(next, attacker, later);
        assert!(unknown.check(&digest(QUOTA + 1), attacker, later).is_ok());
    }

    #[test]
    fn token_that_was_looked_up_in_vain_is_refused_without_a_lookup() {
        let unknown = UnknownTokens::default();
        let now = Instant::now();
        unknown.record_unknown(digest(1), None, now);
        let error = unknown.check(&digest(1), None, now).unwrap_err();
        assert_eq!(error.code(), Code::AuthTokenInvalid);
        assert!(unknown.check(&digest(2), None, now).is_ok());
    }
}
