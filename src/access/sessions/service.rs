//! Signing in, refreshing and ending sessions.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::model::{Session, Tokens};
use super::policy::{EndReason, SessionFilter, SessionLimits};
use super::store::{self, SessionRow};
use crate::access::actor::{Actor, Identity, Origin};
use crate::access::authentication::{Audience, SessionTokenContent, SignedIn, TokenIssuer};
use crate::access::password_check::PasswordCheckResult;
use crate::access::rate_limit::account_budget::{self, RecordBudget};
use crate::access::rate_limit::budget;
use crate::accounts::email_confirmations::pending_address;
use crate::accounts::users::{self, UserRow};
use crate::audit::{self, AuditEntry, SignInFailureReason, Subject};
use crate::mail::{Notice, notices};
use crate::platform::crypto::{self, Vault};
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::{SessionId, UserId};

/// The audit action of signing in.
pub const SIGN_IN: &str = "session.create";
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

/// What a caller chooses about a new session.
pub struct SessionOptions {
    /// Whether it lasts longer.
    pub remember_me: bool,
    /// Where its access tokens may be used.
    pub audience: Audience,
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
    options: &SessionOptions,
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
    let session = new_session(tx, &token_context.limits, row.id, options, origin);
    let refresh_token = format!("rst_rt_{}", crypto::generate_bearer_secret()?);
    store::insert(tx.conn, &session)?;
    store::insert_refresh_token(tx.conn, &crypto::digest(&refresh_token), session.id, 0)?;
    let user = users::service::show(tx, row.id)?;
    let actor = session_actor(row.id, session.id, Some(&row.username), origin);
    let entry = AuditEntry::new(SIGN_IN, Subject::User(row.id)).with_change(
        Value::Null,
        json!({
            "sessionId": session.id, "rememberMe": options.remember_me, "expiresAtUtc": session.expires_at,
            "resource": options.audience.app(),
        }),
    );
    if account_budget::is_recorded(tx, row.id, RecordBudget::SignIns)? {
        audit::record(tx, &actor, entry)?;
    }
    let audience = options.audience.clone();
    Ok(tokens(
        tx,
        token_context,
        session,
        audience,
        refresh_token,
        user,
    )?)
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
        return Err(deny_sign_in(
            tx,
            &caller,
            row.id,
            entry(reason),
            Code::AuthUserInactive,
        ));
    }
    if pending_address::blocks_sign_in(tx, row.id)? {
        let entry = AuditEntry::new(SIGN_IN, check.target.subject());
        let code = Code::AuthEmailNotConfirmed;
        return Err(deny_sign_in(tx, &caller, row.id, entry, code));
    }
    if row.must_change_password || row.is_password_withdrawn() {
        let error = password_change_required(tx, token_context, &row)?;
        let entry = entry(SignInFailureReason::PasswordChangeRequired);
        return Err(deny_sign_in(tx, &caller, row.id, entry, error));
    }
    Ok(row)
}

/// The refusal of a sign-in after a correct password, which no limit on password guessing counts.
fn deny_sign_in(
    tx: &mut Tx<'_>,
    caller: &Actor,
    user: UserId,
    entry: AuditEntry,
    error: impl Into<AppError>,
) -> TxAbort {
    match account_budget::is_recorded(tx, user, RecordBudget::SignIns) {
        Ok(true) => audit::deny(tx, caller, entry, error),
        Ok(false) => TxAbort::Commit(error.into()),
        Err(error) => error.into(),
    }
}

/// The denial of a sign-in that requires a new password. It contains a change token, unless the password was withdrawn when
/// the account got more authority, because the person who set it knows it too.
fn password_change_required(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    row: &UserRow,
) -> Result<AppError, AppError> {
    let error = AppError::new(Code::AuthPasswordChangeRequired);
    if row.is_password_withdrawn() {
        let detail = "This password was set by someone who may not manage the account. Ask an \
                      administrator for a reset link.";
        return Ok(error.with_detail(detail));
    }
    let issuer = &token_context.issuer;
    let token = issuer.password_change_token(row.id, row.password_version, tx.now)?;
    Ok(error.with_extension("changeToken", token))
}

/// Ends the caller's session.
///
/// # Errors
/// Database errors.
pub fn log_out(tx: &mut Tx<'_>, caller: &SignedIn) -> TxResult<()> {
    if end(tx, caller.id, caller.session, EndReason::SignedOut)? {
        let entry = AuditEntry::new(END_SESSION, Subject::Session(caller.session, caller.id));
        audit::record(tx, caller, entry)?;
    }
    Ok(())
}

/// Ends a session and returns whether it had not ended before. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub(super) fn end(
    tx: &mut Tx<'_>,
    user: UserId,
    session: SessionId,
    reason: EndReason,
) -> Result<bool, AppError> {
    tx.invalidate(Invalidation::Principal(user.0));
    Ok(store::end(tx.conn, session, reason.as_str(), tx.now)? > 0)
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

/// Records that an access token which was issued at `issued_at`, in whole seconds, was used. If it was issued with the current
/// refresh token, the grace period of the previous one begins.
///
/// # Errors
/// Database errors.
pub fn record_access_token_use(
    tx: &mut Tx<'_>,
    id: SessionId,
    issued_at: DateTime<Utc>,
) -> Result<(), AppError> {
    let issued_before = issued_at + TimeDelta::seconds(1);
    store::set_successor_used(tx.conn, id, issued_before, tx.now)?;
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

/// The number of active sessions of all accounts.
///
/// # Errors
/// Database errors.
pub fn count_all(tx: &mut Tx<'_>) -> Result<i64, AppError> {
    Ok(store::count_active(tx.conn, tx.now)?)
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
    options: &SessionOptions,
    origin: &Origin,
) -> SessionRow {
    let (idle, max) = limits.timeouts(options.remember_me);
    SessionRow {
        id: SessionId::new(tx.now),
        user_id: user,
        created_at: tx.now,
        last_seen_at: tx.now,
        idle_timeout_seconds: idle.num_seconds(),
        expires_at: tx.now + max,
        remember_me: options.remember_me,
        ip: origin.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        user_agent: origin.user_agent.as_deref().map(str::to_owned),
        generation: 0,
        rotated_at: tx.now,
        ended_at: None,
        ended_reason: None,
        resource: options.audience.app().map(str::to_owned),
        successor_used_at: None,
        late_repetitions: 0,
        repeated_generation: None,
    }
}

/// The access token of a session, and what a sign-in or a refresh returns with it.
pub(super) fn tokens(
    tx: &Tx<'_>,
    token_context: &TokenContext,
    session: SessionRow,
    audience: Audience,
    refresh_token: String,
    user: users::User,
) -> Result<Tokens, AppError> {
    let content = SessionTokenContent {
        user: user.id,
        session: session.id,
        session_end: session.ends_at(),
        role: user.role.clone(),
        permissions: user.effective_permissions.clone(),
        audience,
    };
    let (access_token, access_token_end) = token_context.issuer.access_token(content, tx.now)?;
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
