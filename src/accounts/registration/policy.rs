//! Who may register. No database, no clock.

use crate::platform::config::Registration;
use crate::platform::error::Code;

/// How somebody gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance<'a> {
    /// As everybody does.
    Open,
    /// With this token; it has to be good, also where none is needed.
    Invite(&'a str),
}

/// Whether anybody may register.
///
/// # Errors
/// [`Code::RegistrationClosed`].
pub const fn demand_open(registration: Registration) -> Result<(), Code> {
    match registration {
        Registration::Closed => Err(Code::RegistrationClosed),
        Registration::Invite | Registration::Open => Ok(()),
    }
}

/// How somebody gets in who brings this token, or none.
///
/// # Errors
/// [`Code::RegistrationClosed`]; [`Code::InviteInvalid`] when one is needed and none is brought.
pub const fn entrance(
    registration: Registration,
    token: Option<&str>,
) -> Result<Entrance<'_>, Code> {
    match (registration, token) {
        (Registration::Closed, _) => Err(Code::RegistrationClosed),
        (_, Some(token)) => Ok(Entrance::Invite(token)),
        (Registration::Open, None) => Ok(Entrance::Open),
        (Registration::Invite, None) => Err(Code::InviteInvalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_is_closed_to_invites_too_and_one_that_is_brought_always_counts() {
        use Registration::{Closed, Invite, Open};
        assert_eq!(entrance(Closed, None), Err(Code::RegistrationClosed));
        assert_eq!(entrance(Closed, Some("t")), Err(Code::RegistrationClosed));
        assert_eq!(entrance(Invite, None), Err(Code::InviteInvalid));
        assert_eq!(entrance(Invite, Some("t")), Ok(Entrance::Invite("t")));
        assert_eq!(entrance(Open, None), Ok(Entrance::Open));
        assert_eq!(entrance(Open, Some("t")), Ok(Entrance::Invite("t")));
    }
}
