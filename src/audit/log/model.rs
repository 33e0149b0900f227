//! Audit events and sign-in attempts as the API returns them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::filter::AuditCursor;
use super::store::AuditEventRow;
use crate::audit::entry::{ActorKind, SignInFailureReason};
use crate::platform::ids::{AuditEventId, SessionId};

/// An event in the audit log.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// The event's id.
    pub id: AuditEventId,
    /// When it happened.
    pub at_utc: DateTime<Utc>,
    /// The action, as `resource.verb`.
    #[schema(example = "user.update")]
    pub action: String,
    /// Whether the action was done or refused.
    pub outcome: Outcome,
    /// The error code, if the action was refused.
    pub code: Option<String>,
    /// Who acted.
    pub actor: AuditActor,
    /// The IP address of the caller; `null` for the command line and after the actor was purged.
    pub ip: Option<String>,
    /// The `User-Agent` header of the caller.
    pub user_agent: Option<String>,
    /// The affected resource; `null` if there is none.
    pub subject: Option<AuditSubject>,
    /// The changed values before the action. Names and addresses are removed when the account is purged. Never a secret.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// The changed values after the action.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
    /// The trace id (W3C Trace Context).
    pub trace_id: Option<String>,
}

/// The outcome of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The action was done.
    Done,
    /// The action was refused.
    Refused,
}

/// Who acted.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditActor {
    /// The kind of actor.
    #[schema(inline)]
    pub kind: ActorKind,
    /// The id of the account, token or client; `null` for the operator, for rosterd itself and for unauthenticated callers.
    pub id: Option<Uuid>,
    /// The name at that time: the username, the client's name or the operating system user. The username of a purged account is
    /// shown to a `SuperAdmin` only.
    pub name: Option<String>,
    /// The user who called `sudo`, as `sudo` stated it in `SUDO_USER`, if the operator used it. It can be forged.
    pub sudo_user: Option<String>,
    /// The account that owns the token.
    pub owner_id: Option<Uuid>,
    /// The session of the actor.
    pub session_id: Option<Uuid>,
}

/// The resource that an action affected.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditSubject {
    /// The kind of resource.
    #[schema(example = "user")]
    pub kind: String,
    /// The id, or the name if the resource is identified by its name.
    pub id: String,
    /// The affected account, or the account that owns the resource.
    pub user_id: Option<Uuid>,
    /// The current username of that account; `null` if it was purged.
    pub username: Option<String>,
}

/// An attempt to sign in.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInAttempt {
    /// The id of the audit event.
    pub id: AuditEventId,
    /// When it happened.
    pub at_utc: DateTime<Utc>,
    /// Whether it succeeded.
    pub outcome: SignInOutcome,
    /// Why it failed. The response to the caller is less specific.
    #[schema(inline)]
    pub reason: Option<SignInFailureReason>,
    /// The account with that username or email address.
    pub user_id: Option<Uuid>,
    /// The current username of the account; `null` if it was purged.
    pub username: Option<String>,
    /// A keyed hash of a username that no account has; equal names give equal values. The name itself is not stored, because
    /// users sometimes type their password into the username field. `user=<name>` finds the attempts with a name.
    pub unknown_name_id: Option<Uuid>,
    /// The session that was created.
    pub session_id: Option<SessionId>,
    /// The IP address of the caller; `null` after a purge.
    pub ip: Option<String>,
    /// The `User-Agent` header of the caller.
    pub user_agent: Option<String>,
    /// The trace id (W3C Trace Context).
    pub trace_id: Option<String>,
}

/// The outcome of a sign-in attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SignInOutcome {
    /// A session was created.
    Success,
    /// No session was created.
    Failure,
}

/// The stored subject kind of a username that no account has.
const UNKNOWN_USERNAME: &str = "name";

