//! Requesting a confirmation, creating its link, and using it up.

use chrono::TimeDelta;

use super::pending_address;
use super::store::{self, EmailConfirmationRow};
use crate::access::actor::Actor;
use crate::access::authentication::SignedIn;
use crate::access::rate_limit::account_budget::{self, AccountBudget};
use crate::access::rate_limit::budget::{self, Budget};
use crate::accounts::users::{self, UserChangeset, UserRow};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Mail, MailLink};
use crate::platform::config::LinkTemplate;
use crate::platform::crypto::{self, Vault};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::UserId;

/// The audit action of confirming an address.
pub const REDEEM: &str = "user.emailConfirmation.use";

/// How long a link is valid.
const LIFETIME: TimeDelta = TimeDelta::hours(24);

/// Sends a link to the address that the caller waits for, or to the caller's own if it is not confirmed yet and did not receive enough messages recently.
///
/// # Errors
/// 401 if the session has ended; [`Code::RateLimited`]. Database errors.
pub fn request(tx: &mut Tx<'_>, mail: &Mail, vault: &Vault, caller: &SignedIn) -> TxResult<()> {
    account_budget::charge_account(tx, caller.id, AccountBudget::OwnChanges)?;
    caller.current_authority(tx)?;
    let user = users::service::find(tx, caller.id)?.ok_or(Code::AuthTokenInvalid)?;
    let unconfirmed = user.email.filter(|_| !user.email_confirmed);
    if let Some(email) = pending_address::find(tx, caller.id)?.or(unconfirmed) {
        pending_address::send_message(tx, mail, vault, caller.id, &email)?;
    }
    let entry = AuditEntry::new("user.emailConfirmation.request", Subject::User(caller.id));
    audit::record(tx, caller, entry)?;
    Ok(())
}

/// Creates the link that confirms this address of an account, and replaces its previous link. `None` if the account can't
/// be used, neither has the address nor waits for it, or has confirmed it.
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
    let Some(user) = user else {
        return Ok(None);
    };
    if !can_confirm(tx, &user, email)? {
        return Ok(None);
    }
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

/// A confirmed address, not yet written to the account.
pub struct ConfirmedAddress {
    /// The locked row of the account.
    pub user: UserRow,
    /// What the confirmation changes.
    pub changes: UserChangeset,
}

/// Uses up the token that was sent to an address. The caller writes the changes.
///
/// # Errors
/// [`Code::ConfirmationTokenInvalid`], without the reason: the token is unknown, used, replaced or expired, the account
/// neither has the address nor waits for it, another account has it, or the account can't be used.
pub fn redeem(tx: &mut Tx<'_>, actor: &Actor, token: &str) -> TxResult<ConfirmedAddress> {
    let digest = crypto::digest(token);
    // Concurrent requests with the same token wait for this row lock. The token is read again after it.
    if let Some(confirmation) = store::find_by_digest(tx.conn, &digest)? {
        users::service::find_for_update(tx, confirmation.user_id)?;
    }
    let confirmed = match store::find_by_digest(tx.conn, &digest)? {
        Some(found) if found.expires_at > tx.now => confirm(tx, &found)?,
        _ => None,
    };
    let Some(confirmed) = confirmed else {
        let entry = AuditEntry::new(REDEEM, Subject::None);
        return Err(budget::deny(
            tx,
            actor,
            entry,
            Code::ConfirmationTokenInvalid,
            Budget::InvalidTokens,
        ));
    };
    store::delete(tx.conn, confirmed.user.id)?;
    Ok(confirmed)
}

fn confirm(
    tx: &mut Tx<'_>,
    found: &EmailConfirmationRow,
) -> Result<Option<ConfirmedAddress>, AppError> {
    let Some(user) = users::service::find(tx, found.user_id)? else {
        return Ok(None);
    };
    if !can_confirm(tx, &user, &found.email)? {
        return Ok(None);
    }
    let is_new = user.email.as_deref() != Some(&found.email);
    let changes = UserChangeset {
        email: is_new.then(|| Some(found.email.clone())),
        email_confirmed: Some(true).filter(|_| !user.email_confirmed),
        ..UserChangeset::default()
    };
    Ok(Some(ConfirmedAddress { user, changes }))
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
    Ok(store::delete_expired_changes(tx.conn, tx.now)? + store::delete_expired(tx.conn, tx.now)?)
}

/// Whether the account can confirm this address now: its own, or one that it waits for.
fn can_confirm(tx: &mut Tx<'_>, user: &UserRow, email: &str) -> Result<bool, AppError> {
    let is_own = user.email.as_deref() == Some(email)
        && !user.email_confirmed
        && user.status().is_usable(tx.now);
    Ok(is_own || pending_address::can_confirm(tx, user, email)?)
}
