//! Which client may revoke which token.

use crate::platform::ids::{ClientGrantId, ClientId, SessionId};

/// What a presented token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifiedToken {
    /// The token is unknown, invalid or has expired.
    Unknown,
    /// The token has the form of a personal access token; it may not exist.
    PersonalToken,
    /// An access token or refresh token of this session.
    Session(SessionId),
    /// An access token of this client.
    ClientGrant(ClientId, ClientGrantId),
}

/// Why a token may not be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationDenied {
    /// The token was issued to another client (RFC 7009, section 2.1).
    IssuedToAnotherClient,
    /// Tokens of this type cannot be revoked at this endpoint (RFC 7009, section 2.2.1).
    UnsupportedTokenType,
}

/// Checks whether a service client, or the first-party client (`None`), may revoke the token.
///
/// # Errors
/// [`RevocationDenied`].
pub fn check_may_revoke(
    client: Option<ClientId>,
    token: IdentifiedToken,
) -> Result<(), RevocationDenied> {
    use IdentifiedToken::{ClientGrant, PersonalToken, Session, Unknown};
    match (client, token) {
        (_, Unknown) | (None, Session(_)) => Ok(()),
        (Some(client), ClientGrant(owner, _)) if client == owner => Ok(()),
        (_, PersonalToken) => Err(RevocationDenied::UnsupportedTokenType),
        (Some(_), Session(_)) | (_, ClientGrant(..)) => {
            Err(RevocationDenied::IssuedToAnotherClient)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    // SECURITY: O09
    #[test]
    fn clients_may_revoke_only_their_own_tokens() {
        let now = DateTime::UNIX_EPOCH;
        let (owner, other) = (ClientId::new(now), ClientId::new(now));
        let session = IdentifiedToken::Session(SessionId::new(now));
        let grant = IdentifiedToken::ClientGrant(owner, ClientGrantId::new(now));
        let another_client = Err(RevocationDenied::IssuedToAnotherClient);
        assert_eq!(check_may_revoke(Some(owner), grant), Ok(()));
        assert_eq!(check_may_revoke(Some(other), grant), another_client);
        assert_eq!(check_may_revoke(None, grant), another_client);
        assert_eq!(check_may_revoke(None, session), Ok(()));
        assert_eq!(check_may_revoke(Some(owner), session), another_client);
        for client in [None, Some(owner)] {
            assert_eq!(check_may_revoke(client, IdentifiedToken::Unknown), Ok(()));
            let personal_token = check_may_revoke(client, IdentifiedToken::PersonalToken);
            assert_eq!(personal_token, Err(RevocationDenied::UnsupportedTokenType));
        }
    }
}
