//! Creating, listing and revoking personal access tokens, for both `own_tokens` and `token_admin`.

use chrono::TimeDelta;
use serde_json::{Value, json};

use uuid::Uuid;

use super::input::ValidatedToken;
use super::limits;
use super::model::{PersonalToken, TokenWithSecret};
use super::store::{self, TokenRow};
use crate::access::actor::Actor;
use crate::accounts::users::{self, UserRow};
use crate::audit::{self, AuditEntry, Subject};
use crate::idempotency;
use crate::mail::{Notice, notices};
use crate::platform::crypto::{self, TokenKind};
use crate::platform::db::{IdPrefix, Invalidation, Tx};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::{PersonalTokenId, UserId};

/// The audit action of creating a token.
pub(super) const CREATE: &str = "token.create";
/// The audit action of revoking a token.
pub(super) const REVOKE: &str = "token.revoke";

/// Whether another operation on an account also ends its personal access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonalTokens {
    /// They can still be used.
    Keep,
    /// They end.
    End,
}

impl PersonalTokens {
    /// [`Self::End`], unless they are to be kept.
    #[must_use]
    pub const fn end_unless(keep: bool) -> Self {
        Self::end_if(!keep)
    }

    /// [`Self::End`], if they are to end.
    #[must_use]
    pub const fn end_if(end: bool) -> Self {
        if end { Self::End } else { Self::Keep }
    }
}

/// How long expired tokens are kept.
const RETENTION: TimeDelta = TimeDelta::days(30);

/// Creates a token of an account that is locked until the transaction ends. `permissions` are in the catalogue.
pub(super) fn create_for_owner(
    tx: &mut Tx<'_>,
    actor: &Actor,
    owner: &UserRow,
    draft: &ValidatedToken,
    permissions: Vec<String>,
) -> TxResult<TokenWithSecret> {
    let entry = || AuditEntry::new(CREATE, Subject::User(owner.id));
    let expires_at = limits::check_expiry(draft.expires_at, tx.now).map_err(|error| {
        AppError::invalid_field("/expiresAtUtc", "in_the_past", error.to_string())
    })?;
    let authority = users::service::authority_of(tx, owner)?;
    let missing = authority.permissions.missing(&permissions);
    if !missing.is_empty() {
        let error = AppError::new(Code::PermissionNotHeld)
            .with_detail(format!("The account does not hold {}.", missing.join(", ")));
        return Err(audit::deny(tx, actor, entry(), error));
    }
    for expired in store::delete_expired_of_owner(tx.conn, owner.id, tx.now)? {
        idempotency::service::delete_reply_for(tx, expired.0)?;
    }
    if store::count_of_owner(tx.conn, owner.id, tx.now)? >= limits::MAX_TOKENS_PER_ACCOUNT {
        return Err(audit::deny(tx, actor, entry(), Code::TokenLimitReached));
    }
    let token = TokenKind::PersonalToken.generate()?;
    let row = TokenRow {
        id: PersonalTokenId::new(tx.now),
        user_id: owner.id,
        name: draft.name.as_str().to_owned(),
        digest: crypto::digest(&token).to_vec(),
        permissions,
        created_at: tx.now,
        expires_at,
        last_used_at: None,
        // If someone else set the password, that person can have opened this session.
        created_by_owner: actor.user_id() == Some(owner.id) && !owner.has_password_of_another(),
    };
    store::insert(tx.conn, &row)?;
    notices::record(tx, row.user_id, Notice::TokenCreated)?;
    let entry = AuditEntry::new(CREATE, Subject::Token(row.id, owner.id))
        .with_change(Value::Null, audited_fields(&row));
    audit::record(tx, actor, entry)?;
    Ok(TokenWithSecret::new(row, token))
}

/// All tokens of an account, the newest first.
pub(super) fn list_of_owner(
    tx: &mut Tx<'_>,
    owner: UserId,
) -> Result<Vec<PersonalToken>, AppError> {
    let rows = store::list_of_owner(tx.conn, owner)?;
    Ok(rows.into_iter().map(PersonalToken::from).collect())
}

/// The token of this account, or [`Code::NotFound`].
pub(super) fn show_of_owner(
    tx: &mut Tx<'_>,
    owner: UserId,
    id: PersonalTokenId,
) -> Result<PersonalToken, AppError> {
    let row = store::find(tx.conn, owner, id)?.ok_or(Code::NotFound)?;
    Ok(row.into())
}

