//! Creating, showing and updating user records. Each function runs in the caller's transaction.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::initial_access::{self, AccessGrant};
use super::input::ValidatedUser;
use super::model::User;
use super::record::new_row;
use super::store::{self, UserChangeset, UserRow};
use super::values::Username;
use super::{audit_entry, conflict};
use crate::access::actor::{Actor, Creator, SUPER_ADMIN};
use crate::access::authentication::{Can, needs, row_locks};
use crate::access::passwords::PasswordHash;
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Notice, notices};
use crate::platform::db::{Invalidation, OnConstraint, Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::UserId;

pub use super::authority_change::{can_still_take_over, may_set_password, raises_authority};
pub use super::authorization::{lock_authority, lock_for_sign_out, lock_for_takeover, lock_rows};
pub use super::initial_access::{check_grant, check_grant_audited, check_names, role_authority};
pub use super::listing::service::list;
pub use super::lookup::{
    any_super_admin, authority_of_usable_user, can_use, count_permanent_super_admins, find,
    find_by_any_name, find_by_confirmed_email, find_by_email, find_by_login_name, find_for_update,
    find_ids, usernames,
};
pub use super::reassign_role::{count_by_role, prepare_role_reassignment};
pub use super::record::{authority_of, to_response};
pub use super::register::create_registered;
pub use super::session_visibility::{authorize_reading_sessions, readable_roles};

/// Creates an account.
///
/// # Errors
/// [`Code::RequestInvalid`], [`Code::PermissionUnknown`]; 403 if the caller may not manage the account; [`Code::PermissionRequired`] for direct grants
/// without `users.managePermissions`; [`Code::UserUsernameConflict`], [`Code::UserEmailConflict`].
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Can<needs::CreateUsers>,
    draft: &ValidatedUser,
    password: Option<&PasswordHash>,
) -> TxResult<User> {
    advisory_lock::lock_shared(tx.conn, advisory_lock::Invariant::Authority)?;
    row_locks::lock_caller(tx, caller)?;
    let authority = caller.current_authority(tx)?;
    let entry = || AuditEntry::new("user.create", Subject::None);
    let access = initial_access::check_grant_audited(
        tx,
        caller,
        entry,
        &authority,
        &draft.role,
        &draft.permissions,
    )?;
    let row = new_row(tx, draft, access, password, Creator::of(caller));
    conflict::check_deleted_holder(tx, caller, Some(&row.username), row.email.as_deref())?;
    insert(tx, caller, row)
}

/// Creates the first `SuperAdmin`, unless one exists.
///
/// # Errors
/// [`Code::UserUsernameConflict`] when another account has the name.
pub fn create_first_super_admin(
    tx: &mut Tx<'_>,
    username: &Username,
    password: &PasswordHash,
) -> TxResult<Option<User>> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::Authority)?;
    if store::any_super_admin(tx.conn)? {
        return Ok(None);
    }
    let draft = ValidatedUser {
        username: username.clone(),
        role: SUPER_ADMIN.to_owned(),
        is_active: true,
        permissions: Vec::new(),
        display_name: None,
        email: None,
        tags: Vec::new(),
        attributes: json!({}),
        must_change_password: false,
        expires_at: None,
        auth_provider: None,
        auth_id: None,
    };
    let access = AccessGrant {
        role: draft.role.clone(),
        permissions: Vec::new(),
    };
    let row = new_row(tx, &draft, access, Some(password), Creator::Operator);
    insert(tx, &Actor::system(), row).map(Some)
}

/// The account with this id, deleted or not, as the API shows it.
///
/// # Errors
/// [`Code::NotFound`].
pub fn show(tx: &mut Tx<'_>, id: UserId) -> Result<User, AppError> {
    let row = store::find(tx.conn, id)?.ok_or(Code::NotFound)?;
    to_response(tx, row)
}

/// Sets the time of the last sign-in. Also stores `rehashed`, the hash of the same password with newer parameters, unless the
/// password was changed after `password_version` was read.
///
/// # Errors
/// Database errors.
pub fn record_sign_in(
    tx: &mut Tx<'_>,
    id: UserId,
    rehashed: Option<&PasswordHash>,
    password_version: i64,
) -> Result<(), AppError> {
    tx.invalidate(Invalidation::Principal(id.0));
    store::set_last_login(tx.conn, id, tx.now)?;
    if let Some(hash) = rehashed {
        store::replace_hash(tx.conn, id, password_version, hash.as_str())?;
    }
    Ok(())
}

