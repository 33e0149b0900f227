//! Making an account for whoever may register.

use super::policy::{self, Entrance};
use crate::access::authentication::{Actor, Authority};
use crate::access::passwords::PasswordHash;
use crate::accounts::invites;
use crate::accounts::roles::USER;
use crate::accounts::users::service::RegistrationOutcome;
use crate::accounts::users::{self, Draft, Email, User};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Mail, OutboxMessage};
use crate::platform::config::Registration;
use crate::platform::db::{Tx, advisory_lock};
use crate::platform::error::{AppError, TxAbort, TxResult};

pub use super::policy::demand_open;

/// Somebody who wants to register.
#[derive(Clone)]
pub struct Applicant {
    /// Nobody known, and from where.
    pub by: Actor,
    /// Who may register at all.
    pub registration: Registration,
    /// The token that was brought.
    pub token: Option<String>,
}

impl Applicant {
    const ACT: &str = "user.register";

    fn entrance(&self) -> Result<Entrance<'_>, AppError> {
        Ok(policy::entrance(self.registration, self.token.as_deref())?)
    }

    fn turned_away(&self, tx: &mut Tx<'_>, why: AppError) -> TxAbort {
        let act = || AuditEntry::new(Self::ACT, Subject::Nothing);
        audit::fail(tx, &self.by, act, why)
    }
}

/// Whether somebody may register with this address, as far as can be told without doing it: what is refused here costs
/// no hashing.
///
/// # Errors
/// [`Code::RegistrationClosed`](crate::platform::error::Code::RegistrationClosed); the refusals of an invite.
pub fn examine(tx: &mut Tx<'_>, applicant: &Applicant, email: Option<&Email>) -> TxResult<()> {
    let email = email.map(Email::as_str);
    let examined = match applicant.entrance() {
        Ok(Entrance::Open) => Ok(()),
        Ok(Entrance::Invite(token)) => invites::service::examine(tx, token, email).map(drop),
        Err(why) => Err(why),
    };
    examined.map_err(|why| applicant.turned_away(tx, why))
}

/// Makes the account, and has its owner confirm the address by mail. With an invite it gets what that gives, and a use of it is counted, also when the address turns out
/// to be taken: otherwise the invite would tell.
///
/// # Errors
/// As [`examine`]; [`Code::UserUsernameConflict`](crate::platform::error::Code::UserUsernameConflict), which counts no use.
pub fn register(
    tx: &mut Tx<'_>,
    mail: &Mail,
    applicant: &Applicant,
    draft: &Draft,
    password: &PasswordHash,
) -> TxResult<User> {
    advisory_lock::rely(tx.conn, advisory_lock::Invariant::Authority)?;
    let email = draft.email.as_ref().map(Email::as_str);
    let admitted = match applicant.entrance() {
        Ok(Entrance::Open) => {
            let giver = Authority::system();
            users::service::gift(tx, &giver, USER, &[]).map(|gift| (None, gift))
        }
        Ok(Entrance::Invite(token)) => {
            invites::service::accept(tx, token, email).map(|(invite, gift)| (Some(invite), gift))
        }
        Err(why) => Err(why),
    };
    let (invite, gift) = admitted.map_err(|why| applicant.turned_away(tx, why))?;
    let joined = users::service::join(
        tx,
        &applicant.by,
        Applicant::ACT,
        draft,
        gift,
        password,
        invite,
    )?;
    if let Some(email) = &draft.email {
        mail.post(tx, &news_for(&joined, email))?;
    }
    match joined {
        RegistrationOutcome::Made(user) | RegistrationOutcome::EmailTaken { shown: user, .. } => {
            Ok(user)
        }
    }
}

/// One letter in either case, so that the outbox does not tell either; whose the address was is told to its owner alone.
fn news_for(joined: &RegistrationOutcome, email: &Email) -> OutboxMessage {
    let email = email.as_str().to_owned();
    match joined {
        RegistrationOutcome::Made(user) => OutboxMessage::EmailConfirmation {
            user: user.id,
            email,
        },
        RegistrationOutcome::EmailTaken { owner, .. } => OutboxMessage::AddressTaken {
            user: *owner,
            email,
        },
    }
}
