//! Making and ending tokens, whoever asks for it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::input::TokenDraft;
use super::model::{PersonalToken, TokenWithSecret};
use super::policy;
use super::store::{self, TokenRow};
use crate::access::actor::Actor;
use crate::accounts::users::{self, UserRow};
use crate::audit::{self, AuditEntry, Subject};
use crate::idempotency;
use crate::platform::crypto::{self, TokenKind};
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::{PersonalTokenId, UserId};

/// What the audit log calls the making of a token.
pub(super) const CREATE: &str = "token.create";
/// What it calls the ending of one.
pub(super) const REVOKE: &str = "token.revoke";

/// Makes a token of an account that the caller holds until the transaction ends. `permissions` are in the catalogue.
pub(super) fn create_for_owner(
    tx: &mut Tx<'_>,
    by: &Actor,
    owner: &UserRow,
    draft: &TokenDraft,
    permissions: Vec<String>,
) -> TxResult<TokenWithSecret> {
    let act = || AuditEntry::new(CREATE, Subject::User(owner.id));
    let expires_at = policy::end(draft.expires_at, tx.now)
        .map_err(|wrong| AppError::invalid_field("/expiresAtUtc", "in_the_past", wrong.to_string()))?;
    let lacking = users::service::authority_of(tx, owner)?
        .permissions
        .missing(&permissions);
    if !lacking.is_empty() {
        let why = AppError::new(Code::PermissionNotHeld)
            .with_detail(format!("The account does not hold {}.", lacking.join(", ")));
        return Err(audit::deny(tx, by, act(), why));
    }
    for expired in store::remove_expired(tx.conn, owner.id, tx.now)? {
        idempotency::service::delete_reply_for(tx, expired.0)?;
    }
    if store::count(tx.conn, owner.id, tx.now)? >= policy::MOST {
        return Err(audit::deny(tx, by, act(), Code::TokenLimitReached));
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
    };
    store::insert(tx.conn, &row)?;
    let act = AuditEntry::new(CREATE, Subject::Token(row.id, owner.id))
        .with_change(Value::Null, facts(&row));
    audit::record(tx, by, act)?;
    Ok(TokenWithSecret::new(row, token))
}

/// An account's tokens, the newest first.
pub(super) fn list(tx: &mut Tx<'_>, owner: UserId) -> Result<Vec<PersonalToken>, AppError> {
    let rows = store::of(tx.conn, owner)?;
    Ok(rows.into_iter().map(PersonalToken::from).collect())
}

/// An account's token, or 404.
pub(super) fn show(tx: &mut Tx<'_>, owner: UserId, id: PersonalTokenId) -> Result<PersonalToken, AppError> {
    let row = store::find(tx.conn, owner, id)?.ok_or(Code::NotFound)?;
    Ok(row.into())
}

/// Ends an account's token and tells the audit log, or 404.
pub(super) fn revoke(tx: &mut Tx<'_>, by: &Actor, owner: UserId, id: PersonalTokenId) -> TxResult<()> {
    tx.invalidate(Invalidation::Principal(owner.0));
    let row = store::remove(tx.conn, id)?.ok_or(Code::NotFound)?;
    idempotency::service::delete_reply_for(tx, id.0)?;
    let act = AuditEntry::new(REVOKE, Subject::Token(id, owner)).with_change(facts(&row), Value::Null);
    audit::record(tx, by, act)?;
    Ok(())
}

/// Ends every token of an account; how many those were. The act that leads to it is the caller's to record.
///
/// # Errors
/// When the database fails.
pub fn end_all(tx: &mut Tx<'_>, owner: UserId) -> Result<usize, AppError> {
    tx.invalidate(Invalidation::Principal(owner.0));
    let ended = store::remove_all(tx.conn, owner)?;
    for id in &ended {
        idempotency::service::delete_reply_for(tx, id.0)?;
    }
    Ok(ended.len())
}

/// Whose token this is.
///
/// # Errors
/// [`Code::NotFound`].
pub fn owner(tx: &mut Tx<'_>, id: PersonalTokenId) -> Result<UserId, AppError> {
    store::owner(tx.conn, id)?.ok_or_else(|| Code::NotFound.into())
}

/// Ends every token of everybody; how many those were. The act that leads to it is the caller's to record.
///
/// # Errors
/// When the database fails.
pub fn end_every(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    tx.invalidate(Invalidation::All);
    let ended = store::remove_every(tx.conn)?;
    for id in &ended {
        idempotency::service::delete_reply_for(tx, id.0)?;
    }
    Ok(ended.len())
}

/// How many tokens of an account are good, as far as time goes.
///
/// # Errors
/// When the database fails.
pub fn count(tx: &mut Tx<'_>, owner: UserId) -> Result<i64, AppError> {
    Ok(store::count(tx.conn, owner, tx.now)?)
}

/// Forgets tokens that expired a month ago.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::forget_before(tx.conn, tx.now - TimeDelta::days(30))?)
}

/// What the audit log is told of a token; its name may be about a person.
fn facts(row: &TokenRow) -> Value {
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
