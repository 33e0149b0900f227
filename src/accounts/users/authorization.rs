//! An account that is locked for a change, and the check that the caller may perform it.
//!
//! Every change of an account calls [`LockedUser::authorize`], so the checks run in one place and in one order: 403, then
//! 412, then 409.

use super::policy::{self, ManagedUser, UserAction, UserPolicyCaller};
use super::record::authority_of;
use super::store::{self, UserRow};
use crate::access::actor::{Actor, Authority};
use crate::access::authentication::{Can, Need, SignedIn};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::{Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// How an operation takes the lock on [`advisory_lock::Invariant::Authority`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// The operation only reads what decisions are based on.
    Shared,
    /// The operation changes it: role, permissions, active state, expiry, existence or the ability to sign in.
    Exclusive,
}

impl LockMode {
    fn acquire(self, tx: &mut Tx<'_>) -> Result<(), AppError> {
        let invariant = advisory_lock::Invariant::Authority;
        match self {
            Self::Shared => advisory_lock::lock_shared(tx.conn, invariant)?,
            Self::Exclusive => advisory_lock::lock_exclusive(tx.conn, invariant)?,
        }
        Ok(())
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
    /// Takes the lock, reads the caller's current authority and locks the account.
    ///
    /// # Errors
    /// 401 or 403 when the caller has lost its permission; [`Code::NotFound`].
    pub fn lock<N: Need>(
        tx: &mut Tx<'_>,
        caller: &Can<N>,
        id: UserId,
        mode: LockMode,
    ) -> Result<Self, AppError> {
        let authority = current_authority(tx, caller, mode)?;
        Self::lock_with_authority(tx, caller, authority, id)
    }

    /// Like [`Self::lock`], for the caller's own account.
    ///
    /// # Errors
    /// 401 when the account or the session has ended.
    pub fn lock_own(tx: &mut Tx<'_>, caller: &SignedIn, mode: LockMode) -> Result<Self, AppError> {
        mode.acquire(tx)?;
        let authority = caller.current_authority(tx)?;
        Self::lock_with_authority(tx, caller, authority, caller.id)
    }

    /// Locks the account for a caller whose current authority was read before.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn lock_with_authority(
        tx: &mut Tx<'_>,
        actor: &Actor,
        authority: Authority,
        id: UserId,
    ) -> Result<Self, AppError> {
        let row = store::find_for_update(tx.conn, id)?.ok_or(Code::NotFound)?;
        Ok(Self {
            manager: UserPolicyCaller::new(actor, authority),
            target: managed_user(tx, &row)?,
            row,
        })
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
        let others = store::count_other_permanent_super_admins(tx.conn, self.row.id)?;
        if !policy::keeps_a_super_admin(&self.target, actions, others) {
            return Err(audit::deny(tx, actor, entry(), Code::LastSuperAdmin));
        }
        let is_for_deleted =
            |action: &UserAction| matches!(action, UserAction::Delete | UserAction::Restore);
        if self.row.deleted_at.is_some() && !actions.iter().all(is_for_deleted) {
            return Err(audit::deny(tx, actor, entry(), Code::UserDeleted));
        }
        Ok(())
    }
}

/// Takes the lock, then reads the caller's current authority. Names in the request body are looked up after this and before
/// [`LockedUser::lock_with_authority`], so that an unknown name (400) is reported before a missing account (404).
///
/// # Errors
/// 401 or 403 when the caller has lost its permission.
pub fn current_authority<N: Need>(
    tx: &mut Tx<'_>,
    caller: &Can<N>,
    mode: LockMode,
) -> Result<Authority, AppError> {
    mode.acquire(tx)?;
    caller.current_authority(tx)
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
    let user = LockedUser::lock(tx, caller, id, LockMode::Shared)?;
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
