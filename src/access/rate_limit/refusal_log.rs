//! Limits how many refusals of one caller are recorded in the audit log, so that a flood of refused requests does not become a
//! flood of transactions. Counted in each process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::access::actor::Principal;

/// The refusals of the current window of each caller.
#[derive(Default)]
pub struct RefusalLog {
    windows: Mutex<HashMap<Principal, Window>>,
}

struct Window {
    started_at: DateTime<Utc>,
    recorded: u32,
    /// Refusals since the last one that was recorded.
    omitted: u64,
}

impl RefusalLog {
    /// Refusals of one caller that are recorded per window.
    const MAX_RECORDED: u32 = 10;
    const WINDOW: TimeDelta = TimeDelta::minutes(1);
    /// When there are more callers than this, ended windows are removed.
    const MAX_CALLERS: usize = 10_000;

    /// Whether to record a refusal of this caller: the number of refusals before it that were not recorded, or `None`.
    pub fn admit(&self, caller: Principal, now: DateTime<Utc>) -> Option<u64> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() > Self::MAX_CALLERS {
            windows.retain(|_, window| now.signed_duration_since(window.started_at) < Self::WINDOW);
        }
        let window = windows.entry(caller).or_insert(Window {
            started_at: now,
            recorded: 0,
            omitted: 0,
        });
        if now.signed_duration_since(window.started_at) >= Self::WINDOW {
            window.started_at = now;
            window.recorded = 0;
        }
        if window.recorded < Self::MAX_RECORDED {
            window.recorded += 1;
            Some(std::mem::take(&mut window.omitted))
        } else {
            window.omitted += 1;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::platform::ids::UserId;

    #[test]
    fn ten_refusals_per_minute_are_recorded_and_the_others_are_counted() {
        let log = RefusalLog::default();
        let caller = |id| Principal::User(UserId(Uuid::from_u128(id)));
        let now = DateTime::UNIX_EPOCH;
        for _ in 0..10 {
            assert_eq!(log.admit(caller(1), now), Some(0));
        }
        for _ in 0..5 {
            assert_eq!(log.admit(caller(1), now), None);
        }
        assert_eq!(log.admit(caller(2), now), Some(0));
        assert_eq!(log.admit(caller(1), now + TimeDelta::minutes(1)), Some(5));
        assert_eq!(log.admit(caller(1), now + TimeDelta::minutes(1)), Some(0));
    }
}
