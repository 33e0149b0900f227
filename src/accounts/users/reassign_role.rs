//! Taking every account of a role to another one, because the role goes. It is decided as giving each of them that role
//! would be; first for all, then it is done.

use super::audit_entry;
use super::authorization::is_lasting;
use super::policy::authority::{self, Deed, Manager, Target};
use super::store::{self, Changes, UserRow};
use crate::access::authentication::{Actor, Authority};
use crate::accounts::roles::Role;
use crate::audit::{self, AuditEntry};
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::{AppError, Code, TxResult};

/// The accounts that may leave their role, held until the transaction ends.
pub struct RoleReassignment {
    rows: Vec<UserRow>,
    to: String,
}

/// How many accounts, deleted ones included, have this role.
///
/// # Errors
/// When the database fails.
pub fn count_of_role(tx: &mut Tx<'_>, role: &str) -> Result<i64, AppError> {
    Ok(store::count_of_role(tx.conn, role)?)
}

/// Whether `by`, whose authority is `authority`, may give the role `to` to every account that has the role `from`. The
/// caller has taken the lock for a change of authority. A refusal is recorded as `act`.
///
/// # Errors
/// [`Code::PermissionRequired`] without `users.update`; the refusals of the rules of authority.
pub fn prepare_move(
    tx: &mut Tx<'_>,
    by: &Actor,
    authority: &Authority,
    from: &Role,
    to: &Role,
    act: &dyn Fn() -> AuditEntry,
) -> TxResult<RoleReassignment> {
    if !authority.permissions.has("users.update") {
        let why = AppError::new(Code::PermissionRequired)
            .detail("Moving accounts to another role needs users.update.");
        return Err(audit::refuse(tx, by, act(), why));
    }
    let rows = store::hold_all_of_role(tx.conn, &from.name)?;
    let manager = Manager::new(by, authority.clone());
    let deed = [Deed::SetRole(to.authority(&[]))];
    let decided = rows.iter().try_for_each(|row| {
        let target = Target {
            id: row.id,
            authority: from.authority(&row.permissions),
            is_lasting: is_lasting(row),
        };
        authority::may(&manager, &target, &deed)
    });
    match decided {
        Ok(()) => Ok(RoleReassignment {
            rows,
            to: to.name.clone(),
        }),
        Err(denied) => Err(audit::refuse(tx, by, act(), denied)),
    }
}

/// Moves them, and tells the audit log of each.
///
/// # Errors
/// When the database fails.
pub fn carry_out(tx: &mut Tx<'_>, by: &Actor, leaving: RoleReassignment) -> TxResult<()> {
    let changes = Changes {
        role: Some(leaving.to),
        ..Changes::default()
    };
    for row in &leaving.rows {
        store::update(tx.conn, row.id, tx.now, &changes)?;
        tx.invalidate(Invalidation::Principal(row.id.0));
        audit::record(tx, by, audit_entry::of("user.update", row, &changes))?;
    }
    Ok(())
}
