//! Refreshing the tokens of a session.

use serde_json::{Value, json};

use super::model::Tokens;
use super::policy::{EndReason, RefreshTokenState};
use super::service::{TokenContext, end, session_actor, tokens};
use super::store::{self, SessionRow};
use crate::access::actor::{Actor, Origin};
use crate::access::authentication::{Audience, invalid_target};
use crate::access::rate_limit::account_budget::{self, AccountBudget, RecordBudget};
use crate::access::rate_limit::budget::{self, Budget};
use crate::accounts::users;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto::{self, KeyPurpose, Vault};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxAbort, TxResult};

/// The audit action of refreshing the tokens of a session.
const REFRESH: &str = "session.refresh";

/// Exchanges a refresh token for new tokens. The access token is for the audience of the session, or for `audience`. `caller`
/// is the caller of the request's access token, if it has one; the access token must belong to the same session.
///
/// # Errors
/// [`Code::AuthRefreshTokenInvalid`], [`Code::AuthRefreshTokenExpired`]; [`Code::AuthRefreshTokenReused`], which ends the
/// session; [`Code::InvalidTarget`] when the session is for another application, then the token stays usable.
pub fn refresh(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    refresh_token: &str,
    audience: Option<&Audience>,
    caller: Option<&Actor>,
    origin: &Origin,
) -> TxResult<Tokens> {
    let deny = |tx: &mut Tx<'_>, subject, code| Err(deny_refresh(tx, origin, subject, code));
    let invalid = Code::AuthRefreshTokenInvalid;
    let digest = crypto::digest(refresh_token);
    let Some((id, generation)) = store::find_refresh_token(tx.conn, &digest)? else {
        return deny(tx, Subject::None, invalid);
    };
    let Some(mut session) = store::find_for_update(tx.conn, id)? else {
        return deny(tx, Subject::None, invalid);
    };
    let subject = Subject::Session(id, session.user_id);
    if session.ended_at.is_some() || caller.is_some_and(|caller| caller.session_id() != Some(id)) {
        return deny(tx, subject, invalid);
    }
    if session.ends_at() <= tx.now {
        return deny(tx, subject, Code::AuthRefreshTokenExpired);
    }
    let row = users::service::find(tx, session.user_id)?;
    let Some(row) = row.filter(|row| row.status().is_usable(tx.now)) else {
        return deny(tx, subject, invalid);
    };
    let actor = session_actor(row.id, id, Some(&row.username), origin);
    let entry = AuditEntry::new(REFRESH, Subject::Session(id, row.id));
    let newest = session.newest_token();
    let state = newest.classify(generation, tx.now);
    if state == RefreshTokenState::Reused {
        end(tx, row.id, id, EndReason::RefreshTokenReused)?;
        return Err(audit::deny(tx, &actor, entry, Code::AuthRefreshTokenReused));
    }
    let Some(session_audience) = audience_of(token_context, &session) else {
        return deny(tx, subject, invalid);
    };
    let audience = refreshed_audience(session_audience, audience)?;
    let mut successor = successor_of(&token_context.vault, refresh_token);
    if state == RefreshTokenState::Current {
        account_budget::charge_account(tx, id, AccountBudget::Rotations)?;
        rotate(tx, &mut session, &successor)?;
        if account_budget::is_recorded(tx, row.id, RecordBudget::Rotations)? {
            audit::record(tx, &actor, entry)?;
        }
    } else {
        let vault = &token_context.vault;
        if let Some(issued) = successor_by_previous_key(tx, vault, refresh_token)? {
            successor = issued;
        }
        if newest.is_late(tx.now) {
            let count = newest.count_late_repetition();
            store::set_repeated(tx.conn, id, session.generation, count)?;
        }
        if budget::is_recorded(tx, &actor, Budget::RefreshTokens)? {
            let entry = entry.with_change(Value::Null, json!({"isRepeated": true}));
            audit::record(tx, &actor, entry)?;
        }
    }
    let user = users::service::to_response(tx, row)?;
    Ok(tokens(
        tx,
        token_context,
        session,
        audience,
        successor,
        user,
    )?)
}

/// The audience of a session; `None` if its application is no longer in `ROSTERD_APP_AUDIENCES`.
fn audience_of(token_context: &TokenContext, session: &SessionRow) -> Option<Audience> {
    match &session.resource {
        None => Some(Audience::Service),
        Some(name) => token_context.issuer.audiences().find(name),
    }
}

/// The audience of the next access token. A session of the service can get tokens for an application; a session for an
/// application gets no others.
fn refreshed_audience(
    session: Audience,
    requested: Option<&Audience>,
) -> Result<Audience, AppError> {
    match requested {
        None => Ok(session),
        Some(requested) if session == Audience::Service || session == *requested => {
            Ok(requested.clone())
        }
        Some(_) => Err(invalid_target("is not the resource of this session")),
    }
}

/// The error for a rejected refresh token. Records the rejection; of a flood from one source, one per minute.
fn deny_refresh(tx: &mut Tx<'_>, origin: &Origin, subject: Subject, code: Code) -> TxAbort {
    let actor = Actor::anonymous(origin.clone());
    let entry = AuditEntry::new(REFRESH, subject);
    budget::deny_unlimited(tx, &actor, entry, code, Budget::RefreshTokens)
}

/// Makes `successor` the current refresh token of the session.
fn rotate(tx: &mut Tx<'_>, session: &mut SessionRow, successor: &str) -> Result<(), AppError> {
    session.generation += 1;
    session.rotated_at = tx.now;
    session.last_seen_at = tx.now;
    store::set_rotated(tx.conn, session.id, session.generation, tx.now)?;
    let digest = crypto::digest(successor);
    store::insert_refresh_token(tx.conn, &digest, session.id, session.generation)?;
    Ok(())
}

/// The token that replaces a refresh token. It is derived from it, so it can be returned again without being stored.
fn successor_of(vault: &Vault, refresh_token: &str) -> String {
    let secret = vault.mac(KeyPurpose::RefreshSuccessor, refresh_token.as_bytes());
    format!("rst_rt_{}", crypto::encode_base64url(&secret))
}

/// The successor that was issued before the secret key was replaced.
fn successor_by_previous_key(
    tx: &mut Tx<'_>,
    vault: &Vault,
    refresh_token: &str,
) -> Result<Option<String>, AppError> {
    let Some(secret) = vault.previous_mac(KeyPurpose::RefreshSuccessor, refresh_token.as_bytes())
    else {
        return Ok(None);
    };
    let successor = format!("rst_rt_{}", crypto::encode_base64url(&secret));
    let issued = store::find_refresh_token(tx.conn, &crypto::digest(&successor))?;
    Ok(issued.map(|_| successor))
}
