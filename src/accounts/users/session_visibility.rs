//! Which accounts' sessions and tokens a caller may read. All accounts are visible to callers with `users.read`.

use super::authorization::managed_user;
use super::policy::{self, UserAction, UserPolicyCaller};
use super::store::{self, UserRow};
use crate::access::actor::Actor;
use crate::access::authentication::{Can, Need};
use crate::accounts::roles;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::UserId;

/// Checks that the caller may read the sessions and tokens of this account. A refusal is recorded under `action_name`.
///
/// # Errors
/// 404; 403 if the caller may not manage the account.
pub fn authorize_reading_sessions<N: Need>(
    tx: &mut Tx<'_>,
    caller: &Can<N>,
    id: UserId,
    action_name: &'static str,
) -> TxResult<UserRow> {
    let row = store::find(tx.conn, id)?.ok_or(Code::NotFound)?;
    let manager = UserPolicyCaller::new(caller, caller.current_authority(tx)?);
    let target = managed_user(tx, &row)?;
    match policy::check_actions(&manager, &target, &[UserAction::ReadSessions]) {
        Ok(()) => Ok(row),
        Err(denied) => {
            let entry = AuditEntry::new(action_name, Subject::User(id));
            Err(audit::deny(tx, caller, entry, denied))
        }
    }
}

/// The roles whose accounts' sessions and tokens the caller may read; `None` means all roles.
///
/// # Errors
/// Database errors.
pub fn readable_roles(tx: &mut Tx<'_>, actor: &Actor) -> Result<Option<Vec<String>>, AppError> {
    if actor.authority.is_super_admin() {
        return Ok(None);
    }
    let roles = roles::service::list(tx)?;
    let readable = roles
        .into_iter()
        .filter(|role| actor.authority.ranks_above(role.rank));
    Ok(Some(readable.map(|role| role.name).collect()))
}
