//! Only a SuperAdmin grants or removes that role, and the last one cannot be removed.

use serde_json::json;

use super::{BEYOND_ADMIN, USERS, call, database_state, patch};
use crate::support::TestApp;

#[test]
fn only_a_super_admin_grants_or_removes_the_super_admin_role() {
    let app = TestApp::start();
    app.create_role("Chief", 999, &[]);
    app.create_user("another", "SuperAdmin", &[]);
    let target_admin = app.create_user("boss", "SuperAdmin", &[]);
    let user = app.create_user("target", "User", &[]);
    for (role, permissions) in [
        ("Admin", &BEYOND_ADMIN[..]),
        (
            "Chief",
            &[
                "users.create",
                "users.update",
                "users.disable",
                "users.delete",
                "users.resetPassword",
                "users.managePermissions",
            ][..],
        ),
    ] {
        let (_, token) = app.create_signed_in_user(role, permissions);
        let before = database_state(&app);
        for (method, path, body) in [
            (
                "POST",
                USERS.to_owned(),
                r#"{"username": "made", "role": "SuperAdmin"}"#,
            ),
            ("PATCH", user.path(""), r#"{"role": "SuperAdmin"}"#),
            ("PATCH", target_admin.path(""), r#"{"role": "User"}"#),
            ("PATCH", target_admin.path(""), r#"{"isActive": false}"#),
            (
                "PATCH",
                target_admin.path(""),
                r#"{"expiresAtUtc": "2999-01-01T00:00:00Z"}"#,
            ),
            (
                "POST",
                target_admin.path("/status"),
                r#"{"isActive": false}"#,
            ),
            ("POST", target_admin.path("/restore"), ""),
            ("DELETE", target_admin.path("/password"), ""),
            ("DELETE", target_admin.path(""), ""),
            ("DELETE", target_admin.path("?purge=true"), ""),
        ] {
            call(&app, &token, method, &path, body)
                .expect_problem(403, "user_super_admin_forbidden");
        }
        for (method, suffix, body) in [
            ("PATCH", "", r#"{"displayName": "x"}"#),
            ("PATCH", "", r#"{"email": "x@example.org"}"#),
            ("PATCH", "/permissions", r#"{"permissions": []}"#),
            (
                "POST",
                "/reset-password",
                r#"{"newPassword": "nine purple umbrellas in june"}"#,
            ),
        ] {
            call(&app, &token, method, &target_admin.path(suffix), body)
                .expect_problem(403, "user_manage_forbidden");
        }
        assert_eq!(database_state(&app), before);
    }
    let (_, super_admin) = app.create_signed_in_user("SuperAdmin", &[]);
    patch(&app, &super_admin, &user, &json!({"role": "SuperAdmin"})).expect(200);
    patch(&app, &super_admin, &user, &json!({"role": "User"})).expect(200);
}

/// A `SuperAdmin` that is disabled, deleted, about to expire or without a password does not count as remaining.
#[test]
fn last_super_admin_cannot_be_removed() {
    let app = TestApp::start();
    let last = app.create_user("last", "SuperAdmin", &[]);
    let (other, token) = app.create_signed_in_user("SuperAdmin", &[]);
    for (description, assignment) in [
        ("expires", "expires_at = now() + interval '1 hour'"),
        ("has no password", "password_hash = NULL"),
        (
            "has a withdrawn password",
            "password_set_by_kind = 'withdrawn', password_set_by = NULL",
        ),
    ] {
        app.execute(&format!(
            "UPDATE users SET {assignment} WHERE id = '{}'",
            other.id
        ));
        let before = database_state(&app);
        for (method, suffix, body) in [
            ("PATCH", "", r#"{"role": "Admin"}"#),
            ("PATCH", "", r#"{"isActive": false}"#),
            ("PATCH", "", r#"{"expiresAtUtc": "2999-01-01T00:00:00Z"}"#),
            ("PATCH", "", r#"{"displayName": "x", "role": "User"}"#),
            ("POST", "/status", r#"{"isActive": false}"#),
            ("DELETE", "/password", ""),
            ("DELETE", "", ""),
            ("DELETE", "?purge=true", ""),
        ] {
            call(&app, &token, method, &last.path(suffix), body)
                .expect_problem(409, "last_super_admin");
        }
        assert_eq!(database_state(&app), before, "the other one {description}");
        patch(
            &app,
            &token,
            &last,
            &json!({"displayName": "still manageable"}),
        )
        .expect(200);
        call(
            &app,
            &token,
            "POST",
            &last.path("/status"),
            r#"{"isActive": true}"#,
        )
        .expect(200);
        app.execute(&format!(
            "UPDATE users SET expires_at = NULL, password_set_by_kind = 'owner', password_hash = (SELECT password_hash FROM users WHERE id = '{}') WHERE id = '{}'",
            last.id, other.id
        ));
    }
    // The last SuperAdmin cannot remove itself.
    app.execute(&format!(
        "UPDATE users SET expires_at = now() + interval '1 hour' WHERE id = '{}'",
        other.id
    ));
    let last_token = app.token("last");
    call(&app, &last_token, "DELETE", &last.path("/password"), "")
        .expect_problem(403, "user_self_credentials_forbidden");
    // A third SuperAdmin does not count while it is deleted or disabled.
    let third = app.create_user("third", "SuperAdmin", &[]);
    call(&app, &last_token, "DELETE", &third.path(""), "").expect(204);
    call(&app, &token, "DELETE", &last.path(""), "").expect_problem(409, "last_super_admin");
    call(&app, &last_token, "POST", &third.path("/restore"), "").expect(200);
    call(
        &app,
        &last_token,
        "POST",
        &third.path("/status"),
        r#"{"isActive": false}"#,
    )
    .expect(200);
    call(&app, &token, "DELETE", &last.path(""), "").expect_problem(409, "last_super_admin");
    call(
        &app,
        &last_token,
        "POST",
        &third.path("/status"),
        r#"{"isActive": true}"#,
    )
    .expect(200);
    call(&app, &token, "DELETE", &last.path(""), "").expect(204);
}
