//! Who may register. No database, no clock.

use crate::platform::config::{Config, Registration};
use crate::platform::error::Code;

/// The rules for people who register.
#[derive(Clone, Debug)]
pub struct RegistrationRules {
    /// Whether registration is closed, by invite or open.
    pub mode: Registration,
    /// Whether the account can sign in only after its email address is confirmed.
    pub must_confirm: bool,
    /// Whether the account is disabled until an administrator enables it.
    pub needs_approval: bool,
    /// The allowed domains of email addresses, in lower case. Empty: all.
    pub domains: Vec<String>,
}

impl RegistrationRules {
    /// The rules of the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let has_mail = config.smtp_server.is_some();
        Self {
            mode: config.registration,
            must_confirm: config.registration_confirm.unwrap_or(has_mail),
            needs_approval: config.registration_approval,
            domains: config
                .registration_domains
                .iter()
                .map(|domain| domain.trim_start_matches('@').to_ascii_lowercase())
                .collect(),
        }
    }

    /// Why an account with this email address can't be registered: an error code and what is allowed.
    ///
    /// # Errors
    /// `required` or `domain_not_allowed`.
    pub fn check_email(&self, email: Option<&str>) -> Result<(), (&'static str, String)> {
        match email {
            None if self.must_confirm || !self.domains.is_empty() => {
                Err(("required", "is required".to_owned()))
            }
            None => Ok(()),
            Some(email) => {
                let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
                let is_allowed = |allowed: &String| domain.eq_ignore_ascii_case(allowed);
                if self.domains.is_empty() || self.domains.iter().any(is_allowed) {
                    Ok(())
                } else {
                    let domains = self.domains.join(", ");
                    Err((
                        "domain_not_allowed",
                        format!("must be an address of one of these domains: {domains}"),
                    ))
                }
            }
        }
    }
}

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
    fn email_is_required_for_confirmation_and_for_allowed_domains() {
        let rules = |must_confirm, domains: &[&str]| RegistrationRules {
            mode: Registration::Open,
            must_confirm,
            needs_approval: false,
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
        };
        let code =
            |rules: RegistrationRules, email| rules.check_email(email).map_err(|(code, _)| code);
        assert_eq!(code(rules(false, &[]), None), Ok(()));
        assert_eq!(code(rules(true, &[]), None), Err("required"));
        assert_eq!(code(rules(false, &["a.org"]), None), Err("required"));
        assert_eq!(code(rules(true, &[]), Some("x@b.org")), Ok(()));
        assert_eq!(
            code(rules(false, &["b.org", "a.org"]), Some("x@A.ORG")),
            Ok(())
        );
        for other in ["x@aa.org", "x@a.org.evil.example", "x@sub.a.org"] {
            let code = code(rules(true, &["a.org"]), Some(other));
            assert_eq!(code, Err("domain_not_allowed"), "{other}");
        }
    }

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
