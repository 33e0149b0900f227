//! Making, showing and changing accounts. Each function is one use case, in the caller's transaction.

use serde_json::json;

use super::audit_entry;
use super::authorization::{self, LockMode, LockedUser};
use super::initial_access::{self, AccessGrant};
use super::input::{Change, Draft};
use super::lifecycle;
use super::model::User;
use super::policy::authority::Deed;
use super::policy::values::{Email, Username};
use super::store::{self, Changes, UserRow};
use crate::access::authentication::{Actor, Authority, Can, needs};
use crate::access::passwords::PasswordHash;
use crate::access::sessions::EndReason;
use crate::accounts::password_reset;
use crate::accounts::roles::{self, SUPER_ADMIN};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::{Invalidation, OnConstraint, Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

pub use super::access::service::{replace_permissions, set_active};
pub use super::authorization::authority_of as authority;
pub use super::credentials::service::{
    CHANGE_PASSWORD, confirm_email, hold_to_hand_over, hold_to_sign_out, remove_password,
    remove_second_factor, reset_password, set_own_password, set_password_by_link, sign_out,
};
pub use super::initial_access::{gift, record_gift, role_at};
pub use super::input::{NewUser, UserPatch};
pub use super::lifecycle::is_alive;
pub use super::listing::{Filter, Sort, service::list};
pub use super::lookup::{lasting_super_admins, may_use, named};
pub use super::reassign_role::{RoleReassignment, carry_out, count_of_role, prepare_move};
pub use super::register::{RegistrationOutcome, join};
pub use super::removal::service::{delete, purge, restore};
pub use super::self_service::{CHANGE_OWN, DELETE_OWN, change_own, delete_own};
pub use super::visibility::{roles_below, watch};

/// Makes an account.
///
/// # Errors
/// [`Code::RequestInvalid`], [`Code::PermissionUnknown`]; the refusals of the rules of authority;
/// [`Code::PermissionRequired`] for direct grants without `users.managePermissions`;
/// [`Code::UserUsernameConflict`], [`Code::UserEmailConflict`].
pub fn create(
    tx: &mut Tx<'_>,
    by: &Can<needs::CreateUsers>,
    draft: &Draft,
    password: Option<&PasswordHash>,
) -> TxResult<User> {
    advisory_lock::rely(tx.conn, advisory_lock::Invariant::Authority)?;
    let authority = by.renew(tx)?;
    let act = || AuditEntry::new("user.create", Subject::Nothing);
    let gift =
        initial_access::record_gift(tx, by, act, &authority, &draft.role, &draft.permissions)?;
    let row = new_row(tx, draft, gift, password);
    insert(tx, by, row)
}

/// Makes the first `SuperAdmin`, unless there is one.
///
/// # Errors
/// [`Code::UserUsernameConflict`] when another account has the name.
pub fn create_first_super_admin(
    tx: &mut Tx<'_>,
    username: &Username,
    password: &PasswordHash,
) -> TxResult<Option<User>> {
    advisory_lock::change(tx.conn, advisory_lock::Invariant::Authority)?;
    if store::any_super_admin(tx.conn)? {
        return Ok(None);
    }
    let draft = Draft {
        username: username.clone(),
        role: SUPER_ADMIN.to_owned(),
        is_active: true,
        permissions: Vec::new(),
        display_name: None,
        email: None,
        tags: Vec::new(),
        attributes: json!({}),
        must_change_password: false,
        expires_at: None,
        auth_provider: None,
        auth_id: None,
    };
    let gift = AccessGrant {
        role: draft.role.clone(),
        permissions: Vec::new(),
    };
    let row = new_row(tx, &draft, gift, Some(password));
    insert(tx, &Actor::system(), row).map(Some)
}

/// Whether any account, deleted ones included, has the role `SuperAdmin`.
///
/// # Errors
/// When the database fails.
pub fn any_super_admin(tx: &mut Tx<'_>) -> Result<bool, AppError> {
    Ok(store::any_super_admin(tx.conn)?)
}

/// Shows an account, a deleted one too.
///
/// # Errors
/// [`Code::NotFound`].
pub fn show(tx: &mut Tx<'_>, id: UserId) -> Result<User, AppError> {
    let row = store::find(tx.conn, id)?.ok_or(Code::NotFound)?;
    present(tx, row)
}

/// The account that signs in under this name: a username, or an email address that is confirmed.
///
/// # Errors
/// When the database fails.
pub fn by_login_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<UserRow>, AppError> {
    Ok(match Username::parse(name) {
        Ok(username) => store::by_username(tx.conn, username.as_str())?,
        Err(_) => match Email::parse(name) {
            Ok(email) => store::by_confirmed_email(tx.conn, email.as_str())?,
            Err(_) => None,
        },
    })
}

/// The account whose confirmed address this is.
///
/// # Errors
/// When the database fails.
pub fn by_confirmed_email(tx: &mut Tx<'_>, email: &str) -> Result<Option<UserRow>, AppError> {
    Ok(store::by_confirmed_email(tx.conn, email)?)
}

/// The account of this id, deleted or not.
///
/// # Errors
/// When the database fails.
pub fn find(tx: &mut Tx<'_>, id: UserId) -> Result<Option<UserRow>, AppError> {
    Ok(store::find(tx.conn, id)?)
}

/// What these accounts are called, by their ids.
///
/// # Errors
/// When the database fails.
pub fn usernames(
    tx: &mut Tx<'_>,
    ids: &[UserId],
) -> Result<std::collections::BTreeMap<UserId, String>, AppError> {
    Ok(store::usernames(tx.conn, ids)?.into_iter().collect())
}

/// What the account of this id may, if there is one and it is alive.
///
/// # Errors
/// When the database fails.
pub fn authority_of_usable_user(
    tx: &mut Tx<'_>,
    id: UserId,
) -> Result<Option<Authority>, AppError> {
    store::find(tx.conn, id)?
        .filter(|row| is_alive(row, tx.now))
        .map(|row| authorization::authority_of(tx, &row))
        .transpose()
}

/// Changes an account.
///
/// # Errors
/// [`Code::NotFound`]; the refusals of the rules of authority; [`Code::PermissionRequired`] for the active state without
/// `users.disable`; [`Code::PreconditionFailed`]; [`Code::LastSuperAdmin`]; the conflicts of name and address.
pub fn change(
    tx: &mut Tx<'_>,
    by: &Can<needs::UpdateUsers>,
    id: UserId,
    change: &Change,
    expected: &IfMatch,
) -> TxResult<User> {
    const ACT: &str = "user.update";
    let authority = authorization::current_authority(tx, by, LockMode::Authority)?;
    if change.sets_active && !authority.permissions.has("users.disable") {
        let why =
            AppError::new(Code::PermissionRequired).detail("The active state needs users.disable.");
        return Err(audit::refuse(
            tx,
            by,
            AuditEntry::new(ACT, Subject::User(id)),
            why,
        ));
    }
    let role = change.role().map(|name| role_at(tx, name)).transpose()?;
    let scene = LockedUser::open(tx, by, authority, id)?;
    let changes = change.of(&scene.row)?;
    let deeds = deeds_of(&changes, &scene.row, role);
    scene.permit(tx, by, ACT, &deeds, expected)?;
    end_what_ends(tx, by, &scene.row, &changes)?;
    apply(tx, by, ACT, &scene.row, &changes)
}

/// Adds a tag to an account, or takes it away.
///
/// # Errors
/// As [`change`].
pub fn set_tag(
    tx: &mut Tx<'_>,
    by: &Can<needs::UpdateUsers>,
    id: UserId,
    tag: &str,
    present: bool,
    expected: &IfMatch,
) -> TxResult<User> {
    let tag = super::policy::values::tag(tag)
        .map_err(|wrong| AppError::fault("", wrong.code, wrong.detail))?;
    let act = if present { "user.tag" } else { "user.untag" };
    let scene = LockedUser::enter(tx, by, id, LockMode::OnlyThisAccount)?;
    scene.permit(tx, by, act, &[Deed::Edit], expected)?;
    let mut tags = scene.row.tags.clone();
    tags.retain(|other| *other != tag);
    if present {
        tags.push(tag);
    }
    let tags = super::policy::values::tags(&tags)
        .map_err(|(_, wrong)| AppError::fault("", wrong.code, wrong.detail))?;
    let changes = Changes {
        tags: Some(tags).filter(|tags| *tags != scene.row.tags),
        ..Changes::default()
    };
    apply(tx, by, act, &scene.row, &changes)
}

/// Notes that the account signed in; with a renewed hash, stores that for the password it was made from.
///
/// # Errors
/// When the database fails.
pub fn signed_in(
    tx: &mut Tx<'_>,
    id: UserId,
    renewed: Option<&PasswordHash>,
    password_version: i64,
) -> Result<(), AppError> {
    tx.invalidate(Invalidation::Principal(id.0));
    store::signed_in(tx.conn, id, tx.now)?;
    if let Some(hash) = renewed {
        store::rehash(tx.conn, id, password_version, hash.as_str())?;
    }
    Ok(())
}

/// The account, held until the transaction ends.
///
/// # Errors
/// When the database fails.
pub fn hold(tx: &mut Tx<'_>, id: UserId) -> Result<Option<UserRow>, AppError> {
    Ok(store::hold(tx.conn, id)?)
}

/// The account as callers see it.
///
/// # Errors
/// When the database fails.
pub fn present(tx: &mut Tx<'_>, row: UserRow) -> Result<User, AppError> {
    let authority = authorization::authority_of(tx, &row)?;
    let effective = roles::service::list_held(tx, &authority.permissions)?;
    Ok(User::new(row, effective))
}

/// Writes the changes, and the audit row that tells of them; without a change the account stays as it is.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: &'static str,
    row: &UserRow,
    changes: &Changes,
) -> TxResult<User> {
    let id = row.id;
    if *changes != Changes::default() {
        tx.invalidate(Invalidation::Principal(id.0));
        store::update(tx.conn, id, tx.now, changes)
            .on_constraint("users_username_key", Code::UserUsernameConflict)
            .on_constraint("users_email_key", Code::UserEmailConflict)?;
    }
    if changes.email.is_some() {
        // It may lie in the mailbox that the account has left.
        password_reset::service::end(tx, id)?;
    }
    audit::record(tx, by, audit_entry::of(act, row, changes))?;
    show(tx, id).map_err(TxAbort::from)
}

