//! When an invite can be used. No database, no clock.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::platform::error::Code;

/// How long an invite is valid by default.
pub const DEFAULT_LIFETIME: TimeDelta = TimeDelta::days(7);

/// The upper limit for `maxUses`.
pub const MAX_USES: i32 = 100_000;

/// The maximum number of open invites that one account creates. The operator is not limited.
pub const MAX_OPEN_INVITES: i64 = 1000;

/// Whether an invite can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum InviteState {
    /// It can be used.
    Open,
    /// It was revoked.
    Revoked,
    /// It has expired.
    Expired,
    /// It has no uses left.
    Exhausted,
}

/// The values that decide whether an invite can be used.
#[derive(Clone, Copy, Debug)]
pub struct InviteConditions<'a> {
    /// The number of uses so far.
    pub uses: i32,
    /// The maximum number of uses.
    pub max_uses: i32,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The email address that must be used to register, if there is one.
    pub email: Option<&'a str>,
}

impl InviteConditions<'_> {
    /// The state at `now`. Revocation takes precedence over expiry and exhaustion.
    #[must_use]
    pub fn state(&self, now: DateTime<Utc>) -> InviteState {
        if self.revoked_at.is_some() {
            InviteState::Revoked
        } else if self.expires_at <= now {
            InviteState::Expired
        } else if self.uses >= self.max_uses {
            InviteState::Exhausted
        } else {
            InviteState::Open
        }
    }

    /// Checks whether a registration with this email address at `now` may use the invite.
    ///
    /// # Errors
    /// [`Code::InviteInvalid`] if it is revoked or bound to another address; [`Code::InviteExpired`];
    /// [`Code::InviteExhausted`].
    pub fn check(&self, email: Option<&str>, now: DateTime<Utc>) -> Result<(), Code> {
        let is_email_allowed = self.email.is_none_or(|bound| {
            email.is_some_and(|email| email.to_lowercase() == bound.to_lowercase())
        });
        match self.state(now) {
            InviteState::Open if is_email_allowed => Ok(()),
            InviteState::Open | InviteState::Revoked => Err(Code::InviteInvalid),
            InviteState::Expired => Err(Code::InviteExpired),
            InviteState::Exhausted => Err(Code::InviteExhausted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn open() -> InviteConditions<'static> {
        InviteConditions {
            uses: 0,
            max_uses: 1,
            expires_at: NOW + TimeDelta::seconds(1),
            revoked_at: None,
            email: None,
        }
    }

    #[test]
    fn invite_expires_exactly_at_its_expiry() {
        assert_eq!(open().check(None, NOW), Ok(()));
        let expiry = NOW + TimeDelta::seconds(1);
        assert_eq!(open().check(None, expiry), Err(Code::InviteExpired));
        let before = expiry - TimeDelta::microseconds(1);
        assert_eq!(open().check(None, before), Ok(()));
    }

    #[test]
    fn revoked_invite_is_invalid_even_if_expired_or_exhausted() {
        let revoked = InviteConditions {
            revoked_at: Some(NOW),
            uses: 1,
            ..open()
        };
        let late = NOW + TimeDelta::days(1);
        assert_eq!(revoked.check(None, late), Err(Code::InviteInvalid));
    }

    #[test]
    // SECURITY: F12
    fn bound_invite_accepts_only_its_address_in_any_case() {
        let bound = InviteConditions {
            email: Some("Ada@Example.org"),
            ..open()
        };
        assert_eq!(bound.check(Some("ada@example.ORG"), NOW), Ok(()));
        for other in [
            None,
            Some(""),
            Some("eve@example.org"),
            Some("ada@example.org."),
        ] {
            assert_eq!(
                bound.check(other, NOW),
                Err(Code::InviteInvalid),
                "{other:?}"
            );
        }
        assert_eq!(open().check(Some("any@example.org"), NOW), Ok(()));
    }

    proptest! {
        #[test]
        fn invite_is_never_used_more_often_than_max_uses(uses in 0..10, max_uses in 1..10) {
            let conditions = InviteConditions { uses, max_uses, ..open() };
            prop_assert_eq!(conditions.check(None, NOW).is_ok(), uses < max_uses);
        }
    }
}
