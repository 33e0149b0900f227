//! Deleting, purging and restoring accounts.

use chrono::TimeDelta;

use crate::access::actor::Actor;
use crate::access::authentication::{Can, needs};
use crate::access::rate_limit;
use crate::access::sessions::EndReason;
use crate::access::tokens;
use crate::accounts::email_confirmations::pending_address;
use crate::accounts::invites;
use crate::accounts::lifecycle;
use crate::accounts::users::{self, LockedUser, User, UserAction, UserChangeset, UserRow};
use crate::audit;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// Deletes an account: it cannot sign in, keeps its name, and can be restored.
///
/// # Errors
/// [`Code::NotFound`](crate::platform::error::Code::NotFound); 403 if the caller may not manage the account; 412;
/// [`Code::LastSuperAdmin`](crate::platform::error::Code::LastSuperAdmin).
pub fn delete(
    tx: &mut Tx<'_>,
    caller: &Can<needs::DeleteUsers>,
    id: UserId,
    if_match: &IfMatch,
) -> TxResult<()> {
    const ACTION: &str = "user.delete";
    tx.wait_for_leases();
    let user = LockedUser::lock(tx, caller, id)?;
    user.authorize(tx, caller, ACTION, &[UserAction::Delete], if_match)?;
    lifecycle::service::end_access(tx, id, EndReason::AccountDeleted, None)?;
    let changes = UserChangeset {
        deleted_at: Some(Some(tx.now)).filter(|_| user.row.deleted_at.is_none()),
        ..UserChangeset::default()
    };
    lifecycle::service::update_user(tx, caller, ACTION, &user.row, &changes).map(drop)
}

/// Removes an account permanently, with everything that references it and its personal data in the audit log.
///
/// # Errors
/// As [`delete`].
pub fn purge(
    tx: &mut Tx<'_>,
    caller: &Can<needs::DeleteUsers>,
    id: UserId,
    if_match: &IfMatch,
) -> TxResult<()> {
    tx.wait_for_leases();
    let user = LockedUser::lock(tx, caller, id)?;
    purge_locked(tx, caller, &user, if_match)
}

/// Purges one account that was deleted at least this many days ago. Returns whether there was one.
///
/// # Errors
/// As [`delete`].
pub fn purge_next_deleted(
    tx: &mut Tx<'_>,
    caller: &Can<needs::DeleteUsers>,
    days: u32,
) -> TxResult<bool> {
    let limit = tx.now - TimeDelta::days(days.into());
    let Some(id) = users::service::find_deleted_before(tx, limit)? else {
        return Ok(false);
    };
    let user = LockedUser::lock(tx, caller, id)?;
    // The account may have been restored before it was locked.
    if user.row.deleted_at.is_some_and(|at| at < limit) {
        purge_locked(tx, caller, &user, &IfMatch::Absent)?;
    }
    Ok(true)
}

fn purge_locked(
    tx: &mut Tx<'_>,
    caller: &Can<needs::DeleteUsers>,
    user: &LockedUser,
    if_match: &IfMatch,
) -> TxResult<()> {
    const ACTION: &str = "user.purge";
    user.authorize(tx, caller, ACTION, &[UserAction::Delete], if_match)?;
    Ok(purge_row(tx, caller, ACTION, &user.row)?)
}

/// Purges accounts that were registered and did not confirm their email address in time, at most 20. Returns their number.
///
/// # Errors
/// Database errors.
pub fn purge_unconfirmed(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    let expired = pending_address::expired_registrations(tx)?;
    let mut purged = 0;
    for id in &expired {
        let row = users::service::find_for_update(tx, *id)?;
        // The address may have been confirmed before the row was locked.
        if let Some(row) = row
            && pending_address::blocks_sign_in(tx, *id)?
        {
            purge_row(tx, &Actor::system(), "user.register.expire", &row)?;
            purged += 1;
        }
    }
    Ok(purged)
}

fn purge_row(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action_name: &'static str,
    row: &UserRow,
) -> Result<(), AppError> {
    if let Some(email) = &row.email {
        invites::service::delete_for_email(tx, email)?;
    }
    tokens::service::end_all_of_user(tx, row.id)?;
    users::service::purge(tx, row.id)?;
    rate_limit::service::delete_account_records(tx, row.id)?;
    users::service::record_purge(tx, actor, action_name, row)?;
    audit::service::erase_personal_data(tx, row.id)?;
    Ok(())
}

/// Restores a deleted account. Its sessions and tokens stay ended.
///
/// # Errors
/// As [`delete`].
pub fn restore(
    tx: &mut Tx<'_>,
    caller: &Can<needs::DeleteUsers>,
    id: UserId,
    if_match: &IfMatch,
) -> TxResult<User> {
    const ACTION: &str = "user.restore";
    let user = LockedUser::lock(tx, caller, id)?;
    user.authorize(tx, caller, ACTION, &[UserAction::Restore], if_match)?;
    let changes = UserChangeset {
        deleted_at: Some(None).filter(|_| user.row.deleted_at.is_some()),
        ..UserChangeset::default()
    };
    lifecycle::service::update_user(tx, caller, ACTION, &user.row, &changes)
}
