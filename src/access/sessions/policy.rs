//! Session lifetimes, end reasons, and the state of a refresh token. Pure decisions: no database, no clock.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::platform::ids::UserId;

/// Conditions on sessions. A session matches when all of them hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFilter {
    /// The account.
    pub user: Option<UserId>,
    /// The client address at which the session began.
    pub ip: Option<IpAddr>,
}

/// How long sessions last, and how many an account can have.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// A session expires when it is unused for this time.
    pub idle: TimeDelta,
    /// A session expires after this time, even if it is in use.
    pub max: TimeDelta,
    /// `idle` for sessions with `rememberMe`.
    pub remember_idle: TimeDelta,
    /// `max` for sessions with `rememberMe`.
    pub remember_max: TimeDelta,
    /// The maximum number of active sessions of an account.
    pub max_sessions: u32,
}

impl SessionLimits {
    /// The idle timeout and the maximum lifetime of a new session.
    #[must_use]
    pub const fn timeouts(&self, remember_me: bool) -> (TimeDelta, TimeDelta) {
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
    /// The user signed out.
    SignedOut,
    /// An administrator ended it.
    SignedOutByOther,
    /// The password was changed, reset or removed.
    PasswordChanged,
    /// The account was disabled.
    AccountDisabled,
    /// The account expired.
    AccountExpired,
    /// The account was deleted.
    AccountDeleted,
    /// A refresh token was used that had been replaced.
    RefreshTokenReused,
    /// The account signed in again and had the maximum number of sessions.
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

    /// The value in the database.
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

/// How long the previous refresh token is accepted after a rotation.
pub const GRACE_PERIOD: TimeDelta = TimeDelta::seconds(30);

/// The state of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokenState {
    /// The newest token of its session. A refresh replaces it.
    Current,
    /// The previous token, within [`GRACE_PERIOD`] of its rotation. A refresh returns the same successor again.
    RecentlyReplaced,
    /// Older than that. A copy of the token is in use elsewhere, so the session must end (RFC 9700, section 4.14.2).
    Reused,
}

/// The state of the token of generation `generation`, in a session whose newest token has generation `newest` and was issued
/// at `rotated_at`.
#[must_use]
pub fn classify_refresh_token(
    generation: i32,
    newest: i32,
    rotated_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> RefreshTokenState {
    if generation == newest {
        RefreshTokenState::Current
    } else if generation + 1 == newest && now - rotated_at <= GRACE_PERIOD {
        RefreshTokenState::RecentlyReplaced
    } else {
        RefreshTokenState::Reused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_current_token_and_briefly_the_previous_one_are_accepted() {
        let then = DateTime::<Utc>::UNIX_EPOCH;
        let within = then + GRACE_PERIOD;
        let after = within + TimeDelta::milliseconds(1);
        assert_eq!(
            classify_refresh_token(3, 3, then, after),
            RefreshTokenState::Current
        );
        assert_eq!(
            classify_refresh_token(2, 3, then, within),
            RefreshTokenState::RecentlyReplaced
        );
        assert_eq!(
            classify_refresh_token(2, 3, then, after),
            RefreshTokenState::Reused
        );
        assert_eq!(
            classify_refresh_token(1, 3, then, then),
            RefreshTokenState::Reused
        );
    }
}
