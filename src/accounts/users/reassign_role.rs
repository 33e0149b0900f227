//! Moving all accounts of one role to another role, because the role is renamed or deleted. All accounts are checked
//! before any is changed.

use super::authority_change::is_raised;
use super::policy::{self, ManagedUser, UserAction, UserPolicyCaller};
use super::store::{self, UserRow};
use crate::access::actor::{Actor, Authority};
use crate::accounts::roles::Role;
use crate::audit::{self, AuditEntry};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};

/// The accounts to move, locked until the transaction ends.
pub struct RoleReassignment {
    /// The accounts as they were before the role changed.
    pub(crate) rows: Vec<UserRow>,
    from: Role,
    /// The role that they get.
    pub(crate) to: Role,
}

impl RoleReassignment {
    /// Whether the account gets a higher rank or a permission that it does not have.
    pub(crate) fn raises_authority_of(&self, row: &UserRow) -> bool {
        let before = self.from.authority(&row.permissions);
        is_raised(&before, &self.to.authority(&row.permissions))
    }
}

/// The number of accounts that have this role, including deleted ones.
///
/// # Errors
/// Database errors.
pub fn count_by_role(tx: &mut Tx<'_>, role: &str) -> Result<i64, AppError> {
    Ok(store::count_by_role(tx.conn, role)?)
}

/// Locks all accounts of the role `from` and checks that the actor may assign the role `to` to each of them. The caller
/// holds the exclusive lock on [`Invariant::Authority`](crate::platform::db::advisory_lock::Invariant::Authority). A refusal
/// is recorded as `entry`.
///
/// # Errors
/// [`Code::PermissionRequired`] without `users.update`; 403 if the caller may not manage the account.
pub fn prepare_role_reassignment(
    tx: &mut Tx<'_>,
    actor: &Actor,
    authority: &Authority,
    from: &Role,
    to: &Role,
    entry: &dyn Fn() -> AuditEntry,
) -> TxResult<RoleReassignment> {
    if !authority.permissions.has("users.update") {
        let error = AppError::new(Code::PermissionRequired)
            .with_detail("Moving accounts to another role needs the permission users.update.");
        return Err(audit::deny(tx, actor, entry(), error));
    }
    let rows = store::lock_all_of_role(tx.conn, &from.name)?;
    let manager = UserPolicyCaller::new(actor, authority.clone());
    let action = [UserAction::SetRole(to.authority(&[]))];
    let decision = rows.iter().try_for_each(|row| {
        let target = ManagedUser {
            id: row.id,
            authority: from.authority(&row.permissions),
            can_always_sign_in: row.can_always_sign_in(),
        };
        policy::check_actions(&manager, &target, &action)
    });
    match decision {
        Ok(()) => Ok(RoleReassignment {
            rows,
            from: from.clone(),
            to: to.clone(),
        }),
        Err(denied) => Err(audit::deny(tx, actor, entry(), denied)),
    }
}
