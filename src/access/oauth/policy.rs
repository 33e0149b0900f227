//! Which token whom may revoke. No database, no clock.

use crate::platform::ids::{ClientId, GrantId, SessionId};

/// What somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InHand {
    /// No token of ours, or one that has ended.
    Nothing,
    /// A personal access token, whether there is such a one or not.
    PersonalToken,
    /// A token of this session.
    Session(SessionId),
    /// An access token of this client.
    Grant(ClientId, GrantId),
}

/// Why a token is not revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It was issued to another client (RFC 7009, section 2.1).
    Foreign,
    /// Tokens of its kind are not revoked here (RFC 7009, section 2.2.1).
    Unsupported,
}

/// Whether a service client, or else whoever signs in, may revoke this.
///
/// # Errors
/// [`Denied`].
pub fn may_revoke(client: Option<ClientId>, token: InHand) -> Result<(), Denied> {
    match (client, token) {
        (_, InHand::Nothing) | (None, InHand::Session(_)) => Ok(()),
        (Some(client), InHand::Grant(owner, _)) if client == owner => Ok(()),
        (_, InHand::PersonalToken) => Err(Denied::Unsupported),
        (Some(_), InHand::Session(_)) | (_, InHand::Grant(..)) => Err(Denied::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[test]
    fn o09_everybody_revokes_their_own_and_nobody_elses() {
        let now = DateTime::UNIX_EPOCH;
        let (one, other) = (ClientId::new(now), ClientId::new(now));
        let session = InHand::Session(SessionId::new(now));
        let grant = InHand::Grant(one, GrantId::new(now));
        assert_eq!(may_revoke(Some(one), grant), Ok(()));
        assert_eq!(may_revoke(Some(other), grant), Err(Denied::Foreign));
        assert_eq!(may_revoke(None, grant), Err(Denied::Foreign));
        assert_eq!(may_revoke(None, session), Ok(()));
        assert_eq!(may_revoke(Some(one), session), Err(Denied::Foreign));
        for caller in [None, Some(one)] {
            assert_eq!(may_revoke(caller, InHand::Nothing), Ok(()));
            let personal = may_revoke(caller, InHand::PersonalToken);
            assert_eq!(personal, Err(Denied::Unsupported));
        }
    }
}
