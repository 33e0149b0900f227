//! How often and how long sending a message is retried. No database, no clock.

use chrono::TimeDelta;

/// How long a message is reserved for one attempt. Longer than all SMTP timeouts of one attempt together; after that,
/// another replica may retry.
pub const LEASE: TimeDelta = TimeDelta::minutes(5);

/// Messages older than this are dropped.
pub const MAX_AGE: TimeDelta = TimeDelta::hours(24);

/// The delay after this many failed attempts; `None` if the message is to be dropped.
#[must_use]
pub fn retry_delay(attempts: i32) -> Option<TimeDelta> {
    const DELAYS: [TimeDelta; 7] = [
        TimeDelta::seconds(15),
        TimeDelta::minutes(1),
        TimeDelta::minutes(4),
        TimeDelta::minutes(15),
        TimeDelta::hours(1),
        TimeDelta::hours(3),
        TimeDelta::hours(6),
    ];
    let failed = usize::try_from(attempts).ok()?;
    DELAYS.get(failed.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delays_grow_and_end_before_the_message_is_dropped() {
        let delays: Vec<TimeDelta> = (1..).map_while(retry_delay).collect();
        assert_eq!(delays.len(), 7);
        assert!(delays.is_sorted() && delays.iter().sum::<TimeDelta>() < MAX_AGE);
        assert_eq!(retry_delay(0), None);
    }
}
