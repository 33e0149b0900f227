//! Signing in, refreshing and ending sessions.

use serde_json::{Value, json};

use super::model::{Session, Tokens};
use super::policy::{self, EndReason, Filter, Presented, SessionLimits};
use super::store::{self, SessionRow};
use crate::access::authentication::{TokenIssuer, SignedIn};
use crate::access::actor::{Actor, Identity, Origin};
use crate::access::password_check::PasswordCheckResult;
use crate::accounts::users;
use crate::audit::{self, AuditEntry, SignInFailureReason, Subject};
use crate::platform::crypto::{self, KeyPurpose, Vault};
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::{SessionId, UserId};

pub use super::token_introspection::{GoodRefreshToken, examine, give_up, session_of};

/// What signing in and refreshing need besides the database.
pub struct TokenContext {
    /// Makes the access tokens.
    pub issuer: std::sync::Arc<TokenIssuer>,
    /// Derives each refresh token's successor.
    pub vault: std::sync::Arc<Vault>,
    /// How long sessions last.
    pub limits: SessionLimits,
}

/// What the audit log calls signing in.
pub const SIGN_IN: &str = "session.create";

/// Signs in whoever gave this proof.
///
/// # Errors
/// [`Code::AuthInvalidCredentials`], the same for everything but a right password of an account that is not deleted;
/// after that [`Code::AuthUserInactive`], [`Code::AuthPasswordChangeRequired`] (with a `changeToken`).
pub fn sign_in(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    proof: &PasswordCheckResult,
    remember_me: bool,
    origin: &Origin,
) -> TxResult<Tokens> {
    let caller = Actor::anonymous(origin.clone());
    let act = |reason| AuditEntry::new(SIGN_IN, proof.target.subject()).with_reason(reason);
    // Of a wrong password the database hears the same whether there is an account or not.
    let row = match proof.target.account() {
        Some(id) if proof.is_correct => users::service::find_for_update(tx, id)?,
        _ => None,
    };
    let row = row
        .filter(|row| row.deleted_at.is_none() && row.password_version == proof.password_version);
    let Some(row) = row else {
        let why = Code::AuthInvalidCredentials;
        return Err(audit::deny(tx, &caller, act(proof.failure_reason), why));
    };
    let is_over = row.expires_at.is_some_and(|end| end <= tx.now);
    if !row.is_active || is_over {
        let reason = if is_over {
            SignInFailureReason::AccountExpired
        } else {
            SignInFailureReason::AccountDisabled
        };
        return Err(audit::deny(
            tx,
            &caller,
            act(reason),
            Code::AuthUserInactive,
        ));
    }
    if row.must_change_password {
        let token = token_context
            .issuer
            .password_change_token(row.id, row.password_version, tx.now)?;
        let why = AppError::new(Code::AuthPasswordChangeRequired).with_extension("changeToken", token);
        let act = act(SignInFailureReason::PasswordChangeRequired);
        return Err(audit::deny(tx, &caller, act, why));
    }
    users::service::record_sign_in(tx, row.id, proof.upgraded_hash.as_ref(), row.password_version)?;
    let room = i64::from(token_context.limits.most) - 1;
    store::end_oldest(tx.conn, row.id, room, EndReason::TooMany.as_str(), tx.now)?;
    let session = new_session(tx, &token_context.limits, row.id, remember_me, origin);
    let refresh_token = format!("rst_rt_{}", crypto::generate_bearer_secret()?);
    store::insert(tx.conn, &session)?;
    store::insert_refresh_token(tx.conn, &crypto::digest(&refresh_token), session.id, 0)?;
    let user = users::service::show(tx, row.id)?;
    let actor = Actor {
        identity: Identity::User {
            id: row.id,
            session: session.id,
        },
        username: Some(row.username.into()),
        ..caller
    };
    let act = AuditEntry::new(SIGN_IN, Subject::User(row.id)).with_change(
        Value::Null,
        json!({"sessionId": session.id, "rememberMe": remember_me, "expiresAtUtc": session.expires_at}),
    );
    audit::record(tx, &actor, act)?;
    Ok(tokens(tx, token_context, session, refresh_token, user)?)
}

