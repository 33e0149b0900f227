//! Deleting accounts, for a while or for ever, and bringing them back.

use crate::access::authentication::{Can, needs};
use crate::access::rate_limit;
use crate::access::sessions::EndReason;
use crate::access::tokens;
use crate::accounts::invites;
use crate::accounts::users::User;
use crate::accounts::users::audit_entry;
use crate::accounts::users::authorization::{LockMode, LockedUser};
use crate::accounts::users::lifecycle;
use crate::accounts::users::policy::authority::Deed;
use crate::accounts::users::service::apply;
use crate::accounts::users::store::{self, Changes};
use crate::audit;
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::TxResult;
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// Deletes an account: it can't sign in, keeps its name, and can be restored.
///
/// # Errors
/// [`Code::NotFound`](crate::platform::error::Code::NotFound); the refusals of the rules of authority; 412;
/// [`Code::LastSuperAdmin`](crate::platform::error::Code::LastSuperAdmin).
pub fn delete(
    tx: &mut Tx<'_>,
    by: &Can<needs::DeleteUsers>,
    id: UserId,
    expected: &IfMatch,
) -> TxResult<()> {
    const ACT: &str = "user.delete";
    let scene = LockedUser::enter(tx, by, id, LockMode::Authority)?;
    scene.permit(tx, by, ACT, &[Deed::Delete], expected)?;
    lifecycle::end(tx, id, EndReason::AccountDeleted, None)?;
    let changes = Changes {
        deleted_at: Some(Some(tx.now)).filter(|_| scene.row.deleted_at.is_none()),
        ..Changes::default()
    };
    apply(tx, by, ACT, &scene.row, &changes).map(drop)
}

/// Removes an account for ever, with everything that hangs on it and every word about it in the audit log.
///
/// # Errors
/// As [`delete`].
pub fn purge(
    tx: &mut Tx<'_>,
    by: &Can<needs::DeleteUsers>,
    id: UserId,
    expected: &IfMatch,
) -> TxResult<()> {
    const ACT: &str = "user.purge";
    let scene = LockedUser::enter(tx, by, id, LockMode::Authority)?;
    scene.permit(tx, by, ACT, &[Deed::Delete], expected)?;
    tx.invalidate(Invalidation::Principal(id.0));
    if let Some(email) = &scene.row.email {
        invites::service::forget_address(tx, email)?;
    }
    tokens::service::end_all(tx, id)?;
    store::purge(tx.conn, id)?;
    rate_limit::service::forget(tx, id)?;
    audit::record(tx, by, audit_entry::of_gone(ACT, &scene.row))?;
    audit::service::forget(tx, id)?;
    Ok(())
}

/// Brings a deleted account back; what was ended stays ended.
///
/// # Errors
/// As [`delete`].
pub fn restore(
    tx: &mut Tx<'_>,
    by: &Can<needs::DeleteUsers>,
    id: UserId,
    expected: &IfMatch,
) -> TxResult<User> {
    const ACT: &str = "user.restore";
    let scene = LockedUser::enter(tx, by, id, LockMode::Authority)?;
    scene.permit(tx, by, ACT, &[Deed::Restore], expected)?;
    let changes = Changes {
        deleted_at: Some(None).filter(|_| scene.row.deleted_at.is_some()),
        ..Changes::default()
    };
    apply(tx, by, ACT, &scene.row, &changes)
}
