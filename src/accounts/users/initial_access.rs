//! What a new account is given from the start, and whether somebody may give it: now, or through an invite.

use super::policy::authority;
use crate::access::authentication::{Actor, Authority};
use crate::accounts::roles;
use crate::audit::{self, AuditEntry};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, Fault, TxResult};

/// A role and direct grants that exist, and that their giver may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessGrant {
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
    giver: &Authority,
    role: &str,
    permissions: &[String],
) -> Result<AccessGrant, AppError> {
    authority::may_grant_directly(giver, permissions)?;
    let role = role_at(tx, role)?;
    let permissions = roles::service::grantable(tx, permissions)?;
    authority::may_create(giver, &role, &permissions)?;
    Ok(AccessGrant {
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
    act: impl FnOnce() -> AuditEntry,
    giver: &Authority,
    role: &str,
    permissions: &[String],
) -> TxResult<AccessGrant> {
    gift(tx, giver, role, permissions).map_err(|why| audit::fail(tx, by, act, why))
}

/// The authority that comes with a role.
///
/// # Errors
/// [`Code::RequestInvalid`] at `/role` when there is no such role.
pub fn role_at(tx: &mut Tx<'_>, name: &str) -> Result<Authority, AppError> {
    let role = roles::service::get(tx, name).map_err(|error| match error.code() {
        Code::NotFound => AppError::invalid(vec![Fault::new(
            "/role",
            "role_unknown",
            "there is no role of this name",
        )]),
        _ => error,
    })?;
    Ok(role.authority(&[]))
}
