//! Callers must outrank the accounts they manage.

use serde_json::json;

use super::{BEYOND_ADMIN, MANAGEMENT_REQUESTS, USERS, call, database_state, patch};
use crate::support::TestApp;

#[test]
fn callers_must_outrank_the_accounts_they_manage() {
    let app = TestApp::start();
    app.create_role("Chief", 500, &["users.read"]);
    app.create_role("Senior", 100, &[]);
    let (_, admin) = app.create_signed_in_user("Admin", &BEYOND_ADMIN);
    for role in ["Admin", "Senior", "Chief"] {
        let user = app.create_user(&format!("target-{}", role.to_lowercase()), role, &[]);
        app.sign_in(&user.username);
        let before = database_state(&app);
        for (method, suffix, body) in MANAGEMENT_REQUESTS {
            call(&app, &admin, method, &user.path(suffix), body)
                .expect_problem(403, "user_manage_forbidden");
        }
        assert_eq!(database_state(&app), before, "{role}");
    }
    // An account of rank 0 may be managed by any holder of the permission, even of rank 0.
    let (_, user_manager) =
        app.create_signed_in_user("User", &["users.update", "users.resetPassword"]);
    let user = app.create_user("target", "User", &[]);
    patch(
        &app,
        &user_manager,
        &user,
        &json!({"displayName": "x", "email": "x@example.org"}),
    )
    .expect(200);
    // A SuperAdmin manages all accounts, including other SuperAdmins.
    let (_, first) = app.create_signed_in_user("SuperAdmin", &[]);
    let second = app.create_user("second", "SuperAdmin", &[]);
    patch(
        &app,
        &first,
        &second,
        &json!({"displayName": "x", "email": "y@example.org"}),
    )
    .expect(200);
    call(&app, &first, "DELETE", &second.path("/sessions"), "").expect(204);
}

#[test]
fn callers_must_outrank_accounts_after_the_change() {
    let app = TestApp::start();
    app.create_role("Senior", 100, &[]);
    app.create_role("Junior", 99, &[]);
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let user = app.create_user("target", "User", &[]);
    for role in ["Admin", "Senior"] {
        patch(&app, &admin, &user, &json!({ "role": role }))
            .expect_problem(403, "user_manage_forbidden");
        let body = json!({"username": "made", "role": role});
        app.post(USERS)
            .bearer(&admin)
            .json(&body)
            .send()
            .expect_problem(403, "user_manage_forbidden");
    }
    patch(&app, &admin, &user, &json!({"role": "Junior"})).expect(200);
    app.post(USERS)
        .bearer(&admin)
        .json(&json!({"username": "made", "role": "Junior"}))
        .send()
        .expect(201);
}
