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
