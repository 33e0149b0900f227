//! Creating, showing, using and revoking reset links.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::lifetime::ResetLinkLifetime;
use super::model::{ResetLink, UnusedResetLink};
use super::store::{self, ResetLinkRow};
use crate::access::actor::{Actor, Creator, Principal};
use crate::access::authentication::row_locks::{self, RowLock};
use crate::access::authentication::{Can, Need, needs};
use crate::access::rate_limit::budget::{self, Budget};
use crate::accounts::users::{self, Email, UserRow};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Mail, OutboxMessage};
use crate::platform::config::LinkTemplate;
use crate::platform::crypto::{self, KeyPurpose, Vault};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// The audit action of creating a link.
const CREATE: &str = "user.resetLink.create";
/// The audit action of setting a password with a link.
pub const REDEEM: &str = "user.resetLink.use";

/// What a link consists of besides its database row.
#[derive(Clone)]
pub struct LinkContext {
    /// Derives the tokens.
    pub vault: Arc<Vault>,
    /// The page that links open.
    pub reset_url: LinkTemplate,
}

/// Creates a link for an account, and replaces its previous link.
///
/// # Errors
/// 403 if the caller may not take over the account; 404; 412; [`Code::UserDeleted`].
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ResetPasswords>,
    context: &LinkContext,
    id: UserId,
    lifetime: ResetLinkLifetime,
    if_match: &IfMatch,
) -> TxResult<ResetLink> {
    users::service::lock_for_takeover(tx, caller, id, CREATE, if_match)?;
    let link = insert_link(tx, context, id, lifetime, Creator::of(caller))?;
    let entry = AuditEntry::new(CREATE, Subject::User(id))
        .with_change(Value::Null, json!({"expiresAtUtc": link.expires_at_utc}));
    audit::record(tx, caller, entry)?;
    Ok(link)
}

/// Checks that the caller may create a link for an account.
///
/// # Errors
/// 403 if the caller may not take over the account; 404; [`Code::UserDeleted`].
pub fn authorize_creation(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ResetPasswords>,
    id: UserId,
) -> TxResult<()> {
    users::service::lock_for_takeover(tx, caller, id, CREATE, &IfMatch::Absent).map(drop)
}

/// Queues a message with a link for the account that has confirmed this address, if there is one. The account is looked up
/// when the message is sent, so that the work done here does not depend on the address. Nothing is queued if the address
/// received enough messages recently.
///
/// # Errors
/// [`Code::RateLimited`] if the source sends too many requests. Database errors.
pub fn request(
    tx: &mut Tx<'_>,
    mail: &Mail,
    vault: &Vault,
    actor: &Actor,
    email: &Email,
) -> TxResult<()> {
    const ACTION: &str = "user.resetLink.request";
    budget::charge(tx, actor, ACTION, Budget::ResetRequests)?;
    if mail.is_enabled() && budget::charge_recipient(tx, vault, email.as_str())? {
        let email = email.as_str().to_owned();
        mail.enqueue(tx, &OutboxMessage::PasswordReset { email })?;
    }
    let entry = AuditEntry::new(ACTION, Subject::None);
    audit::record(tx, actor, entry)?;
    Ok(())
}

/// The link that is sent to a confirmed address: the unused link of the account if it has one, so that a request by a
/// stranger does not end a link that was sent before; otherwise a new link. `None` if no usable account has confirmed the
/// address, or the account has an unused link of an administrator, or no password: a removed password must not be restored by
/// email.
///
/// # Errors
/// Database errors.
pub fn create_for_email(
    tx: &mut Tx<'_>,
    context: &LinkContext,
    email: &str,
) -> Result<Option<(UserRow, ResetLink)>, AppError> {
    let Some(found) = users::service::find_by_confirmed_email(tx, email)? else {
        return Ok(None);
    };
    let user = users::service::find_for_update(tx, found.id)?
        .filter(|user| can_receive_link(user, &found, tx.now));
    let Some(user) = user else {
        return Ok(None);
    };
    let lifetime = ResetLinkLifetime::for_mail();
    let link = match renew_link(tx, context, user.id, lifetime)? {
        UnusedLink::Renewed(link) => link,
        UnusedLink::None => insert_link(tx, context, user.id, lifetime, Creator::Owner)?,
        UnusedLink::OfAnother => return Ok(None),
    };
    let entry = AuditEntry::new("user.resetLink.mail", Subject::User(user.id))
        .with_change(Value::Null, json!({"expiresAtUtc": link.expires_at_utc}));
    audit::record(tx, &Actor::system(), entry)?;
    Ok(Some((user, link)))
}

