//! The two things done with a password on every path: proving the one there is, and choosing another.
//!
//! Both read first, hash then, holding no connection, and leave the writing to the caller, who must find
//! [`Proof::password_version`] unchanged under the account's lock: an old password does not win against a reset.

use std::sync::Arc;

use crate::access::authentication::Actor;
use crate::access::rate_limit::{self, AdmissionQueue, Attempt, RateLimitSlot, Target};
use crate::accounts::users::{self, UserRow, Username};
use crate::audit::Reason;
use crate::platform::crypto::Vault;
use crate::platform::db::{Db, Tx};
use crate::platform::error::{AppError, Code, Fault};
use crate::platform::ids::UserId;

use super::{Context, Hasher, Overloaded, Password, PasswordHash, Policy, Verdict};

/// How passwords are hashed, which are accepted, and how often one may be guessed.
#[derive(Clone)]
pub struct Passwords {
    /// The hashing threads.
    pub hasher: Hasher,
    /// What may be chosen.
    pub policy: Policy,
    /// Where attempts wait for their turn.
    pub gate: Arc<AdmissionQueue>,
    /// Makes what stands for the names that no account has.
    pub vault: Arc<Vault>,
}

/// Whose password is to be proven.
#[derive(Clone, Hash)]
pub enum Claimant {
    /// Whoever signs in under this name or address.
    Name(String),
    /// This account.
    Account(UserId),
}

/// What came of checking a password.
pub struct Proof {
    /// Who was meant, whether or not the password was right.
    pub target: Target,
    /// Which of the account's passwords it was checked against.
    pub password_version: i64,
    /// Whether it was right.
    pub is_right: bool,
    /// If not: why, for the audit log.
    pub why_wrong: Reason,
    /// The same password under today's parameters, when the stored hash has others.
    pub renewed: Option<PasswordHash>,
}

/// The password that an account has.
struct Stored {
    version: i64,
    hash: Option<PasswordHash>,
    /// Why another one is wrong.
    why_wrong: Reason,
}

/// For whom a password is chosen.
#[derive(Clone)]
pub enum Chooser {
    /// An account that is about to be made.
    New {
        /// Its username.
        username: String,
        /// Its address.
        email: Option<String>,
    },
    /// An account that exists, or not: then only what needs no account is checked.
    Account(UserId),
}

impl Passwords {
    /// Checks a password, if whoever tries may: the attempt takes its place first and tells what came of it, here and
    /// nowhere else. It takes the same time whether the account exists, is deleted, has no password, or has another.
    ///
    /// `act` is what the password is to be good for, as the audit log calls it.
    ///
    /// # Errors
    /// [`Code::RateLimited`], to a right password too; [`Code::Overloaded`] when too many wait; the database's failures.
    pub async fn prove(
        &self,
        db: &Db,
        by: &Actor,
        act: &'static str,
        identity: Claimant,
        password: Password,
    ) -> Result<Proof, AppError> {
        self.hasher.check_load()?;
        let identity = identity.normalized();
        let _turn = self.gate.enter(&identity).await?;
        let (vault, by) = (self.vault.clone(), by.clone());
        let (attempt, stored, begun) = db
            .read(move |tx| {
                let (target, stored) = identity.find(tx, &vault)?;
                let by = by.clone();
                let attempt = Attempt { by, act, target };
                let begun = rate_limit::service::begin(tx, &attempt)?;
                Ok((attempt, stored, begun))
            })
            .await?;
        let place = self.gate.place(db, &attempt, begun).await?;
        let again = password.duplicate();
        let verdict = self.hasher.verify(password, stored.hash).await;
        settle(db, place, verdict.as_ref().ok().copied()).await?;
        let verdict = verdict?;
        let renewed = match verdict {
            // Nobody is turned away for want of time to do this.
            Verdict::Right { rehash: true } => self.hasher.hash(again).await.ok(),
            _ => None,
        };
        Ok(Proof {
            target: attempt.target,
            password_version: stored.version,
            is_right: verdict != Verdict::Wrong,
            why_wrong: stored.why_wrong,
            renewed,
        })
    }

