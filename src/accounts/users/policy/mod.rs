//! Rules for managing accounts: who may perform which action on which account. Pure decisions: no database, no clock.
//!
//! The checks run in a fixed order: actions on oneself, actions reserved to a `SuperAdmin`, then rank and permissions
//! ([`management`]). [`removes_super_admin`] is checked last.

use crate::access::actor::management::{self, ManagementDenied, ManagementRequirements, RankRule};
use crate::access::actor::{Actor, Authority, PermissionSet, PermissionsNotHeld};
use crate::platform::error::{AppError, Code};
use crate::platform::ids::UserId;

/// The caller with its current authority.
#[derive(Clone, Debug)]
pub struct UserPolicyCaller {
    /// The account of the caller; if the caller is a token, the account of its owner. `None` for the operator and for service
    /// clients.
    pub id: Option<UserId>,
    /// Whether the caller is a program: it has no session.
    pub is_program: bool,
    /// Its current authority.
    pub authority: Authority,
}

impl UserPolicyCaller {
    /// The actor with this authority.
    #[must_use]
    pub fn new(actor: &Actor, authority: Authority) -> Self {
        Self {
            id: actor.user_id(),
            is_program: actor.session_id().is_none(),
            authority,
        }
    }
}

/// The account to act on, as it is before the action.
#[derive(Clone, Debug)]
pub struct ManagedUser {
    /// The account.
    pub id: UserId,
    /// Its authority.
    pub authority: Authority,
    /// Whether it is active, not deleted, never expires and has a password.
    pub can_always_sign_in: bool,
}

/// Something a caller does to an account, as the policy checks it.
#[derive(Clone, Debug)]
pub enum UserAction {
    /// Change names, tags or attributes.
    Edit,
    /// Assign another role, which has this authority.
    SetRole(Authority),
    /// Add these direct grants.
    Grant(Vec<String>),
    /// Remove direct grants.
    Withdraw,
    /// Enable or disable it.
    SetActive(bool),
    /// Set an expiry time (`true`) or clear it.
    SetExpiry(bool),
    /// Delete or purge it.
    Delete,
    /// Restore it after deletion.
    Restore,
    /// Change something that allows signing in as the account: password, reset link, email, second factor, tokens.
    TakeOver,
    /// Remove its password.
    RemovePassword,
    /// Read its sessions and tokens.
    ReadSessions,
    /// End its sessions.
    SignOut,
    /// Change the caller's own profile.
    EditOwn,
    /// Delete the caller's own account, after checking its password.
    DeleteOwn,
}

/// Why an action on an account is forbidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserActionDenied {
    /// Users cannot change their own role.
    OwnRole,
    /// Users cannot change their own permissions.
    OwnPermissions,
    /// Users cannot change their own active state or expiry.
    OwnState,
    /// Users cannot change their own password, email address, reset link, second factor or tokens through the administrative
    /// paths: their own paths ask for the current password.
    OwnCredentials,
    /// Users cannot delete themselves through the administrative paths.
    OwnAccount,
    /// This action on the caller's own account needs a session; a personal access token is not enough.
    SessionRequired,
    /// Only a `SuperAdmin` may do this.
    SuperAdminOnly,
    /// The caller's rank is too low or, to take over the account, it lacks some of the account's permissions.
    Rank,
    /// Direct grants on a new account need `users.managePermissions`.
    DirectGrants,
    /// The caller cannot grant permissions that it does not hold.
    NotHeld(PermissionsNotHeld),
}

/// Checks whether `manager` may perform all `actions` on `target`. A `SuperAdmin` ranks above all; acting through a token
/// with fewer permissions, it can still only grant those.
///
/// # Errors
/// The first rule that is violated, in the order of the module documentation.
pub fn check_actions(
    manager: &UserPolicyCaller,
    target: &ManagedUser,
    actions: &[UserAction],
) -> Result<(), UserActionDenied> {
    if manager.id == Some(target.id) {
        actions.iter().try_for_each(check_self_action)?;
        if manager.is_program && actions.iter().any(needs_session_on_self) {
            return Err(UserActionDenied::SessionRequired);
        }
        if actions.iter().all(is_always_allowed_on_self) {
            return Ok(());
        }
    } else if actions.iter().any(is_self_only) {
        return Err(UserActionDenied::Rank);
    }
    if !manager.authority.is_super_admin()
        && actions
            .iter()
            .any(|action| needs_super_admin(target, action))
    {
        return Err(UserActionDenied::SuperAdminOnly);
    }
    Ok(management::check(
        &manager.authority,
        &requirements(target, actions),
    )?)
}

/// What the actions require of the caller.
fn requirements<'a>(target: &'a ManagedUser, actions: &[UserAction]) -> ManagementRequirements<'a> {
    let mut ranks = vec![target.authority.rank];
    let mut grants = Vec::new();
    let mut takes_over = None;
    for action in actions {
        match action {
            UserAction::SetRole(role) => {
                ranks.push(role.rank);
                grants.push(role.permissions.clone());
            }
            UserAction::Grant(added) => grants.push(PermissionSet::only(added)),
            UserAction::TakeOver => takes_over = Some(&target.authority.permissions),
            _ => {}
        }
    }
    ManagementRequirements {
        rule: RankRule::BelowOrZero,
        ranks,
        takes_over,
        grants,
    }
}

