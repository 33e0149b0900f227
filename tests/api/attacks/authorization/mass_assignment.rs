//! Request members that the caller may not set.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp};

use super::{NEW_PASSWORD, USERS};

/// Members that no caller may set here, with values that would benefit an attacker.
fn privileged_members() -> Value {
    json!({
        "id": uuid::Uuid::nil(), "permissions": ["users.read"], "effectivePermissions": ["users.read"], "roles": ["SuperAdmin"],
        "rank": 1000, "isSuperAdmin": true, "is_superadmin": true, "admin": true, "is_active": true, "status": "active",
        "email_verified": true, "emailVerified": true, "mfaEnabled": true, "mfa_enabled": false, "hasPassword": true,
        "password": "nine purple umbrellas in june", "newPassword": "nine purple umbrellas in june", "passwordHash": "$argon2id$x",
        "password_hash": "$argon2id$x", "passwordVersion": 0, "createdAtUtc": "2001-01-01T00:00:00Z", "created_at": "2001-01-01T00:00:00Z",
        "updatedAtUtc": "2001-01-01T00:00:00Z", "lastLoginAtUtc": null, "deletedAtUtc": null, "version": 99, "tenant_id": 1,
        "user": {"role": "SuperAdmin"}, "data": {"role": "SuperAdmin"}, "constructor": {}, "ROLE": "SuperAdmin", "role ": "SuperAdmin",
    })
}

fn expect_unknown_field(response: Response, name: &str) {
    let response = response
        .expect_safe()
        .expect_problem(400, "request_invalid");
    assert_eq!(
        response.body["errors"][0]["code"], "unknown_field",
        "{name} {}",
        response.text
    );
}

// SECURITY: C01
#[test]
fn privileged_or_unknown_members_cannot_be_set() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &["users.update"]);
    let user_row = || {
        app.query_text(&format!(
            "SELECT u::text FROM users u WHERE id = '{}'",
            user.id
        ))
    };
    let before = user_row();
    let privileged_members = privileged_members();
    let database_before = app.database_hash();
    for (name, value) in privileged_members.as_object().unwrap() {
        for token in [&token, &admin] {
            let single_member = json!({ name.as_str(): value });
            expect_unknown_field(
                app.patch(&user.path(""))
                    .bearer(token)
                    .json(&single_member)
                    .send(),
                name,
            );
            let mixed = json!({"displayName": "x", name.as_str(): value});
            expect_unknown_field(
                app.patch(&user.path("")).bearer(token).json(&mixed).send(),
                name,
            );
        }
        if !["permissions", "password"].contains(&name.as_str()) {
            let body = json!({"username": "made", "role": "User", name.as_str(): value});
            expect_unknown_field(app.post(USERS).bearer(&admin).json(&body).send(), name);
        }
    }
    expect_unknown_field(
        app.patch(&user.path(""))
            .bearer(&token)
            .json(&privileged_members)
            .send(),
        "all members",
    );
    let json_patch = json!([{"op": "replace", "path": "/role", "value": "SuperAdmin"}]);
    app.patch(&user.path(""))
        .bearer(&token)
        .json(&json_patch)
        .send()
        .expect_field_error("", "invalid_type");
    app.patch(&user.path(""))
        .bearer(&token)
        .body("application/json-patch+json", json_patch.to_string())
        .send()
        .expect_problem(415, "unsupported_media_type");
    assert_eq!(app.database_hash(), database_before);
    // Existing members, set by a caller who lacks the permission.
    app.patch(&user.path(""))
        .bearer(&token)
        .json(&json!({"role": "SuperAdmin"}))
        .send()
        .expect_problem(403, "user_self_role_change_forbidden");
    app.patch(&user.path(""))
        .bearer(&token)
        .json(&json!({"isActive": false}))
        .send()
        .expect_problem(403, "permission_required");
    let (_, powerless) = app.create_signed_in_user("User", &[]);
    app.patch(&user.path(""))
        .bearer(&powerless)
        .json(&json!({"displayName": "x"}))
        .send()
        .expect_problem(403, "permission_required");
    assert_eq!(user_row(), before);
    assert_eq!(
        app.query_number("SELECT count(*) FROM users WHERE username = 'made'"),
        0
    );
}

// SECURITY: C08
#[test]
fn user_id_in_the_body_is_refused() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &[]);
    let other = app.create_user("other", "User", &[]);
    let before = app.database_hash();
    for (method, path, token, mut body) in [
        (
            "POST",
            "/api/v1/auth/tokens".to_owned(),
            &token,
            json!({"name": "x", "permissions": []}),
        ),
        (
            "POST",
            other.path("/tokens"),
            &admin,
            json!({"name": "x", "permissions": []}),
        ),
        (
            "PATCH",
            "/api/v1/auth/me".to_owned(),
            &token,
            json!({"displayName": "x"}),
        ),
        ("PATCH", user.path(""), &admin, json!({"displayName": "x"})),
        (
            "PATCH",
            user.path("/permissions"),
            &admin,
            json!({"permissions": []}),
        ),
        (
            "POST",
            user.path("/status"),
            &admin,
            json!({"isActive": false}),
        ),
        (
            "POST",
            user.path("/reset-password"),
            &admin,
            json!({"newPassword": NEW_PASSWORD}),
        ),
        (
            "POST",
            "/api/v1/auth/change-password".to_owned(),
            &token,
            json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}),
        ),
    ] {
        for name in ["id", "userId", "user_id", "sub", "username_"] {
            body[name] = json!(other.id);
            expect_unknown_field(
                app.call(method, &path).bearer(token).json(&body).send(),
                name,
            );
            body.as_object_mut().unwrap().remove(name);
        }
    }
    assert_eq!(app.database_hash(), before);
}
