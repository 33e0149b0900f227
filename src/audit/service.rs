//! Writing to the audit log.

use serde_json::{Value, json};

use super::entry::{ActorKind, AuditEntry, Reason, Subject};
use super::store::{self, EventRow, PersonWords};
use crate::access::authentication::{Actor, Identity};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, Kind, TxAbort};
use crate::platform::http::TraceId;
use crate::platform::ids::{EventId, UserId};

/// Records that `by` did this.
///
/// # Errors
/// When it can't be written; the act then does not happen either.
pub fn record(tx: &mut Tx<'_>, by: &Actor, act: AuditEntry) -> Result<(), AppError> {
    write(tx, by, act, None)
}

/// Records that `by` was refused this, and says to keep that record.
pub fn refuse(tx: &mut Tx<'_>, by: &Actor, act: AuditEntry, why: impl Into<AppError>) -> TxAbort {
    let why = why.into();
    match write(tx, by, act, Some(why.code().as_str())) {
        Ok(()) => TxAbort::Commit(why),
        Err(error) => TxAbort::RollBack(error),
    }
}

/// [`refuse`] when `why` is that the caller may not; any other failure just fails.
pub fn fail(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: impl FnOnce() -> AuditEntry,
    why: AppError,
) -> TxAbort {
    match why.code().kind() {
        Kind::Forbidden => refuse(tx, by, act(), why),
        _ => TxAbort::RollBack(why),
    }
}

/// Records that `by` was refused this, where the answer must not tell.
///
/// # Errors
/// As [`record`].
pub fn record_refused(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: AuditEntry,
    why: Code,
) -> Result<(), AppError> {
    write(tx, by, act, Some(why.as_str()))
}

/// Removes every word about this person; the rows, with their ids, stay.
///
/// # Errors
/// When the database fails.
pub fn forget(tx: &mut Tx<'_>, person: UserId) -> Result<usize, AppError> {
    Ok(store::forget(tx.conn, person.0)?)
}

fn write(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: AuditEntry,
    refusal: Option<&str>,
) -> Result<(), AppError> {
    let (actor_id, owner) = match &by.identity {
        Identity::User { id, .. } => (Some(id.0), None),
        Identity::Token { id, owner } => (Some(id.0), Some(owner.0)),
        Identity::Client { id, .. } => (Some(id.0), None),
        Identity::Operator { .. } | Identity::System | Identity::Anonymous => (None, None),
    };
    let of = act.subject.owner();
    let row = EventRow {
        id: EventId::new(tx.now),
        at: tx.now,
        actor_kind: ActorKind::from(&by.identity).as_str(),
        actor_id,
        actor_owner_id: owner,
        session_id: by.session_id().map(|id| id.0),
        action: act.action,
        subject_kind: act.subject.kind(),
        subject_id: act.subject.id(),
        user_id: match act.subject {
            Subject::Name(stands_for) => Some(stands_for),
            _ => of.map(|id| id.0),
        },
        outcome: if refusal.is_none() { "done" } else { "refused" },
        code: refusal,
        reason: act.reason.map(Reason::as_str),
        before: act.before.filter(|facts| !facts.is_null()),
        after: act.after.filter(|facts| !facts.is_null()),
        trace_id: by.origin.trace_id.as_ref().map(TraceId::as_str),
    };
    let acting = match by.identity {
        // Whoever is not known yet and acts on an account is taken for its owner, when that is purged.
        Identity::Anonymous => of,
        _ => by.user_id(),
    };
    let actor = PersonWords {
        user_id: acting.map(|id| id.0),
        words: actor_words(by),
    };
    let subject = act.words.map(|words| PersonWords {
        user_id: of.map(|id| id.0),
        words: json!(words),
    });
    store::insert(tx.conn, &row, &actor, subject.as_ref())?;
    Ok(())
}

fn actor_words(by: &Actor) -> Value {
    let name = match &by.identity {
        Identity::Operator { os_user } => Some(os_user.as_str()),
        _ => by.username.as_deref(),
    };
    json!({
        "name": name,
        "ip": by.origin.ip.map(|ip| ip.to_string()),
        "userAgent": by.origin.user_agent.as_deref(),
    })
}