/// Checks whether the caller may create accounts with direct grants.
///
/// # Errors
/// [`UserActionDenied::DirectGrants`] for grants without `users.managePermissions`.
pub fn check_direct_grants(
    caller: &Authority,
    permissions: &[String],
) -> Result<(), UserActionDenied> {
    if permissions.is_empty() || caller.permissions.has("users.managePermissions") {
        Ok(())
    } else {
        Err(UserActionDenied::DirectGrants)
    }
}

/// Checks whether the caller may create an account with this role and these direct grants.
///
/// # Errors
/// As [`check_actions`].
pub fn check_creation(
    caller: &Authority,
    role: &Authority,
    permissions: &[String],
) -> Result<(), UserActionDenied> {
    if role.is_super_admin() && !caller.is_super_admin() {
        return Err(UserActionDenied::SuperAdminOnly);
    }
    let requirements = ManagementRequirements {
        rule: RankRule::BelowOrZero,
        ranks: vec![role.rank],
        takes_over: None,
        grants: vec![role.permissions.clone(), PermissionSet::only(permissions)],
    };
    Ok(management::check(caller, &requirements)?)
}

/// Whether the actions leave one `SuperAdmin` less who can always sign in. One must stay.
#[must_use]
pub fn removes_super_admin(target: &ManagedUser, actions: &[UserAction]) -> bool {
    let removes = actions.iter().any(|action| match action {
        UserAction::SetRole(role) => !role.is_super_admin(),
        UserAction::SetActive(active) => !active,
        UserAction::SetExpiry(expires) => *expires,
        UserAction::Delete | UserAction::DeleteOwn | UserAction::RemovePassword => true,
        _ => false,
    });
    removes && target.authority.is_super_admin() && target.can_always_sign_in
}

/// Actions that users cannot perform on their own account.
fn check_self_action(action: &UserAction) -> Result<(), UserActionDenied> {
    match action {
        UserAction::SetRole(_) => Err(UserActionDenied::OwnRole),
        UserAction::Grant(_) | UserAction::Withdraw => Err(UserActionDenied::OwnPermissions),
        UserAction::SetActive(_) | UserAction::SetExpiry(_) => Err(UserActionDenied::OwnState),
        UserAction::Delete | UserAction::Restore => Err(UserActionDenied::OwnAccount),
        UserAction::TakeOver | UserAction::RemovePassword => Err(UserActionDenied::OwnCredentials),
        UserAction::Edit
        | UserAction::ReadSessions
        | UserAction::SignOut
        | UserAction::EditOwn
        | UserAction::DeleteOwn => Ok(()),
    }
}

/// Actions on the own account that need a session: they allow or prevent signing in.
const fn needs_session_on_self(action: &UserAction) -> bool {
    matches!(
        action,
        UserAction::SignOut | UserAction::EditOwn | UserAction::DeleteOwn
    )
}

/// Actions on the own account that need no rank.
const fn is_always_allowed_on_self(action: &UserAction) -> bool {
    matches!(action, UserAction::ReadSessions | UserAction::SignOut) || is_self_only(action)
}

/// Actions that are possible on the own account only.
const fn is_self_only(action: &UserAction) -> bool {
    matches!(action, UserAction::EditOwn | UserAction::DeleteOwn)
}

/// Whether the action creates or removes a `SuperAdmin`.
fn needs_super_admin(target: &ManagedUser, action: &UserAction) -> bool {
    match action {
        UserAction::SetRole(role) => role.is_super_admin() || target.authority.is_super_admin(),
        UserAction::SetActive(_)
        | UserAction::SetExpiry(_)
        | UserAction::Delete
        | UserAction::Restore
        | UserAction::RemovePassword => target.authority.is_super_admin(),
        _ => false,
    }
}

impl From<ManagementDenied> for UserActionDenied {
    fn from(denied: ManagementDenied) -> Self {
        match denied {
            ManagementDenied::Rank => Self::Rank,
            ManagementDenied::NotHeld(permissions) => Self::NotHeld(permissions),
        }
    }
}

impl From<UserActionDenied> for AppError {
    fn from(denied: UserActionDenied) -> Self {
        let code = match denied {
            UserActionDenied::OwnRole => Code::UserSelfRoleChangeForbidden,
            UserActionDenied::OwnPermissions => Code::UserSelfPermissionsForbidden,
            UserActionDenied::OwnState => Code::UserSelfDisableForbidden,
            UserActionDenied::OwnCredentials => Code::UserSelfCredentialsForbidden,
            UserActionDenied::OwnAccount => Code::UserSelfDeleteForbidden,
            UserActionDenied::SessionRequired => Code::AuthSessionRequired,
            UserActionDenied::SuperAdminOnly => Code::UserSuperAdminForbidden,
            UserActionDenied::Rank => Code::UserManageForbidden,
            UserActionDenied::DirectGrants => {
                return Self::new(Code::PermissionRequired)
                    .with_detail("Direct grants need the permission users.managePermissions.");
            }
            UserActionDenied::NotHeld(permissions) => return permissions.into(),
        };
        code.into()
    }
}

#[cfg(test)]
mod tests;
