//! Whether an account can be used: the one rule for sign-in, refresh and every credential.

use chrono::{DateTime, Utc};

/// The columns of an account that decide whether it can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountStatus {
    /// Not disabled.
    pub is_active: bool,
    /// When it was deleted, if it was.
    pub deleted_at: Option<DateTime<Utc>>,
    /// When it expires, if it does.
    pub expires_at: Option<DateTime<Utc>>,
}

impl AccountStatus {
    /// Whether the account can be used at `now`: active, not deleted, not expired.
    #[must_use]
    pub fn is_usable(&self, now: DateTime<Utc>) -> bool {
        self.is_active && self.deleted_at.is_none() && !self.is_expired(now)
    }

    /// Whether the account has expired at `now`.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}
