//! Limits of personal access tokens. Pure decisions: no database, no clock.

use chrono::{DateTime, Utc};

/// The maximum number of tokens of an account. Expired tokens do not count.
pub const MAX_TOKENS_PER_ACCOUNT: i64 = 100;

/// The requested expiry is in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be in the future")]
pub struct ExpiryInThePast;

/// The expiry of a token that is created at `now`, if it is in the future. `None`: the token does not expire.
///
/// # Errors
/// [`ExpiryInThePast`].
pub fn check_expiry(
    requested: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, ExpiryInThePast> {
    match requested {
        Some(end) if end <= now => Err(ExpiryInThePast),
        end => Ok(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn an_expiry_is_in_the_future_or_absent() {
        let now = DateTime::UNIX_EPOCH;
        let later = Some(now + TimeDelta::microseconds(1));
        assert_eq!(check_expiry(None, now), Ok(None));
        assert_eq!(check_expiry(later, now), Ok(later));
        assert_eq!(check_expiry(Some(now), now), Err(ExpiryInThePast));
    }
}
