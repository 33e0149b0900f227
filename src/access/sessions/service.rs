//! Signing in, refreshing and ending sessions.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::model::{Session, Tokens};
use super::policy::{self, EndReason, RefreshTokenState, SessionFilter, SessionLimits};
use super::store::{self, SessionRow};
use crate::access::actor::{Actor, Identity, Origin};
use crate::access::authentication::{SignedIn, TokenIssuer};
use crate::access::password_check::PasswordCheckResult;
use crate::access::rate_limit::budget::{self, Budget};
use crate::accounts::email_confirmations::pending_address;
use crate::accounts::users::{self, UserRow};
use crate::audit::{self, AuditEntry, SignInFailureReason, Subject};
use crate::mail::{Notice, notices};
use crate::platform::crypto::{self, KeyPurpose, Vault};
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::{SessionId, UserId};

/// The audit action of signing in.
pub const SIGN_IN: &str = "session.create";
/// The audit action of refreshing the tokens of a session.
const REFRESH: &str = "session.refresh";
/// The audit action of ending a session.
pub(super) const END_SESSION: &str = "session.end";

/// How long ended and expired sessions are kept.
const RETENTION: TimeDelta = TimeDelta::days(30);

/// What signing in and refreshing need besides the database.
pub struct TokenContext {
    /// Issues the access tokens.
    pub issuer: std::sync::Arc<TokenIssuer>,
    /// Derives the successor of a refresh token.
    pub vault: std::sync::Arc<Vault>,
    /// The session lifetimes.
    pub limits: SessionLimits,
}

/// Creates a session after a password check.
///
/// # Errors
/// [`Code::AuthInvalidCredentials`] when the password is wrong or the account is unknown or deleted. After a correct
/// password: [`Code::AuthUserInactive`]; [`Code::AuthEmailNotConfirmed`]; [`Code::AuthPasswordChangeRequired`] with a `changeToken`.
pub fn sign_in(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    check: &PasswordCheckResult,
    remember_me: bool,
    origin: &Origin,
) -> TxResult<Tokens> {
    let row = lock_signed_in_user(tx, token_context, check, origin)?;
    // The first sign-in of an account is expected.
    if check.is_unknown_caller && row.last_login_at.is_some() && budget::charge_notice(tx, row.id)?
    {
        notices::record(tx, row.id, Notice::NewDevice)?;
    }
    users::service::record_sign_in(
        tx,
        row.id,
        check.upgraded_hash.as_ref(),
        row.password_version,
    )?;
    let others = i64::from(token_context.limits.max_sessions) - 1;
    let reason = EndReason::TooMany.as_str();
    store::end_least_recently_used(tx.conn, row.id, others, reason, tx.now)?;
    let session = new_session(tx, &token_context.limits, row.id, remember_me, origin);
    let refresh_token = format!("rst_rt_{}", crypto::generate_bearer_secret()?);
    store::insert(tx.conn, &session)?;
    store::insert_refresh_token(tx.conn, &crypto::digest(&refresh_token), session.id, 0)?;
    let user = users::service::show(tx, row.id)?;
    let actor = session_actor(row.id, session.id, Some(&row.username), origin);
    let entry = AuditEntry::new(SIGN_IN, Subject::User(row.id)).with_change(
        Value::Null,
        json!({"sessionId": session.id, "rememberMe": remember_me, "expiresAtUtc": session.expires_at}),
    );
    audit::record(tx, &actor, entry)?;
    Ok(tokens(tx, token_context, session, refresh_token, user)?)
}

/// Locks the account whose password was checked. Denials are recorded in the audit log.
fn lock_signed_in_user(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    check: &PasswordCheckResult,
    origin: &Origin,
) -> TxResult<UserRow> {
    let caller = Actor::anonymous(origin.clone());
    let entry = |reason| AuditEntry::new(SIGN_IN, check.target.subject()).with_reason(reason);
    // After a wrong password the same queries run whether or not the account exists.
    let row = match check.target.account() {
        Some(id) if check.is_correct => users::service::find_for_update(tx, id)?,
        _ => None,
    };
    let row = row
        .filter(|row| row.deleted_at.is_none() && row.password_version == check.password_version);
    let Some(row) = row else {
        let entry = entry(check.failure_reason);
        return Err(audit::deny(
            tx,
            &caller,
            entry,
            Code::AuthInvalidCredentials,
        ));
    };
    let status = row.status();
    if !status.is_usable(tx.now) {
        let reason = if status.is_expired(tx.now) {
            SignInFailureReason::AccountExpired
        } else {
            SignInFailureReason::AccountDisabled
        };
        return Err(audit::deny(
            tx,
            &caller,
            entry(reason),
            Code::AuthUserInactive,
        ));
    }
    if pending_address::blocks_sign_in(tx, row.id)? {
        let entry = AuditEntry::new(SIGN_IN, check.target.subject());
        return Err(audit::deny(tx, &caller, entry, Code::AuthEmailNotConfirmed));
    }
    if row.must_change_password {
        let error = password_change_required(tx, token_context, &row)?;
        let entry = entry(SignInFailureReason::PasswordChangeRequired);
        return Err(audit::deny(tx, &caller, entry, error));
    }
    Ok(row)
}

