//! Who may do what to which account. Every rule of this kind is decided here, for every path that leads to it.
//!
//! The answers come in a fixed order: what one does to oneself, what is reserved to a `SuperAdmin`, rank, and what the
//! caller does not hold. Whether a `SuperAdmin` remains is asked last.

use crate::access::authentication::{Actor, Authority};
use crate::accounts::roles::{NotHeld, PermissionSet};
use crate::platform::error::{AppError, Code};
use crate::platform::ids::UserId;

/// Whoever wants to do something, with the authority of this moment.
#[derive(Clone, Debug)]
pub struct Manager {
    /// The account, if it is one or acts for one: the operator has none.
    pub id: Option<UserId>,
    /// Whether it is a program that acts for the account, with a personal access token.
    pub is_program: bool,
    /// On what authority.
    pub authority: Authority,
}

impl Manager {
    /// This actor, on this authority.
    #[must_use]
    pub fn new(by: &Actor, authority: Authority) -> Self {
        Self {
            id: by.user_id(),
            is_program: by.session_id().is_none(),
            authority,
        }
    }
}

/// The account that it is done to, as it is before.
#[derive(Clone, Debug)]
pub struct Target {
    /// The account.
    pub id: UserId,
    /// Its authority.
    pub authority: Authority,
    /// Whether it is active, not deleted, has no end and can sign in with a password.
    pub is_lasting: bool,
}

/// One thing done to an account.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Change what is said about it: names, tags, attributes.
    Edit,
    /// Give it another role.
    SetRole(Authority),
    /// Give it these permissions that it had not.
    Grant(Vec<String>),
    /// Take permissions from it.
    Withdraw,
    /// Switch it off or on.
    SetActive(bool),
    /// Let it end at some time (`true`), or never.
    SetExpiry(bool),
    /// Delete it, for a while or for ever.
    Delete,
    /// Bring it back.
    Restore,
    /// Change what would let somebody else sign in as it: password, reset link, email, second factor, tokens.
    TakeOver,
    /// Remove its password.
    RemovePassword,
    /// See its sessions and tokens.
    Watch,
    /// End its sessions.
    SignOut,
    /// Change what people may change about themselves.
    EditOwn,
    /// Delete one's own account, its password proven.
    Leave,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Changing one's own role.
    OwnRole,
    /// Changing one's own permissions.
    OwnPermissions,
    /// Changing one's own active state or expiry.
    OwnState,
    /// Deleting oneself.
    OwnAccount,
    /// A program's doing what its owner does in person only.
    InPersonOnly,
    /// Reserved to a `SuperAdmin`.
    SuperAdminOnly,
    /// The caller stands not far enough above the account: in rank or, for what hands it over, in permissions.
    Rank,
    /// Direct grants on a new account, without the permission to manage them.
    DirectGrants,
    /// The caller does not hold these.
    NotHeld(NotHeld),
}

/// Whether `by` may do all these `deeds` to `target`.
///
/// # Errors
/// The first reason why not, in the order told above. A `SuperAdmin` stands above all; what it does not hold, because it acts
/// through a token that has less, it does not give either.
pub fn may(by: &Manager, target: &Target, deeds: &[Deed]) -> Result<(), Denied> {
    if by.id == Some(target.id) {
        deeds.iter().try_for_each(not_to_oneself)?;
        if by.is_program && deeds.iter().any(is_in_person) {
            return Err(Denied::InPersonOnly);
        }
        if deeds.iter().all(is_ones_own_business) {
            return Ok(());
        }
    } else if deeds.iter().any(is_only_ones_own_business) {
        return Err(Denied::Rank);
    }
    if !by.authority.is_super_admin() && deeds.iter().any(|deed| is_for_super_admins(target, deed))
    {
        return Err(Denied::SuperAdminOnly);
    }
    let ranks_above = |rank| by.authority.ranks_above(rank);
    let ranks_after = deeds.iter().all(|deed| match deed {
        Deed::SetRole(role) => ranks_above(role.rank),
        _ => true,
    });
    let hands_over = deeds.iter().any(|deed| matches!(deed, Deed::TakeOver));
    let covers = by
        .authority
        .permissions
        .covers(&target.authority.permissions);
    if !ranks_above(target.authority.rank) || !ranks_after || (hands_over && !covers) {
        return Err(Denied::Rank);
    }
    let mine = &by.authority.permissions;
    deeds.iter().try_for_each(|deed| is_held(mine, deed))
}