/// Deletes a token of this account and records an audit entry, or returns [`Code::NotFound`].
pub(super) fn revoke_of_owner(
    tx: &mut Tx<'_>,
    actor: &Actor,
    owner: UserId,
    id: PersonalTokenId,
) -> TxResult<()> {
    tx.invalidate(Invalidation::Principal(owner.0));
    let row = store::delete(tx.conn, id)?.ok_or(Code::NotFound)?;
    idempotency::service::delete_reply_for(tx, id.0)?;
    let entry = AuditEntry::new(REVOKE, Subject::Token(id, owner))
        .with_change(audited_fields(&row), Value::Null);
    audit::record(tx, actor, entry)?;
    Ok(())
}

/// Deletes all tokens of an account and returns their number. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn end_all_of_user(tx: &mut Tx<'_>, owner: UserId) -> Result<usize, AppError> {
    tx.invalidate(Invalidation::Principal(owner.0));
    let deleted = store::delete_all_of_owner(tx.conn, owner)?;
    for id in &deleted {
        idempotency::service::delete_reply_for(tx, id.0)?;
    }
    Ok(deleted.len())
}

/// Deletes the tokens of an account that others created for it. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn end_all_by_others(tx: &mut Tx<'_>, owner: UserId) -> Result<(), AppError> {
    tx.invalidate(Invalidation::Principal(owner.0));
    for id in store::delete_all_by_others(tx.conn, owner)? {
        idempotency::service::delete_reply_for(tx, id.0)?;
    }
    Ok(())
}

/// [`end_all_by_others`] for all accounts that have a role.
///
/// # Errors
/// Database errors.
pub fn end_all_by_others_of_role(tx: &mut Tx<'_>, role: &str) -> Result<(), AppError> {
    tx.invalidate(Invalidation::All);
    for id in store::delete_all_by_others_of_role(tx.conn, role)? {
        idempotency::service::delete_reply_for(tx, id.0)?;
    }
    Ok(())
}

/// Ends the tokens of an account if `tokens` says so, and returns their number. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn end_if_requested(
    tx: &mut Tx<'_>,
    owner: UserId,
    tokens: PersonalTokens,
) -> Result<usize, AppError> {
    match tokens {
        PersonalTokens::Keep => Ok(0),
        PersonalTokens::End => end_all_of_user(tx, owner),
    }
}

/// The account that owns a token.
///
/// # Errors
/// [`Code::NotFound`].
pub fn find_owner(tx: &mut Tx<'_>, id: PersonalTokenId) -> Result<UserId, AppError> {
    store::find_owner(tx.conn, id)?.ok_or_else(|| Code::NotFound.into())
}

/// Deletes all tokens of all accounts and returns their number. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn end_all(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    tx.invalidate(Invalidation::All);
    let deleted = store::delete_all(tx.conn)?;
    for id in &deleted {
        idempotency::service::delete_reply_for(tx, id.0)?;
    }
    Ok(deleted.len())
}

/// The number of tokens of an account that have not expired.
///
/// # Errors
/// Database errors.
pub fn count(tx: &mut Tx<'_>, owner: UserId) -> Result<i64, AppError> {
    Ok(store::count_of_owner(tx.conn, owner, tx.now)?)
}

/// Deletes the tokens that expired 30 days ago, and returns their number.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_expired_before(tx.conn, tx.now - RETENTION)?)
}

/// The fields of a token for the audit log. The name is left out, because it may contain personal data.
fn audited_fields(row: &TokenRow) -> Value {
    json!({"permissions": row.permissions, "expiresAtUtc": row.expires_at})
}

/// Sets the time at which the token was last used.
///
/// # Errors
/// Database errors.
pub fn record_use(tx: &mut Tx<'_>, id: PersonalTokenId) -> Result<(), AppError> {
    store::set_last_used(tx.conn, id, tx.now)?;
    Ok(())
}

/// At most two ids of personal access tokens that begin with this prefix.
///
/// # Errors
/// Database errors.
pub fn find_ids(tx: &mut Tx<'_>, prefix: IdPrefix) -> Result<Vec<Uuid>, AppError> {
    Ok(store::find_ids(tx.conn, prefix)?)
}
