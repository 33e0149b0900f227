//! Making, showing and changing accounts. Each function is one use case, in the caller's transaction.

use serde_json::{Value, json};

use super::input::{Change, Draft};
use super::life;
use super::model::User;
use super::rules::authority::{self, Deed, Manager};
use super::rules::values::{Email, Username};
use super::scene::{self, Scene, Touches};
use super::store::{self, Changes, UserRow};
use super::story;
use crate::audit::{self, Act, Subject};
use crate::auth::{Actor, Can, Standing, needs};
use crate::db::{OnConstraint, Touched, Tx, lock};
use crate::error::{Acted, AppError, Code, Fault, Halt};
use crate::http::IfMatch;
use crate::ids::UserId;
use crate::passwords::PasswordHash;
use crate::reset_links;
use crate::roles::{self, SUPER_ADMIN};
use crate::sessions::Ending;

pub use super::access::service::{replace_permissions, set_active};
pub use super::credentials::service::{
    hold_to_hand_over, hold_to_sign_out, remove_password, reset_password, set_own_password,
    set_password_by_link, sign_out,
};
pub use super::input::{NewUser, UserPatch};
pub use super::life::is_alive;
pub use super::listing::{Filter, service::list};
pub use super::moving::{Leaving, carry_out, count_of_role, prepare_move};
pub use super::removal::service::{delete, purge, restore};
pub use super::scene::watch;

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
) -> Acted<User> {
    lock::rely(tx.conn, lock::Invariant::Authority)?;
    let standing = by.renew(tx)?;
    let act = || Act::new("user.create", Subject::Nothing);
    if !draft.permissions.is_empty() && !standing.held.has("users.managePermissions") {
        let why = AppError::new(Code::PermissionRequired)
            .detail("Direct grants need users.managePermissions.");
        return Err(audit::refuse(tx, by, act(), why));
    }
    let role = role_at(tx, &draft.role)?;
    let permissions = roles::service::grantable(tx, &draft.permissions)?;
    let manager = Manager {
        id: by.user_id(),
        standing,
    };
    if let Err(denied) = authority::may_create(&manager, &role, &permissions) {
        return Err(audit::refuse(tx, by, act(), denied));
    }
    let row = new_row(tx, draft, permissions, password);
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
) -> Acted<Option<User>> {
    lock::change(tx.conn, lock::Invariant::Authority)?;
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
    };
    let row = new_row(tx, &draft, Vec::new(), Some(password));
    insert(tx, &Actor::system(), row).map(Some)
}

/// Whether any account, deleted ones included, has the role `SuperAdmin`.
///
/// # Errors
/// When the database fails.
pub fn any_super_admin(tx: &mut Tx<'_>) -> Result<bool, AppError> {
    Ok(store::any_super_admin(tx.conn)?)
}

