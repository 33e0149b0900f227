//! Checking and performing a registration.

use super::policy::{self, RegistrationBasis};
use crate::access::actor::{Actor, Authority, USER};
use crate::access::passwords::{PasswordHash, PasswordOwner};
use crate::access::rate_limit::budget::{self, Budget};
use crate::accounts::email_confirmations::pending_address::{self, Purpose};
use crate::accounts::invites;
use crate::accounts::users::{self, AccessGrant, Email, RegistrationOutcome, User, ValidatedUser};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Mail, OutboxMessage};
use crate::platform::config::Registration;
use crate::platform::crypto::Vault;
use crate::platform::db::{Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::InviteId;

pub use super::policy::{RegistrationRules, check_enabled};

/// A validated request to register.
pub struct RegistrationAttempt {
    /// The unauthenticated caller.
    pub actor: Actor,
    /// Whether registration is closed, open, or requires an invite.
    pub mode: Registration,
    /// The invite token from the request.
    pub invite_token: Option<String>,
    /// Whether the address must be confirmed before the account can sign in.
    pub must_confirm: bool,
    /// The account to create. It has no address yet if the address must be confirmed.
    pub draft: ValidatedUser,
    /// The email address from the request.
    pub address: Option<Email>,
}

impl RegistrationAttempt {
    const ACTION: &str = "user.register";

    fn admission(&self) -> Result<RegistrationBasis<'_>, AppError> {
        Ok(policy::admission(self.mode, self.invite_token.as_deref())?)
    }

    fn email(&self) -> Option<&str> {
        self.address.as_ref().map(Email::as_str)
    }

    /// What the password must not contain.
    #[must_use]
    pub fn password_owner(&self) -> PasswordOwner {
        PasswordOwner::NewAccount {
            username: self.draft.username.as_str().to_owned(),
            email: self.email().map(str::to_owned),
        }
    }

    fn deny(&self, tx: &mut Tx<'_>, error: AppError) -> TxAbort {
        let entry = || AuditEntry::new(Self::ACTION, Subject::None);
        match error.code() {
            code @ (Code::InviteInvalid | Code::InviteExpired | Code::InviteExhausted) => {
                budget::deny(tx, &self.actor, entry(), code, Budget::InvalidTokens)
            }
            _ => audit::deny_if_forbidden(tx, &self.actor, entry, error),
        }
    }
}

/// Checks whether the attempt is allowed, before the password is hashed, and charges it to the budget of its source.
/// [`register`] checks it again.
///
/// # Errors
/// [`Code::RegistrationClosed`]; those of an invalid invite; [`Code::RateLimited`] if the source registers too many accounts
/// or presents too many invalid invites.
pub fn precheck(tx: &mut Tx<'_>, attempt: &RegistrationAttempt) -> TxResult<()> {
    let result = match attempt.admission() {
        Ok(RegistrationBasis::Open) => Ok(()),
        Ok(RegistrationBasis::Invite(token)) => {
            invites::service::check(tx, token, attempt.email()).map(drop)
        }
        Err(error) => Err(error),
    };
    result.map_err(|error| attempt.deny(tx, error))?;
    let (action, budget) = (RegistrationAttempt::ACTION, Budget::Registrations);
    budget::charge(tx, &attempt.actor, action, budget)
}

/// Creates the account with the access of the invite, and sends a confirmation link to the email address.
///
/// If the address must be confirmed, the account gets it only then. If another account has the address, the new account can't
/// be confirmed and is purged later. Otherwise nothing is created for a taken address, but the use of the invite is still
/// counted: the remaining uses would reveal that the address is taken.
///
/// # Errors
/// As [`precheck`]; [`Code::UserUsernameConflict`], which counts no use.
pub fn register(
    tx: &mut Tx<'_>,
    (mail, vault): (&Mail, &Vault),
    attempt: &RegistrationAttempt,
    password: &PasswordHash,
) -> TxResult<User> {
    advisory_lock::lock_shared(tx.conn, advisory_lock::Invariant::Authority)?;
    let (invite, grant) = redeem_admission(tx, attempt).map_err(|error| attempt.deny(tx, error))?;
    let outcome = users::service::create_registered(
        tx,
        &attempt.actor,
        RegistrationAttempt::ACTION,
        &attempt.draft,
        grant,
        password,
        invite,
    )?;
    match attempt.email() {
        Some(email) if attempt.must_confirm => {
            let mut user = outcome.into_user();
            let purpose = Purpose::Registration;
            pending_address::begin(tx, mail, vault, user.id, email, purpose)?;
            user.email = Some(email.to_owned());
            return Ok(user);
        }
        Some(email) if mail.is_enabled() && budget::charge_recipient(tx, vault, email)? => {
            mail.enqueue(tx, &message_for(&outcome, email))?;
        }
        _ => {}
    }
    Ok(outcome.into_user())
}

/// The access of the new account. Counts a use of the invite, if there is one.
fn redeem_admission(
    tx: &mut Tx<'_>,
    attempt: &RegistrationAttempt,
) -> Result<(Option<InviteId>, AccessGrant), AppError> {
    match attempt.admission()? {
        RegistrationBasis::Open => {
            let grant = users::service::check_grant(tx, &Authority::system(), USER, &[])?;
            Ok((None, grant))
        }
        RegistrationBasis::Invite(token) => {
            let (invite, grant) = invites::service::redeem(tx, token, attempt.email())?;
            Ok((Some(invite), grant))
        }
    }
}

/// The message for an outcome. Both outcomes queue exactly one, so the number of outbox rows does not reveal whether
/// the address was taken.
fn message_for(outcome: &RegistrationOutcome, email: &str) -> OutboxMessage {
    let email = email.to_owned();
    match outcome {
        RegistrationOutcome::Created(user) => OutboxMessage::EmailConfirmation {
            user: user.id,
            email,
        },
        RegistrationOutcome::EmailTaken { owner, .. } => OutboxMessage::AddressTaken {
            user: *owner,
            email,
        },
    }
}
