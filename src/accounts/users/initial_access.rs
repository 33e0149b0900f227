//! The role and direct grants of a new account, and whether the caller may grant them: now or through an invite.

use super::policy;
use crate::access::actor::{Actor, Authority};
use crate::accounts::roles;
use crate::audit::{self, AuditEntry};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, FieldError, TxResult};

/// A role and direct grants that exist and that the caller may grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessGrant {
    /// The role's name.
    pub role: String,
    /// The direct grants, sorted.
    pub permissions: Vec<String>,
}

/// Checks that a caller with this authority may create accounts with this role and these direct grants.
///
/// # Errors
/// [`Code::PermissionRequired`] for direct grants without `users.managePermissions`; [`Code::RequestInvalid`],
/// [`Code::PermissionUnknown`]; 403 if the caller may not manage the account.
pub fn check_grant(
    tx: &mut Tx<'_>,
    caller: &Authority,
    role: &str,
    permissions: &[String],
) -> Result<AccessGrant, AppError> {
    policy::check_direct_grants(caller, permissions)?;
    let (role, permissions) = check_names(tx, role, permissions)?;
    policy::check_creation(caller, &role, &permissions)?;
    Ok(AccessGrant {
        role: role.role,
        permissions,
    })
}

/// The authority of the role, and the permissions as they are stored.
///
/// # Errors
/// [`Code::RequestInvalid`], [`Code::PermissionUnknown`]: all names that do not exist.
pub fn check_names(
    tx: &mut Tx<'_>,
    role: &str,
    permissions: &[String],
) -> Result<(Authority, Vec<String>), AppError> {
    AppError::both(
        role_authority(tx, role),
        roles::service::resolve_permissions(tx, permissions),
    )
}

/// [`check_grant`]; a refusal is recorded in the audit log as `entry`.
///
/// # Errors
/// As [`check_grant`].
pub fn check_grant_audited(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: impl FnOnce() -> AuditEntry,
    caller: &Authority,
    role: &str,
    permissions: &[String],
) -> TxResult<AccessGrant> {
    check_grant(tx, caller, role, permissions)
        .map_err(|error| audit::deny_if_forbidden(tx, actor, entry, error))
}

/// The authority of an account with this role and no direct grants.
///
/// # Errors
/// [`Code::RequestInvalid`] at `/role` when the role does not exist.
pub fn role_authority(tx: &mut Tx<'_>, name: &str) -> Result<Authority, AppError> {
    let role = roles::service::find(tx, name).map_err(|error| match error.code() {
        Code::NotFound => AppError::invalid_fields(vec![FieldError::new(
            "/role",
            "role_unknown",
            "no role has this name",
        )]),
        _ => error,
    })?;
    Ok(role.authority(&[]))
}
