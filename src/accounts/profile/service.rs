//! Changing and deleting the caller's own account, and changing its password.

use serde_json::{Value, json};

use crate::access::actor::Actor;
use crate::access::authentication::SignedIn;
use crate::access::password_check::PasswordCheckResult;
use crate::access::passwords::PasswordHash;
use crate::access::rate_limit::account_budget::{self, AccountBudget};
use crate::access::sessions::EndReason;
use crate::accounts::credentials::service::CHANGE_PASSWORD;
use crate::accounts::email_confirmations::pending_address::{self, Purpose};
use crate::accounts::users::{
    self, LockedUser, User, UserAction, UserChangeset, UserRow, ValidatedUserChange,
};
use crate::accounts::{credentials, lifecycle};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Mail, Notice, notices};
use crate::platform::crypto::Vault;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// The audit action of users who change their own account.
pub const UPDATE_OWN: &str = "user.updateOwn";
/// The audit action of users who delete their own account.
pub const DELETE_OWN: &str = "user.deleteOwn";

/// Sets a new password for an account whose current password was checked, and ends its other sessions.
///
/// # Errors
/// `Code::AuthCurrentPasswordWrong` if the current password was wrong, or was changed after the check.
pub fn change_password(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: UserId,
    check: &PasswordCheckResult,
    new_password: &PasswordHash,
) -> TxResult<()> {
    require_correct_password(tx, actor, CHANGE_PASSWORD, id, check)?;
    account_budget::charge_account(tx, id, AccountBudget::PasswordChanges)?;
    credentials::service::set_own_password(tx, actor, id, check.password_version, new_password)
}

/// Changes the caller's own account. `check` is the result of the password check that a new email address requires. If mail
/// is configured, the account keeps its address until the new one is confirmed, so that the response does not reveal whether
/// another account has the new one.
///
/// # Errors
/// 401 if the session has ended; `Code::AuthCurrentPasswordWrong` as [`change_password`]; 412; `Code::UserEmailConflict`.
pub fn update(
    tx: &mut Tx<'_>,
    (mail, vault): (&Mail, &Vault),
    caller: &SignedIn,
    change: &ValidatedUserChange,
    check: Option<&PasswordCheckResult>,
    if_match: &IfMatch,
) -> TxResult<User> {
    if let Some(check) = check {
        require_correct_password(tx, caller, UPDATE_OWN, caller.id, check)?;
    }
    account_budget::charge_account(tx, caller.id, AccountBudget::OwnChanges)?;
    let user = LockedUser::lock_own(tx, caller)?;
    if let Some(check) = check {
        require_unchanged_password(&user.row, check)?;
    }
    user.authorize(tx, caller, UPDATE_OWN, &[UserAction::EditOwn], if_match)?;
    let mut changes = change.changeset_for(&user.row, None)?;
    let requested = if mail.is_enabled() {
        take_new_address(&mut changes)
    } else {
        None
    };
    let updated = lifecycle::service::update_user(tx, caller, UPDATE_OWN, &user.row, &changes)?;
    if let Some(email) = requested {
        begin_address_change(tx, mail, vault, caller, &email)?;
    }
    Ok(updated)
}

/// Deletes the caller's own account after a password check. An administrator can restore it.
///
/// # Errors
/// 401 if the session has ended; `Code::AuthCurrentPasswordWrong` as [`change_password`]; 412; `Code::LastSuperAdmin`.
pub fn delete(
    tx: &mut Tx<'_>,
    caller: &SignedIn,
    check: &PasswordCheckResult,
    if_match: &IfMatch,
) -> TxResult<()> {
    require_correct_password(tx, caller, DELETE_OWN, caller.id, check)?;
    tx.wait_for_leases();
    let user = LockedUser::lock_own(tx, caller)?;
    require_unchanged_password(&user.row, check)?;
    user.authorize(tx, caller, DELETE_OWN, &[UserAction::DeleteOwn], if_match)?;
    lifecycle::service::end_access(tx, caller.id, EndReason::AccountDeleted, None)?;
    let changes = UserChangeset {
        deleted_at: Some(Some(tx.now)),
        ..UserChangeset::default()
    };
    lifecycle::service::update_user(tx, caller, DELETE_OWN, &user.row, &changes).map(drop)
}

/// Records and returns a denial if the password was wrong.
fn require_correct_password(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action: &'static str,
    id: UserId,
    check: &PasswordCheckResult,
) -> Result<(), TxAbort> {
    if check.is_correct {
        return Ok(());
    }
    // A change token ends with its account.
    if users::service::authority_of_usable_user(tx, id)?.is_none() {
        return Err(AppError::new(Code::AuthTokenInvalid).into());
    }
    let entry = AuditEntry::new(action, Subject::User(id));
    Err(audit::deny(
        tx,
        actor,
        entry,
        AppError::current_password_wrong(),
    ))
}

/// Rejects the check of a password that was changed in the meantime.
fn require_unchanged_password(user: &UserRow, check: &PasswordCheckResult) -> Result<(), AppError> {
    if check.password_version == user.password_version {
        Ok(())
    } else {
        Err(AppError::current_password_wrong())
    }
}

/// Removes a new email address from the changes and returns it.
fn take_new_address(changes: &mut UserChangeset) -> Option<String> {
    let email = changes.email.clone().flatten()?;
    changes.email = None;
    changes.email_confirmed = None;
    Some(email)
}

fn begin_address_change(
    tx: &mut Tx<'_>,
    mail: &Mail,
    vault: &Vault,
    caller: &SignedIn,
    email: &str,
) -> Result<(), AppError> {
    pending_address::begin(tx, mail, vault, caller.id, email, Purpose::Change)?;
    notices::record(tx, caller.id, Notice::EmailChangeRequested)?;
    let entry = AuditEntry::new("user.emailChange.request", Subject::User(caller.id))
        .with_personal_data(Value::Null, json!({"email": email}));
    audit::record(tx, caller, entry)
}
