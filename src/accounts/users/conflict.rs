//! Tells administrators that a deleted account holds a username or an email address. The unique indexes decide about conflicts;
//! this only explains the most surprising one, because lists do not show deleted accounts.

use super::store::{self, UserRow};
use crate::access::actor::Actor;
use crate::access::authentication::{Need, needs};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code};

/// Refuses a username or email address that a deleted account holds, if the caller may see deleted accounts.
///
/// # Errors
/// [`Code::UserUsernameConflict`], [`Code::UserEmailConflict`] with the member `deletedUserId`; database errors.
pub fn check_deleted_holder(
    tx: &mut Tx<'_>,
    caller: &Actor,
    username: Option<&str>,
    email: Option<&str>,
) -> Result<(), AppError> {
    if !caller
        .authority
        .permissions
        .has(needs::ReadUsers::PERMISSION)
    {
        return Ok(());
    }
    let is_deleted = |row: &UserRow| row.deleted_at.is_some();
    let by_name = username.map(|name| store::find_by_username(tx.conn, name));
    if let Some(holder) = by_name.transpose()?.flatten().filter(is_deleted) {
        return Err(held_by_deleted(
            Code::UserUsernameConflict,
            "username",
            &holder,
        ));
    }
    let by_email = email.map(|address| store::find_by_email(tx.conn, address));
    if let Some(holder) = by_email.transpose()?.flatten().filter(is_deleted) {
        return Err(held_by_deleted(
            Code::UserEmailConflict,
            "email address",
            &holder,
        ));
    }
    Ok(())
}

fn held_by_deleted(code: Code, what: &str, holder: &UserRow) -> AppError {
    let detail = format!("A deleted account has this {what}. Restore the account, or purge it.");
    AppError::new(code)
        .with_detail(detail)
        .with_extension("deletedUserId", holder.id.to_string())
}
