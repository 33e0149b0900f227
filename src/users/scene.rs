//! One account held for a change, together with whoever wants to change it. Every change of an account goes through
//! [`Scene::permit`], so the rules are asked in one place and in one order: 403, then 412, then 409.

use super::rules::authority::{self, Deed, Manager, Target};
use super::store::{self, UserRow};
use crate::audit::{self, Act};
use crate::auth::{Actor, Can, Need, SignedIn, Standing};
use crate::db::{Tx, lock};
use crate::error::{Acted, AppError, Code};
use crate::http::IfMatch;
use crate::ids::UserId;
use crate::roles;

/// What a change does to the facts that others decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touches {
    /// Nothing: it only relies on them.
    OnlyThisAccount,
    /// Role, permissions, active state, expiry, existence or ability to sign in.
    Authority,
}

impl Touches {
    fn lock(self, tx: &mut Tx<'_>) -> Result<(), AppError> {
        match self {
            Self::OnlyThisAccount => lock::rely(tx.conn, lock::Invariant::Authority)?,
            Self::Authority => lock::change(tx.conn, lock::Invariant::Authority)?,
        }
        Ok(())
    }
}

/// An account held until the transaction ends.
pub struct Scene {
    /// The account as it is before.
    pub row: UserRow,
    manager: Manager,
    target: Target,
}

impl Scene {
    /// [`authority_now`], then [`Scene::open`].
    ///
    /// # Errors
    /// As those two.
    pub fn enter<N: Need>(
        tx: &mut Tx<'_>,
        by: &Can<N>,
        id: UserId,
        touches: Touches,
    ) -> Result<Self, AppError> {
        let standing = authority_now(tx, by, touches)?;
        Self::open(tx, by, standing, id)
    }

    /// The caller's own account, on the authority that it has.
    ///
    /// # Errors
    /// 401 when the account or the session has ended meanwhile.
    pub fn of_ones_own(tx: &mut Tx<'_>, by: &SignedIn, touches: Touches) -> Result<Self, AppError> {
        touches.lock(tx)?;
        let standing = by.renew(tx)?;
        Self::open(tx, by, standing, by.id)
    }

    /// Reads and holds the account, for a caller of this authority.
    ///
    /// # Errors
    /// [`Code::NotFound`] when there is no such account.
    pub fn open(
        tx: &mut Tx<'_>,
        by: &Actor,
        standing: Standing,
        id: UserId,
    ) -> Result<Self, AppError> {
        let row = store::hold(tx.conn, id)?.ok_or(Code::NotFound)?;
        let target = Target {
            id,
            standing: standing_of(tx, &row)?,
            is_lasting: is_lasting(&row),
        };
        Ok(Self {
            manager: Manager::new(by, standing),
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
    ) -> Acted<()> {
        let act = || Act::new(act, audit::Subject::User(self.row.id));
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
/// and [`Scene::open`]: a name that is wrong is told (400) before an account that is missing (404).
///
/// # Errors
/// 401 or 403 when the caller has lost what the call needs.
pub fn authority_now<N: Need>(
    tx: &mut Tx<'_>,
    by: &Can<N>,
    touches: Touches,
) -> Result<Standing, AppError> {
    touches.lock(tx)?;
    by.renew(tx)
}

/// The authority that an account has through its role and direct grants.
///
/// # Errors
/// When the database fails.
pub fn standing_of(tx: &mut Tx<'_>, row: &UserRow) -> Result<Standing, AppError> {
    Ok(roles::service::get(tx, &row.role)?.standing(&row.permissions))
}

/// Whether it is active, not deleted, has no end and can sign in with a password.
pub const fn is_lasting(row: &UserRow) -> bool {
    row.is_active
        && row.deleted_at.is_none()
        && row.expires_at.is_none()
        && row.password_hash.is_some()
}
