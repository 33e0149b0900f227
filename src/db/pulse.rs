//! Whether the database still says anything at all. A server that hangs, or a path that swallows every byte, ends no
//! statement; but one slow statement is no reason to give up as long as others are answered.

use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::pg::PgConnection;
use diesel::r2d2::R2D2Connection;

use super::Inner;

/// When the database was last heard.
pub struct Pulse {
    begin: Instant,
    /// In milliseconds after `begin`.
    last: AtomicU64,
}

impl Pulse {
    pub fn new() -> Self {
        Self {
            begin: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// Notes that the database has answered just now.
    pub fn beat(&self) {
        let since = self.begin.elapsed().as_millis();
        self.last
            .store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When it last did.
    pub fn last(&self) -> Instant {
        self.begin + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

/// Starts the thread that asks the database for a sign of life whenever others wait for it and it has been silent for a
/// while. The thread ends with the pool.
///
/// # Errors
/// When the machine has no thread for it.
pub fn keep(inner: Weak<Inner>, patience: Duration) -> std::io::Result<()> {
    let rest = patience / 8;
    let ask = move || {
        let mut link = None;
        while let Some(inner) = inner.upgrade() {
            if inner.is_in_use() && inner.pulse.last().elapsed() >= rest {
                link = inner.ask(link);
            }
            drop(inner);
            thread::sleep(rest);
        }
    };
    thread::Builder::new()
        .name("db-pulse".to_owned())
        .spawn(ask)
        .map(drop)
}

impl Inner {
    /// Asks on the connection, or on a new one if there is none; gives it back if it is good.
    fn ask(&self, link: Option<PgConnection>) -> Option<PgConnection> {
        let mut link = match link {
            Some(link) => link,
            None => self.manager.open().ok()?,
        };
        link.ping().ok()?;
        self.pulse.beat();
        Some(link)
    }
}
