//! Decides which server's answers count. Each epoch has one primary: a new epoch begins when a server with a higher timeline
//! is seen, or when the connections of the epoch before have failed. What a connection of an earlier epoch returns is
//! discarded. After a silence of the database no answer counts until all hosts have been asked, because another server may
//! have been promoted during it. `docs/architecture.md` explains the rules.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::last_response::LastResponse;
use super::timeline::{Admission, ServerRole, Timeline};

/// How long the database may be silent before all hosts are asked. The listener polls every 15 ms.
pub const MAX_SILENCE: Duration = Duration::from_secs(1);

/// Which server's answers count in this process.
pub struct ServerGuard {
    state: Mutex<State>,
    /// Signals changes of `state`.
    changed: Condvar,
    /// Copies of `state`, which are read with each use of a connection.
    epoch: AtomicU64,
    is_suspended: AtomicBool,
    last_response: LastResponse,
    on_new_epoch: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct State {
    /// The highest timeline that this process has seen.
    highest: Option<Timeline>,
    epoch: u64,
    /// Whether all hosts must be asked before an answer counts.
    is_suspended: bool,
}

impl Default for ServerGuard {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            epoch: AtomicU64::new(0),
            is_suspended: AtomicBool::new(false),
            last_response: LastResponse::new(),
            on_new_epoch: OnceLock::new(),
        }
    }
}

impl ServerGuard {
    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Whether the answers of a connection of this epoch count.
    pub fn is_current(&self, epoch: u64) -> bool {
        self.epoch() == epoch && !self.is_suspended()
    }

    /// The highest timeline that was seen.
    pub(super) fn highest_timeline(&self) -> Option<Timeline> {
        self.lock().highest
    }

    /// The number of the highest timeline that was seen, for the metrics; 0 if it is unknown.
    #[must_use]
    pub fn timeline_number(&self) -> u32 {
        self.highest_timeline().map_or(0, Timeline::number)
    }

    /// Registers what to do when an epoch begins. Only the first call has an effect. The function returns without delay.
    pub fn on_new_epoch(&self, run: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_new_epoch.set(Box::new(run));
    }

