//! Checks the password of an account, and validates and hashes a new one.
//!
//! Both functions read from the database first and then hash without holding a connection. The caller writes the result.
//! Under the account's lock the caller must check that [`PasswordCheckResult::password_version`] has not changed:
//! otherwise the old password could still be accepted after a password reset.

use std::sync::Arc;

use crate::access::actor::Actor;
use crate::access::passwords::{
    BreachedPasswords, Hasher, Password, PasswordContext, PasswordHash, PasswordOwner,
    PasswordPolicy, PasswordWeakness, Priority, UnsupportedHash, VerifyOutcome,
};
use crate::access::peppers;
use crate::access::rate_limit::{
    self, AdmissionQueue, CallerTrust, LoginTarget, PasswordAttempt, RateLimitSlot,
};
use crate::accounts::users::{self, UserRow, Username};
use crate::audit::SignInFailureReason;
use crate::platform::crypto::Vault;
use crate::platform::db::{Db, Tx};
use crate::platform::error::{AppError, FieldError};
use crate::platform::ids::UserId;

/// The service's name, which a password must not consist of.
const SERVICE_NAME: &str = "rosterd";

/// Checks passwords under the rate limits, and hashes new passwords under the password policy.
#[derive(Clone)]
pub struct PasswordService {
    /// The hashing threads.
    pub hasher: Hasher,
    /// The rules for new passwords.
    pub policy: PasswordPolicy,
    /// The list of breached passwords, if one is configured.
    pub breached_passwords: Option<Arc<BreachedPasswords>>,
    /// Limits how many attempts for one account run at the same time in this process.
    pub admission_queue: Arc<AdmissionQueue>,
    /// Computes the keyed hashes that stand for unknown usernames.
    pub vault: Arc<Vault>,
}

/// Identifies the account whose password is checked.
#[derive(Clone, Hash)]
pub enum LoginIdentifier {
    /// A username or an email address, as typed at sign-in.
    UsernameOrEmail(String),
    /// An account id.
    Account(UserId),
}

/// The result of a password check.
pub struct PasswordCheckResult {
    /// The account that the identifier belongs to, also when the password is wrong.
    pub target: LoginTarget,
    /// The version of the account's password that was checked.
    pub password_version: i64,
    /// Whether the password is correct.
    pub is_correct: bool,
    /// The reason for the audit log when the password is wrong.
    pub failure_reason: SignInFailureReason,
    /// Whether the caller was unknown: no session, no known device and no known address of the account.
    pub is_unknown_caller: bool,
    /// A new hash of the same password, when the stored hash has outdated parameters.
    pub upgraded_hash: Option<PasswordHash>,
}

/// The password hash of an account, as stored.
struct StoredPassword {
    version: i64,
    hash: Option<PasswordHash>,
    /// The reason for the audit log when a password does not match.
    failure_reason: SignInFailureReason,
}

