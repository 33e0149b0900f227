//! Audit entries for accounts. Names and addresses are stored as the personal data of the entry. Secrets are not
//! recorded.

use serde_json::{Value, json};

use super::store::{UserChangeset, UserRow};
use crate::audit::{AuditEntry, FieldDiff, Subject};

/// The entry for the creation of an account.
pub fn created(action_name: &'static str, row: &UserRow) -> AuditEntry {
    AuditEntry::new(action_name, Subject::User(row.id))
        .with_change(Value::Null, access_fields(row))
        .with_personal_data(
            Value::Null,
            json!({"username": row.username, "email": row.email, "displayName": row.display_name}),
        )
}

/// The entry for the purge of an account.
pub fn purged(action_name: &'static str, row: &UserRow) -> AuditEntry {
    AuditEntry::new(action_name, Subject::User(row.id)).with_change(access_fields(row), Value::Null)
}

fn access_fields(row: &UserRow) -> Value {
    json!({"role": row.role, "permissions": row.permissions, "isActive": row.is_active})
}

/// The entry for a change of an account.
pub fn updated(action_name: &'static str, row: &UserRow, changes: &UserChangeset) -> AuditEntry {
    // Destructured, so that a new column does not compile until it is recorded here.
    let UserChangeset {
        username,
        display_name,
        email,
        email_confirmed,
        role,
        permissions,
        is_active,
        tags,
        attributes,
        must_change_password,
        password_hash: _,
        auth_provider,
        auth_id,
        mfa_enabled,
        expires_at,
        deleted_at,
        password_set_by_kind: _,
        password_set_by: _,
        email_set_by_kind: _,
        email_set_by: _,
    } = changes;
    let mut diff = FieldDiff::default();
    diff.add("role", &row.role, role.as_ref());
    diff.add("permissions", &row.permissions, permissions.as_ref());
    diff.add("isActive", &row.is_active, is_active.as_ref());
    diff.add(
        "emailConfirmed",
        &row.email_confirmed,
        email_confirmed.as_ref(),
    );
    diff.add(
        "mustChangePassword",
        &row.must_change_password,
        must_change_password.as_ref(),
    );
    diff.add("mfaEnabled", &row.mfa_enabled, mfa_enabled.as_ref());
    diff.add("expiresAtUtc", &row.expires_at, expires_at.as_ref());
    diff.add("deletedAtUtc", &row.deleted_at, deleted_at.as_ref());

    let mut personal = FieldDiff::default();
    personal.add("username", &row.username, username.as_ref());
    personal.add("displayName", &row.display_name, display_name.as_ref());
    personal.add("email", &row.email, email.as_ref());
    personal.add("tags", &row.tags, tags.as_ref());
    personal.add("attributes", &row.attributes, attributes.as_ref());
    personal.add("authProvider", &row.auth_provider, auth_provider.as_ref());
    personal.add("authId", &row.auth_id, auth_id.as_ref());

    AuditEntry::new(action_name, Subject::User(row.id))
        .with_diff(diff)
        .with_personal_diff(personal)
}
