//! Permissions can only be granted by callers that hold them. Taking over an account requires all of its permissions.

use serde_json::json;

use super::{USERS, call, database_state, patch, set_permissions};
use crate::support::TestApp;

#[test]
fn permissions_not_held_cannot_be_granted() {
    let app = TestApp::start();
    app.create_role("Publisher", 0, &["webhooks.manage"]);
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let user = app.create_user("target", "User", &["roles.manage"]);
    let before = database_state(&app);
    let refused = set_permissions(&app, &admin, &user, &["roles.manage", "clients.manage"])
        .expect_problem(403, "permission_not_held");
    assert!(
        refused.text.contains("clients.manage") && !refused.text.contains("roles.manage"),
        "{}",
        refused.text
    );
    patch(&app, &admin, &user, &json!({"role": "Publisher"}))
        .expect_problem(403, "permission_not_held");
    for body in [
        json!({"username": "made", "role": "User", "permissions": ["roles.manage"]}),
        json!({"username": "made", "role": "Publisher"}),
    ] {
        app.post(USERS)
            .bearer(&admin)
            .json(&body)
            .send()
            .expect_problem(403, "permission_not_held");
    }
    assert_eq!(database_state(&app), before);
    // Grants that the account already has may stay, and permissions that the caller does not hold may be revoked.
    set_permissions(&app, &admin, &user, &["roles.manage", "users.read"]).expect(200);
    set_permissions(&app, &admin, &user, &["users.read"]).expect(200);
    set_permissions(&app, &admin, &user, &["roles.manage", "users.read"])
        .expect_problem(403, "permission_not_held");
}

#[test]
fn changing_credentials_requires_every_permission_of_the_account() {
    let app = TestApp::start();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    for role in ["User", "Fixer"] {
        if role == "Fixer" {
            app.create_role("Fixer", 10, &["roles.manage"]);
        }
        let direct_grants: &[&str] = if role == "User" {
            &["roles.manage"]
        } else {
            &[]
        };
        let user = app.create_user(&format!("t-{}", role.to_lowercase()), role, direct_grants);
        app.execute(&format!(
            "UPDATE users SET email = username || '@example.org' WHERE id = '{}'",
            user.id
        ));
        for change in [
            json!({"email": "evil@example.org"}),
            json!({"email": null}),
            json!({"emailConfirmed": true}),
            json!({"authProvider": "evil"}),
            json!({"authId": "evil"}),
            json!({"displayName": "x", "authId": "evil"}),
        ] {
            patch(&app, &admin, &user, &change).expect_problem(403, "user_manage_forbidden");
        }
        let reset = json!({"newPassword": "nine purple umbrellas in june"});
        app.post(&user.path("/reset-password"))
            .bearer(&admin)
            .json(&reset)
            .send()
            .expect_problem(403, "user_manage_forbidden");
        // Changes that give no access to the account need only the rank.
        patch(
            &app,
            &admin,
            &user,
            &json!({"displayName": "x", "emailConfirmed": false}),
        )
        .expect(200);
        call(&app, &admin, "DELETE", &user.path("/sessions"), "").expect(204);
        call(&app, &admin, "DELETE", &user.path("/password"), "").expect(204);
    }
}
