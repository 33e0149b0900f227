//! Making an account for whoever may register.

use super::rules::{self, Entrance};
use crate::audit::{self, Act, Subject};
use crate::auth::{Actor, Standing};
use crate::config::Registration;
use crate::db::{Tx, lock};
use crate::error::{Acted, AppError, Halt};
use crate::invites;
use crate::mail::{Errand, Mail};
use crate::passwords::PasswordHash;
use crate::roles::USER;
use crate::users::service::Joined;
use crate::users::{self, Draft, Email, User};

pub use super::rules::demand_open;

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
        Ok(rules::entrance(self.registration, self.token.as_deref())?)
    }

    fn turned_away(&self, tx: &mut Tx<'_>, why: AppError) -> Halt {
        let act = || Act::new(Self::ACT, Subject::Nothing);
        audit::fail(tx, &self.by, act, why)
    }
}

/// Whether somebody may register with this address, as far as can be told without doing it: what is refused here costs
/// no hashing.
///
/// # Errors
/// [`Code::RegistrationClosed`](crate::error::Code::RegistrationClosed); the refusals of an invite.
pub fn examine(tx: &mut Tx<'_>, applicant: &Applicant, email: Option<&Email>) -> Acted<()> {
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
/// As [`examine`]; [`Code::UserUsernameConflict`](crate::error::Code::UserUsernameConflict), which counts no use.
pub fn register(
    tx: &mut Tx<'_>,
    mail: &Mail,
    applicant: &Applicant,
    draft: &Draft,
    password: &PasswordHash,
) -> Acted<User> {
    lock::rely(tx.conn, lock::Invariant::Authority)?;
    let email = draft.email.as_ref().map(Email::as_str);
    let admitted = match applicant.entrance() {
        Ok(Entrance::Open) => {
            let giver = Standing::of_the_machine();
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
        Joined::Made(user) | Joined::EmailTaken { shown: user, .. } => Ok(user),
    }
}

/// One letter in either case, so that the outbox does not tell either; whose the address was is told to its owner alone.
fn news_for(joined: &Joined, email: &Email) -> Errand {
    let email = email.as_str().to_owned();
    match joined {
        Joined::Made(user) => Errand::EmailConfirmation {
            user: user.id,
            email,
        },
        Joined::EmailTaken { owner, .. } => Errand::AddressTaken {
            user: *owner,
            email,
        },
    }
}