/// The unused link of an account.
///
/// # Errors
/// [`Code::NotFound`] if the account does not exist or has no reset link.
pub fn show(tx: &mut Tx<'_>, id: UserId) -> Result<UnusedResetLink, AppError> {
    let link = store::find(tx.conn, id)?
        .filter(|link| link.expires_at > tx.now)
        .ok_or(Code::NotFound)?;
    Ok(UnusedResetLink {
        created_at_utc: link.created_at,
        expires_at_utc: link.expires_at,
    })
}

/// Revokes the link of an account, if it has one.
///
/// # Errors
/// As [`create`].
pub fn revoke(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ResetPasswords>,
    id: UserId,
    if_match: &IfMatch,
) -> TxResult<()> {
    const ACTION: &str = "user.resetLink.revoke";
    users::service::lock_for_takeover(tx, caller, id, ACTION, if_match)?;
    delete_link(tx, id)?;
    audit::record(tx, caller, AuditEntry::new(ACTION, Subject::User(id)))?;
    Ok(())
}

/// The account that a token belongs to, and who created the link. Does not use up the token, so that the new password can be
/// validated first.
///
/// # Errors
/// [`Code::ResetTokenInvalid`], without the reason: the token is unknown, used, replaced or expired, the account can't be
/// used, or the creator of the link may no longer reset the password of the account.
pub fn find_account(tx: &mut Tx<'_>, actor: &Actor, token: &str) -> TxResult<(UserRow, Creator)> {
    match find_usable(tx, token)? {
        Some(found) => Ok(found),
        None => Err(budget::deny(
            tx,
            actor,
            AuditEntry::new(REDEEM, Subject::None),
            Code::ResetTokenInvalid,
            Budget::InvalidTokens,
        )),
    }
}

/// [`find_account`], with the account's row locked until the transaction ends. The authority of the creator of the link cannot
/// change before.
///
/// # Errors
/// As [`find_account`].
pub fn lock_account(tx: &mut Tx<'_>, actor: &Actor, token: &str) -> TxResult<(UserRow, Creator)> {
    // Concurrent requests with the same token wait for this row lock. The token is read again after it.
    if let Some(link) = store::find_by_digest(tx.conn, &crypto::digest(token))? {
        let owner = Principal::User(link.user_id);
        let creator = match link.creator() {
            Some(creator) => row_locks::principal_of_creator(tx, creator)?,
            None => None,
        };
        let creator_lock = creator.map(|creator| (creator, RowLock::Shared));
        let locks = creator_lock
            .into_iter()
            .chain([(owner, RowLock::Exclusive)]);
        row_locks::lock_principals(tx, locks)?;
        row_locks::lock_roles_of(tx, creator.into_iter().chain([owner]))?;
    }
    find_account(tx, actor, token)
}

fn find_usable(tx: &mut Tx<'_>, token: &str) -> Result<Option<(UserRow, Creator)>, AppError> {
    let link = store::find_by_digest(tx.conn, &crypto::digest(token))?
        .filter(|link| link.expires_at > tx.now);
    let Some((link, creator)) = link.and_then(|link| link.creator().map(|by| (link, by))) else {
        return Ok(None);
    };
    let user = users::service::find(tx, link.user_id)?;
    let Some(user) = user.filter(|user| user.status().is_usable(tx.now)) else {
        return Ok(None);
    };
    let is_allowed = users::service::can_still_take_over(
        tx,
        Some(creator),
        &user,
        &[needs::ResetPasswords::PERMISSION],
    )?;
    Ok(is_allowed.then_some((user, creator)))
}

