//! Whether the database still says anything at all. A server that hangs, or a path that swallows every byte, ends no
//! statement; but one slow statement is no reason to give up as long as others are answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When the database was last heard.
pub struct Heartbeat {
    begin: Instant,
    /// In milliseconds after `begin`, at least 1; 0: nobody listens for it.
    last: AtomicU64,
}

impl Heartbeat {
    pub fn new() -> Self {
        Self {
            begin: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// Notes that the database has answered just now.
    pub fn beat(&self) {
        let since = self.begin.elapsed().as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX).max(1);
        self.last.store(since, Ordering::Relaxed);
    }

    /// When it last did; `None`: nobody listens for it.
    pub fn last(&self) -> Option<Instant> {
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            since => Some(self.begin + Duration::from_millis(since)),
        }
    }
}
