//! What a token may be. No database, no clock.

use chrono::{DateTime, Utc};

/// How many tokens an account has at most; those that have expired make room for new ones.
pub const MOST: i64 = 100;

/// Why a point in time is no end of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is over already")]
pub struct InThePast;

/// The end of a token that is made `now`.
///
/// # Errors
/// [`InThePast`].
pub fn end(
    wanted: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, InThePast> {
    match wanted {
        Some(end) if end <= now => Err(InThePast),
        end => Ok(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_token_ends_later_or_never() {
        let now = DateTime::UNIX_EPOCH;
        let later = Some(now + TimeDelta::microseconds(1));
        assert_eq!(end(None, now), Ok(None));
        assert_eq!(end(later, now), Ok(later));
        assert_eq!(end(Some(now), now), Err(InThePast));
    }
}
