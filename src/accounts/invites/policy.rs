//! What is asked of an invite before it is used. No database, no clock.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::platform::error::Code;

/// How long an invite is good when nothing is said.
pub const LIFETIME: TimeDelta = TimeDelta::days(7);

/// How often an invite can be used at most.
pub const MOST_USES: i32 = 100_000;

/// Whether an invite can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum InviteState {
    /// It can.
    Open,
    /// Somebody ended it.
    Revoked,
    /// Its time is over.
    Expired,
    /// It was used as often as it may be.
    Exhausted,
}

/// What is known of an invite.
#[derive(Clone, Copy, Debug)]
pub struct InviteStatus<'a> {
    /// How often it was used.
    pub uses: i32,
    /// How often it may be.
    pub max_uses: i32,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The address that it is bound to, if it is.
    pub email: Option<&'a str>,
}

impl InviteStatus<'_> {
    /// Whether it can be used at `now`. What somebody did to it is told before what came of itself.
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

    /// Whether somebody who registers with this address at `now` may use it.
    ///
    /// # Errors
    /// [`Code::InviteInvalid`], for another address than the invite's too; [`Code::InviteExpired`];
    /// [`Code::InviteExhausted`].
    pub fn admits(&self, email: Option<&str>, now: DateTime<Utc>) -> Result<(), Code> {
        let is_meant = self.email.is_none_or(|bound| {
            email.is_some_and(|email| email.to_lowercase() == bound.to_lowercase())
        });
        match self.state(now) {
            InviteState::Open if is_meant => Ok(()),
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

    fn open() -> InviteStatus<'static> {
        InviteStatus {
            uses: 0,
            max_uses: 1,
            expires_at: NOW + TimeDelta::seconds(1),
            revoked_at: None,
            email: None,
        }
    }

    #[test]
    fn an_invite_ends_exactly_at_its_end() {
        assert_eq!(open().admits(None, NOW), Ok(()));
        let over = NOW + TimeDelta::seconds(1);
        assert_eq!(open().admits(None, over), Err(Code::InviteExpired));
        let before = over - TimeDelta::microseconds(1);
        assert_eq!(open().admits(None, before), Ok(()));
    }

    #[test]
    fn a_revoked_one_is_as_if_it_had_never_been() {
        let revoked = InviteStatus {
            revoked_at: Some(NOW),
            uses: 1,
            ..open()
        };
        let late = NOW + TimeDelta::days(1);
        assert_eq!(revoked.admits(None, late), Err(Code::InviteInvalid));
    }

    #[test]
    fn f12_a_bound_one_is_good_for_its_address_only_however_it_is_written() {
        let bound = InviteStatus {
            email: Some("Ada@Example.org"),
            ..open()
        };
        assert_eq!(bound.admits(Some("ada@example.ORG"), NOW), Ok(()));
        for other in [
            None,
            Some(""),
            Some("eve@example.org"),
            Some("ada@example.org."),
        ] {
            assert_eq!(
                bound.admits(other, NOW),
                Err(Code::InviteInvalid),
                "{other:?}"
            );
        }
        assert_eq!(open().admits(Some("anybody@example.org"), NOW), Ok(()));
    }

    proptest! {
        #[test]
        fn no_invite_is_used_more_often_than_it_may_be(uses in 0..10, max_uses in 1..10) {
            let facts = InviteStatus { uses, max_uses, ..open() };
            prop_assert_eq!(facts.admits(None, NOW).is_ok(), uses < max_uses);
        }
    }
}
