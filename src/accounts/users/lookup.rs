//! Finding accounts by id, username or email address.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::record::authority_of;
use super::store::{self, UserRow};
use super::values::{Email, Username};
use crate::access::actor::Authority;
use crate::accounts::roles;
use crate::platform::db::{IdPrefix, Tx};
use crate::platform::error::AppError;
use crate::platform::ids::UserId;

/// The account with this id, deleted or not.
///
/// # Errors
/// Database errors.
pub fn find(tx: &mut Tx<'_>, id: UserId) -> Result<Option<UserRow>, AppError> {
    Ok(store::find(tx.conn, id)?)
}

/// The account with this id, locked until the transaction ends.
///
/// # Errors
/// Database errors.
pub fn find_for_update(tx: &mut Tx<'_>, id: UserId) -> Result<Option<UserRow>, AppError> {
    Ok(store::find_for_update(tx.conn, id)?)
}

/// The accounts that this text can mean, deleted or not: the account with this id; or else those with this username or this
/// confirmed email address. An unconfirmed address proves nothing: anyone can enter the address of another person.
///
/// # Errors
/// Database errors.
pub fn find_by_any_name(tx: &mut Tx<'_>, text: &str) -> Result<Vec<UserRow>, AppError> {
    let name = Username::normalize(text);
    if let Ok(id) = name.parse::<UserId>()
        && let Some(row) = store::find(tx.conn, id)?
    {
        return Ok(vec![row]);
    }
    let mut found = Vec::from_iter(store::find_by_username(tx.conn, &name)?);
    let by_email = store::find_by_confirmed_email(tx.conn, &name)?;
    found.extend(by_email.filter(|row| found.iter().all(|other| other.id != row.id)));
    Ok(found)
}

/// The account that signs in under this name: a username or a confirmed email address.
///
/// # Errors
/// Database errors.
pub fn find_by_login_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<UserRow>, AppError> {
    Ok(match Username::parse_existing(name) {
        Ok(username) => store::find_by_username(tx.conn, username.as_str())?,
        Err(_) => match Email::parse(name) {
            Ok(email) => store::find_by_confirmed_email(tx.conn, email.as_str())?,
            Err(_) => None,
        },
    })
}

/// The account with this confirmed email address.
///
/// # Errors
/// Database errors.
pub fn find_by_confirmed_email(tx: &mut Tx<'_>, email: &str) -> Result<Option<UserRow>, AppError> {
    Ok(store::find_by_confirmed_email(tx.conn, email)?)
}

/// The account with this email address, confirmed or not.
///
/// # Errors
/// Database errors.
pub fn find_by_email(tx: &mut Tx<'_>, email: &str) -> Result<Option<UserRow>, AppError> {
    Ok(store::find_by_email(tx.conn, email)?)
}

/// The usernames of these accounts, by id.
///
/// # Errors
/// Database errors.
pub fn usernames(tx: &mut Tx<'_>, ids: &[UserId]) -> Result<BTreeMap<UserId, String>, AppError> {
    Ok(store::usernames(tx.conn, ids)?.into_iter().collect())
}

/// The authority of this account, if it exists and is usable.
///
/// # Errors
/// Database errors.
pub fn authority_of_usable_user(
    tx: &mut Tx<'_>,
    id: UserId,
) -> Result<Option<Authority>, AppError> {
    store::find(tx.conn, id)?
        .filter(|row| row.status().is_usable(tx.now))
        .map(|row| authority_of(tx, &row))
        .transpose()
}

/// Whether this account is usable and holds the permission, directly or through its role.
///
/// # Errors
/// [`PermissionUnknown`](crate::platform::error::Code::PermissionUnknown) for a name that is not in the catalogue.
pub fn can_use(tx: &mut Tx<'_>, row: &UserRow, permission: &str) -> Result<bool, AppError> {
    roles::service::resolve_permissions(tx, &[permission.to_owned()])?;
    let authority = authority_of(tx, row)?;
    Ok(row.status().is_usable(tx.now) && authority.permissions.has(permission))
}

/// The number of `SuperAdmin`s that are active, not deleted, never expire and have a password.
///
/// # Errors
/// Database errors.
pub fn count_permanent_super_admins(tx: &mut Tx<'_>) -> Result<i64, AppError> {
    let no_user = UserId(uuid::Uuid::nil());
    Ok(store::count_other_permanent_super_admins(tx.conn, no_user)?)
}

/// Whether any account, including deleted ones, has the role `SuperAdmin`.
///
/// # Errors
/// Database errors.
pub fn any_super_admin(tx: &mut Tx<'_>) -> Result<bool, AppError> {
    Ok(store::any_super_admin(tx.conn)?)
}

/// At most two ids of accounts that begin with this prefix.
///
/// # Errors
/// Database errors.
pub fn find_ids(tx: &mut Tx<'_>, prefix: IdPrefix) -> Result<Vec<Uuid>, AppError> {
    Ok(store::find_ids(tx.conn, prefix)?)
}