    /// Decides whether a connection may be used whose opening began in `epoch`, and returns its epoch.
    ///
    /// # Errors
    /// The reason why not.
    pub(super) fn admit(&self, role: ServerRole, epoch: u64) -> Result<u64, &'static str> {
        let mut state = self.lock();
        match role.admission(state.highest) {
            Admission::Current => Ok(epoch),
            Admission::Refused(reason) => Err(reason),
            Admission::Newer(timeline) => {
                let previous = state.highest.replace(timeline);
                let Some(previous) = previous else {
                    return Ok(epoch);
                };
                let epoch = self.begin_epoch(state);
                tracing::warn!(
                    timeline = timeline.number(),
                    previous_timeline = previous.number(),
                    "another database server is the primary: connections to the previous one are not used any more"
                );
                Ok(epoch)
            }
        }
    }

    /// Begins an epoch, because the connections do not answer while new ones do.
    pub fn abandon_connections(&self) {
        self.begin_epoch(self.lock());
    }

    fn begin_epoch(&self, mut state: MutexGuard<'_, State>) -> u64 {
        state.epoch += 1;
        let epoch = state.epoch;
        self.epoch.store(epoch, Ordering::SeqCst);
        drop(state);
        if let Some(run) = self.on_new_epoch.get() {
            run();
        }
        self.changed.notify_all();
        epoch
    }

    /// Waits until the epoch is another one, at most for `limit`.
    pub fn wait_for_epoch_after(&self, epoch: u64, limit: Duration) {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), limit, |state| state.epoch == epoch);
        drop(waited);
    }

    /// Records that the database has responded, on any connection. After the first call it must be called at short
    /// intervals: a longer pause is a silence of the database.
    pub fn record_response(&self) {
        if self.last_response.record() >= MAX_SILENCE {
            self.suspend();
        }
    }

    /// The time of the last response, or `None` if responses are not tracked.
    pub fn last_response(&self) -> Option<Instant> {
        self.last_response.get()
    }

    /// Whether responses are tracked: not before the first one, nor between a silence and the next response.
    pub fn is_tracking(&self) -> bool {
        self.last_response.age().is_some()
    }

    /// Whether answers do not count at present, because all hosts must be asked first.
    pub fn is_suspended(&self) -> bool {
        if self.is_suspended.load(Ordering::SeqCst) {
            return true;
        }
        let age = self.last_response.age();
        let is_silent = age.is_some_and(|age| age >= MAX_SILENCE);
        if is_silent {
            self.suspend();
        }
        is_silent
    }

    /// Lets no answer count until [`ServerGuard::resume`].
    pub fn suspend(&self) {
        if !self.is_tracking() {
            // The waits of blocked threads are limited from now on.
            self.last_response.record();
        }
        self.set_suspended(true);
    }

    /// Lets answers count, after all hosts have been asked. The silence has ended.
    pub fn resume(&self) {
        self.last_response.forget();
        self.set_suspended(false);
    }

    fn set_suspended(&self, is_suspended: bool) {
        let mut state = self.lock();
        state.is_suspended = is_suspended;
        self.is_suspended.store(is_suspended, Ordering::SeqCst);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until answers do not count or another epoch begins, at most for `limit`.
    pub fn wait_for_suspicion(&self, epoch: u64, limit: Duration) {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), limit, |state| {
                !state.is_suspended && state.epoch == epoch
            });
        drop(waited);
    }

    /// Waits until answers count, at most until the deadline. Returns whether they do.
    pub fn wait_until_resumed(&self, deadline: Instant) -> bool {
        while self.is_suspended() {
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return false;
            }
            let waited = self
                .changed
                .wait_timeout_while(self.lock(), remaining, |state| state.is_suspended);
            drop(waited);
        }
        true
    }

    /// Whether what a connection of this epoch has just returned may be used. Waits if all hosts must be asked first.
    pub fn confirm(&self, epoch: u64, deadline: Instant) -> bool {
        self.epoch() == epoch && self.wait_until_resumed(deadline) && self.epoch() == epoch
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn primary(timeline: i64) -> ServerRole {
        ServerRole::Primary(Timeline::from_column(Some(timeline)))
    }

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn connections_end_when_a_higher_timeline_is_seen() {
        let guard = ServerGuard::default();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        guard.on_new_epoch(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let first = guard.admit(primary(1), guard.epoch()).unwrap();
        assert!(guard.confirm(first, now()));
        assert_eq!(guard.admit(primary(1), guard.epoch()), Ok(first));
        assert_eq!(count.load(Ordering::SeqCst), 0);
        let second = guard.admit(primary(2), guard.epoch()).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert!(guard.confirm(second, now()));
        assert!(!guard.confirm(first, now()));
        assert!(guard.admit(primary(1), guard.epoch()).is_err());
        assert!(guard.admit(ServerRole::Standby, guard.epoch()).is_err());
    }

    #[test]
    fn connection_whose_opening_began_before_the_failure_is_not_used() {
        let guard = ServerGuard::default();
        let begun_in = guard.epoch();
        guard.abandon_connections();
        let epoch = guard.admit(primary(1), begun_in).unwrap();
        assert!(!guard.confirm(epoch, now()));
    }

    #[test]
    fn no_answer_counts_after_a_silence_until_all_hosts_were_asked() {
        let guard = ServerGuard::default();
        let epoch = guard.epoch();
        assert!(guard.confirm(epoch, now()), "responses are not tracked");
        guard.record_response();
        std::thread::sleep(MAX_SILENCE + Duration::from_millis(5));
        assert!(!guard.is_current(epoch));
        // The response comes from a server that was frozen.
        guard.record_response();
        assert!(!guard.confirm(epoch, now()));
        guard.resume();
        assert!(guard.confirm(epoch, now()) && !guard.is_tracking());
        guard.record_response();
        assert!(guard.is_tracking());
    }
}
