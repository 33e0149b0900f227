//! How often and how long a letter is tried. No database, no clock.

use chrono::TimeDelta;

/// How long one attempt may take at most; after that another replica may try. Longer than the patience of all the steps
/// of one attempt together.
pub const LEASE: TimeDelta = TimeDelta::minutes(5);

/// After that a letter says nothing that its reader still waits for.
pub const STALE: TimeDelta = TimeDelta::hours(24);

/// How long to wait after this many attempts that failed; `None`: it is given up.
#[must_use]
pub fn wait_after(attempts: i32) -> Option<TimeDelta> {
    const WAITS: [TimeDelta; 7] = [
        TimeDelta::seconds(15),
        TimeDelta::minutes(1),
        TimeDelta::minutes(4),
        TimeDelta::minutes(15),
        TimeDelta::hours(1),
        TimeDelta::hours(3),
        TimeDelta::hours(6),
    ];
    let failed = usize::try_from(attempts).ok()?;
    WAITS.get(failed.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_grow_and_end_before_the_letter_is_stale() {
        let waits: Vec<TimeDelta> = (1..).map_while(wait_after).collect();
        assert_eq!(waits.len(), 7);
        assert!(waits.is_sorted() && waits.iter().sum::<TimeDelta>() < STALE);
        assert_eq!(wait_after(0), None);
    }
}
