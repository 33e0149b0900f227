//! What a new account is given from the start, and whether somebody may give it: now, or through an invite.

use super::rules::authority;
use crate::audit::{self, Act};
use crate::auth::{Actor, Standing};
use crate::db::Tx;
use crate::error::{Acted, AppError, Code, Fault};
use crate::roles;

/// A role and direct grants that exist, and that their giver may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gift {
    /// The role's name.
    pub role: String,
    /// The direct grants, sorted.
    pub permissions: Vec<String>,
}

/// What an account is to have that somebody of this authority makes.
///
/// # Errors
/// [`Code::PermissionRequired`] for direct grants without `users.managePermissions`; [`Code::RequestInvalid`],
/// [`Code::PermissionUnknown`]; the refusals of the rules of authority.
pub fn gift(
    tx: &mut Tx<'_>,
    giver: &Standing,
    role: &str,
    permissions: &[String],
) -> Result<Gift, AppError> {
    authority::may_grant_directly(giver, permissions)?;
    let role = role_at(tx, role)?;
    let permissions = roles::service::grantable(tx, permissions)?;
    authority::may_create(giver, &role, &permissions)?;
    Ok(Gift {
        role: role.role,
        permissions,
    })
}

/// [`gift`], where a refusal is recorded as `act` of `by`, and kept.
///
/// # Errors
/// As [`gift`].
pub fn record_gift(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: impl FnOnce() -> Act,
    giver: &Standing,
    role: &str,
    permissions: &[String],
) -> Acted<Gift> {
    gift(tx, giver, role, permissions).map_err(|why| audit::fail(tx, by, act, why))
}

/// The authority that comes with a role.
///
/// # Errors
/// [`Code::RequestInvalid`] at `/role` when there is no such role.
pub fn role_at(tx: &mut Tx<'_>, name: &str) -> Result<Standing, AppError> {
    let role = roles::service::get(tx, name).map_err(|error| match error.code() {
        Code::NotFound => AppError::invalid(vec![Fault::new(
            "/role",
            "role_unknown",
            "there is no role of this name",
        )]),
        _ => error,
    })?;
    Ok(role.standing(&[]))
}
