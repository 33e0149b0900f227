//! What people do to their own accounts, by no permission: changing what is said about them, and leaving.

use super::authorization::{LockMode, LockedUser};
use super::input::Change;
use super::lifecycle;
use super::model::User;
use super::policy::authority::Deed;
use super::service::apply;
use super::store::{Changes, UserRow};
use crate::access::authentication::SignedIn;
use crate::access::sessions::EndReason;
use crate::mail::{Mail, OutboxMessage};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;

/// What the audit log calls changing one's own account.
pub const CHANGE_OWN: &str = "user.updateOwn";
/// What the audit log calls deleting one's own account.
pub const DELETE_OWN: &str = "user.deleteOwn";

/// Changes the caller's own account. Who gives another address has proven the password, as it was at `password_version`;
/// both addresses are told by mail.
///
/// # Errors
/// 401 when the session has ended or the proof is out of date; [`Code::PreconditionFailed`]; [`Code::UserEmailConflict`].
pub fn change_own(
    tx: &mut Tx<'_>,
    mail: &Mail,
    by: &SignedIn,
    change: &Change,
    password_version: Option<i64>,
    expected: &IfMatch,
) -> TxResult<User> {
    let scene = LockedUser::of_ones_own(tx, by, LockMode::OnlyThisAccount)?;
    up_to_date(&scene.row, password_version)?;
    scene.permit(tx, by, CHANGE_OWN, &[Deed::EditOwn], expected)?;
    let changes = change.of(&scene.row)?;
    let user = apply(tx, by, CHANGE_OWN, &scene.row, &changes)?;
    tell_addresses(tx, mail, &scene.row, &changes)?;
    Ok(user)
}

/// Deletes the caller's own account, its password proven as it was at `password_version`. It can be restored by those who
/// restore accounts.
///
/// # Errors
/// As [`change_own`]; [`Code::LastSuperAdmin`].
pub fn delete_own(
    tx: &mut Tx<'_>,
    by: &SignedIn,
    password_version: i64,
    expected: &IfMatch,
) -> TxResult<()> {
    let scene = LockedUser::of_ones_own(tx, by, LockMode::Authority)?;
    up_to_date(&scene.row, Some(password_version))?;
    scene.permit(tx, by, DELETE_OWN, &[Deed::Leave], expected)?;
    lifecycle::end(tx, by.id, EndReason::AccountDeleted, None)?;
    let changes = Changes {
        deleted_at: Some(Some(tx.now)),
        ..Changes::default()
    };
    apply(tx, by, DELETE_OWN, &scene.row, &changes).map(drop)
}

/// A password that was changed meanwhile wins over the old one.
fn up_to_date(row: &UserRow, password_version: Option<i64>) -> Result<(), AppError> {
    match password_version {
        Some(version) if version != row.password_version => {
            Err(Code::AuthInvalidCredentials.into())
        }
        _ => Ok(()),
    }
}

/// Word to the address that was left, and a link to the new one.
fn tell_addresses(
    tx: &mut Tx<'_>,
    mail: &Mail,
    row: &UserRow,
    changes: &Changes,
) -> Result<(), AppError> {
    let Some(new) = &changes.email else {
        return Ok(());
    };
    if let Some(old) = &row.email {
        let errand = OutboxMessage::EmailChanged {
            user: row.id,
            username: row.username.clone(),
            email: old.clone(),
        };
        mail.post(tx, &errand)?;
    }
    if let Some(new) = new {
        let errand = OutboxMessage::EmailConfirmation {
            user: row.id,
            email: new.clone(),
        };
        mail.post(tx, &errand)?;
    }
    Ok(())
}
