//! What an account may, and whether it may anything at all: its direct grants and its active state.

use crate::auth::{Can, needs};
use crate::db::Tx;
use crate::error::Acted;
use crate::http::IfMatch;
use crate::ids::UserId;
use crate::roles;
use crate::sessions::Ending;
use crate::users::User;
use crate::users::life;
use crate::users::rules::authority::Deed;
use crate::users::scene::{self, Scene, Touches};
use crate::users::service::apply;
use crate::users::store::Changes;

/// Replaces an account's direct grants. Only what is *added* must be held by the caller.
///
/// # Errors
/// [`Code::PermissionUnknown`](crate::error::Code::PermissionUnknown) for a name that is not in the catalogue; 404;
/// the refusals of the rules of authority; 412.
pub fn replace_permissions(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManagePermissions>,
    id: UserId,
    wanted: &[String],
    expected: &IfMatch,
) -> Acted<User> {
    const ACT: &str = "user.permissions.replace";
    let standing = scene::authority_now(tx, by, Touches::Authority)?;
    let permissions = roles::service::grantable(tx, wanted)?;
    let scene = Scene::open(tx, by, standing, id)?;
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
/// 404; the refusals of the rules of authority; 412; [`Code::LastSuperAdmin`](crate::error::Code::LastSuperAdmin).
pub fn set_active(
    tx: &mut Tx<'_>,
    by: &Can<needs::DisableUsers>,
    id: UserId,
    active: bool,
    expected: &IfMatch,
) -> Acted<User> {
    let act = if active {
        "user.enable"
    } else {
        "user.disable"
    };
    let scene = Scene::enter(tx, by, id, Touches::Authority)?;
    scene.permit(tx, by, act, &[Deed::SetActive(active)], expected)?;
    if !active {
        life::end(tx, id, Ending::AccountDisabled, None)?;
    }
    let changes = Changes {
        is_active: Some(active).filter(|active| *active != scene.row.is_active),
        ..Changes::default()
    };
    apply(tx, by, act, &scene.row, &changes)
}
