//! Replacing an account's direct grants, and enabling or disabling it.

use crate::access::authentication::{Can, needs};
use crate::access::sessions::EndReason;
use crate::accounts::lifecycle;
use crate::accounts::roles;
use crate::accounts::users::{self, LockScope, LockedUser, User, UserAction, UserChangeset};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// Replaces an account's direct grants. The caller must hold the permissions that are *added*.
///
/// # Errors
/// [`Code::PermissionUnknown`](crate::platform::error::Code::PermissionUnknown) for a name that is not in the catalogue; 404;
/// 403 if the caller may not manage the account; 412.
pub fn replace_permissions(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManagePermissions>,
    id: UserId,
    permissions: &[String],
    if_match: &IfMatch,
) -> TxResult<User> {
    tx.wait_for_leases();
    let locked = users::service::lock_rows(tx, caller, id, LockScope::Authority)?;
    let permissions = roles::service::resolve_permissions(tx, permissions)?;
    let user = locked.into_user(tx, caller)?;
    set_permissions(
        tx,
        caller,
        &user,
        permissions,
        "user.permissions.replace",
        if_match,
    )
}

/// Adds a direct grant to an account, or removes it; a grant that is already there, or is not there, is no error.
///
/// # Errors
/// As [`replace_permissions`]. A name that is not in the catalogue can be removed: no account has it.
pub fn set_permission(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManagePermissions>,
    id: UserId,
    name: &str,
    present: bool,
    if_match: &IfMatch,
) -> TxResult<User> {
    tx.wait_for_leases();
    let locked = users::service::lock_rows(tx, caller, id, LockScope::Authority)?;
    let name = name.trim().to_owned();
    if present {
        roles::service::resolve_permissions(tx, std::slice::from_ref(&name)).map_err(|error| {
            match error.code() {
                Code::PermissionUnknown => AppError::new(Code::PermissionUnknown),
                _ => error,
            }
        })?;
    }
    let user = locked.into_user(tx, caller)?;
    let mut permissions = user.row.permissions.clone();
    permissions.retain(|other| *other != name);
    let action_name = if present {
        permissions.push(name);
        permissions.sort_unstable();
        "user.permissions.add"
    } else {
        "user.permissions.remove"
    };
    set_permissions(tx, caller, &user, permissions, action_name, if_match)
}

/// Stores the direct grants of an account.
fn set_permissions(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManagePermissions>,
    user: &LockedUser,
    permissions: Vec<String>,
    action_name: &'static str,
    if_match: &IfMatch,
) -> TxResult<User> {
    let before = &user.row.permissions;
    let added: Vec<String> = permissions
        .iter()
        .filter(|name| !before.contains(name))
        .cloned()
        .collect();
    let action = if added.is_empty() {
        UserAction::Withdraw
    } else {
        UserAction::Grant(added)
    };
    user.authorize(tx, caller, action_name, &[action], if_match)?;
    let changes = UserChangeset {
        permissions: Some(permissions).filter(|names| names != before),
        ..UserChangeset::default()
    };
    lifecycle::service::update_user(tx, caller, action_name, &user.row, &changes)
}

/// Enables or disables an account. Disabling ends its sessions; they stay ended when it is enabled again.
///
/// # Errors
/// 404; 403 if the caller may not manage the account; 412; [`Code::LastSuperAdmin`](crate::platform::error::Code::LastSuperAdmin).
pub fn set_active(
    tx: &mut Tx<'_>,
    caller: &Can<needs::DisableUsers>,
    id: UserId,
    active: bool,
    if_match: &IfMatch,
) -> TxResult<User> {
    tx.wait_for_leases();
    let action_name = if active {
        "user.enable"
    } else {
        "user.disable"
    };
    let user = LockedUser::lock(tx, caller, id)?;
    let action = UserAction::SetActive(active);
    user.authorize(tx, caller, action_name, &[action], if_match)?;
    if !active {
        lifecycle::service::end_access(tx, id, EndReason::AccountDisabled, None)?;
    }
    let changes = UserChangeset {
        is_active: Some(active).filter(|active| *active != user.row.is_active),
        ..UserChangeset::default()
    };
    lifecycle::service::update_user(tx, caller, action_name, &user.row, &changes)
}
