//! The time of the database's last response. It detects a server or a network path that stops responding without closing
//! its connections. A single slow statement is not a failure while other statements are answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time of the database's last response.
pub struct LastResponse {
    created: Instant,
    /// Milliseconds after `created`, at least 1. 0 means that responses are not tracked.
    last_response_ms: AtomicU64,
}

impl LastResponse {
    pub fn new() -> Self {
        Self {
            created: Instant::now(),
            last_response_ms: AtomicU64::new(0),
        }
    }

    /// Records that the database has responded now.
    pub fn record(&self) {
        let elapsed = self.created.elapsed().as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX).max(1);
        self.last_response_ms.store(elapsed, Ordering::Relaxed);
    }

    /// The time of the last response, or `None` if responses are not tracked.
    pub fn get(&self) -> Option<Instant> {
        match self.last_response_ms.load(Ordering::Relaxed) {
            0 => None,
            elapsed => Some(self.created + Duration::from_millis(elapsed)),
        }
    }
}