/// Trades a refresh token for new tokens. `caller` is whose access token came along, if one did: it must be
/// this very session's.
///
/// # Errors
/// [`Code::AuthRefreshTokenInvalid`], [`Code::AuthRefreshTokenExpired`]; [`Code::AuthRefreshTokenReused`], which ends the
/// session.
pub fn refresh(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    presented: &str,
    caller: Option<&Actor>,
    origin: &Origin,
) -> TxResult<Tokens> {
    const ACT: &str = "session.refresh";
    let (id, generation) = store::refresh_token(tx.conn, &crypto::digest(presented))?
        .ok_or(Code::AuthRefreshTokenInvalid)?;
    let mut session = store::find_for_update(tx.conn, id)?.ok_or(Code::AuthRefreshTokenInvalid)?;
    if session.ended_at.is_some() || caller.is_some_and(|caller| caller.session_id() != Some(id)) {
        return Err(Code::AuthRefreshTokenInvalid.into());
    }
    if session.ends_at() <= tx.now {
        return Err(Code::AuthRefreshTokenExpired.into());
    }
    let user = users::service::show(tx, session.user_id)?;
    let is_over = user.expires_at_utc.is_some_and(|end| end <= tx.now);
    if !user.is_active || user.deleted_at_utc.is_some() || is_over {
        return Err(Code::AuthRefreshTokenInvalid.into());
    }
    let actor = Actor {
        identity: Identity::User {
            id: session.user_id,
            session: id,
        },
        username: Some(user.username.as_str().into()),
        ..Actor::anonymous(origin.clone())
    };
    let successor = successor_of(&token_context.vault, presented);
    match policy::judge(generation, session.generation, session.rotated_at, tx.now) {
        Presented::Newest => {
            session.generation += 1;
            session.rotated_at = tx.now;
            session.last_seen_at = tx.now;
            store::rotated(tx.conn, id, session.generation, tx.now)?;
            store::insert_refresh_token(
                tx.conn,
                &crypto::digest(&successor),
                id,
                session.generation,
            )?;
            audit::record(
                tx,
                &actor,
                AuditEntry::new(ACT, Subject::Session(id, session.user_id)),
            )?;
        }
        Presented::JustReplaced => {}
        Presented::Reused => {
            end(tx, session.user_id, id, EndReason::RefreshTokenReused)?;
            return Err(audit::deny(
                tx,
                &actor,
                AuditEntry::new(ACT, Subject::Session(id, session.user_id)),
                Code::AuthRefreshTokenReused,
            ));
        }
    }
    Ok(tokens(tx, token_context, session, successor, user)?)
}

/// Ends the caller's session.
///
/// # Errors
/// When the database fails.
pub fn log_out(tx: &mut Tx<'_>, by: &SignedIn) -> TxResult<()> {
    end(tx, by.id, by.session, EndReason::SignedOut)?;
    audit::record(
        tx,
        by,
        AuditEntry::new("session.end", Subject::Session(by.session, by.id)),
    )?;
    Ok(())
}

/// Ends a session. The act that leads to it is the caller's to record.
///
/// # Errors
/// When the database fails.
pub(super) fn end(
    tx: &mut Tx<'_>,
    user: UserId,
    session: SessionId,
    why: EndReason,
) -> Result<(), AppError> {
    tx.invalidate(Invalidation::Principal(user.0));
    store::end(tx.conn, session, why.as_str(), tx.now)?;
    Ok(())
}

/// Ends every session of an account but `spare`; how many those were. The act that leads to it is the caller's to record.
///
/// # Errors
/// When the database fails.
pub fn end_all(
    tx: &mut Tx<'_>,
    user: UserId,
    why: EndReason,
    spare: Option<SessionId>,
) -> Result<usize, AppError> {
    tx.invalidate(Invalidation::Principal(user.0));
    Ok(store::end_all(tx.conn, user, why.as_str(), tx.now, spare)?)
}

/// Ends every session of all accounts and returns their number. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn end_every(tx: &mut Tx<'_>, reason: EndReason) -> Result<usize, AppError> {
    Ok(store::end_every(tx.conn, reason.as_str(), tx.now)?)
}

/// Sets the time at which the session was last used.
///
/// # Errors
/// Database errors.
pub fn record_use(tx: &mut Tx<'_>, id: SessionId) -> Result<(), AppError> {
    store::set_last_seen(tx.conn, id, tx.now)?;
    Ok(())
}

/// The number of active sessions of an account.
///
/// # Errors
/// When the database fails.
pub fn count(tx: &mut Tx<'_>, user: UserId) -> Result<i64, AppError> {
    let filter = Filter {
        user: Some(user),
        ip: None,
    };
    Ok(store::count_all(tx.conn, &filter, None, tx.now)?)
}

/// Forgets sessions that nobody can use any more and whose end nobody asks about: a month after their last limit.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::forget_before(
        tx.conn,
        tx.now - chrono::TimeDelta::days(30),
    )?)
}

fn new_session(
    tx: &Tx<'_>,
    limits: &SessionLimits,
    user: UserId,
    remember_me: bool,
    origin: &Origin,
) -> SessionRow {
    let (idle, max) = limits.limits(remember_me);
    SessionRow {
        id: SessionId::new(tx.now),
        user_id: user,
        created_at: tx.now,
        last_seen_at: tx.now,
        idle_timeout_seconds: idle.num_seconds(),
        expires_at: tx.now + max,
        remember_me,
        ip: origin.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        user_agent: origin.user_agent.as_deref().map(str::to_owned),
        generation: 0,
        rotated_at: tx.now,
        ended_at: None,
        ended_reason: None,
    }
}

/// The successor is derived, so that it can be answered again without being stored.
fn successor_of(vault: &Vault, presented: &str) -> String {
    let secret = vault.mac(KeyPurpose::RefreshSuccessor, presented.as_bytes());
    format!("rst_rt_{}", crypto::encode_base64url(&secret))
}

fn tokens(
    tx: &Tx<'_>,
    token_context: &TokenContext,
    session: SessionRow,
    refresh_token: String,
    user: users::User,
) -> Result<Tokens, AppError> {
    let (access_token, access_token_end) = token_context.issuer.access_token(
        user.id,
        session.id,
        user.role.clone(),
        user.effective_permissions.clone(),
        tx.now,
        session.ends_at(),
    )?;
    let id = session.id;
    Ok(Tokens {
        access_token,
        token_type: "Bearer",
        access_token_expires_at_utc: access_token_end,
        refresh_token: Some(refresh_token),
        refresh_token_expires_at_utc: session.ends_at(),
        session: Session::new(session, Some(id)),
        user,
    })
}
