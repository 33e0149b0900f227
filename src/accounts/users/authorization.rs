//! An account that is locked for a change, and the check that the caller may perform it.
//!
//! Every change of an account calls [`LockedUser::authorize`], so the checks run in one place and in one order: 403, then
//! 412, then 409.

use super::policy::{self, ManagedUser, UserAction, UserPolicyCaller};
use super::record::authority_of;
use super::store::{self, UserRow};
use crate::access::actor::{Actor, Authority, Principal};
use crate::access::authentication::row_locks::{self, RowLock};
use crate::access::authentication::{Can, Need, SignedIn};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::Tx;
use crate::platform::db::advisory_lock::{self, Invariant};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// What an operation locks besides the rows of the caller and of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockScope {
    /// The roles of both, in shared mode: the decision depends on nothing else.
    Rows,
    /// [`Invariant::Authority`], because the operation changes a role or permissions, or its check reads other accounts.
    Authority,
}

/// The locked rows of the caller and of an account.
pub struct LockedRows {
    /// The current authority of the caller.
    pub authority: Authority,
    row: Option<UserRow>,
}

impl LockedRows {
    /// The account to change.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn into_user(self, tx: &mut Tx<'_>, actor: &Actor) -> Result<LockedUser, AppError> {
        let row = self.row.ok_or(Code::NotFound)?;
        Ok(LockedUser {
            manager: UserPolicyCaller::new(actor, self.authority),
            target: managed_user(tx, &row)?,
            row,
        })
    }
}

/// An account row, locked until the transaction ends, and the caller that is about to change it.
pub struct LockedUser {
    /// The account before the change.
    pub row: UserRow,
    manager: UserPolicyCaller,
    target: ManagedUser,
}

impl LockedUser {
    /// Locks the rows, and reads the caller's current authority. See [`LockScope::Rows`].
    ///
    /// # Errors
    /// 401 or 403 when the caller has lost its permission; [`Code::NotFound`].
    pub fn lock<N: Need>(tx: &mut Tx<'_>, caller: &Can<N>, id: UserId) -> Result<Self, AppError> {
        lock_rows(tx, caller, id, LockScope::Rows)?.into_user(tx, caller)
    }

    /// Like [`Self::lock`], for the caller's own account. The role of the account is not locked: no rule about the own account
    /// depends on its rank or permissions.
    ///
    /// # Errors
    /// 401 when the account or the session has ended.
    pub fn lock_own(tx: &mut Tx<'_>, caller: &SignedIn) -> Result<Self, AppError> {
        let row = store::find_for_update(tx.conn, caller.id)?;
        let authority = caller.current_authority(tx)?;
        LockedRows { authority, row }.into_user(tx, caller)
    }

    /// Checks that the caller may perform the actions. A refusal is recorded in the audit log under `action_name`, and the
    /// record is committed.
    ///
    /// # Errors
    /// 403 if the caller may not manage the account; [`Code::PreconditionFailed`]; [`Code::LastSuperAdmin`]; [`Code::UserDeleted`].
    pub fn authorize(
        &self,
        tx: &mut Tx<'_>,
        actor: &Actor,
        action_name: &'static str,
        actions: &[UserAction],
        if_match: &IfMatch,
    ) -> TxResult<()> {
        let entry = || AuditEntry::new(action_name, Subject::User(self.row.id));
        if let Err(denied) = policy::check_actions(&self.manager, &self.target, actions) {
            return Err(audit::deny(tx, actor, entry(), denied));
        }
        if !if_match.allows(self.row.version) {
            return Err(Code::PreconditionFailed.into());
        }
        if policy::removes_super_admin(&self.target, actions) {
            // Two SuperAdmins could remove each other: the locked rows are different ones.
            advisory_lock::lock_exclusive(tx.conn, Invariant::SuperAdmins)?;
            if store::count_other_permanent_super_admins(tx.conn, self.row.id)? == 0 {
                return Err(audit::deny(tx, actor, entry(), Code::LastSuperAdmin));
            }
        }
        let is_for_deleted =
            |action: &UserAction| matches!(action, UserAction::Delete | UserAction::Restore);
        if self.row.deleted_at.is_some() && !actions.iter().all(is_for_deleted) {
            return Err(audit::deny(tx, actor, entry(), Code::UserDeleted));
        }
        Ok(())
    }
}

/// Takes the locks, then reads the caller's current authority. Names in the request body are looked up after this and before
/// `LockedRows::into_user`, so that an unknown name (400) is reported before a missing account (404).
///
/// # Errors
/// 401 or 403 when the caller has lost its permission.
pub fn lock_rows<N: Need>(
    tx: &mut Tx<'_>,
    caller: &Can<N>,
    id: UserId,
    scope: LockScope,
) -> Result<LockedRows, AppError> {
    if scope == LockScope::Authority {
        lock_authority(tx)?;
    }
    let principal = Principal::of(&caller.identity);
    let account = Principal::User(id);
    let caller_lock = principal.map(|principal| (principal, RowLock::Shared));
    let locks = caller_lock
        .into_iter()
        .chain([(account, RowLock::Exclusive)]);
    row_locks::lock_principals(tx, locks)?;
    if scope == LockScope::Rows {
        row_locks::lock_roles_of(tx, principal.into_iter().chain([account]))?;
    }
    Ok(LockedRows {
        authority: caller.current_authority(tx)?,
        row: store::find(tx.conn, id)?,
    })
}

/// Takes the lock of [`LockScope::Authority`], for a transaction whose later steps need it: it comes before all row locks.
///
/// # Errors
/// Database errors.
pub fn lock_authority(tx: &mut Tx<'_>) -> Result<(), AppError> {
    Ok(advisory_lock::lock_exclusive(
        tx.conn,
        Invariant::Authority,
    )?)
}

/// Locks the account for an operation that lets the caller sign in as it, such as setting its password.
///
/// # Errors
/// 404; 403 if the caller may not manage the account, recorded under `action_name`; 412; [`Code::UserDeleted`].
pub fn lock_for_takeover<N: Need>(
    tx: &mut Tx<'_>,
    caller: &Can<N>,
    id: UserId,
    action_name: &'static str,
    if_match: &IfMatch,
) -> TxResult<UserRow> {
    lock_for(tx, caller, id, action_name, UserAction::TakeOver, if_match)
}

/// Locks the account for an operation that ends its sessions or tokens.
///
/// # Errors
/// As [`lock_for_takeover`].
pub fn lock_for_sign_out<N: Need>(
    tx: &mut Tx<'_>,
    caller: &Can<N>,
    id: UserId,
    action_name: &'static str,
    if_match: &IfMatch,
) -> TxResult<UserRow> {
    lock_for(tx, caller, id, action_name, UserAction::SignOut, if_match)
}

fn lock_for<N: Need>(
    tx: &mut Tx<'_>,
    caller: &Can<N>,
    id: UserId,
    action_name: &'static str,
    action: UserAction,
    if_match: &IfMatch,
) -> TxResult<UserRow> {
    let user = LockedUser::lock(tx, caller, id)?;
    user.authorize(tx, caller, action_name, &[action], if_match)?;
    Ok(user.row)
}

/// The account as the rules see it.
///
/// # Errors
/// Database errors.
pub(super) fn managed_user(tx: &mut Tx<'_>, row: &UserRow) -> Result<ManagedUser, AppError> {
    Ok(ManagedUser {
        id: row.id,
        authority: authority_of(tx, row)?,
        can_always_sign_in: row.can_always_sign_in(),
    })
}
