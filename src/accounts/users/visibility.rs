//! Who may see what hangs on accounts: their sessions and tokens. Accounts themselves anybody sees who may read them.

use super::authorization::{authority_of, is_lasting};
use super::policy::authority::{self, Deed, Manager, Target};
use super::store::{self, UserRow};
use crate::access::authentication::{Actor, Can, Need};
use crate::accounts::roles;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::UserId;

/// Whether the caller may see what hangs on the account. A refusal is recorded as `act`, and kept.
///
/// # Errors
/// 404; the refusal (403).
pub fn watch<N: Need>(
    tx: &mut Tx<'_>,
    by: &Can<N>,
    id: UserId,
    act: &'static str,
) -> TxResult<UserRow> {
    let row = store::find(tx.conn, id)?.ok_or(Code::NotFound)?;
    let manager = Manager::new(by, by.renew(tx)?);
    let target = Target {
        id,
        authority: authority_of(tx, &row)?,
        is_lasting: is_lasting(&row),
    };
    match authority::may(&manager, &target, &[Deed::Watch]) {
        Ok(()) => Ok(row),
        Err(denied) => {
            let act = AuditEntry::new(act, Subject::User(id));
            Err(audit::refuse(tx, by, act, denied))
        }
    }
}

/// The roles whose accounts the caller may watch; `None`: those of every role.
///
/// # Errors
/// When the database fails.
pub fn roles_below(tx: &mut Tx<'_>, by: &Actor) -> Result<Option<Vec<String>>, AppError> {
    if by.authority.is_super_admin() {
        return Ok(None);
    }
    let roles = roles::service::list(tx)?;
    let below = roles
        .into_iter()
        .filter(|role| by.authority.ranks_above(role.rank));
    Ok(Some(below.map(|role| role.name).collect()))
}
