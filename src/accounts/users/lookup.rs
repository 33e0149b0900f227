//! Finding one account by what a person calls it, and saying whether it may do something.

use super::authorization;
use super::lifecycle::is_alive;
use super::policy::values::Username;
use super::store::{self, UserRow};
use crate::accounts::roles;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code};
use crate::platform::ids::UserId;

/// The account that is called this, deleted or not: by its username, its id, or its email address, confirmed or not.
///
/// # Errors
/// [`Code::NotFound`].
pub fn named(tx: &mut Tx<'_>, name: &str) -> Result<UserRow, AppError> {
    let name = Username::normalize(name);
    let row = match store::by_username(tx.conn, &name)? {
        Some(row) => Some(row),
        None => match name.parse::<UserId>() {
            Ok(id) => store::find(tx.conn, id)?,
            Err(_) => store::by_email(tx.conn, &name)?,
        },
    };
    row.ok_or_else(|| Code::NotFound.into())
}

/// Whether this account could use a permission now: it holds it, directly or through its role, and is good for anything.
///
/// # Errors
/// [`Code::PermissionUnknown`] for a name that is not in the catalogue.
pub fn may_use(tx: &mut Tx<'_>, row: &UserRow, permission: &str) -> Result<bool, AppError> {
    roles::service::grantable(tx, &[permission.to_owned()])?;
    let authority = authorization::authority_of(tx, row)?;
    Ok(is_alive(row, tx.now) && authority.permissions.has(permission))
}

/// How many `SuperAdmin`s last: active, not deleted, without an end, able to sign in with a password.
///
/// # Errors
/// When the database fails.
pub fn lasting_super_admins(tx: &mut Tx<'_>) -> Result<i64, AppError> {
    let nobody = UserId(uuid::Uuid::nil());
    Ok(store::other_lasting_super_admins(tx.conn, nobody)?)
}
