//! Changing the fields and tags of an account.

use crate::access::actor::Authority;
use crate::access::authentication::{Can, needs};
use crate::access::sessions::EndReason;
use crate::accounts::lifecycle;
use crate::accounts::users::{
    self, LockScope, LockedUser, User, UserAction, UserChangeset, UserRow, ValidatedUserChange,
    parse_tag, parse_tags,
};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// Changes an account.
///
/// # Errors
/// [`Code::NotFound`]; 403 if the caller may not manage the account; [`Code::PermissionRequired`] for the active state or an earlier expiry without `users.disable`;
/// [`Code::PreconditionFailed`]; [`Code::LastSuperAdmin`]; conflicts of username and email address.
pub fn update(
    tx: &mut Tx<'_>,
    caller: &Can<needs::UpdateUsers>,
    id: UserId,
    change: &ValidatedUserChange,
    if_match: &IfMatch,
) -> TxResult<User> {
    const ACTION: &str = "user.update";
    if change.affects_access() {
        tx.wait_for_leases();
    }
    let scope = if change.role().is_some() {
        LockScope::Authority
    } else {
        LockScope::Rows
    };
    let locked = users::service::lock_rows(tx, caller, id, scope)?;
    let may_disable = locked.authority.permissions.has("users.disable");
    if change.sets_active && !may_disable {
        let error = AppError::new(Code::PermissionRequired)
            .with_detail("Changing isActive needs the permission users.disable.");
        let entry = AuditEntry::new(ACTION, Subject::User(id));
        return Err(audit::deny(tx, caller, entry, error));
    }
    let role = change
        .role()
        .map(|name| users::service::role_authority(tx, name))
        .transpose()?;
    let user = locked.into_user(tx, caller)?;
    let role_name = role.as_ref().map(|role| role.role.as_str());
    let changes = change.changeset_for(&user.row, role_name)?;
    let shortens_use = matches!(changes.expires_at, Some(Some(end)) if user.row.expires_at.is_none_or(|old| end < old));
    if shortens_use && !may_disable {
        let error = AppError::new(Code::PermissionRequired).with_detail(
            "Setting an expiry, or an earlier one, needs the permission users.disable.",
        );
        let entry = AuditEntry::new(ACTION, Subject::User(id));
        return Err(audit::deny(tx, caller, entry, error));
    }
    let actions = actions_of(&changes, &user.row, role);
    user.authorize(tx, caller, ACTION, &actions, if_match)?;
    if let Some(reason) = end_reason(tx, &user.row, &changes) {
        lifecycle::service::end_access(tx, user.row.id, reason, caller.session_id())?;
    }
    lifecycle::service::update_user(tx, caller, ACTION, &user.row, &changes)
}

/// Adds or removes a tag of an account.
///
/// # Errors
/// As [`update`].
pub fn set_tag(
    tx: &mut Tx<'_>,
    caller: &Can<needs::UpdateUsers>,
    id: UserId,
    tag: &str,
    present: bool,
    if_match: &IfMatch,
) -> TxResult<User> {
    let tag =
        parse_tag(tag).map_err(|error| AppError::invalid_field("", error.code, error.detail))?;
    let action_name = if present { "user.tag" } else { "user.untag" };
    let user = LockedUser::lock(tx, caller, id)?;
    user.authorize(tx, caller, action_name, &[UserAction::Edit], if_match)?;
    let mut tags = user.row.tags.clone();
    tags.retain(|other| *other != tag);
    if present {
        tags.push(tag);
    }
    let tags = parse_tags(&tags)
        .map_err(|(_, error)| AppError::invalid_field("", error.code, error.detail))?;
    let changes = UserChangeset {
        tags: Some(tags).filter(|tags| *tags != user.row.tags),
        ..UserChangeset::default()
    };
    lifecycle::service::update_user(tx, caller, action_name, &user.row, &changes)
}

/// The actions that the changes consist of. `role` is the authority of the requested role.
fn actions_of(changes: &UserChangeset, row: &UserRow, role: Option<Authority>) -> Vec<UserAction> {
    let mut actions = vec![UserAction::Edit];
    if changes.role.is_some() {
        actions.extend(role.map(UserAction::SetRole));
    }
    if let Some(active) = changes.is_active {
        actions.push(UserAction::SetActive(active));
    }
    if let Some(expiry) = changes.expires_at {
        actions.push(UserAction::SetExpiry(expiry.is_some()));
    }
    let takes_over = changes.email.is_some()
        || changes.auth_provider.is_some()
        || changes.auth_id.is_some()
        || (changes.email_confirmed == Some(true) && row.email.is_some())
        // Otherwise a password could remain that was set by someone with less authority than the account has now.
        || changes.must_change_password == Some(false);
    if takes_over {
        actions.push(UserAction::TakeOver);
    }
    actions
}

/// Why the changes end the account's sessions, if they do. Sessions of an account that had expired stay ended when its
/// expiry is moved.
fn end_reason(tx: &Tx<'_>, row: &UserRow, changes: &UserChangeset) -> Option<EndReason> {
    let is_past =
        |expiry: Option<chrono::DateTime<chrono::Utc>>| expiry.is_some_and(|end| end <= tx.now);
    match changes {
        UserChangeset {
            is_active: Some(false),
            ..
        } => Some(EndReason::AccountDisabled),
        UserChangeset {
            expires_at: Some(expiry),
            ..
        } if is_past(*expiry) || is_past(row.expires_at) => Some(EndReason::AccountExpired),
        _ => None,
    }
}
