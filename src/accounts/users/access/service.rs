//! What an account may, and whether it may anything at all: its direct grants and its active state.

use crate::access::authentication::{Can, needs};
use crate::access::sessions::EndReason;
use crate::accounts::roles;
use crate::accounts::users::User;
use crate::accounts::users::authorization::{self, LockMode, LockedUser};
use crate::accounts::users::lifecycle;
use crate::accounts::users::policy::authority::Deed;
use crate::accounts::users::service::apply;
use crate::accounts::users::store::Changes;
use crate::platform::db::Tx;
use crate::platform::error::TxResult;
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// Replaces an account's direct grants. Only what is *added* must be held by the caller.
///
/// # Errors
/// [`Code::PermissionUnknown`](crate::platform::error::Code::PermissionUnknown) for a name that is not in the catalogue; 404;
/// the refusals of the rules of authority; 412.
pub fn replace_permissions(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManagePermissions>,
    id: UserId,
    wanted: &[String],
    expected: &IfMatch,
) -> TxResult<User> {
    const ACT: &str = "user.permissions.replace";
    let authority = authorization::current_authority(tx, by, LockMode::Authority)?;
    let permissions = roles::service::grantable(tx, wanted)?;
    let scene = LockedUser::open(tx, by, authority, id)?;
    let had = &scene.row.permissions;
    let added: Vec<String> = permissions
        .iter()
        .filter(|name| !had.contains(name))
        .cloned()
        .collect();
    let deed = if added.is_empty() {
        Deed::Withdraw
    } else {
        Deed::Grant(added)
    };
    scene.permit(tx, by, ACT, &[deed], expected)?;
    let changes = Changes {
        permissions: Some(permissions).filter(|names| names != had),
        ..Changes::default()
    };
    apply(tx, by, ACT, &scene.row, &changes)
}

/// Switches an account off or on. Off ends its sessions, and they stay ended.
///
/// # Errors
/// 404; the refusals of the rules of authority; 412; [`Code::LastSuperAdmin`](crate::platform::error::Code::LastSuperAdmin).
pub fn set_active(
    tx: &mut Tx<'_>,
    by: &Can<needs::DisableUsers>,
    id: UserId,
    active: bool,
    expected: &IfMatch,
) -> TxResult<User> {
    let act = if active {
        "user.enable"
    } else {
        "user.disable"
    };
    let scene = LockedUser::enter(tx, by, id, LockMode::Authority)?;
    scene.permit(tx, by, act, &[Deed::SetActive(active)], expected)?;
    if !active {
        lifecycle::end(tx, id, EndReason::AccountDisabled, None)?;
    }
    let changes = Changes {
        is_active: Some(active).filter(|active| *active != scene.row.is_active),
        ..Changes::default()
    };
    apply(tx, by, act, &scene.row, &changes)
}