/// Deletes the link of an account, if it has one. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn delete_link(tx: &mut Tx<'_>, id: UserId) -> Result<(), AppError> {
    store::delete(tx.conn, id)?;
    Ok(())
}

/// Deletes the links of all accounts that have this role. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn delete_links_of_role(tx: &mut Tx<'_>, role: &str) -> Result<(), AppError> {
    store::delete_of_role(tx.conn, role)?;
    Ok(())
}

/// Deletes the links of all accounts and returns their number. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn delete_all_links(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_all(tx.conn)?)
}

/// Deletes expired links and returns their number.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_expired(tx.conn, tx.now)?)
}

/// Whether a link may be sent to the account at the address by which it was found. `user` is the locked row.
fn can_receive_link(user: &UserRow, found: &UserRow, now: DateTime<Utc>) -> bool {
    user.email == found.email
        && user.email_confirmed
        && user.password_hash.is_some()
        && user.status().is_usable(now)
}

fn insert_link(
    tx: &mut Tx<'_>,
    context: &LinkContext,
    user_id: UserId,
    lifetime: ResetLinkLifetime,
    creator: Creator,
) -> Result<ResetLink, AppError> {
    let (created_by_kind, created_by) = creator.to_columns();
    let id = Uuid::from_bytes(crypto::random_bytes()?);
    let token = context.token(id);
    let row = ResetLinkRow {
        id,
        user_id,
        digest: crypto::digest(&token).to_vec(),
        created_at: tx.now,
        expires_at: tx.now + lifetime.duration(),
        created_by_kind: created_by_kind.to_owned(),
        created_by,
    };
    store::upsert(tx.conn, &row)?;
    Ok(context.link(token, row.expires_at))
}

/// The link that an account has when another one is requested by mail.
enum UnusedLink {
    /// It has no usable one, or its token was not derived under this key.
    None,
    /// It was sent by mail and can be sent again.
    Renewed(ResetLink),
    /// An administrator created it. It is not mailed, because someone else can have set the address.
    OfAnother,
}

/// The unused link of an account. One that was sent by mail is then valid for at least `lifetime` from now, but not for longer
/// than a day after its creation.
fn renew_link(
    tx: &mut Tx<'_>,
    context: &LinkContext,
    user_id: UserId,
    lifetime: ResetLinkLifetime,
) -> Result<UnusedLink, AppError> {
    let row = store::find(tx.conn, user_id)?.filter(|row| row.expires_at > tx.now);
    let Some(row) = row else {
        return Ok(UnusedLink::None);
    };
    let token = context.token(row.id);
    let Some((_, creator)) = find_usable(tx, &token)? else {
        return Ok(UnusedLink::None);
    };
    if creator != Creator::Owner {
        return Ok(UnusedLink::OfAnother);
    }
    let latest = row.created_at + ResetLinkLifetime::default().duration();
    let renewed = (tx.now + lifetime.duration()).min(latest);
    let expires_at = row.expires_at.max(renewed);
    store::set_expiry(tx.conn, user_id, expires_at)?;
    Ok(UnusedLink::Renewed(context.link(token, expires_at)))
}

impl LinkContext {
    /// The token of the link with this id.
    fn token(&self, id: Uuid) -> String {
        let secret = self.vault.mac(KeyPurpose::ResetLink, id.as_bytes());
        format!("rst_rst_{}", crypto::encode_base64url(&secret))
    }

    fn link(&self, token: String, expires_at: DateTime<Utc>) -> ResetLink {
        ResetLink {
            url: self.reset_url.url(&token),
            token,
            expires_at_utc: expires_at,
        }
    }
}
