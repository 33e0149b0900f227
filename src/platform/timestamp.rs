//! The type of every time that a caller gives: PostgreSQL and RFC 3339 can represent it, and arithmetic on it cannot overflow.

use std::str::FromStr;

use chrono::{DateTime, Datelike, SubsecRound, Timelike, Utc};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error};

/// A time of the years 1970 to 9999, truncated to microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Timestamp(DateTime<Utc>);

/// Why a time is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.detail())]
pub enum InvalidTimestamp {
    /// The text is not a time.
    Format,
    /// The time is outside the supported years, or a leap second.
    Range,
}

impl InvalidTimestamp {
    /// What is allowed.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Format => "must be an RFC 3339 time, for example 2027-01-31T12:00:00Z",
            Self::Range => "must be in the years 1970 to 9999, and not a leap second",
        }
    }

    /// The stable code of the field error.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Format => "invalid_format",
            Self::Range => "out_of_range",
        }
    }
}

impl TryFrom<DateTime<Utc>> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(time: DateTime<Utc>) -> Result<Self, InvalidTimestamp> {
        // chrono represents 23:59:60 as a nanosecond of a billion or more.
        if (1970..=9999).contains(&time.year()) && time.nanosecond() < 1_000_000_000 {
            Ok(Self(time.trunc_subsecs(6)))
        } else {
            Err(InvalidTimestamp::Range)
        }
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        DateTime::parse_from_rfc3339(text)
            .map_err(|_| InvalidTimestamp::Format)?
            .to_utc()
            .try_into()
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(deserializer)?
            .try_into()
            .map_err(|error| D::Error::custom(format!("out of range: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_years_1970_to_9999_and_no_leap_seconds() {
        for valid in ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"] {
            let json = format!("{valid:?}");
            let time: Timestamp = serde_json::from_str(&json).unwrap();
            assert_eq!(valid.parse(), Ok(time));
        }
        for (invalid, code) in [
            ("1969-12-31T23:59:59Z", "out_of_range"),
            ("-5000-01-01T00:00:00Z", "invalid_format"),
            ("+262142-01-01T00:00:00Z", "invalid_format"),
            ("9999-12-31T23:59:59-01:00", "out_of_range"),
            ("2027-06-30T23:59:60Z", "out_of_range"),
            ("2027-06-30", "invalid_format"),
            ("", "invalid_format"),
        ] {
            let error = invalid.parse::<Timestamp>().unwrap_err();
            assert_eq!(error.code(), code, "{invalid}");
            let json = format!("{invalid:?}");
            assert!(
                serde_json::from_str::<Timestamp>(&json).is_err(),
                "{invalid}"
            );
        }
        let precise: Timestamp = "2027-01-01T00:00:00.1234567Z".parse().unwrap();
        let text = DateTime::from(precise).to_rfc3339();
        assert_eq!(text, "2027-01-01T00:00:00.123456+00:00");
    }
}
