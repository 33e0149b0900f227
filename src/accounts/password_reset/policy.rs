//! How long a reset link lives.

use chrono::TimeDelta;

/// How long a link is good: a day, unless somebody chose from a minute to a week.
///
/// NIST SP 800-63B-4 lets codes that are sent by mail live for a day at most; longer ones are for those who hand a link
/// over by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(TimeDelta);

/// Why a number is no lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reset link lives from 60 seconds to 604800 (7 days)")]
pub struct BadLifetime;

impl Lifetime {
    /// The lifetime of this many seconds.
    ///
    /// # Errors
    /// [`BadLifetime`] below 60 and above 604800.
    pub fn of_seconds(seconds: i64) -> Result<Self, BadLifetime> {
        match seconds {
            60..=604_800 => Ok(Self(TimeDelta::seconds(seconds))),
            _ => Err(BadLifetime),
        }
    }

    /// The lifetime of a link that somebody asked to be mailed: an hour.
    #[must_use]
    pub const fn of_mail() -> Self {
        Self(TimeDelta::hours(1))
    }

    /// The time from making to ending.
    #[must_use]
    pub const fn span(self) -> TimeDelta {
        self.0
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self(TimeDelta::days(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_lives_from_a_minute_to_a_week() {
        let span = |seconds| Lifetime::of_seconds(seconds).map(Lifetime::span);
        assert_eq!(span(60), Ok(TimeDelta::minutes(1)));
        assert_eq!(span(604_800), Ok(TimeDelta::weeks(1)));
        for seconds in [i64::MIN, -1, 0, 59, 604_801, i64::MAX] {
            assert_eq!(span(seconds), Err(BadLifetime));
        }
        assert_eq!(Lifetime::default().span(), TimeDelta::hours(24));
    }
}
