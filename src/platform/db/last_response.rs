//! The time of the database's last response. It detects a server or a network path that stops responding without closing
//! its connections. A single slow statement is not a failure while other statements are answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::lease::LeaseInstant;

/// The time of the database's last response. The clock also counts the time during which the machine is suspended.
pub struct LastResponse {
    created: LeaseInstant,
    /// Milliseconds after `created`, at least 1. 0 means that responses are not tracked.
    last_response_ms: AtomicU64,
}

impl LastResponse {
    pub fn new() -> Self {
        Self {
            created: LeaseInstant::now(),
            last_response_ms: AtomicU64::new(0),
        }
    }

    /// Records that the database has responded now. Returns the time since the response before; zero if responses were not
    /// tracked.
    pub fn record(&self) -> Duration {
        let now = self.elapsed_ms().max(1);
        match self.last_response_ms.swap(now, Ordering::SeqCst) {
            0 => Duration::ZERO,
            previous => Duration::from_millis(now.saturating_sub(previous)),
        }
    }

    /// Stops tracking until the next response.
    pub fn forget(&self) {
        self.last_response_ms.store(0, Ordering::SeqCst);
    }

    /// The time since the last response, or `None` if responses are not tracked.
    pub fn age(&self) -> Option<Duration> {
        match self.last_response_ms.load(Ordering::SeqCst) {
            0 => None,
            recorded => Some(Duration::from_millis(
                self.elapsed_ms().saturating_sub(recorded),
            )),
        }
    }

    /// The time of the last response, or `None` if responses are not tracked.
    pub fn get(&self) -> Option<Instant> {
        let now = Instant::now();
        self.age().map(|age| now.checked_sub(age).unwrap_or(now))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
