//! Writing to the audit log.

use serde_json::{Value, json};

use super::act::{Act, ActorKind, Reason, Subject};
use super::store::{self, EventRow, PersonWords};
use crate::auth::{Actor, Who};
use crate::db::Tx;
use crate::error::{AppError, Code, Halt, Kind};
use crate::http::TraceId;
use crate::ids::{EventId, UserId};

/// Records that `by` did this.
///
/// # Errors
/// When it can't be written; the act then does not happen either.
pub fn record(tx: &mut Tx<'_>, by: &Actor, act: Act) -> Result<(), AppError> {
    write(tx, by, act, None)
}

/// Records that `by` was refused this, and says to keep that record.
pub fn refuse(tx: &mut Tx<'_>, by: &Actor, act: Act, why: impl Into<AppError>) -> Halt {
    let why = why.into();
    match write(tx, by, act, Some(why.code().as_str())) {
        Ok(()) => Halt::Commit(why),
        Err(error) => Halt::RollBack(error),
    }
}

/// [`refuse`] when `why` is that the caller may not; any other failure just fails.
pub fn fail(tx: &mut Tx<'_>, by: &Actor, act: impl FnOnce() -> Act, why: AppError) -> Halt {
    match why.code().kind() {
        Kind::Forbidden => refuse(tx, by, act(), why),
        _ => Halt::RollBack(why),
    }
}

/// Records that `by` was refused this, where the answer must not tell.
///
/// # Errors
/// As [`record`].
pub fn record_refused(tx: &mut Tx<'_>, by: &Actor, act: Act, why: Code) -> Result<(), AppError> {
    write(tx, by, act, Some(why.as_str()))
}

/// Removes every word about this person; the rows, with their ids, stay.
///
/// # Errors
/// When the database fails.
pub fn forget(tx: &mut Tx<'_>, person: UserId) -> Result<usize, AppError> {
    Ok(store::forget(tx.conn, person.0)?)
}

fn write(tx: &mut Tx<'_>, by: &Actor, act: Act, refusal: Option<&str>) -> Result<(), AppError> {
    let (actor_id, owner) = match &by.who {
        Who::User { id, .. } => (Some(id.0), None),
        Who::Token { id, owner } => (Some(id.0), Some(owner.0)),
        Who::Client { id, .. } => (Some(id.0), None),
        Who::Operator { .. } | Who::System | Who::Anonymous => (None, None),
    };
    let of = act.subject.owner();
    let row = EventRow {
        id: EventId::new(tx.now),
        at: tx.now,
        actor_kind: ActorKind::from(&by.who).as_str(),
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
    let acting = match by.who {
        // Whoever is not known yet and acts on an account is taken for its owner, when that is purged.
        Who::Anonymous => of,
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
    let name = match &by.who {
        Who::Operator { os_user } => Some(os_user.as_str()),
        _ => by.username.as_deref(),
    };
    json!({
        "name": name,
        "ip": by.origin.ip.map(|ip| ip.to_string()),
        "userAgent": by.origin.user_agent.as_deref(),
    })
}
