//! The budgets, and what a count means. No database, no clock.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::platform::error::ExceededLimit;

/// Failures of one account that cost no waiting; also how many attempts may be under way at once.
pub const FREE: i32 = 10;
/// The wait after the tenth failure, which doubles with each further one.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

/// Failures of one source in a window, attempts under way included.
pub const SOURCE_QUOTA: i32 = 300;
/// How long a source's failures count.
pub const SOURCE_WINDOW: TimeDelta = TimeDelta::minutes(10);

/// An attempt under way for longer than this was cut off; it counts as failed.
pub const CUT_OFF: TimeDelta = TimeDelta::seconds(60);
/// How often the audit log is told that attempts are being turned away.
pub const TELL_EVERY: TimeDelta = TimeDelta::seconds(60);
/// For how long an account's owner is known where it signed in.
pub const KNOWN_FOR: TimeDelta = TimeDelta::days(30);

/// Why somebody may be the owner. Each has failures of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// For no reason.
    Stranger,
    /// They have a session of the account, or come from where it signed in lately.
    Known,
    /// The account signed in lately on the same device. When its failures are used up it counts for nothing.
    Device,
}

/// The failures after which a password is good for nothing: together no more than a hundred.
#[must_use]
const fn limit(trust: Trust) -> i32 {
    match trust {
        Trust::Stranger => 70,
        Trust::Known => 20,
        Trust::Device => 10,
    }
}

/// How many attempts may be under way at once after so many failures: no more than may fail without waiting.
#[must_use]
pub const fn room(failures: i32) -> i32 {
    if failures < FREE { FREE - failures } else { 1 }
}

/// Until when there is no further attempt after so many failures, the last of them `now`.
#[must_use]
pub fn blocked_until(failures: i32, trust: Trust, now: DateTime<Utc>) -> DateTime<Utc> {
    if failures >= limit(trust) {
        return never();
    }
    let Ok(doublings) = u32::try_from(failures - FREE) else {
        return DateTime::UNIX_EPOCH;
    };
    let wait = 2_i32
        .checked_pow(doublings)
        .and_then(|times| FIRST_WAIT.checked_mul(times))
        .map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT));
    now + wait
}

/// The end of a block that has none but a new password: the year 9999.
fn never() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// What is told of a blocked account: one attempt after the wait. A block without an end is told as the longest wait.
#[must_use]
pub fn account_spent(
    blocked_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> (ExceededLimit, Duration) {
    let wait = whole(blocked_until - now).min(whole(LONGEST_WAIT));
    let spent = ExceededLimit {
        policy: "account",
        quota: 1,
        window: wait,
    };
    (spent, wait)
}

/// What is told of a source whose window ends then.
#[must_use]
pub fn source_spent(ends_at: DateTime<Utc>, now: DateTime<Utc>) -> (ExceededLimit, Duration) {
    let spent = ExceededLimit {
        policy: "source",
        quota: SOURCE_QUOTA.unsigned_abs(),
        window: whole(SOURCE_WINDOW),
    };
    (spent, whole(ends_at - now))
}

/// In whole seconds, rounded up, at least one.
fn whole(span: TimeDelta) -> Duration {
    let seconds = (span + TimeDelta::milliseconds(999)).num_seconds();
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default().max(1))
}

/// The source that an address belongs to: itself or, as a household has a whole network of these, its IPv6 network.
#[must_use]
pub fn source_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(failures: i32, trust: Trust) -> i64 {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        (blocked_until(failures, trust, now) - now).num_seconds()
    }

    #[test]
    fn the_wait_begins_at_the_tenth_failure_and_doubles_to_an_hour() {
        assert!(wait(9, Trust::Stranger) < 0);
        let waits: Vec<i64> = (10..19)
            .map(|failures| wait(failures, Trust::Stranger))
            .collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(wait(69, Trust::Stranger), 3600);
    }

    #[test]
    fn a_hundred_failures_in_all_end_a_password() {
        let century = 100 * 365 * 86_400;
        let all = [Trust::Stranger, Trust::Known, Trust::Device];
        for trust in all {
            assert!(wait(limit(trust), trust) > century);
            assert!(wait(limit(trust) - 1, trust) < century);
        }
        assert_eq!(all.map(limit).iter().sum::<i32>(), 100);
        let now = DateTime::UNIX_EPOCH;
        let (_, told) = account_spent(blocked_until(70, Trust::Stranger, now), now);
        assert_eq!(told, Duration::from_secs(3600));
    }

    #[test]
    fn no_more_are_under_way_than_may_fail() {
        let rooms: Vec<i32> = [0, 1, 9, 10, 50].into_iter().map(room).collect();
        assert_eq!(rooms, [10, 9, 1, 1, 1]);
    }

    #[test]
    fn a_source_is_an_address_or_a_network_of_64_bits() {
        let source = |text: &str| source_of(text.parse().unwrap());
        assert_eq!(source("203.0.113.7"), "203.0.113.7");
        assert_eq!(source("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(source("2001:db8:1:2:ffff::"), "2001:db8:1:2::/64");
        assert_ne!(source("2001:db8:1:3::"), source("2001:db8:1:2::"));
    }
}
