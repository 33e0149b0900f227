//! Callers cannot change their own role, permissions or state, or delete themselves, with the management operations.

use super::{BEYOND_ADMIN, call, database_state};
use crate::support::TestApp;

#[test]
fn own_role_permissions_and_state_cannot_be_changed_and_own_account_cannot_be_deleted() {
    let app = TestApp::start();
    app.create_user("another", "SuperAdmin", &[]);
    let (own, token) = app.create_signed_in_user("SuperAdmin", &[]);
    let before = database_state(&app);
    let expect_refusal = |method: &str, suffix: &str, body: &str, code: &str| {
        call(&app, &token, method, &own.path(suffix), body).expect_problem(403, code);
    };
    expect_refusal(
        "PATCH",
        "",
        r#"{"role": "Admin"}"#,
        "user_self_role_change_forbidden",
    );
    expect_refusal(
        "PATCH",
        "/permissions",
        r#"{"permissions": ["users.read"]}"#,
        "user_self_permissions_forbidden",
    );
    expect_refusal(
        "PATCH",
        "/permissions",
        r#"{"permissions": []}"#,
        "user_self_permissions_forbidden",
    );
    expect_refusal(
        "POST",
        "/status",
        r#"{"isActive": false}"#,
        "user_self_disable_forbidden",
    );
    expect_refusal(
        "PATCH",
        "",
        r#"{"isActive": false}"#,
        "user_self_disable_forbidden",
    );
    expect_refusal(
        "PATCH",
        "",
        r#"{"expiresAtUtc": "2999-01-01T00:00:00Z"}"#,
        "user_self_disable_forbidden",
    );
    expect_refusal("DELETE", "", "", "user_self_delete_forbidden");
    expect_refusal("DELETE", "?purge=true", "", "user_self_delete_forbidden");
    assert_eq!(database_state(&app), before);
    // An Admin gets the same codes, although the rank rule applies too: rules about oneself come first.
    let (own, token) = app.create_signed_in_user("Admin", &BEYOND_ADMIN);
    for (method, suffix, body, code) in [
        (
            "PATCH",
            "",
            r#"{"role": "User"}"#,
            "user_self_role_change_forbidden",
        ),
        (
            "PATCH",
            "",
            r#"{"role": "SuperAdmin"}"#,
            "user_self_role_change_forbidden",
        ),
        (
            "PATCH",
            "/permissions",
            r#"{"permissions": ["roles.manage"]}"#,
            "user_self_permissions_forbidden",
        ),
        (
            "POST",
            "/status",
            r#"{"isActive": false}"#,
            "user_self_disable_forbidden",
        ),
        ("DELETE", "", "", "user_self_delete_forbidden"),
    ] {
        call(&app, &token, method, &own.path(suffix), body).expect_problem(403, code);
    }
}

// SECURITY: D26
#[test]
fn own_credentials_cannot_be_changed_with_the_management_operations() {
    let app = TestApp::start();
    app.create_user("another", "SuperAdmin", &[]);
    let password = r#"{"newPassword": "nine purple umbrellas in june"}"#;
    let token_body = r#"{"name": "t", "permissions": []}"#;
    let manages_users = ["users.update", "users.resetPassword", "tokens.manage"];
    for (role, permissions) in [
        ("SuperAdmin", &[][..]),
        ("Admin", &[]),
        ("User", &manages_users),
    ] {
        let (own, token) = app.create_signed_in_user(role, permissions);
        let before = database_state(&app);
        for (method, suffix, body) in [
            ("POST", "/reset-password", password),
            ("POST", "/password-reset-link", "{}"),
            ("DELETE", "/password-reset-link", ""),
            ("DELETE", "/password", ""),
            ("DELETE", "/mfa", ""),
            ("POST", "/tokens", token_body),
            ("PATCH", "", r#"{"email": "ada@example.org"}"#),
            ("PATCH", "", r#"{"authProvider": "elsewhere"}"#),
            ("PATCH", "", r#"{"authId": "7", "displayName": "Ada"}"#),
        ] {
            call(&app, &token, method, &own.path(suffix), body)
                .expect_problem(403, "user_self_credentials_forbidden");
        }
        assert_eq!(database_state(&app), before);
        let links = app.query_number("SELECT count(*) FROM password_reset_tokens");
        let tokens = app.query_number("SELECT count(*) FROM personal_access_tokens");
        assert_eq!((links, tokens), (0, 0));
        let refused = format!(
            "SELECT count(*) FROM audit_events WHERE actor_id = '{}' AND code = 'user_self_credentials_forbidden'",
            own.id
        );
        assert_eq!(app.query_number(&refused), 9);
    }
}

#[test]
fn an_operator_may_change_the_credentials_of_any_account() {
    let app = TestApp::start();
    let (user, _) = app.create_signed_in_user("SuperAdmin", &[]);
    let command = format!("users reset-link {}", user.username);
    app.cli().run(&command).expect(0);
}
