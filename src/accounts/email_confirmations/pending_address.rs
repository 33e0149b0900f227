//! Email addresses that were requested for an account. The account gets the address when it is confirmed. The responses do not
//! reveal whether another account has it; the owner of that account is told by mail.

use chrono::TimeDelta;

use super::store::{self, PendingEmailRow};
use crate::access::rate_limit::budget;
use crate::accounts::users::{self, UserRow};
use crate::mail::{Mail, OutboxMessage};
use crate::platform::crypto::Vault;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::ids::UserId;

/// How long an address can be confirmed. Longer than the lifetime of a link, which begins when its message is sent.
const LIFETIME: TimeDelta = TimeDelta::hours(48);

/// Why an account waits for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The account was registered with the address. It can't sign in before it is confirmed.
    Registration,
    /// The owner wants to change the address of the account.
    Change,
}

/// Stores the address that an account waits for, and sends a message to it: a link to confirm it, or a notice if another
/// account has it. No message is sent if the address received enough recently.
///
/// # Errors
/// Database errors.
pub fn begin(
    tx: &mut Tx<'_>,
    mail: &Mail,
    vault: &Vault,
    user_id: UserId,
    email: &str,
    purpose: Purpose,
) -> Result<(), AppError> {
    let row = PendingEmailRow {
        user_id,
        email: email.to_owned(),
        is_registration: purpose == Purpose::Registration,
        created_at: tx.now,
        expires_at: tx.now + LIFETIME,
    };
    store::upsert_pending(tx.conn, &row)?;
    send_message(tx, mail, vault, user_id, email)
}

/// Sends the message to an address that the account waits for, as [`begin`].
///
/// # Errors
/// Database errors.
pub fn send_message(
    tx: &mut Tx<'_>,
    mail: &Mail,
    vault: &Vault,
    user_id: UserId,
    email: &str,
) -> Result<(), AppError> {
    let owner = other_owner(tx, user_id, email)?;
    if !mail.is_enabled() || !budget::charge_recipient(tx, vault, email)? {
        return Ok(());
    }
    let email = email.to_owned();
    let message = match owner {
        Some(owner) => OutboxMessage::AddressTaken {
            user: owner.id,
            email,
        },
        None => OutboxMessage::EmailConfirmation {
            user: user_id,
            email,
        },
    };
    mail.enqueue(tx, &message)
}

/// The address that an account waits for.
///
/// # Errors
/// Database errors.
pub fn find(tx: &mut Tx<'_>, user_id: UserId) -> Result<Option<String>, AppError> {
    Ok(find_row(tx, user_id)?.map(|row| row.email))
}

/// Whether the account must confirm an address before it can sign in.
///
/// # Errors
/// Database errors.
pub fn blocks_sign_in(tx: &mut Tx<'_>, user_id: UserId) -> Result<bool, AppError> {
    let row = store::find_pending(tx.conn, user_id)?;
    Ok(row.is_some_and(|row| row.is_registration))
}

/// Whether the account can confirm this address, because it waits for it and no other account has it. A registered account
/// can do so before an administrator enables it.
pub(super) fn can_confirm(tx: &mut Tx<'_>, user: &UserRow, email: &str) -> Result<bool, AppError> {
    let row = find_row(tx, user.id)?.filter(|row| row.email == email);
    let Some(row) = row else {
        return Ok(false);
    };
    let is_enabled =
        user.status().is_usable(tx.now) || (row.is_registration && user.deleted_at.is_none());
    Ok(is_enabled && other_owner(tx, user.id, email)?.is_none())
}

/// Forgets the address that an account waits for.
///
/// # Errors
/// Database errors.
pub fn delete(tx: &mut Tx<'_>, user_id: UserId) -> Result<(), AppError> {
    store::delete_pending(tx.conn, user_id)?;
    Ok(())
}

/// Ends the change of an address that the account waits for, and the confirmation link. A registration stays.
///
/// # Errors
/// Database errors.
pub fn end_change(tx: &mut Tx<'_>, user_id: UserId) -> Result<(), AppError> {
    store::delete_pending_change(tx.conn, user_id)?;
    if !blocks_sign_in(tx, user_id)? {
        store::delete(tx.conn, user_id)?;
    }
    Ok(())
}

/// Accounts that were registered and did not confirm their address in time.
///
/// # Errors
/// Database errors.
pub fn expired_registrations(tx: &mut Tx<'_>) -> Result<Vec<UserId>, AppError> {
    Ok(store::expired_registrations(tx.conn, tx.now)?)
}

fn find_row(tx: &mut Tx<'_>, user_id: UserId) -> Result<Option<PendingEmailRow>, AppError> {
    let row = store::find_pending(tx.conn, user_id)?;
    Ok(row.filter(|row| row.expires_at > tx.now))
}

/// Another account that has the address, confirmed or not.
fn other_owner(tx: &mut Tx<'_>, user_id: UserId, email: &str) -> Result<Option<UserRow>, AppError> {
    let owner = users::service::find_by_email(tx, email)?;
    Ok(owner.filter(|owner| owner.id != user_id))
}
