//! Making, showing, using and ending reset links.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::model::{OpenResetLink, ResetLink};
use super::policy::Lifetime;
use super::store::{self, LinkRow};
use crate::access::authentication::{Actor, Can, needs};
use crate::access::passwords::PasswordHash;
use crate::accounts::users::{self, Email, UserRow};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Mail, OutboxMessage};
use crate::platform::config::TokenPage;
use crate::platform::crypto;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// The act of setting a password with a link.
const USE: &str = "user.resetLink.use";

/// Makes a link to an account; the one that there was ends.
///
/// # Errors
/// 404; the refusals of the rules of authority; 412; [`Code::UserDeleted`].
pub fn create(
    tx: &mut Tx<'_>,
    by: &Can<needs::ResetPasswords>,
    page: &TokenPage,
    id: UserId,
    lifetime: Lifetime,
    expected: &IfMatch,
) -> TxResult<ResetLink> {
    const ACT: &str = "user.resetLink.create";
    users::service::hold_to_hand_over(tx, by, id, ACT, expected)?;
    let link = make(tx, page, id, lifetime)?;
    let made = json!({"expiresAtUtc": link.expires_at_utc});
    let act = AuditEntry::new(ACT, Subject::User(id)).changing(Value::Null, made);
    audit::record(tx, by, act)?;
    Ok(link)
}

/// Has a link mailed to whoever has confirmed this address, if anybody has. It is the same work for every address: who
/// has it is looked up when the letter is written.
///
/// # Errors
/// When the database fails.
pub fn request(tx: &mut Tx<'_>, mail: &Mail, by: &Actor, email: &Email) -> TxResult<()> {
    let email = email.as_str().to_owned();
    mail.post(tx, &OutboxMessage::PasswordReset { email })?;
    audit::record(
        tx,
        by,
        AuditEntry::new("user.resetLink.request", Subject::Nothing),
    )?;
    Ok(())
}

/// Makes the link that is mailed to whoever has confirmed this address. `None`: nobody has, or the account is not active
/// or has no password: who removed that did not mean it to come back by mail.
///
/// # Errors
/// When the database fails.
pub fn make_for_owner_of(
    tx: &mut Tx<'_>,
    page: &TokenPage,
    email: &str,
) -> Result<Option<(UserRow, ResetLink)>, AppError> {
    let Some(found) = users::service::by_confirmed_email(tx, email)? else {
        return Ok(None);
    };
    let row = users::service::hold(tx, found.id)?.filter(|row| may_be_mailed(row, &found, tx.now));
    let Some(row) = row else {
        return Ok(None);
    };
    let link = make(tx, page, row.id, Lifetime::of_mail())?;
    let made = json!({"expiresAtUtc": link.expires_at_utc});
    let act =
        AuditEntry::new("user.resetLink.mail", Subject::User(row.id)).changing(Value::Null, made);
    audit::record(tx, &Actor::system(), act)?;
    Ok(Some((row, link)))
}

/// The link of an account that nobody has used yet.
///
/// # Errors
/// [`Code::NotFound`] when there is none, or no such account.
pub fn show(tx: &mut Tx<'_>, id: UserId) -> Result<OpenResetLink, AppError> {
    let link = store::find(tx.conn, id)?
        .filter(|link| link.expires_at > tx.now)
        .ok_or(Code::NotFound)?;
    Ok(OpenResetLink {
        created_at_utc: link.created_at,
        expires_at_utc: link.expires_at,
    })
}

/// Ends the link of an account, if it has one.
///
/// # Errors
/// As [`create`].
pub fn revoke(
    tx: &mut Tx<'_>,
    by: &Can<needs::ResetPasswords>,
    id: UserId,
    expected: &IfMatch,
) -> TxResult<()> {
    const ACT: &str = "user.resetLink.revoke";
    users::service::hold_to_hand_over(tx, by, id, ACT, expected)?;
    end(tx, id)?;
    audit::record(tx, by, AuditEntry::new(ACT, Subject::User(id)))?;
    Ok(())
}

/// The account whose password a token sets. Nothing is used up, so that a weak password can be refused before.
///
/// # Errors
/// [`Code::ResetTokenInvalid`], the same for a token that is wrong, used, replaced or expired, and for an account that is
/// disabled, deleted or expired.
pub fn owner(tx: &mut Tx<'_>, by: &Actor, token: &str) -> TxResult<UserRow> {
    let owner = match store::by_digest(tx.conn, &crypto::digest(token))? {
        Some(link) if link.expires_at > tx.now => users::service::find(tx, link.user_id)?,
        _ => None,
    };
    match owner.filter(|row| users::service::is_alive(row, tx.now)) {
        Some(row) => Ok(row),
        None => Err(audit::refuse(
            tx,
            by,
            AuditEntry::new(USE, Subject::Nothing),
            Code::ResetTokenInvalid,
        )),
    }
}

/// Sets the password of the account that a token is for. The token is used up, and every session of the account ends.
///
/// # Errors
/// As [`owner`].
pub fn redeem(tx: &mut Tx<'_>, by: &Actor, token: &str, password: &PasswordHash) -> TxResult<()> {
    // Held first and judged then: of many who bring one token, each is judged after the one before is done.
    if let Some(link) = store::by_digest(tx.conn, &crypto::digest(token))? {
        users::service::hold(tx, link.user_id)?;
    }
    let row = owner(tx, by, token)?;
    users::service::set_password_by_link(tx, by, USE, &row, password)
}

/// Ends the link of an account, if it has one. The act that leads to it is the caller's to record.
///
/// # Errors
/// When the database fails.
pub fn end(tx: &mut Tx<'_>, id: UserId) -> Result<(), AppError> {
    store::remove(tx.conn, id)?;
    Ok(())
}

/// Forgets the links that have ended.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::forget_before(tx.conn, tx.now)?)
}

/// Whether the account, now that it is held, may get a link at the address by which it was found.
fn may_be_mailed(row: &UserRow, found: &UserRow, now: DateTime<Utc>) -> bool {
    row.email == found.email
        && row.email_confirmed
        && row.password_hash.is_some()
        && users::service::is_alive(row, now)
}

fn make(
    tx: &mut Tx<'_>,
    page: &TokenPage,
    id: UserId,
    lifetime: Lifetime,
) -> Result<ResetLink, AppError> {
    let token = format!("rst_rst_{}", crypto::bearer_secret()?);
    let row = LinkRow {
        user_id: id,
        digest: crypto::digest(&token).to_vec(),
        created_at: tx.now,
        expires_at: tx.now + lifetime.span(),
    };
    store::put(tx.conn, &row)?;
    Ok(ResetLink {
        url: page.url(&token),
        token,
        expires_at_utc: row.expires_at,
    })
}
