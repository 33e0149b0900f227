//! The two things done with a password on every path: proving the one there is, and choosing another.
//!
//! Both read first, hash then, holding no connection, and leave the writing to the caller, who must find
//! [`Proof::password_version`] unchanged under the account's lock: an old password does not win against a reset.

use crate::db::Db;
use crate::error::{AppError, Code, Fault};
use crate::ids::UserId;
use crate::users;

use super::{Context, Hasher, Overloaded, Password, PasswordHash, Policy, Verdict};

/// How passwords are hashed and which are accepted.
#[derive(Clone)]
pub struct Passwords {
    /// The hashing threads.
    pub hasher: Hasher,
    /// What may be chosen.
    pub policy: Policy,
}

/// Whose password is to be proven.
#[derive(Clone)]
pub enum Claimant {
    /// Whoever signs in under this name or address.
    Name(String),
    /// This account.
    Account(UserId),
}

/// What came of checking a password.
pub struct Proof {
    /// The account that was meant, whether or not the password was right; `None`: there is none.
    pub account: Option<UserId>,
    /// Which of the account's passwords it was checked against.
    pub password_version: i64,
    /// Whether it was right.
    pub is_right: bool,
    /// The same password under today's parameters, when the stored hash has others.
    pub renewed: Option<PasswordHash>,
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
    /// Checks a password. It takes the same time whether the account exists, is deleted, has no password, or has another.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when too many wait; the database's failures.
    pub async fn prove(
        &self,
        db: &Db,
        who: Claimant,
        password: Password,
    ) -> Result<Proof, AppError> {
        let account = db
            .read(move |tx| match &who {
                Claimant::Name(name) => users::service::by_login_name(tx, name),
                Claimant::Account(id) => users::service::find(tx, *id),
            })
            .await?;
        let hash = account
            .as_ref()
            .filter(|row| row.deleted_at.is_none())
            .and_then(|row| row.password_hash.clone())
            .map(PasswordHash::from_stored);
        let again = password.duplicate();
        let verdict = self.hasher.verify(password, hash).await?;
        let renewed = match verdict {
            Verdict::Right { rehash: true } => Some(self.hasher.hash(again).await?),
            _ => None,
        };
        Ok(Proof {
            password_version: account.as_ref().map_or(0, |row| row.password_version),
            account: account.map(|row| row.id),
            is_right: verdict != Verdict::Wrong,
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
        who: Chooser,
        password: Password,
        pointer: &'static str,
    ) -> Result<PasswordHash, AppError> {
        let (username, email) = match who {
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

impl From<Overloaded> for AppError {
    fn from(overloaded: Overloaded) -> Self {
        Self::new(Code::Overloaded)
            .retry_after(std::time::Duration::from_secs(overloaded.retry_after_secs))
    }
}
