//! `POST /auth/check`: whether the caller holds some permissions.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

fn check(app: &TestApp, by: &str, permissions: &Value) -> Answer {
    app.post("/api/v1/auth/check")
        .by(by)
        .json(&json!({"permissions": permissions}))
        .send()
}

#[test]
fn everybody_learns_what_they_hold_through_role_and_grants() {
    let app = TestApp::start();
    app.execute("INSERT INTO roles (name, rank, permissions) VALUES ('Clerk', 5, '{users.read}')");
    let (_, clerk) = app.someone("Clerk", &["audit.read"]);
    let asked = json!([
        "users.delete",
        "users.read",
        "audit.read",
        "users.read",
        "no.such"
    ]);
    let told = check(&app, &clerk, &asked).expect(200);
    assert_eq!(
        *told.data(),
        json!({"granted": ["users.read", "audit.read"], "missing": ["users.delete", "no.such"]})
    );
    let (_, plain) = app.someone("User", &[]);
    let told = check(&app, &plain, &json!(["users.read"])).expect(200);
    assert_eq!(
        *told.data(),
        json!({"granted": [], "missing": ["users.read"]})
    );
    let told = check(&app, &plain, &json!([])).expect(200);
    assert_eq!(*told.data(), json!({"granted": [], "missing": []}));
}

#[test]
fn a_super_admin_holds_what_the_catalogue_has_and_nothing_else() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let asked = json!(["webhooks.manage", "assets.read"]);
    let told = check(&app, &admin, &asked).expect(200);
    assert_eq!(
        *told.data(),
        json!({"granted": ["webhooks.manage"], "missing": ["assets.read"]})
    );
    let new = json!({"name": "assets.read"});
    app.post("/api/v1/permissions")
        .by(&admin)
        .json(&new)
        .send()
        .expect(201);
    let told = check(&app, &admin, &asked).expect(200);
    assert_eq!(told.data()["missing"], json!([]));
}

#[test]
fn what_can_be_no_permission_is_refused() {
    let app = TestApp::start();
    let (_, plain) = app.someone("User", &[]);
    check(&app, &plain, &json!(["users.read", "users.*"]))
        .expect_fault("/permissions/1", "invalid_format");
    check(&app, &plain, &json!([""])).expect_fault("/permissions/0", "invalid_format");
    check(&app, &plain, &json!(vec!["users.read"; 1001])).expect_fault("/permissions", "too_long");
    check(&app, &plain, &json!("users.read")).expect_fault("/permissions", "invalid_type");
    app.post("/api/v1/auth/check")
        .by(&plain)
        .json(&json!({}))
        .send()
        .expect_fault("/permissions", "required");
    app.post("/api/v1/auth/check")
        .json(&json!({"permissions": []}))
        .send()
        .expect_problem(401, "auth_required");
}
