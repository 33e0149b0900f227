//! Who may register. No database, no clock.

use crate::platform::config::Registration;
use crate::platform::error::Code;

/// What allows a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationBasis<'a> {
    /// Registration is open to everyone.
    Open,
    /// The caller sent this invite token. It must be valid even if registration is open to everyone.
    Invite(&'a str),
}

/// Fails if registration is closed. Invite-only registration passes.
///
/// # Errors
/// [`Code::RegistrationClosed`].
pub const fn check_enabled(registration: Registration) -> Result<(), Code> {
    match registration {
        Registration::Closed => Err(Code::RegistrationClosed),
        Registration::Invite | Registration::Open => Ok(()),
    }
}

/// What allows a registration with this invite token, or without one.
///
/// # Errors
/// [`Code::RegistrationClosed`]; [`Code::InviteInvalid`] if an invite is required and there is no token.
pub const fn admission(
    registration: Registration,
    token: Option<&str>,
) -> Result<RegistrationBasis<'_>, Code> {
    match (registration, token) {
        (Registration::Closed, _) => Err(Code::RegistrationClosed),
        (_, Some(token)) => Ok(RegistrationBasis::Invite(token)),
        (Registration::Open, None) => Ok(RegistrationBasis::Open),
        (Registration::Invite, None) => Err(Code::InviteInvalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invites_do_not_open_closed_registration_and_a_token_is_always_used() {
        use Registration::{Closed, Invite, Open};
        assert_eq!(admission(Closed, None), Err(Code::RegistrationClosed));
        assert_eq!(admission(Closed, Some("t")), Err(Code::RegistrationClosed));
        assert_eq!(admission(Invite, None), Err(Code::InviteInvalid));
        assert_eq!(
            admission(Invite, Some("t")),
            Ok(RegistrationBasis::Invite("t"))
        );
        assert_eq!(admission(Open, None), Ok(RegistrationBasis::Open));
        assert_eq!(
            admission(Open, Some("t")),
            Ok(RegistrationBasis::Invite("t"))
        );
    }
}
