//! Writing to the audit log.

use serde_json::{Value, json};

use super::entry::{ActorKind, AuditEntry, SignInFailureReason, Subject};
use super::store::{self, NewAuditEventRow, PersonalDataRow};
use crate::access::actor::{Actor, Identity};
use crate::platform::crypto;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, ErrorCategory, TxAbort};
use crate::platform::http::TraceId;
use crate::platform::ids::{AuditEventId, UserId};

/// Records an action of `actor`.
///
/// # Errors
/// Database errors. The caller must then roll back the action.
pub fn record(tx: &mut Tx<'_>, actor: &Actor, entry: AuditEntry) -> Result<(), AppError> {
    write(tx, actor, entry, None)
}

/// Records that an action of `actor` was denied with `error`. Returns a [`TxAbort`] that commits
/// this record and responds with `error`.
pub fn deny(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: AuditEntry,
    error: impl Into<AppError>,
) -> TxAbort {
    let error = error.into();
    match write(tx, actor, entry, Some(error.code().as_str())) {
        Ok(()) => TxAbort::Commit(error.recorded()),
        Err(error) => TxAbort::RollBack(error),
    }
}

/// [`deny`] if `error` means that the caller lacks authority. For any other error, only the abort, which rolls back.
pub fn deny_if_forbidden(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: impl FnOnce() -> AuditEntry,
    error: AppError,
) -> TxAbort {
    match error.code().category() {
        ErrorCategory::Forbidden => deny(tx, actor, entry(), error),
        _ => TxAbort::RollBack(error),
    }
}

/// Records that an action of `actor` was denied with `code`, for responses that must not reveal the denial.
///
/// # Errors
/// Database errors.
pub fn record_denied(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: AuditEntry,
    code: Code,
) -> Result<(), AppError> {
    write(tx, actor, entry, Some(code.as_str()))
}

/// Erases the personal data of an account that was just deleted from the database, and returns the number of rows. The events
/// remain, and those of actions of the account keep its username.
///
/// # Errors
/// Database errors.
pub fn erase_personal_data(tx: &mut Tx<'_>, user_id: UserId) -> Result<i64, AppError> {
    Ok(store::erase_personal_data(tx.conn, user_id.0)?)
}

fn write(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: AuditEntry,
    denial: Option<&str>,
) -> Result<(), AppError> {
    let (actor_id, actor_owner_id) = match &actor.identity {
        Identity::User { id, .. } => (Some(id.0), None),
        Identity::Token { id, owner } => (Some(id.0), Some(owner.0)),
        Identity::Client { id, .. } => (Some(id.0), None),
        Identity::Operator { .. } | Identity::System | Identity::Anonymous => (None, None),
    };
    let subject_user = entry.subject.user_id();
    let row = NewAuditEventRow {
        id: AuditEventId::new(tx.now),
        at: tx.now,
        actor_kind: ActorKind::from(&actor.identity).as_str(),
        actor_id,
        actor_owner_id,
        session_id: actor.session_id().map(|id| id.0),
        action: entry.action,
        subject_kind: entry.subject.kind(),
        subject_id: entry.subject.id(),
        user_id: match entry.subject {
            Subject::UnknownUsername(hash) => Some(hash),
            _ => subject_user.map(|id| id.0),
        },
        outcome: if denial.is_none() { "done" } else { "refused" },
        code: denial,
        reason: entry.reason.map(SignInFailureReason::as_str),
        before: entry.before.filter(|value| !value.is_null()),
        after: entry.after.filter(|value| !value.is_null()),
        trace_id: actor.origin.trace_id.as_ref().map(TraceId::as_str),
    };
    let actor_user = match actor.identity {
        // The IP address and user agent of an unauthenticated caller are purged with the affected account.
        Identity::Anonymous => subject_user,
        _ => actor.user_id(),
    };
    let actor_data = PersonalDataRow {
        user_id: actor_user.map(|id| id.0),
        data: actor_data(actor),
        salt: crypto::random_bytes()?,
    };
    let salt = crypto::random_bytes()?;
    let subject_data = entry.personal_data.map(|data| PersonalDataRow {
        user_id: subject_user.map(|id| id.0),
        data: json!(data),
        salt,
    });
    let name_salt = crypto::random_bytes()?;
    store::insert(tx.conn, &row, &actor_data, name_salt, subject_data.as_ref())?;
    Ok(())
}

/// The name, IP address and user agent of the actor.
fn actor_data(actor: &Actor) -> Value {
    if let Identity::Operator { os_user } = &actor.identity {
        return json!({"name": os_user.name, "uid": os_user.uid, "sudoUser": os_user.sudo_user});
    }
    json!({
        "name": actor.username.as_deref(),
        "ip": actor.origin.ip.map(|ip| ip.to_string()),
        "userAgent": actor.origin.user_agent.as_deref(),
    })
}