impl PasswordService {
    /// Checks a password under the rate limits. Only this function reserves a rate-limit slot and records the outcome.
    ///
    /// It takes the same time whether the account is unknown, deleted, has no password or has another password.
    /// `action` is the audit action that the password is needed for.
    ///
    /// # Errors
    /// `RateLimited`, also for a correct password. `Overloaded` when too many attempts wait. Database errors.
    pub async fn check_password(
        &self,
        db: &Db,
        actor: &Actor,
        action: &'static str,
        identifier: LoginIdentifier,
        password: Password,
    ) -> Result<PasswordCheckResult, AppError> {
        self.hasher.check_capacity(expected_priority(actor))?;
        let identifier = identifier.normalized();
        let _permit = self.admission_queue.acquire(&identifier).await?;
        let (vault, actor) = (self.vault.clone(), actor.clone());
        let (attempt, stored, decision) = db
            .write(move |tx| {
                let (target, stored) = identifier.load_stored_password(tx, &vault)?;
                let attempt = PasswordAttempt {
                    actor: actor.clone(),
                    action,
                    target,
                };
                let decision = rate_limit::service::request_slot(tx, &attempt)?;
                Ok((attempt, stored, decision))
            })
            .await?;
        if let Some(hash) = &stored.hash {
            // The pepper of a stored hash can only be missing if the database was damaged. The hasher logs it.
            let _ = self.knows_pepper(db, hash).await?;
        }
        let slot = self
            .admission_queue
            .wait_for_slot(db, &attempt, decision)
            .await?;
        let password_copy = password.duplicate();
        let is_unknown_caller = slot.trust() == CallerTrust::Unknown;
        let priority = match slot.trust() {
            CallerTrust::Unknown => Priority::SignIn,
            CallerTrust::Known | CallerTrust::KnownDevice => Priority::KnownCaller,
        };
        let outcome = self.hasher.verify(password, stored.hash, priority).await;
        record_outcome(db, slot, outcome.as_ref().ok().copied()).await?;
        let outcome = outcome?;
        let upgraded_hash = match outcome {
            // When the hasher is overloaded, the upgrade is skipped: the sign-in itself must not fail.
            VerifyOutcome::Match { needs_rehash: true } => {
                self.hasher.hash(password_copy).await.ok()
            }
            _ => None,
        };
        Ok(PasswordCheckResult {
            target: attempt.target,
            password_version: stored.version,
            is_correct: outcome != VerifyOutcome::Mismatch,
            failure_reason: stored.failure_reason,
            is_unknown_caller,
            upgraded_hash,
        })
    }

    /// Refuses an imported hash whose pepper is not in this database: no password would ever match it.
    ///
    /// # Errors
    /// `RequestInvalid` at `/passwordHash`. Database errors.
    pub async fn check_pepper(&self, db: &Db, hash: &PasswordHash) -> Result<(), AppError> {
        if self.knows_pepper(db, hash).await? {
            return Ok(());
        }
        let detail = UnsupportedHash::Pepper.to_string();
        Err(AppError::invalid_field(
            "/passwordHash",
            "unsupported",
            detail,
        ))
    }

    /// Whether the pepper of the hash is known. Another replica may have created it, so the peppers are loaded again first.
    async fn knows_pepper(&self, db: &Db, hash: &PasswordHash) -> Result<bool, AppError> {
        if self.hasher.knows_pepper(hash) {
            return Ok(true);
        }
        let vault = self.vault.clone();
        let known = db
            .read(move |tx| peppers::service::load(tx, &vault))
            .await?;
        self.hasher.set_known_peppers(known);
        Ok(self.hasher.knows_pepper(hash))
    }

    /// Checks a new password against the policy and hashes it. `pointer` is the JSON pointer of the password in the request.
    ///
    /// # Errors
    /// `RequestInvalid` with every weakness of the password, or with `breached` if it has no other. `Overloaded`. Database errors.
    pub async fn validate_and_hash(
        &self,
        db: &Db,
        owner: PasswordOwner,
        password: Password,
        pointer: &'static str,
    ) -> Result<PasswordHash, AppError> {
        let (username, email) = match owner {
            PasswordOwner::NewAccount { username, email } => (username, email),
            PasswordOwner::ExistingAccount(id) => db
                .read(move |tx| users::service::find(tx, id))
                .await?
                .map_or_else(Default::default, |row| (row.username, row.email)),
        };
        self.check_policy((&username, email.as_deref()), &password, pointer)?;
        if self.is_breached(&password).await? {
            return Err(weak_password(pointer, vec![PasswordWeakness::Breached]));
        }
        Ok(self.hasher.hash(password).await?)
    }

    /// Checks the rules for the password of an account that is being created, except that it is not on the list of breached
    /// passwords.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`](crate::platform::error::Code::RequestInvalid) with every weakness of the password.
    pub fn check_policy(
        &self,
        (username, email): (&str, Option<&str>),
        password: &Password,
        pointer: &'static str,
    ) -> Result<(), AppError> {
        let context = PasswordContext {
            username,
            email,
            service: SERVICE_NAME,
        };
        self.policy
            .check(password, &context)
            .map_err(|weaknesses| weak_password(pointer, weaknesses))
    }