fn insert(tx: &mut Tx<'_>, by: &Actor, row: UserRow) -> TxResult<User> {
    store::insert(tx.conn, &row)
        .on_constraint("users_username_key", Code::UserUsernameConflict)
        .on_constraint("users_email_key", Code::UserEmailConflict)?;
    audit::record(tx, by, audit_entry::of_new("user.create", &row))?;
    Ok(present(tx, row)?)
}

/// The account of this draft with what it is given, as it is stored at first.
pub(super) fn new_row(
    tx: &Tx<'_>,
    draft: &Draft,
    gift: AccessGrant,
    password: Option<&PasswordHash>,
) -> UserRow {
    UserRow {
        id: UserId::new(tx.now),
        username: draft.username.as_str().to_owned(),
        display_name: draft.display_name.clone(),
        email: draft.email.as_ref().map(|email| email.as_str().to_owned()),
        email_confirmed: false,
        role: gift.role,
        permissions: gift.permissions,
        is_active: draft.is_active,
        tags: draft.tags.clone(),
        attributes: draft.attributes.clone(),
        must_change_password: draft.must_change_password,
        password_hash: password.map(|hash| hash.as_str().to_owned()),
        password_version: 0,
        auth_provider: draft
            .auth_provider
            .clone()
            .unwrap_or_else(|| "local".to_owned()),
        auth_id: draft.auth_id.clone(),
        mfa_enabled: false,
        created_at: tx.now,
        updated_at: tx.now,
        last_login_at: None,
        expires_at: draft.expires_at,
        deleted_at: None,
        version: 1,
    }
}