    /// Accepts and hashes a password; `pointer` is where it stood in the request.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`] with each weakness; [`Code::Overloaded`]; the database's failures.
    pub async fn choose(
        &self,
        db: &Db,
        identity: Chooser,
        password: Password,
        pointer: &'static str,
    ) -> Result<PasswordHash, AppError> {
        let (username, email) = match identity {
            Chooser::New { username, email } => (username, email),
            Chooser::Account(id) => db
                .read(move |tx| users::service::find(tx, id))
                .await?
                .map_or_else(Default::default, |row| (row.username, row.email)),
        };
        let context = Context {
            username: &username,
            email: email.as_deref(),
            service: "rosterd",
        };
        self.policy
            .check(&password, &context)
            .map_err(|weaknesses| {
                let fault = |weakness: super::Weakness| {
                    Fault::new(pointer, weakness.code(), weakness.detail())
                };
                AppError::invalid(weaknesses.into_iter().map(fault).collect())
            })?;
        Ok(self.hasher.hash(password).await?)
    }
}

impl Claimant {
    /// One spelling for all that mean the same.
    fn normalized(self) -> Self {
        match self {
            Self::Name(name) => Self::Name(Username::normalize(&name)),
            account @ Self::Account(_) => account,
        }
    }

    /// Who is meant, and what password there is: none where there is no account, or a deleted one.
    fn find(&self, tx: &mut Tx<'_>, vault: &Vault) -> Result<(Target, Stored), AppError> {
        let row = match self {
            Self::Name(name) => users::service::by_login_name(tx, name)?,
            Self::Account(id) => users::service::find(tx, *id)?,
        };
        let target = match (&row, self) {
            (Some(row), _) => Target::Account(row.id),
            (None, Self::Account(id)) => Target::Account(*id),
            (None, Self::Name(name)) => Target::nobody(vault, name),
        };
        Ok((target, row.into()))
    }
}

impl From<Option<UserRow>> for Stored {
    /// Nobody's is none, and so is that of a deleted account.
    fn from(row: Option<UserRow>) -> Self {
        let (version, hash, why_wrong) = match row {
            None => (0, None, Reason::UnknownName),
            Some(row) if row.deleted_at.is_some() => {
                (row.password_version, None, Reason::AccountDeleted)
            }
            Some(row) => match row.password_hash {
                None => (row.password_version, None, Reason::NoPassword),
                hash => (row.password_version, hash, Reason::WrongPassword),
            },
        };
        Self {
            version,
            hash: hash.map(PasswordHash::from_stored),
            why_wrong,
        }
    }
}

/// Whoever signs in under this name or address.
///
/// # Errors
/// When the database fails.
pub fn target(tx: &mut Tx<'_>, vault: &Vault, name: &str) -> Result<Target, AppError> {
    let identity = Claimant::Name(name.to_owned()).normalized();
    Ok(identity.find(tx, vault)?.0)
}

/// Tells the throttle what came of an attempt; no verdict: nobody looked.
async fn settle(db: &Db, place: RateLimitSlot, verdict: Option<Verdict>) -> Result<(), AppError> {
    use rate_limit::service::{fail, give_back, succeed};
    match verdict {
        Some(Verdict::Right { .. }) => db.read(move |tx| succeed(tx, &place)).await,
        Some(Verdict::Wrong) => db.write(move |tx| Ok(fail(tx, &place)?)).await,
        None => db.write(move |tx| Ok(give_back(tx, &place)?)).await,
    }
}

impl From<Overloaded> for AppError {
    fn from(overloaded: Overloaded) -> Self {
        Self::new(Code::Overloaded)
            .retry_after(std::time::Duration::from_secs(overloaded.retry_after_secs))
    }
}
