//! How long sessions last, and what a presented refresh token means. No database, no clock.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::platform::ids::UserId;

/// Which sessions a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// This account's.
    pub user: Option<UserId>,
    /// Those that began at this address.
    pub ip: Option<IpAddr>,
}

/// How long sessions last, and how many an account has.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Unused for longer than this, a session has expired.
    pub idle: TimeDelta,
    /// However busy, it has expired by then.
    pub max: TimeDelta,
    /// The same for those who asked to be remembered.
    pub remember_idle: TimeDelta,
    /// The same for those who asked to be remembered.
    pub remember_max: TimeDelta,
    /// The most that one account has at once.
    pub most: u32,
}

impl SessionLimits {
    /// The idle and the absolute limit.
    #[must_use]
    pub const fn limits(&self, remember_me: bool) -> (TimeDelta, TimeDelta) {
        if remember_me {
            (self.remember_idle, self.remember_max)
        } else {
            (self.idle, self.max)
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its user signed out.
    SignedOut,
    /// Somebody who may ended it.
    SignedOutByOther,
    /// The password was changed, reset or removed.
    PasswordChanged,
    /// The account was switched off.
    AccountDisabled,
    /// The account's time was over.
    AccountExpired,
    /// The account was deleted.
    AccountDeleted,
    /// An old refresh token came back.
    RefreshTokenReused,
    /// The account signed in once more than it may be signed in at once.
    TooMany,
}

impl EndReason {
    /// Whether the account itself can no longer be used, not only its sessions.
    #[must_use]
    pub const fn ends_account(self) -> bool {
        matches!(
            self,
            Self::AccountDisabled | Self::AccountExpired | Self::AccountDeleted
        )
    }

    /// How it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signedOut",
            Self::SignedOutByOther => "signedOutByOther",
            Self::PasswordChanged => "passwordChanged",
            Self::AccountDisabled => "accountDisabled",
            Self::AccountExpired => "accountExpired",
            Self::AccountDeleted => "accountDeleted",
            Self::RefreshTokenReused => "refreshTokenReused",
            Self::TooMany => "tooMany",
        }
    }
}

/// How long the token before the newest is still answered.
pub const GRACE: TimeDelta = TimeDelta::seconds(30);

/// What to do about a presented refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// The newest: make its successor.
    Newest,
    /// The one before, soon after: answer with the successor that there is.
    JustReplaced,
    /// Any other: somebody else has it too.
    Reused,
}

/// Judges a token of generation `presented` of a session whose newest is `newest`, made at `rotated_at`.
#[must_use]
pub fn judge(
    presented: i32,
    newest: i32,
    rotated_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Presented {
    if presented == newest {
        Presented::Newest
    } else if presented + 1 == newest && now - rotated_at <= GRACE {
        Presented::JustReplaced
    } else {
        Presented::Reused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_and_for_a_while_the_one_before_are_good() {
        let then = DateTime::<Utc>::UNIX_EPOCH;
        let within = then + GRACE;
        let after = within + TimeDelta::milliseconds(1);
        assert_eq!(judge(3, 3, then, after), Presented::Newest);
        assert_eq!(judge(2, 3, then, within), Presented::JustReplaced);
        assert_eq!(judge(2, 3, then, after), Presented::Reused);
        assert_eq!(judge(1, 3, then, then), Presented::Reused);
    }
}
