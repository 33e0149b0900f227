//! Changing and deleting the caller's own account, and changing its password.

use crate::access::actor::Actor;
use crate::access::authentication::SignedIn;
use crate::access::password_check::PasswordCheckResult;
use crate::access::passwords::PasswordHash;
use crate::access::sessions::EndReason;
use crate::accounts::credentials::service::CHANGE_PASSWORD;
use crate::accounts::users::{
    LockMode, LockedUser, User, UserAction, UserChangeset, UserRow, ValidatedUserChange,
};
use crate::accounts::{credentials, lifecycle};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Mail, OutboxMessage};
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
/// [`Code::AuthInvalidCredentials`] if the current password was wrong, or was changed after the check.
pub fn change_password(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: UserId,
    check: &PasswordCheckResult,
    new_password: &PasswordHash,
) -> TxResult<()> {
    require_correct_password(tx, actor, CHANGE_PASSWORD, id, check)?;
    credentials::service::set_own_password(tx, actor, id, check.password_version, new_password)
}

/// Changes the caller's own account. `check` is the result of the password check that a new email address requires. A new
/// email address is confirmed by mail, and the old address is notified.
///
/// # Errors
/// 401 if the session has ended; [`Code::AuthInvalidCredentials`] as [`change_password`]; 412; [`Code::UserEmailConflict`].
pub fn update(
    tx: &mut Tx<'_>,
    mail: &Mail,
    caller: &SignedIn,
    change: &ValidatedUserChange,
    check: Option<&PasswordCheckResult>,
    if_match: &IfMatch,
) -> TxResult<User> {
    if let Some(check) = check {
        require_correct_password(tx, caller, UPDATE_OWN, caller.id, check)?;
    }
    let user = LockedUser::lock_own(tx, caller, LockMode::Shared)?;
    if let Some(check) = check {
        require_unchanged_password(&user.row, check)?;
    }
    user.authorize(tx, caller, UPDATE_OWN, &[UserAction::EditOwn], if_match)?;
    let changes = change.changeset_for(&user.row)?;
    let updated = lifecycle::service::update_user(tx, caller, UPDATE_OWN, &user.row, &changes)?;
    notify_addresses(tx, mail, &user.row, &changes)?;
    Ok(updated)
}

/// Deletes the caller's own account after a password check. An administrator can restore it.
///
/// # Errors
/// 401 if the session has ended; [`Code::AuthInvalidCredentials`] as [`change_password`]; 412; [`Code::LastSuperAdmin`].
pub fn delete(
    tx: &mut Tx<'_>,
    caller: &SignedIn,
    check: &PasswordCheckResult,
    if_match: &IfMatch,
) -> TxResult<()> {
    require_correct_password(tx, caller, DELETE_OWN, caller.id, check)?;
    tx.wait_for_leases();
    let user = LockedUser::lock_own(tx, caller, LockMode::Exclusive)?;
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
    let entry = AuditEntry::new(action, Subject::User(id));
    Err(audit::deny(tx, actor, entry, Code::AuthInvalidCredentials))
}

/// Rejects the check of a password that was changed in the meantime.
fn require_unchanged_password(user: &UserRow, check: &PasswordCheckResult) -> Result<(), AppError> {
    if check.password_version == user.password_version {
        Ok(())
    } else {
        Err(Code::AuthInvalidCredentials.into())
    }
}

/// If the email address changes, notifies the old address and sends a confirmation link to the new one.
fn notify_addresses(
    tx: &mut Tx<'_>,
    mail: &Mail,
    user: &UserRow,
    changes: &UserChangeset,
) -> Result<(), AppError> {
    let Some(new_email) = &changes.email else {
        return Ok(());
    };
    if let Some(old_email) = &user.email {
        let message = OutboxMessage::EmailChanged {
            user: user.id,
            username: user.username.clone(),
            email: old_email.clone(),
        };
        mail.enqueue(tx, &message)?;
    }
    if let Some(new_email) = new_email {
        let message = OutboxMessage::EmailConfirmation {
            user: user.id,
            email: new_email.clone(),
        };
        mail.enqueue(tx, &message)?;
    }
    Ok(())
}
