//! `POST /api/v1/auth/check`: which permissions the caller holds.

use serde_json::{Value, json};

use crate::support::{Response, TestApp};

fn check(app: &TestApp, token: &str, permissions: &Value) -> Response {
    app.post("/api/v1/auth/check")
        .bearer(token)
        .json(&json!({"permissions": permissions}))
        .send()
}

#[test]
fn check_reports_granted_and_missing_permissions() {
    let app = TestApp::start();
    app.execute("INSERT INTO roles (name, rank, permissions) VALUES ('Clerk', 5, '{users.read}')");
    let (_, clerk) = app.create_signed_in_user("Clerk", &["audit.read"]);
    let names = json!([
        "users.delete",
        "users.read",
        "audit.read",
        "users.read",
        "no.such"
    ]);
    let result = check(&app, &clerk, &names).expect(200);
    assert_eq!(
        *result.data(),
        json!({"granted": ["users.read", "audit.read"], "missing": ["users.delete", "no.such"]})
    );
    let (_, powerless) = app.create_signed_in_user("User", &[]);
    let result = check(&app, &powerless, &json!(["users.read"])).expect(200);
    assert_eq!(
        *result.data(),
        json!({"granted": [], "missing": ["users.read"]})
    );
    let result = check(&app, &powerless, &json!([])).expect(200);
    assert_eq!(*result.data(), json!({"granted": [], "missing": []}));
}

#[test]
fn super_admin_holds_exactly_the_catalogue() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let names = json!(["webhooks.manage", "assets.read"]);
    let result = check(&app, &admin, &names).expect(200);
    assert_eq!(
        *result.data(),
        json!({"granted": ["webhooks.manage"], "missing": ["assets.read"]})
    );
    let permission = json!({"name": "assets.read"});
    app.post("/api/v1/permissions")
        .bearer(&admin)
        .json(&permission)
        .send()
        .expect(201);
    let result = check(&app, &admin, &names).expect(200);
    assert_eq!(result.data()["missing"], json!([]));
}

#[test]
fn malformed_permission_name_is_refused() {
    let app = TestApp::start();
    let (_, powerless) = app.create_signed_in_user("User", &[]);
    check(&app, &powerless, &json!(["users.read", "users.*"]))
        .expect_field_error("/permissions/1", "invalid_format");
    check(&app, &powerless, &json!([""])).expect_field_error("/permissions/0", "invalid_format");
    check(&app, &powerless, &json!(vec!["users.read"; 1001]))
        .expect_field_error("/permissions", "too_long");
    check(&app, &powerless, &json!("users.read"))
        .expect_field_error("/permissions", "invalid_type");
    app.post("/api/v1/auth/check")
        .bearer(&powerless)
        .json(&json!({}))
        .send()
        .expect_field_error("/permissions", "required");
    app.post("/api/v1/auth/check")
        .json(&json!({"permissions": []}))
        .send()
        .expect_problem(401, "auth_required");
}

#[test]
fn response_lists_at_most_32_errors() {
    let app = TestApp::start();
    let (_, powerless) = app.create_signed_in_user("User", &[]);
    let refused = check(&app, &powerless, &json!(vec!["x"; 1_000]))
        .expect_field_error("/permissions/31", "invalid_format");
    assert_eq!(refused.body["errors"].as_array().unwrap().len(), 32);
    let detail = refused.body["detail"].as_str().unwrap();
    assert_eq!(detail, "Only the first 32 errors are listed.");
}
