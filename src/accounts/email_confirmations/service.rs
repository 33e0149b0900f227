//! Asking for a confirmation, making its link, and confirming.

use chrono::{DateTime, TimeDelta, Utc};

use super::store::{self, ConfirmationRow};
use crate::access::authentication::{Actor, SignedIn};
use crate::accounts::users::{self, UserRow};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Mail, OutboxMessage};
use crate::platform::config::TokenPage;
use crate::platform::crypto;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::UserId;

/// How long a link is good.
const LIFETIME: TimeDelta = TimeDelta::hours(24);

/// A link that was just made.
pub struct ConfirmationLink {
    /// Where it leads, with the token in it.
    pub url: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// Has a link mailed to the caller's address, if it has one that is not confirmed.
///
/// # Errors
/// 401 when the session has ended meanwhile.
pub fn request(tx: &mut Tx<'_>, mail: &Mail, by: &SignedIn) -> TxResult<()> {
    by.renew(tx)?;
    let row = users::service::find(tx, by.id)?.ok_or(Code::AuthTokenInvalid)?;
    if let Some(email) = row.email.filter(|_| !row.email_confirmed) {
        mail.post(tx, &OutboxMessage::EmailConfirmation { user: by.id, email })?;
    }
    let act = AuditEntry::new("user.emailConfirmation.request", Subject::User(by.id));
    audit::record(tx, by, act)?;
    Ok(())
}

/// Makes the link that confirms this address of this account; the one that there was ends. `None`: the account is not
/// active, or the address is not its own any more, or is confirmed.
///
/// # Errors
/// When the database fails.
pub fn make(
    tx: &mut Tx<'_>,
    page: &TokenPage,
    user: UserId,
    email: &str,
) -> Result<Option<(UserRow, ConfirmationLink)>, AppError> {
    let owner = users::service::hold(tx, user)?;
    let Some(row) = owner.filter(|row| waits_for(row, email, tx.now)) else {
        return Ok(None);
    };
    let token = format!("rst_cfm_{}", crypto::bearer_secret()?);
    let confirmation = ConfirmationRow {
        user_id: user,
        digest: crypto::digest(&token).to_vec(),
        email: email.to_owned(),
        created_at: tx.now,
        expires_at: tx.now + LIFETIME,
    };
    store::put(tx.conn, &confirmation)?;
    let link = ConfirmationLink {
        url: page.url(&token),
        expires_at: confirmation.expires_at,
    };
    Ok(Some((row, link)))
}

/// Confirms the address that a token was mailed to. The token is used up.
///
/// # Errors
/// [`Code::ConfirmationTokenInvalid`], the same for a token that is wrong, used, replaced or expired, for an address that is
/// not the account's any more, and for an account that is disabled, deleted or expired.
pub fn confirm(tx: &mut Tx<'_>, by: &Actor, token: &str) -> TxResult<()> {
    const ACT: &str = "user.emailConfirmation.use";
    let digest = crypto::digest(token);
    // Held first and judged then: of many who bring one token, each is judged after the one before is done.
    if let Some(confirmation) = store::by_digest(tx.conn, &digest)? {
        users::service::hold(tx, confirmation.user_id)?;
    }
    let owner = match store::by_digest(tx.conn, &digest)? {
        Some(one) if one.expires_at > tx.now => {
            users::service::find(tx, one.user_id)?.filter(|row| waits_for(row, &one.email, tx.now))
        }
        _ => None,
    };
    let Some(row) = owner else {
        let act = AuditEntry::new(ACT, Subject::Nothing);
        return Err(audit::refuse(tx, by, act, Code::ConfirmationTokenInvalid));
    };
    store::remove(tx.conn, row.id)?;
    users::service::confirm_email(tx, by, ACT, &row)
}

/// Forgets the confirmations that have ended.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::forget_before(tx.conn, tx.now)?)
}

/// Whether this address of this account is to be confirmed.
fn waits_for(row: &UserRow, email: &str, now: DateTime<Utc>) -> bool {
    row.email.as_deref() == Some(email)
        && !row.email_confirmed
        && users::service::is_alive(row, now)
}
