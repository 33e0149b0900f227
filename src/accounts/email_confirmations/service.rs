//! Requesting a confirmation, creating its link, and confirming an address.

use chrono::{DateTime, TimeDelta, Utc};

use super::store::{self, EmailConfirmationRow};
use crate::access::actor::Actor;
use crate::access::authentication::SignedIn;
use crate::access::rate_limit::budget::{self, Budget};
use crate::accounts::users::{self, UserChangeset, UserRow};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Mail, MailLink, OutboxMessage};
use crate::platform::config::LinkTemplate;
use crate::platform::crypto::{self, Vault};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::UserId;

/// How long a link is valid.
const LIFETIME: TimeDelta = TimeDelta::hours(24);

/// Sends a link to the caller's address, if it is not confirmed yet and did not receive enough messages recently.
///
/// # Errors
/// 401 if the session has ended. Database errors.
pub fn request(tx: &mut Tx<'_>, mail: &Mail, vault: &Vault, caller: &SignedIn) -> TxResult<()> {
    caller.current_authority(tx)?;
    let user = users::service::find(tx, caller.id)?.ok_or(Code::AuthTokenInvalid)?;
    if let Some(email) = user.email.filter(|_| !user.email_confirmed)
        && budget::charge_recipient(tx, vault, &email)?
    {
        let message = OutboxMessage::EmailConfirmation {
            user: caller.id,
            email,
        };
        mail.enqueue(tx, &message)?;
    }
    let entry = AuditEntry::new("user.emailConfirmation.request", Subject::User(caller.id));
    audit::record(tx, caller, entry)?;
    Ok(())
}

/// Creates the link that confirms this address of an account, and replaces its previous link. `None` if the account can't
/// be used, no longer has the address, or has confirmed it.
///
/// # Errors
/// Database errors.
pub fn create(
    tx: &mut Tx<'_>,
    confirm_url: &LinkTemplate,
    user_id: UserId,
    email: &str,
) -> Result<Option<(UserRow, MailLink)>, AppError> {
    let user = users::service::find_for_update(tx, user_id)?;
    let Some(user) = user.filter(|user| can_confirm(user, email, tx.now)) else {
        return Ok(None);
    };
    let token = format!("rst_cfm_{}", crypto::generate_bearer_secret()?);
    let confirmation = EmailConfirmationRow {
        user_id,
        digest: crypto::digest(&token).to_vec(),
        email: email.to_owned(),
        created_at: tx.now,
        expires_at: tx.now + LIFETIME,
    };
    store::upsert(tx.conn, &confirmation)?;
    let link = MailLink {
        url: confirm_url.url(&token),
        expires_at: confirmation.expires_at,
    };
    Ok(Some((user, link)))
}

/// Confirms the address that a token was sent to, and deletes the token.
///
/// # Errors
/// [`Code::ConfirmationTokenInvalid`], without the reason: the token is unknown, used, replaced or expired, the account no
/// longer has the address, or it can't be used.
pub fn confirm(tx: &mut Tx<'_>, actor: &Actor, token: &str) -> TxResult<()> {
    const ACTION: &str = "user.emailConfirmation.use";
    let digest = crypto::digest(token);
    // Concurrent requests with the same token wait for this row lock. The token is read again after it.
    if let Some(confirmation) = store::find_by_digest(tx.conn, &digest)? {
        users::service::find_for_update(tx, confirmation.user_id)?;
    }
    let user = match store::find_by_digest(tx.conn, &digest)? {
        Some(found) if found.expires_at > tx.now => users::service::find(tx, found.user_id)?
            .filter(|user| can_confirm(user, &found.email, tx.now)),
        _ => None,
    };
    let Some(user) = user else {
        let entry = AuditEntry::new(ACTION, Subject::None);
        return Err(budget::deny(
            tx,
            actor,
            entry,
            Code::ConfirmationTokenInvalid,
            Budget::InvalidTokens,
        ));
    };
    store::delete(tx.conn, user.id)?;
    let changes = UserChangeset {
        email_confirmed: Some(true),
        ..UserChangeset::default()
    };
    users::service::update(tx, actor, ACTION, &user, &changes).map(drop)
}

/// Deletes the confirmation links of all accounts and returns their number. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn delete_all(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_all(tx.conn)?)
}

/// Deletes expired confirmations and returns their number.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_expired(tx.conn, tx.now)?)
}

/// Whether the account can confirm this address now.
fn can_confirm(user: &UserRow, email: &str, now: DateTime<Utc>) -> bool {
    user.email.as_deref() == Some(email) && !user.email_confirmed && user.status().is_usable(now)
}
