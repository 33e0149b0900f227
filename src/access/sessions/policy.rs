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

/// How long the previous refresh token is accepted after its rotation, and after the first use of an access token that was
/// issued with its successor. Without such a use, the answer with the successor may have been lost.
pub const GRACE_PERIOD: TimeDelta = TimeDelta::seconds(30);

/// How many rotations in a row can be followed by a late repetition of the previous token: one after [`GRACE_PERIOD`]. A lost
/// answer causes one; two parties that share the session cause one with each rotation.
pub const MAX_LATE_REPETITIONS: i32 = 2;

/// The state of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokenState {
    /// The newest token of its session. A refresh replaces it.
    Current,
    /// The previous token, within its [`GRACE_PERIOD`]. A refresh returns the same successor again.
    RecentlyReplaced,
    /// Older than that. A copy of the token is in use elsewhere, so the session must end (RFC 9700, section 4.14.2).
    Reused,
}

/// What a session knows about its newest refresh token.
#[derive(Clone, Copy, Debug)]
pub struct NewestToken {
    /// Its generation.
    pub generation: i32,
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
    /// When an access token that was issued with it was first used.
    pub used_at: Option<DateTime<Utc>>,
    /// How many rotations in a row were followed by a late repetition.
    pub late_repetitions: i32,
    /// The generation that was newest at the last late repetition.
    pub repeated_generation: Option<i32>,
}

impl NewestToken {
    /// The state of the session's token of generation `generation`.
    #[must_use]
    pub fn classify(&self, generation: i32, now: DateTime<Utc>) -> RefreshTokenState {
        let is_in_grace_period = self
            .used_at
            .is_none_or(|used_at| now - used_at <= GRACE_PERIOD);
        if generation == self.generation {
            RefreshTokenState::Current
        } else if generation + 1 == self.generation
            && is_in_grace_period
            && (!self.is_late(now) || self.count_late_repetition() <= MAX_LATE_REPETITIONS)
        {
            RefreshTokenState::RecentlyReplaced
        } else {
            RefreshTokenState::Reused
        }
    }

    /// Whether a repetition of the previous token is late.
    #[must_use]
    pub fn is_late(&self, now: DateTime<Utc>) -> bool {
        now - self.issued_at > GRACE_PERIOD
    }

    /// How many rotations in a row were followed by a late repetition, with one now.
    #[must_use]
    pub fn count_late_repetition(&self) -> i32 {
        match self.repeated_generation {
            Some(repeated) if repeated == self.generation => self.late_repetitions,
            Some(repeated) if repeated + 1 == self.generation => self.late_repetitions + 1,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previous_token_is_accepted_until_shortly_after_the_first_use_of_the_newest() {
        let issued_at = DateTime::<Utc>::UNIX_EPOCH;
        let used_at = issued_at + TimeDelta::hours(1);
        let within = used_at + GRACE_PERIOD;
        let after = within + TimeDelta::milliseconds(1);
        for (generation, used_at, now, expected) in [
            (3, Some(used_at), after, RefreshTokenState::Current),
            (2, None, after, RefreshTokenState::RecentlyReplaced),
            (
                2,
                Some(used_at),
                within,
                RefreshTokenState::RecentlyReplaced,
            ),
            (2, Some(used_at), after, RefreshTokenState::Reused),
            (1, None, used_at, RefreshTokenState::Reused),
        ] {
            let newest = NewestToken {
                generation: 3,
                issued_at,
                used_at,
                late_repetitions: 0,
                repeated_generation: None,
            };
            let state = newest.classify(generation, now);
            assert_eq!(state, expected, "{generation} {used_at:?} {now}");
        }
    }

    #[test]
    fn late_repetitions_in_a_row_are_limited() {
        let issued_at = DateTime::<Utc>::UNIX_EPOCH;
        let late = issued_at + GRACE_PERIOD + TimeDelta::milliseconds(1);
        for (repeated_generation, late_repetitions, is_accepted) in [
            (None, 0, true),
            (Some(2), MAX_LATE_REPETITIONS - 1, true),
            (Some(2), MAX_LATE_REPETITIONS, false),
            // Of the same generation again, and after a rotation without one.
            (Some(3), MAX_LATE_REPETITIONS, true),
            (Some(1), MAX_LATE_REPETITIONS, true),
        ] {
            let newest = NewestToken {
                generation: 3,
                issued_at,
                used_at: None,
                late_repetitions,
                repeated_generation,
            };
            let is_repeated = newest.classify(2, late) == RefreshTokenState::RecentlyReplaced;
            assert_eq!(is_repeated, is_accepted, "{newest:?}");
            assert_eq!(
                newest.classify(2, issued_at),
                RefreshTokenState::RecentlyReplaced
            );
        }
    }
}