/// Writes the changes and an audit entry. An empty change leaves the row as it is.
///
/// # Errors
/// [`Code::UserUsernameConflict`], [`Code::UserEmailConflict`].
pub fn update(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action_name: &'static str,
    row: &UserRow,
    changes: &UserChangeset,
) -> TxResult<User> {
    if *changes != UserChangeset::default() {
        let email = changes.email.as_ref().and_then(Option::as_deref);
        conflict::check_deleted_holder(tx, actor, changes.username.as_deref(), email)?;
        tx.invalidate(Invalidation::Principal(row.id.0));
        store::update(tx.conn, row.id, tx.now, changes)
            .on_constraint("users_username_key", Code::UserUsernameConflict)
            .on_constraint("users_email_key", Code::UserEmailConflict)?;
    }
    audit::record(tx, actor, audit_entry::updated(action_name, row, changes))?;
    show(tx, row.id).map_err(TxAbort::from)
}

/// All accounts with this role, including deleted ones, locked until the transaction ends.
///
/// # Errors
/// Database errors.
pub fn lock_all_of_role(tx: &mut Tx<'_>, role: &str) -> Result<Vec<UserRow>, AppError> {
    Ok(store::lock_all_of_role(tx.conn, role)?)
}

/// Locks all accounts with this role, including deleted ones, and the caller in one pass, for an operation that changes some
/// of them later.
///
/// # Errors
/// Database errors.
pub fn lock_role_and_caller(tx: &mut Tx<'_>, role: &str, caller: &Actor) -> Result<(), AppError> {
    store::lock_role_and_account(tx.conn, role, caller.user_id())?;
    row_locks::lock_caller(tx, caller)
}

/// Writes a new or removed password hash, increments the password version, and tells the owner. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn update_password(
    tx: &mut Tx<'_>,
    id: UserId,
    changes: &UserChangeset,
) -> Result<(), AppError> {
    tx.invalidate(Invalidation::Principal(id.0));
    store::update(tx.conn, id, tx.now, changes)?;
    store::increment_password_version(tx.conn, id)?;
    notices::record(tx, id, Notice::PasswordChanged)
}

/// Ends the change tokens of an account, which are bound to the password version. The password stays.
///
/// # Errors
/// Database errors.
pub fn end_change_tokens(tx: &mut Tx<'_>, id: UserId) -> Result<(), AppError> {
    tx.invalidate(Invalidation::Principal(id.0));
    store::increment_password_version(tx.conn, id)?;
    Ok(())
}

/// The account that was deleted first, if that was before `limit`.
///
/// # Errors
/// Database errors.
pub fn find_deleted_before(
    tx: &mut Tx<'_>,
    limit: DateTime<Utc>,
) -> Result<Option<UserId>, AppError> {
    Ok(store::find_deleted_before(tx.conn, limit)?)
}

/// Removes the passwords of all accounts and returns their number. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn remove_all_passwords(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    tx.invalidate(Invalidation::All);
    Ok(store::remove_all_passwords(tx.conn, tx.now)?)
}

/// Deletes the row of an account and everything that references it.
///
/// # Errors
/// Database errors.
pub fn purge(tx: &mut Tx<'_>, id: UserId) -> Result<(), AppError> {
    tx.invalidate(Invalidation::Principal(id.0));
    store::purge(tx.conn, id)?;
    Ok(())
}

/// Records the purge of an account in the audit log.
///
/// # Errors
/// Database errors.
pub fn record_purge(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action_name: &'static str,
    row: &UserRow,
) -> Result<(), AppError> {
    audit::record(tx, actor, audit_entry::purged(action_name, row))
}

fn insert(tx: &mut Tx<'_>, actor: &Actor, row: UserRow) -> TxResult<User> {
    store::insert(tx.conn, &row)
        .on_constraint("users_username_key", Code::UserUsernameConflict)
        .on_constraint("users_email_key", Code::UserEmailConflict)?;
    audit::record(tx, actor, audit_entry::created("user.create", &row))?;
    Ok(to_response(tx, row)?)
}