/// What the changes amount to; `role` is the authority that comes with the role that was asked for.
fn deeds_of(changes: &Changes, row: &UserRow, role: Option<Authority>) -> Vec<Deed> {
    let mut deeds = vec![Deed::Edit];
    if changes.role.is_some() {
        deeds.extend(role.map(Deed::SetRole));
    }
    if let Some(active) = changes.is_active {
        deeds.push(Deed::SetActive(active));
    }
    if let Some(end) = changes.expires_at {
        deeds.push(Deed::SetExpiry(end.is_some()));
    }
    let hands_over = changes.email.is_some()
        || changes.auth_provider.is_some()
        || changes.auth_id.is_some()
        || (changes.email_confirmed == Some(true) && row.email.is_some());
    if hands_over {
        deeds.push(Deed::TakeOver);
    }
    deeds
}

/// Sessions end when the account does; those of an account that had expired stay ended when it gets more time.
fn end_what_ends(
    tx: &mut Tx<'_>,
    by: &Can<needs::UpdateUsers>,
    row: &UserRow,
    changes: &Changes,
) -> Result<(), AppError> {
    let is_over = |end: Option<chrono::DateTime<chrono::Utc>>| end.is_some_and(|end| end <= tx.now);
    let ending = match changes {
        Changes {
            is_active: Some(false),
            ..
        } => Some(EndReason::AccountDisabled),
        Changes {
            expires_at: Some(end),
            ..
        } if is_over(*end) || is_over(row.expires_at) => Some(EndReason::AccountExpired),
        _ => None,
    };
    if let Some(ending) = ending {
        lifecycle::end(tx, row.id, ending, by.session_id())?;
    }
    Ok(())
}
