//! The lifetime of reset links.

use chrono::TimeDelta;

/// The lifetime of a reset link: from a minute to a week, by default one day.
///
/// NIST SP 800-63B-4 allows codes sent by email to be valid for at most 24 hours. Longer lifetimes are for links that an
/// administrator delivers in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetLinkLifetime(TimeDelta);

/// The number of seconds is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be from 60 to 604800 seconds (7 days)")]
pub struct InvalidLifetime;

impl ResetLinkLifetime {
    /// The lifetime of this many seconds.
    ///
    /// # Errors
    /// [`InvalidLifetime`] below 60 and above 604800.
    pub fn from_seconds(seconds: i64) -> Result<Self, InvalidLifetime> {
        match seconds {
            60..=604_800 => Ok(Self(TimeDelta::seconds(seconds))),
            _ => Err(InvalidLifetime),
        }
    }

    /// The lifetime of a link that the user requested by email: one hour.
    #[must_use]
    pub const fn for_mail() -> Self {
        Self(TimeDelta::hours(1))
    }

    /// The time from creation to expiry.
    #[must_use]
    pub const fn duration(self) -> TimeDelta {
        self.0
    }
}

impl Default for ResetLinkLifetime {
    fn default() -> Self {
        Self(TimeDelta::days(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetime_is_from_a_minute_to_a_week() {
        let duration =
            |seconds| ResetLinkLifetime::from_seconds(seconds).map(ResetLinkLifetime::duration);
        assert_eq!(duration(60), Ok(TimeDelta::minutes(1)));
        assert_eq!(duration(604_800), Ok(TimeDelta::weeks(1)));
        for seconds in [i64::MIN, -1, 0, 59, 604_801, i64::MAX] {
            assert_eq!(duration(seconds), Err(InvalidLifetime));
        }
        assert_eq!(
            ResetLinkLifetime::default().duration(),
            TimeDelta::hours(24)
        );
    }
}
