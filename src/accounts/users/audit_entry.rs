//! What the audit log is told of a change: facts in the row, words about the person beside it, secrets nowhere.

use serde_json::{Map, Value, json};

use super::store::{Changes, UserRow};
use crate::audit::{AuditEntry, Subject};

/// The act by which this account came into being.
pub fn of_new(action: &'static str, row: &UserRow) -> AuditEntry {
    AuditEntry::new(action, Subject::User(row.id))
        .changing(Value::Null, facts(row))
        .words(
            Value::Null,
            json!({"username": row.username, "email": row.email, "displayName": row.display_name}),
        )
}

/// The act that removed this account for ever, with every word about it.
pub fn of_gone(action: &'static str, row: &UserRow) -> AuditEntry {
    AuditEntry::new(action, Subject::User(row.id)).changing(facts(row), Value::Null)
}

fn facts(row: &UserRow) -> Value {
    json!({"role": row.role, "permissions": row.permissions, "isActive": row.is_active})
}

/// The act of changing this account in this way.
pub fn of(action: &'static str, row: &UserRow, changes: &Changes) -> AuditEntry {
    let mut facts = Pair::default();
    facts.tell("role", &row.role, changes.role.as_ref());
    facts.tell(
        "permissions",
        &row.permissions,
        changes.permissions.as_ref(),
    );
    facts.tell("isActive", &row.is_active, changes.is_active.as_ref());
    facts.tell(
        "emailConfirmed",
        &row.email_confirmed,
        changes.email_confirmed.as_ref(),
    );
    facts.tell(
        "mustChangePassword",
        &row.must_change_password,
        changes.must_change_password.as_ref(),
    );
    facts.tell("mfaEnabled", &row.mfa_enabled, changes.mfa_enabled.as_ref());
    facts.tell("expiresAtUtc", &row.expires_at, changes.expires_at.as_ref());
    facts.tell("deletedAtUtc", &row.deleted_at, changes.deleted_at.as_ref());

    let mut words = Pair::default();
    words.tell("username", &row.username, changes.username.as_ref());
    words.tell(
        "displayName",
        &row.display_name,
        changes.display_name.as_ref(),
    );
    words.tell("email", &row.email, changes.email.as_ref());
    words.tell("tags", &row.tags, changes.tags.as_ref());
    words.tell("attributes", &row.attributes, changes.attributes.as_ref());
    words.tell(
        "authProvider",
        &row.auth_provider,
        changes.auth_provider.as_ref(),
    );
    words.tell("authId", &row.auth_id, changes.auth_id.as_ref());

    let act = AuditEntry::new(action, Subject::User(row.id))
        .changing(Value::Object(facts.before), Value::Object(facts.after));
    if words.after.is_empty() {
        act
    } else {
        act.words(Value::Object(words.before), Value::Object(words.after))
    }
}

/// Members as they were and as they are then.
#[derive(Default)]
struct Pair {
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl Pair {
    fn tell<T: serde::Serialize>(&mut self, name: &str, before: &T, after: Option<&T>) {
        if let Some(after) = after {
            self.before.insert(name.to_owned(), json!(before));
            self.after.insert(name.to_owned(), json!(after));
        }
    }
}