/// The denial of a sign-in that requires a new password. It contains a change token, unless the password was set by someone who
/// may not manage the account as it is now, because that person knows the password too.
fn password_change_required(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    row: &UserRow,
) -> Result<AppError, AppError> {
    let error = AppError::new(Code::AuthPasswordChangeRequired);
    if !users::service::may_set_password(tx, row.password_creator(), row)? {
        let detail = "This password was set by someone who may not manage the account. Ask an \
                      administrator for a reset link.";
        return Ok(error.with_detail(detail));
    }
    let issuer = &token_context.issuer;
    let token = issuer.password_change_token(row.id, row.password_version, tx.now)?;
    Ok(error.with_extension("changeToken", token))
}

/// Exchanges a refresh token for new tokens. `caller` is the caller of the request's access token, if it has one; the access
/// token must belong to the same session.
///
/// # Errors
/// [`Code::AuthRefreshTokenInvalid`], [`Code::AuthRefreshTokenExpired`]; [`Code::AuthRefreshTokenReused`], which ends the
/// session.
pub fn refresh(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    refresh_token: &str,
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
    let entry = AuditEntry::new(REFRESH, subject);
    let mut successor = successor_of(&token_context.vault, refresh_token);
    match policy::classify_refresh_token(generation, session.generation, session.rotated_at, tx.now)
    {
        RefreshTokenState::Current => {
            rotate(tx, &mut session, &successor)?;
            audit::record(tx, &actor, entry)?;
        }
        RefreshTokenState::RecentlyReplaced => {
            if let Some(issued) =
                successor_by_previous_key(tx, &token_context.vault, refresh_token)?
            {
                successor = issued;
            }
            if budget::is_recorded(tx, &actor, Budget::RefreshTokens)? {
                let entry = entry.with_change(Value::Null, json!({"isRepeated": true}));
                audit::record(tx, &actor, entry)?;
            }
        }
        RefreshTokenState::Reused => {
            end(tx, row.id, id, EndReason::RefreshTokenReused)?;
            return Err(audit::deny(tx, &actor, entry, Code::AuthRefreshTokenReused));
        }
    }
    let user = users::service::to_response(tx, row)?;
    Ok(tokens(tx, token_context, session, successor, user)?)
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

/// Ends the caller's session.
///
/// # Errors
/// Database errors.
pub fn log_out(tx: &mut Tx<'_>, caller: &SignedIn) -> TxResult<()> {
    end(tx, caller.id, caller.session, EndReason::SignedOut)?;
    let entry = AuditEntry::new(END_SESSION, Subject::Session(caller.session, caller.id));
    audit::record(tx, caller, entry)?;
    Ok(())
}

/// Ends a session. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub(super) fn end(
    tx: &mut Tx<'_>,
    user: UserId,
    session: SessionId,
    reason: EndReason,
) -> Result<(), AppError> {
    tx.invalidate(Invalidation::Principal(user.0));
    store::end(tx.conn, session, reason.as_str(), tx.now)?;
    Ok(())
}

/// Ends all sessions of an account except `keep` and returns their number. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn end_all_of_user(
    tx: &mut Tx<'_>,
    user: UserId,
    reason: EndReason,
    keep: Option<SessionId>,
) -> Result<usize, AppError> {
    tx.invalidate(Invalidation::Principal(user.0));
    Ok(store::end_all_of_user(
        tx.conn,
        user,
        reason.as_str(),
        tx.now,
        keep,
    )?)
}

/// Ends all sessions of all accounts and returns their number. The caller invalidates the cache and records the audit entry.
///
/// # Errors
/// Database errors.
pub fn end_all(tx: &mut Tx<'_>, reason: EndReason) -> Result<usize, AppError> {
    Ok(store::end_all(tx.conn, reason.as_str(), tx.now)?)
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
/// Database errors.
pub fn count(tx: &mut Tx<'_>, user: UserId) -> Result<i64, AppError> {
    let filter = SessionFilter {
        user: Some(user),
        ip: None,
    };
    Ok(store::count_matching(tx.conn, &filter, None, tx.now)?)
}

/// Deletes the sessions that reached their maximum lifetime 30 days ago, and returns their number.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_expired_before(tx.conn, tx.now - RETENTION)?)
}

/// The actor of a request that proves a session with a password or a refresh token.
pub(super) fn session_actor(
    user: UserId,
    session: SessionId,
    username: Option<&str>,
    origin: &Origin,
) -> Actor {
    Actor {
        identity: Identity::User { id: user, session },
        username: username.map(Into::into),
        ..Actor::anonymous(origin.clone())
    }
}

fn new_session(
    tx: &Tx<'_>,
    limits: &SessionLimits,
    user: UserId,
    remember_me: bool,
    origin: &Origin,
) -> SessionRow {
    let (idle, max) = limits.timeouts(remember_me);
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