/// An event row with the personal data from the side table.
pub struct AuditEventRecord {
    /// The event row.
    pub row: AuditEventRow,
    /// Personal data of the actor.
    pub actor: Map<String, Value>,
    /// Personal data of the subject.
    pub subject: Map<String, Value>,
    /// The current username of the account concerned.
    pub username: Option<String>,
}

impl AuditEventRecord {
    fn is_done(&self) -> bool {
        self.row.outcome == "done"
    }

    fn actor_text(&self, name: &str) -> Option<String> {
        Some(self.actor.get(name)?.as_str()?.to_owned())
    }
}

impl AuditEvent {
    /// The position of this event in the list.
    #[must_use]
    pub const fn cursor(&self) -> AuditCursor {
        AuditCursor {
            at: self.at_utc,
            id: self.id,
        }
    }
}

impl SignInAttempt {
    /// The position of this attempt in the list.
    #[must_use]
    pub const fn cursor(&self) -> AuditCursor {
        AuditCursor {
            at: self.at_utc,
            id: self.id,
        }
    }
}

impl From<AuditEventRecord> for AuditEvent {
    fn from(mut record: AuditEventRecord) -> Self {
        let ip = record.actor_text("ip");
        let user_agent = record.actor_text("userAgent");
        let name = record.actor_text("name");
        let sudo_user = record.actor_text("sudoUser");
        let outcome = if record.is_done() {
            Outcome::Done
        } else {
            Outcome::Refused
        };
        let before = record.subject.remove("before");
        let after = record.subject.remove("after");
        let row = record.row;
        let subject = row
            .subject_kind
            .zip(row.subject_id)
            .map(|(kind, id)| AuditSubject {
                user_id: row.user_id.filter(|_| kind != UNKNOWN_USERNAME),
                kind,
                id,
                username: record.username,
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
                sudo_user,
                owner_id: row.actor_owner_id,
                session_id: row.session_id,
            },
            ip,
            user_agent,
            subject,
            before: merge_objects(row.before, before),
            after: merge_objects(row.after, after),
            trace_id: row.trace_id,
        }
    }
}

impl From<AuditEventRecord> for SignInAttempt {
    fn from(record: AuditEventRecord) -> Self {
        let (ip, user_agent) = (record.actor_text("ip"), record.actor_text("userAgent"));
        let outcome = if record.is_done() {
            SignInOutcome::Success
        } else {
            SignInOutcome::Failure
        };
        let row = record.row;
        let is_unknown_username = row.subject_kind.as_deref() == Some(UNKNOWN_USERNAME);
        Self {
            id: row.id,
            at_utc: row.at,
            outcome,
            reason: row.reason.as_deref().and_then(SignInFailureReason::parse),
            user_id: row.user_id.filter(|_| !is_unknown_username),
            username: record.username,
            unknown_name_id: row.user_id.filter(|_| is_unknown_username),
            session_id: row.session_id.map(SessionId),
            ip,
            user_agent,
            trace_id: row.trace_id,
        }
    }
}

/// The members of both objects in one object; `None` if neither is an object.
fn merge_objects(values: Option<Value>, personal_data: Option<Value>) -> Option<Value> {
    match (values, personal_data) {
        (Some(Value::Object(mut values)), Some(Value::Object(personal_data))) => {
            values.extend(personal_data);
            Some(Value::Object(values))
        }
        (values @ Some(Value::Object(_)), _) => values,
        (_, personal_data @ Some(Value::Object(_))) => personal_data,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_and_personal_data_are_merged() {
        let (values, personal) = (json!({"role": "User"}), json!({"username": "ada"}));
        let both = json!({"role": "User", "username": "ada"});
        assert_eq!(
            merge_objects(Some(values.clone()), Some(personal.clone())),
            Some(both)
        );
        assert_eq!(
            merge_objects(Some(values.clone()), Some(Value::Null)),
            Some(values)
        );
        assert_eq!(merge_objects(None, Some(personal.clone())), Some(personal));
        assert_eq!(merge_objects(Some(Value::Null), None), None);
    }
}
