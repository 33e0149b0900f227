//! What is derived from a user row, and the row of a new account.

use super::initial_access::AccessGrant;
use super::input::ValidatedUser;
use super::model::User;
use super::store::UserRow;
use crate::access::actor::{Authority, Creator};
use crate::access::passwords::PasswordHash;
use crate::accounts::roles;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::ids::UserId;

/// The account as the API shows it.
///
/// # Errors
/// Database errors.
pub fn to_response(tx: &mut Tx<'_>, row: UserRow) -> Result<User, AppError> {
    let authority = authority_of(tx, &row)?;
    let effective = roles::service::permission_names(tx, &authority.permissions)?;
    Ok(User::new(row, effective))
}

/// The authority of an account: its role's rank, and the permissions of its role and its direct grants.
///
/// # Errors
/// Database errors.
pub fn authority_of(tx: &mut Tx<'_>, row: &UserRow) -> Result<Authority, AppError> {
    Ok(roles::service::find(tx, &row.role)?.authority(&row.permissions))
}

/// The row of a new account, whose password and email address are set by `creator`.
pub(super) fn new_row(
    tx: &Tx<'_>,
    draft: &ValidatedUser,
    access: AccessGrant,
    password: Option<&PasswordHash>,
    creator: Creator,
) -> UserRow {
    let (set_by_kind, set_by) = creator.to_columns();
    UserRow {
        id: UserId::new(tx.now),
        username: draft.username.as_str().to_owned(),
        display_name: draft.display_name.clone(),
        email: draft.email.as_ref().map(|email| email.as_str().to_owned()),
        email_confirmed: false,
        role: access.role,
        permissions: access.permissions,
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
        password_set_by_kind: set_by_kind.to_owned(),
        password_set_by: set_by,
        email_set_by_kind: set_by_kind.to_owned(),
        email_set_by: set_by,
    }
}