    /// Whether the list of breached passwords contains the password.
    async fn is_breached(&self, password: &Password) -> Result<bool, AppError> {
        match &self.breached_passwords {
            Some(list) => {
                let found = Arc::clone(list).contains(password.duplicate()).await;
                found.map_err(AppError::internal)
            }
            None => Ok(false),
        }
    }
}

fn weak_password(pointer: &'static str, weaknesses: Vec<PasswordWeakness>) -> AppError {
    let field_error =
        |weakness: PasswordWeakness| FieldError::new(pointer, weakness.code(), weakness.detail());
    AppError::invalid_fields(weaknesses.into_iter().map(field_error).collect())
}

impl LoginIdentifier {
    /// The normalized form: equal for all spellings of the same username or email address.
    fn normalized(self) -> Self {
        match self {
            Self::UsernameOrEmail(name) => Self::UsernameOrEmail(Username::normalize(&name)),
            account @ Self::Account(_) => account,
        }
    }

    /// Finds the account and its password hash. There is no hash when the account does not exist or is deleted.
    fn load_stored_password(
        &self,
        tx: &mut Tx<'_>,
        vault: &Vault,
    ) -> Result<(LoginTarget, StoredPassword), AppError> {
        let row = match self {
            Self::UsernameOrEmail(name) => users::service::find_by_login_name(tx, name)?,
            Self::Account(id) => users::service::find(tx, *id)?,
        };
        let target = match (&row, self) {
            (Some(row), _) => LoginTarget::Account(row.id),
            (None, Self::Account(id)) => LoginTarget::Account(*id),
            (None, Self::UsernameOrEmail(name)) => LoginTarget::unknown_username(vault, name),
        };
        Ok((target, row.into()))
    }
}

impl From<Option<UserRow>> for StoredPassword {
    fn from(row: Option<UserRow>) -> Self {
        let (version, hash, failure_reason) = match row {
            None => (0, None, SignInFailureReason::UnknownName),
            Some(row) if row.deleted_at.is_some() => (
                row.password_version,
                None,
                SignInFailureReason::AccountDeleted,
            ),
            Some(row) => match row.password_hash {
                None => (row.password_version, None, SignInFailureReason::NoPassword),
                hash => (
                    row.password_version,
                    hash,
                    SignInFailureReason::WrongPassword,
                ),
            },
        };
        Self {
            version,
            hash: hash.map(PasswordHash::from_stored),
            failure_reason,
        }
    }
}

/// The account or unknown name that a sign-in with this username or email address counts against.
///
/// # Errors
/// Database errors.
pub fn resolve_login_target(
    tx: &mut Tx<'_>,
    vault: &Vault,
    name: &str,
) -> Result<LoginTarget, AppError> {
    let identifier = LoginIdentifier::UsernameOrEmail(name.to_owned()).normalized();
    Ok(identifier.load_stored_password(tx, vault)?.0)
}

/// The priority that the caller probably has. The rate limiter decides it later, when the account is known.
fn expected_priority(actor: &Actor) -> Priority {
    if actor.session_id().is_some() || actor.origin.device_of.is_some() {
        Priority::KnownCaller
    } else {
        Priority::SignIn
    }
}

/// Records the outcome of an attempt with the rate limiter. `None` means that the password was not verified.
async fn record_outcome(
    db: &Db,
    slot: RateLimitSlot,
    outcome: Option<VerifyOutcome>,
) -> Result<(), AppError> {
    use rate_limit::service::{record_failure, record_success, release_slot};
    match outcome {
        Some(VerifyOutcome::Match { .. }) => {
            db.write(move |tx| Ok(record_success(tx, &slot)?)).await
        }
        Some(VerifyOutcome::Mismatch) => db.write(move |tx| Ok(record_failure(tx, &slot)?)).await,
        None => db.write(move |tx| Ok(release_slot(tx, &slot)?)).await,
    }
}
