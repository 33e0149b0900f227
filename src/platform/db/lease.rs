//! The lease under which a replica answers from its caches, and the wait after which no replica still has a lease from
//! before a commit. `docs/architecture.md` says why a revocation that waits is effective on every replica.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long a replica may answer from its caches after it began its last successful poll for notifications.
pub const LEASE: Duration = Duration::from_millis(100);

/// How much longer than [`LEASE`] a revocation waits, because the clocks of two machines do not run at exactly the same
/// speed.
const MARGIN: Duration = Duration::from_millis(5);

/// A moment, measured by a clock that also counts the time during which the machine is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseInstant(Duration);

impl LeaseInstant {
    /// The current moment.
    #[must_use]
    pub fn now() -> Self {
        // On Linux, the clock of `std::time::Instant` stops while the machine is suspended.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const CLOCK: ClockId = ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const CLOCK: ClockId = ClockId::Monotonic;
        let time = clock_gettime(CLOCK);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanoseconds))
    }

    /// The time from this moment until now.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().duration_since(self)
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// How long to wait until no lease from before this moment is left; `None` if none is left.
    fn remaining_leases(self) -> Option<Duration> {
        (LEASE + MARGIN)
            .checked_sub(self.elapsed())
            .filter(|remaining| !remaining.is_zero())
    }
}

/// Waits for the leases of all replicas, and counts the waits.
#[derive(Default)]
pub(super) struct LeaseWait {
    count: AtomicU64,
}

impl LeaseWait {
    /// Returns when every lease that a replica has now has expired.
    pub async fn wait(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let start = LeaseInstant::now();
        while let Some(remaining) = start.remaining_leases() {
            tokio::time::sleep(remaining).await;
        }
    }

    /// [`LeaseWait::wait`] on the calling thread.
    pub fn wait_now(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let start = LeaseInstant::now();
        while let Some(remaining) = start.remaining_leases() {
            std::thread::sleep(remaining);
        }
    }

    /// The number of waits.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_is_longer_than_every_lease_that_began_before_it() {
        let waits = LeaseWait::default();
        let polled_at = LeaseInstant::now();
        waits.wait_now();
        assert!(polled_at.elapsed() >= LEASE + MARGIN);
        let polled_at = LeaseInstant::now();
        actix_web::rt::System::new().block_on(waits.wait());
        assert!(polled_at.elapsed() >= LEASE + MARGIN);
        assert_eq!(waits.count(), 2);
    }

    #[test]
    fn duration_to_a_later_moment_is_zero() {
        let earlier = LeaseInstant::now();
        let later = LeaseInstant(earlier.0 + Duration::from_secs(1));
        assert_eq!(earlier.duration_since(later), Duration::ZERO);
        assert_eq!(later.duration_since(earlier), Duration::from_secs(1));
    }
}
