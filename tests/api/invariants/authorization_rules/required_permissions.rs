//! The permission that each request needs, and members of a body that need a permission of their own.

use serde_json::json;

use super::{USERS, call, patch};
use crate::support::TestApp;

#[test]
fn each_request_needs_exactly_its_permission() {
    let app = TestApp::start();
    let user = app.create_user("target", "User", &[]);
    let all_permissions: Vec<String> = app
        .get("/api/v1/permissions")
        .bearer(app.super_admin_token())
        .send()
        .expect(200)
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|permission| permission["name"].as_str().unwrap().to_owned())
        .collect();
    let (_, powerless) = app.create_signed_in_user("User", &[]);
    for (required, method, path, body) in [
        (
            "users.create",
            "POST",
            USERS.to_owned(),
            r#"{"username": "x", "role": "User"}"#,
        ),
        ("users.read", "GET", USERS.to_owned(), ""),
        ("users.read", "GET", user.path(""), ""),
        ("users.update", "PATCH", user.path(""), "{}"),
        ("users.update", "PUT", user.path("/tags/x"), ""),
        ("users.update", "DELETE", user.path("/tags/x"), ""),
        (
            "users.managePermissions",
            "PATCH",
            user.path("/permissions"),
            r#"{"permissions": []}"#,
        ),
        (
            "users.disable",
            "POST",
            user.path("/status"),
            r#"{"isActive": true}"#,
        ),
        (
            "users.resetPassword",
            "POST",
            user.path("/reset-password"),
            r#"{"newPassword": "x"}"#,
        ),
        ("sessions.revoke", "DELETE", user.path("/sessions"), ""),
        ("users.resetPassword", "DELETE", user.path("/password"), ""),
        ("users.delete", "POST", user.path("/restore"), ""),
        ("users.delete", "DELETE", user.path(""), ""),
        ("roles.read", "GET", "/api/v1/roles".to_owned(), ""),
        ("roles.read", "GET", "/api/v1/roles/Admin".to_owned(), ""),
        ("roles.read", "GET", "/api/v1/permissions".to_owned(), ""),
        (
            "roles.manage",
            "POST",
            "/api/v1/permissions".to_owned(),
            r#"{"name": "x"}"#,
        ),
        (
            "roles.manage",
            "DELETE",
            "/api/v1/permissions/a.b".to_owned(),
            "",
        ),
    ] {
        let anonymous = app
            .call(method, &path)
            .body("application/json", body)
            .send();
        assert_eq!(
            anonymous.header("www-authenticate"),
            r#"Bearer realm="rosterd""#
        );
        anonymous.expect_problem(401, "auth_required");
        let invalid = call(&app, "x.y.z", method, &path, body);
        assert!(invalid.header("www-authenticate").contains("invalid_token"));
        invalid.expect_problem(401, "auth_token_invalid");
        call(&app, &powerless, method, &path, body).expect_problem(403, "permission_required");
        let others: Vec<&str> = all_permissions
            .iter()
            .map(String::as_str)
            .filter(|name| *name != required)
            .collect();
        let (_, token_without) = app.create_signed_in_user("User", &others);
        let refused = call(&app, &token_without, method, &path, body)
            .expect_problem(403, "permission_required");
        assert!(
            refused
                .header("www-authenticate")
                .contains("insufficient_scope"),
            "{method} {path}"
        );
        let (_, token_with) = app.create_signed_in_user("User", &[required]);
        let response = call(&app, &token_with, method, &path, body);
        assert!(
            ![401, 403, 500].contains(&response.status),
            "{method} {path} {}",
            response.text
        );
    }
}

#[test]
fn permissions_and_active_state_in_a_body_need_their_own_permission() {
    let app = TestApp::start();
    let (_, token) =
        app.create_signed_in_user("User", &["users.create", "users.update", "users.read"]);
    let user = app.create_user("target", "User", &[]);
    let body = json!({"username": "made", "role": "User", "permissions": ["users.read"]});
    app.post(USERS)
        .bearer(&token)
        .json(&body)
        .send()
        .expect_problem(403, "permission_required");
    app.post(USERS)
        .bearer(&token)
        .json(&json!({"username": "made", "role": "User", "permissions": []}))
        .send()
        .expect(201);
    for change in [
        json!({"isActive": false}),
        json!({"isActive": true}),
        json!({"isActive": false, "displayName": "x"}),
    ] {
        patch(&app, &token, &user, &change).expect_problem(403, "permission_required");
    }
    assert_eq!(
        app.query_number(
            "SELECT count(*) FROM users WHERE display_name IS NOT NULL OR NOT is_active"
        ),
        0
    );
    let (_, token) = app.create_signed_in_user("User", &["users.update", "users.disable"]);
    patch(&app, &token, &user, &json!({"isActive": false})).expect(200);
}
