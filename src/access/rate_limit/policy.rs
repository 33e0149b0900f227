//! The rate limits and the pure functions that apply them.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::platform::error::ExceededLimit;

/// The number of failures at which an account must first wait. Also the maximum number of attempts in flight.
pub const FREE_FAILURES: i32 = 10;
/// The wait after the tenth failure. It doubles with each further failure.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);
const MAX_WAIT: TimeDelta = TimeDelta::hours(1);

/// Failures of one source per window, including attempts in flight.
pub const SOURCE_QUOTA: i32 = 300;
/// How many failures of one source also count against its networks, so that a single source cannot use up their budget.
pub const NETWORK_SHARE: i32 = 100;
/// The length of a source's window.
pub const SOURCE_WINDOW: TimeDelta = TimeDelta::minutes(10);

/// An attempt that is in flight for longer was interrupted. It counts as a failure.
pub const ATTEMPT_TIMEOUT: TimeDelta = TimeDelta::seconds(60);
/// Refused attempts are recorded in the audit log at most once per interval.
pub const AUDIT_INTERVAL: TimeDelta = TimeDelta::seconds(60);
/// How long after a sign-in a source or a device is recognized.
pub const RECOGNITION_PERIOD: TimeDelta = TimeDelta::days(30);

/// A network that a source belongs to, with its own budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The network in CIDR notation.
    pub key: String,
    /// Failures of the network per window.
    pub quota: i32,
}

/// How likely the caller is the account's owner. Each level has its own failure counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerTrust {
    /// The caller has no session of the account and uses no recently used source or device.
    Unknown,
    /// The caller has a session of the account, or uses a source from which it recently signed in.
    Known,
    /// The caller uses a device on which the account recently signed in. Ignored once its failures are used up.
    KnownDevice,
}

/// The failures after which the password is blocked. The sum over all levels is 100.
#[must_use]
const fn max_failures(trust: CallerTrust) -> i32 {
    match trust {
        CallerTrust::Unknown => 70,
        CallerTrust::Known => 20,
        CallerTrust::KnownDevice => 10,
    }
}

/// The maximum number of attempts in flight after this many failures: as many as may still fail without a wait.
#[must_use]
pub const fn max_in_flight(failures: i32) -> i32 {
    if failures < FREE_FAILURES {
        FREE_FAILURES - failures
    } else {
        1
    }
}

/// The time until which attempts are refused, when the last of `failures` happened at `now`.
#[must_use]
pub fn blocked_until(failures: i32, trust: CallerTrust, now: DateTime<Utc>) -> DateTime<Utc> {
    if failures >= max_failures(trust) {
        return blocked_forever();
    }
    let Ok(doublings) = u32::try_from(failures - FREE_FAILURES) else {
        return DateTime::UNIX_EPOCH;
    };
    let wait = 2_i32
        .checked_pow(doublings)
        .and_then(|factor| FIRST_WAIT.checked_mul(factor))
        .map_or(MAX_WAIT, |wait| wait.min(MAX_WAIT));
    now + wait
}

/// The end of a block that only a password change lifts: the year 9999.
fn blocked_forever() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The limit that a blocked account reports, and the time to wait. A permanent block reports the maximum wait.
#[must_use]
pub fn account_limit_exceeded(
    blocked_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> (ExceededLimit, Duration) {
    let wait = whole_seconds(blocked_until - now).min(whole_seconds(MAX_WAIT));
    let limit = ExceededLimit {
        policy: "account",
        quota: 1,
        window: wait,
    };
    (limit, wait)
}

/// The limit that a blocked source or network (`policy`) reports, and the time to wait until its window ends.
#[must_use]
pub fn window_limit_exceeded(
    policy: &'static str,
    quota: i32,
    window_end: DateTime<Utc>,
    now: DateTime<Utc>,
) -> (ExceededLimit, Duration) {
    let limit = ExceededLimit {
        policy,
        quota: quota.unsigned_abs(),
        window: whole_seconds(SOURCE_WINDOW),
    };
    (limit, whole_seconds(window_end - now))
}

/// The failures of a source per window at this level. Callers that are probably the owner have a reserve that strangers
/// behind the same address cannot use up.
#[must_use]
pub const fn source_quota(trust: CallerTrust) -> i32 {
    match trust {
        CallerTrust::Unknown => SOURCE_QUOTA,
        CallerTrust::Known | CallerTrust::KnownDevice => 2 * SOURCE_QUOTA,
    }
}

/// Rounds up to whole seconds, at least one.
fn whole_seconds(span: TimeDelta) -> Duration {
    let seconds = (span + TimeDelta::milliseconds(999)).num_seconds();
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default().max(1))
}