/// Whether `by` may make accounts that have direct grants, if it is to have any.
///
/// # Errors
/// [`Denied::DirectGrants`].
pub fn may_grant_directly(by: &Authority, permissions: &[String]) -> Result<(), Denied> {
    if permissions.is_empty() || by.permissions.has("users.managePermissions") {
        Ok(())
    } else {
        Err(Denied::DirectGrants)
    }
}

/// Whether `by` may make an account of this role with these permissions.
///
/// # Errors
/// As [`may`].
pub fn may_create(by: &Authority, role: &Authority, permissions: &[String]) -> Result<(), Denied> {
    if role.is_super_admin() && !by.is_super_admin() {
        return Err(Denied::SuperAdminOnly);
    }
    if !by.ranks_above(role.rank) {
        return Err(Denied::Rank);
    }
    by.permissions.require_all_of(&role.permissions)?;
    Ok(by.permissions.require(permissions)?)
}

/// Whether there is still a `SuperAdmin` who lasts (active, not deleted, without an end, able to sign in) after the deeds,
/// when `others` more of them exist.
#[must_use]
pub fn leaves_a_super_admin(target: &Target, deeds: &[Deed], others: i64) -> bool {
    let unmakes = deeds.iter().any(|deed| match deed {
        Deed::SetRole(role) => !role.is_super_admin(),
        Deed::SetActive(active) => !active,
        Deed::SetExpiry(ends) => *ends,
        Deed::Delete | Deed::Leave | Deed::RemovePassword => true,
        _ => false,
    });
    !(unmakes && target.authority.is_super_admin() && target.is_lasting) || others > 0
}

fn not_to_oneself(deed: &Deed) -> Result<(), Denied> {
    match deed {
        Deed::SetRole(_) => Err(Denied::OwnRole),
        Deed::Grant(_) | Deed::Withdraw => Err(Denied::OwnPermissions),
        Deed::SetActive(_) | Deed::SetExpiry(_) => Err(Denied::OwnState),
        Deed::Delete | Deed::Restore => Err(Denied::OwnAccount),
        Deed::Edit
        | Deed::TakeOver
        | Deed::RemovePassword
        | Deed::Watch
        | Deed::SignOut
        | Deed::EditOwn
        | Deed::Leave => Ok(()),
    }
}

/// What lets somebody sign in as the account, or keeps them from it.
const fn is_in_person(deed: &Deed) -> bool {
    matches!(
        deed,
        Deed::TakeOver | Deed::RemovePassword | Deed::SignOut | Deed::EditOwn | Deed::Leave
    )
}

/// What takes no standing above the account when it is one's own.
const fn is_ones_own_business(deed: &Deed) -> bool {
    matches!(deed, Deed::Watch | Deed::SignOut) || is_only_ones_own_business(deed)
}

/// What nobody does to anybody else, however high they stand.
const fn is_only_ones_own_business(deed: &Deed) -> bool {
    matches!(deed, Deed::EditOwn | Deed::Leave)
}

/// Making and unmaking a `SuperAdmin`.
fn is_for_super_admins(target: &Target, deed: &Deed) -> bool {
    match deed {
        Deed::SetRole(role) => role.is_super_admin() || target.authority.is_super_admin(),
        Deed::SetActive(_)
        | Deed::SetExpiry(_)
        | Deed::Delete
        | Deed::Restore
        | Deed::RemovePassword => target.authority.is_super_admin(),
        _ => false,
    }
}

fn is_held(mine: &PermissionSet, deed: &Deed) -> Result<(), Denied> {
    match deed {
        Deed::SetRole(role) => Ok(mine.require_all_of(&role.permissions)?),
        Deed::Grant(added) => Ok(mine.require(added)?),
        _ => Ok(()),
    }
}

impl From<NotHeld> for Denied {
    fn from(lacking: NotHeld) -> Self {
        Self::NotHeld(lacking)
    }
}

impl From<Denied> for AppError {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::OwnRole => Code::UserSelfRoleChangeForbidden,
            Denied::OwnPermissions => Code::UserSelfPermissionsForbidden,
            Denied::OwnState => Code::UserSelfDisableForbidden,
            Denied::OwnAccount => Code::UserSelfDeleteForbidden,
            Denied::InPersonOnly => Code::AuthSessionRequired,
            Denied::SuperAdminOnly => Code::UserSuperAdminForbidden,
            Denied::Rank => Code::UserManageForbidden,
            Denied::DirectGrants => {
                return Self::new(Code::PermissionRequired)
                    .detail("Direct grants need users.managePermissions.");
            }
            Denied::NotHeld(lacking) => return lacking.into(),
        };
        code.into()
    }
}

#[cfg(test)]
mod tests;