/// The roles whose accounts the caller may watch; `None`: those of every role.
///
/// # Errors
/// When the database fails.
pub fn roles_below(tx: &mut Tx<'_>, by: &Actor) -> Result<Option<Vec<String>>, AppError> {
    if by.standing.is_super_admin() {
        return Ok(None);
    }
    let roles = roles::service::list(tx)?;
    let below = roles
        .into_iter()
        .filter(|role| by.standing.ranks_above(role.rank));
    Ok(Some(below.map(|role| role.name).collect()))
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

/// The account of this id, deleted or not.
///
/// # Errors
/// When the database fails.
pub fn find(tx: &mut Tx<'_>, id: UserId) -> Result<Option<UserRow>, AppError> {
    Ok(store::find(tx.conn, id)?)
}

/// The account of this username, deleted or not.
///
/// # Errors
/// [`Code::NotFound`].
pub fn by_username(tx: &mut Tx<'_>, username: &str) -> Result<UserRow, AppError> {
    store::by_username(tx.conn, &Username::normalize(username))?
        .ok_or_else(|| Code::NotFound.into())
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
) -> Acted<User> {
    const ACT: &str = "user.update";
    let standing = scene::authority_now(tx, by, Touches::Authority)?;
    if change.sets_active && !standing.held.has("users.disable") {
        let why =
            AppError::new(Code::PermissionRequired).detail("The active state needs users.disable.");
        return Err(audit::refuse(tx, by, Act::new(ACT, Subject::User(id)), why));
    }
    let role = change.role().map(|name| role_at(tx, name)).transpose()?;
    let scene = Scene::open(tx, by, standing, id)?;
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
) -> Acted<User> {
    let tag = super::rules::values::tag(tag)
        .map_err(|wrong| AppError::fault("", wrong.code, wrong.detail))?;
    let act = if present { "user.tag" } else { "user.untag" };
    let scene = Scene::enter(tx, by, id, Touches::OnlyThisAccount)?;
    scene.permit(tx, by, act, &[Deed::Edit], expected)?;
    let mut tags = scene.row.tags.clone();
    tags.retain(|other| *other != tag);
    if present {
        tags.push(tag);
    }
    let tags = super::rules::values::tags(&tags)
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
    tx.touch(Touched::Party(id.0));
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
    let standing = scene::standing_of(tx, &row)?;
    let effective = roles::service::list_held(tx, &standing.held)?;
    Ok(User::new(row, effective))
}

/// Writes the changes, and the audit row that tells of them; without a change the account stays as it is.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: &'static str,
    row: &UserRow,
    changes: &Changes,
) -> Acted<User> {
    let id = row.id;
    if *changes != Changes::default() {
        tx.touch(Touched::Party(id.0));
        store::update(tx.conn, id, tx.now, changes)
            .on_constraint("users_username_key", Code::UserUsernameConflict)
            .on_constraint("users_email_key", Code::UserEmailConflict)?;
    }
    if changes.email.is_some() {
        // It may lie in the mailbox that the account has left.
        reset_links::service::end(tx, id)?;
    }
    audit::record(tx, by, story::of(act, row, changes))?;
    show(tx, id).map_err(Halt::from)
}

fn insert(tx: &mut Tx<'_>, by: &Actor, row: UserRow) -> Acted<User> {
    store::insert(tx.conn, &row)
        .on_constraint("users_username_key", Code::UserUsernameConflict)
        .on_constraint("users_email_key", Code::UserEmailConflict)?;
    let act = Act::new("user.create", Subject::User(row.id))
        .changing(
            Value::Null,
            json!({"role": row.role, "permissions": row.permissions, "isActive": row.is_active}),
        )
        .words(
            json!({"username": row.username, "email": row.email, "displayName": row.display_name}),
        );
    audit::record(tx, by, act)?;
    Ok(present(tx, row)?)
}

fn new_row(
    tx: &Tx<'_>,
    draft: &Draft,
    permissions: Vec<String>,
    password: Option<&PasswordHash>,
) -> UserRow {
    UserRow {
        id: UserId::new(tx.now),
        username: draft.username.as_str().to_owned(),
        display_name: draft.display_name.clone(),
        email: draft.email.as_ref().map(|email| email.as_str().to_owned()),
        email_confirmed: false,
        role: draft.role.clone(),
        permissions,
        is_active: draft.is_active,
        tags: draft.tags.clone(),
        attributes: draft.attributes.clone(),
        must_change_password: draft.must_change_password,
        password_hash: password.map(|hash| hash.as_str().to_owned()),
        password_version: 0,
        auth_provider: "local".to_owned(),
        auth_id: None,
        mfa_enabled: false,
        created_at: tx.now,
        updated_at: tx.now,
        last_login_at: None,
        expires_at: None,
        deleted_at: None,
        version: 1,
    }
}

/// The authority that comes with a role.
fn role_at(tx: &mut Tx<'_>, name: &str) -> Result<Standing, AppError> {
    let role = roles::service::get(tx, name).map_err(|error| match error.code() {
        Code::NotFound => AppError::invalid(vec![Fault::new(
            "/role",
            "role_unknown",
            "there is no role of this name",
        )]),
        _ => error,
    })?;
    Ok(role.standing(&[]))
}

/// What the changes amount to; `role` is the authority that comes with the role that was asked for.
fn deeds_of(changes: &Changes, row: &UserRow, role: Option<Standing>) -> Vec<Deed> {
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
        } => Some(Ending::AccountDisabled),
        Changes {
            expires_at: Some(end),
            ..
        } if is_over(*end) || is_over(row.expires_at) => Some(Ending::AccountExpired),
        _ => None,
    };
    if let Some(ending) = ending {
        life::end(tx, row.id, ending, by.session_id())?;
    }
    Ok(())
}