/// The source of an address: an IPv4 address itself, or the /64 network of an IPv6 address, because one subscriber
/// usually has a whole /64.
#[must_use]
pub fn source_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The networks around an address: the /24 of an IPv4 address, the /56 and the /48 of an IPv6 address. A subscriber can
/// have a whole /48 and use another /64 for every attempt. Loopback addresses belong to no network.
#[must_use]
pub fn networks(address: IpAddr) -> Vec<Network> {
    let network = |key, quota| Network { key, quota };
    match address.to_canonical() {
        address if address.is_loopback() => Vec::new(),
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            vec![network(format!("{a}.{b}.{c}.0/24"), SOURCE_QUOTA)]
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            let d = d & 0xff00;
            vec![
                network(format!("{a:x}:{b:x}:{c:x}:{d:x}::/56"), SOURCE_QUOTA),
                network(format!("{a:x}:{b:x}:{c:x}::/48"), 2 * SOURCE_QUOTA),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_secs(failures: i32, trust: CallerTrust) -> i64 {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        (blocked_until(failures, trust, now) - now).num_seconds()
    }

    #[test]
    fn wait_starts_at_the_tenth_failure_and_doubles_up_to_one_hour() {
        assert!(wait_secs(9, CallerTrust::Unknown) < 0);
        let waits: Vec<i64> = (10..19)
            .map(|failures| wait_secs(failures, CallerTrust::Unknown))
            .collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(wait_secs(69, CallerTrust::Unknown), 3600);
    }

    #[test]
    fn password_is_blocked_permanently_after_a_hundred_failures_in_total() {
        let century_secs = 100 * 365 * 86_400;
        let levels = [
            CallerTrust::Unknown,
            CallerTrust::Known,
            CallerTrust::KnownDevice,
        ];
        for trust in levels {
            assert!(wait_secs(max_failures(trust), trust) > century_secs);
            assert!(wait_secs(max_failures(trust) - 1, trust) < century_secs);
        }
        assert_eq!(levels.map(max_failures).iter().sum::<i32>(), 100);
        let now = DateTime::UNIX_EPOCH;
        let (_, wait) = account_limit_exceeded(blocked_until(70, CallerTrust::Unknown, now), now);
        assert_eq!(wait, Duration::from_secs(3600));
    }

    #[test]
    fn attempts_in_flight_never_exceed_the_remaining_free_failures() {
        let maxima: Vec<i32> = [0, 1, 9, 10, 50].into_iter().map(max_in_flight).collect();
        assert_eq!(maxima, [10, 9, 1, 1, 1]);
    }

    #[test]
    fn source_is_an_ipv4_address_or_an_ipv6_network_of_64_bits() {
        let source = |text: &str| source_key(text.parse().unwrap());
        assert_eq!(source("203.0.113.7"), "203.0.113.7");
        assert_eq!(source("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(source("2001:db8:1:2:ffff::"), "2001:db8:1:2::/64");
        assert_ne!(source("2001:db8:1:3::"), source("2001:db8:1:2::"));
    }

    #[test]
    fn networks_are_a_24_of_ipv4_and_a_56_and_48_of_ipv6() {
        let keys = |text: &str| -> Vec<String> {
            let networks = networks(text.parse().unwrap());
            networks.into_iter().map(|network| network.key).collect()
        };
        assert_eq!(keys("203.0.113.7"), ["203.0.113.0/24"]);
        assert_eq!(keys("::ffff:203.0.113.7"), ["203.0.113.0/24"]);
        assert_eq!(
            keys("2001:db8:1:12ff::1"),
            ["2001:db8:1:1200::/56", "2001:db8:1::/48"]
        );
        assert!(keys("127.0.0.1").is_empty() && keys("::1").is_empty());
    }
}
