//! One account held for a change, together with whoever wants to change it. Every change of an account goes through
//! [`LockedUser::permit`], so the rules are asked in one place and in one order: 403, then 412, then 409.

use super::policy::authority::{self, Deed, Manager, Target};
use super::store::{self, UserRow};
use crate::access::authentication::{Actor, Authority, Can, Need, SignedIn};
use crate::accounts::roles;
use crate::audit::{self, AuditEntry};
use crate::platform::db::{Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// What a change does to the facts that others decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Nothing: it only relies on them.
    OnlyThisAccount,
    /// Role, permissions, active state, expiry, existence or ability to sign in.
    Authority,
}

impl LockMode {
    fn lock(self, tx: &mut Tx<'_>) -> Result<(), AppError> {
        match self {
            Self::OnlyThisAccount => {
                advisory_lock::rely(tx.conn, advisory_lock::Invariant::Authority)?;
            }
            Self::Authority => advisory_lock::change(tx.conn, advisory_lock::Invariant::Authority)?,
        }
        Ok(())
    }
}

/// An account held until the transaction ends.
pub struct LockedUser {
    /// The account as it is before.
    pub row: UserRow,
    manager: Manager,
    target: Target,
}

impl LockedUser {
    /// [`current_authority`], then [`LockedUser::open`].
    ///
    /// # Errors
    /// As those two.
    pub fn enter<N: Need>(
        tx: &mut Tx<'_>,
        by: &Can<N>,
        id: UserId,
        touches: LockMode,
    ) -> Result<Self, AppError> {
        let authority = current_authority(tx, by, touches)?;
        Self::open(tx, by, authority, id)
    }

    /// The caller's own account, on the authority that it has.
    ///
    /// # Errors
    /// 401 when the account or the session has ended meanwhile.
    pub fn of_ones_own(
        tx: &mut Tx<'_>,
        by: &SignedIn,
        touches: LockMode,
    ) -> Result<Self, AppError> {
        touches.lock(tx)?;
        let authority = by.renew(tx)?;
        Self::open(tx, by, authority, by.id)
    }

    /// Reads and holds the account, for a caller of this authority.
    ///
    /// # Errors
    /// [`Code::NotFound`] when there is no such account.
    pub fn open(
        tx: &mut Tx<'_>,
        by: &Actor,
        authority: Authority,
        id: UserId,
    ) -> Result<Self, AppError> {
        let row = store::hold(tx.conn, id)?.ok_or(Code::NotFound)?;
        let target = Target {
            id,
            authority: authority_of(tx, &row)?,
            is_lasting: is_lasting(&row),
        };
        Ok(Self {
            manager: Manager::new(by, authority),
            row,
            target,
        })
    }

    /// Whether the deeds may be done. A refusal is recorded as `act`, and kept.
    ///
    /// # Errors
    /// The refusal (403); [`Code::PreconditionFailed`]; [`Code::LastSuperAdmin`]; [`Code::UserDeleted`].
    pub fn permit(
        &self,
        tx: &mut Tx<'_>,
        by: &Actor,
        act: &'static str,
        deeds: &[Deed],
        expected: &IfMatch,
    ) -> TxResult<()> {
        let act = || AuditEntry::new(act, audit::Subject::User(self.row.id));
        if let Err(denied) = authority::may(&self.manager, &self.target, deeds) {
            return Err(audit::refuse(tx, by, act(), denied));
        }
        if !expected.allows(self.row.version) {
            return Err(Code::PreconditionFailed.into());
        }
        let others = store::other_lasting_super_admins(tx.conn, self.row.id)?;
        if !authority::leaves_a_super_admin(&self.target, deeds, others) {
            return Err(audit::refuse(tx, by, act(), Code::LastSuperAdmin));
        }
        let for_deleted = |deed: &Deed| matches!(deed, Deed::Delete | Deed::Restore);
        if self.row.deleted_at.is_some() && !deeds.iter().all(for_deleted) {
            return Err(audit::refuse(tx, by, act(), Code::UserDeleted));
        }
        Ok(())
    }
}

/// Takes the lock that the change needs, then reads the caller's authority. What the body names is looked up between this
/// and [`LockedUser::open`]: a name that is wrong is told (400) before an account that is missing (404).
///
/// # Errors
/// 401 or 403 when the caller has lost what the call needs.
pub fn current_authority<N: Need>(
    tx: &mut Tx<'_>,
    by: &Can<N>,
    touches: LockMode,
) -> Result<Authority, AppError> {
    touches.lock(tx)?;
    by.renew(tx)
}

/// The authority that an account has through its role and direct grants.
///
/// # Errors
/// When the database fails.
pub fn authority_of(tx: &mut Tx<'_>, row: &UserRow) -> Result<Authority, AppError> {
    Ok(roles::service::get(tx, &row.role)?.authority(&row.permissions))
}

/// Whether it is active, not deleted, has no end and can sign in with a password.
pub const fn is_lasting(row: &UserRow) -> bool {
    row.is_active
        && row.deleted_at.is_none()
        && row.expires_at.is_none()
        && row.password_hash.is_some()
}
