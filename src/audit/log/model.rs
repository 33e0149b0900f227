//! The lines of the log as callers see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::policy::Position;
use super::store::EventRow;
use crate::audit::entry::{ActorKind, Reason};
use crate::platform::ids::{EventId, SessionId};

/// Something that was done, or refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// The line's id.
    pub id: EventId,
    /// When.
    pub at_utc: DateTime<Utc>,
    /// What, as `thing.verb`.
    #[schema(example = "user.update")]
    pub action: String,
    /// Whether it was done.
    pub outcome: Outcome,
    /// The code that a refusal was answered with.
    pub code: Option<String>,
    /// Who did it.
    pub actor: AuditActor,
    /// From which address; `null` at the command line, and after a purge of whoever acted.
    pub ip: Option<String>,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// What it was done to; `null` for nothing in particular.
    pub subject: Option<AuditSubject>,
    /// What changed, as it was: facts, and names and addresses until the account is purged. Never a secret.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What changed, as it is since.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
    /// The trace that it belongs to (W3C Trace Context).
    pub trace_id: Option<String>,
}

/// What came of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

/// Who did it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditActor {
    /// What kind of actor.
    #[schema(inline)]
    pub kind: ActorKind,
    /// The account, token or client; `null` for the operator, rosterd itself and nobody known.
    pub id: Option<Uuid>,
    /// What it was called then: the username, the client's name, the operating system's user.
    pub name: Option<String>,
    /// The account that a token belongs to.
    pub owner_id: Option<Uuid>,
    /// The session that acted.
    pub session_id: Option<Uuid>,
}

/// What it was done to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditSubject {
    /// What kind of thing.
    #[schema(example = "user")]
    pub kind: String,
    /// Which: an id or, for what is known by its name, that.
    pub id: String,
    /// The account that it is, or that it belongs to.
    pub user_id: Option<Uuid>,
    /// What that account is called now; `null` when it is gone.
    pub username: Option<String>,
}

/// Somebody tried to sign in.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInAttempt {
    /// The same as that of the line among the events.
    pub id: EventId,
    /// When.
    pub at_utc: DateTime<Utc>,
    /// Whether it succeeded.
    pub outcome: SignInOutcome,
    /// Why it failed; whoever tried was told less.
    #[schema(inline)]
    pub reason: Option<Reason>,
    /// The account that has the name.
    pub user_id: Option<Uuid>,
    /// What it is called now; `null` when it is gone.
    pub username: Option<String>,
    /// What stands for a name that no account has: the same for the same name. The name itself, which may be a password
    /// typed into the wrong field, is kept nowhere; `user=<name>` finds its attempts.
    pub unknown_name_id: Option<Uuid>,
    /// The session that began.
    pub session_id: Option<SessionId>,
    /// From which address; `null` after a purge.
    pub ip: Option<String>,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// The trace that it belongs to (W3C Trace Context).
    pub trace_id: Option<String>,
}

/// What came of an attempt to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SignInOutcome {
    /// A session began.
    Success,
    /// None did.
    Failure,
}

/// How a name that no account has is stored as a kind of subject.
const NAME: &str = "name";

/// A row with what is written beside it.
pub struct Line {
    /// The row.
    pub row: EventRow,
    /// Words about who acted.
    pub actor: Map<String, Value>,
    /// Words about whom it was done to.
    pub subject: Map<String, Value>,
    /// What the account that it is about is called now.
    pub username: Option<String>,
}

impl Line {
    fn is_done(&self) -> bool {
        self.row.outcome == "done"
    }

    fn said(&self, name: &str) -> Option<String> {
        Some(self.actor.get(name)?.as_str()?.to_owned())
    }
}

impl AuditEvent {
    /// Where it stands in the log.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position {
            at: self.at_utc,
            id: self.id,
        }
    }
}

impl SignInAttempt {
    /// Where it stands in the log.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position {
            at: self.at_utc,
            id: self.id,
        }
    }
}

impl From<Line> for AuditEvent {
    fn from(mut line: Line) -> Self {
        let (ip, user_agent, name) = (line.said("ip"), line.said("userAgent"), line.said("name"));
        let outcome = if line.is_done() {
            Outcome::Done
        } else {
            Outcome::Refused
        };
        let (before, after) = (line.subject.remove("before"), line.subject.remove("after"));
        let row = line.row;
        let subject = row
            .subject_kind
            .zip(row.subject_id)
            .map(|(kind, id)| AuditSubject {
                user_id: row.user_id.filter(|_| kind != NAME),
                kind,
                id,
                username: line.username,
            });
        Self {
            id: row.id,
            at_utc: row.at,
            action: row.action,
            outcome,
            code: row.code,
            actor: AuditActor {
                kind: ActorKind::parse(&row.actor_kind).unwrap_or(ActorKind::Anonymous),
                id: row.actor_id,
                name,
                owner_id: row.actor_owner_id,
                session_id: row.session_id,
            },
            ip,
            user_agent,
            subject,
            before: together(row.before, before),
            after: together(row.after, after),
            trace_id: row.trace_id,
        }
    }
}

impl From<Line> for SignInAttempt {
    fn from(line: Line) -> Self {
        let (ip, user_agent) = (line.said("ip"), line.said("userAgent"));
        let outcome = if line.is_done() {
            SignInOutcome::Success
        } else {
            SignInOutcome::Failure
        };
        let row = line.row;
        let is_of_a_name = row.subject_kind.as_deref() == Some(NAME);
        Self {
            id: row.id,
            at_utc: row.at,
            outcome,
            reason: row.reason.as_deref().and_then(Reason::parse),
            user_id: row.user_id.filter(|_| !is_of_a_name),
            username: line.username,
            unknown_name_id: row.user_id.filter(|_| is_of_a_name),
            session_id: row.session_id.map(SessionId),
            ip,
            user_agent,
            trace_id: row.trace_id,
        }
    }
}

/// Facts and words in one object; `None` when there are neither.
fn together(facts: Option<Value>, words: Option<Value>) -> Option<Value> {
    match (facts, words) {
        (Some(Value::Object(mut facts)), Some(Value::Object(words))) => {
            facts.extend(words);
            Some(Value::Object(facts))
        }
        (facts @ Some(Value::Object(_)), _) => facts,
        (_, words @ Some(Value::Object(_))) => words,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_and_words_are_told_together() {
        let (facts, words) = (json!({"role": "User"}), json!({"username": "ada"}));
        let both = json!({"role": "User", "username": "ada"});
        assert_eq!(
            together(Some(facts.clone()), Some(words.clone())),
            Some(both)
        );
        assert_eq!(
            together(Some(facts.clone()), Some(Value::Null)),
            Some(facts)
        );
        assert_eq!(together(None, Some(words.clone())), Some(words));
        assert_eq!(together(Some(Value::Null), None), None);
    }
}
