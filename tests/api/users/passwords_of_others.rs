//! Passwords that must be changed: the owner can, also when the person or program that set the password has gone, unless the
//! account got more authority in between.

use serde_json::json;

use super::promotion::{
    NEW_PASSWORD, assert_no_change_token, change_password, login, redeem, reset_link, set_password,
    set_role,
};
use crate::support::{PASSWORD, TestApp, TestUser};

/// Sets a password that the account must change.
fn require_new_password(app: &TestApp, caller: &str, user: &TestUser) {
    let must_change = json!({"mustChangePassword": true});
    let patch = app.patch(&user.path("")).bearer(caller).json(&must_change);
    patch.send().expect(200);
    set_password(app, caller, user);
}

fn change_token(app: &TestApp, user: &TestUser) -> String {
    let refused = login(app, user, NEW_PASSWORD);
    let refused = refused.expect_problem(403, "auth_password_change_required");
    let token = refused.body["changeToken"].as_str();
    token.expect("a change token").to_owned()
}

/// The id of a service client, and an access token of it.
fn client_with_token(app: &TestApp, creator: &str, permissions: &[&str]) -> (String, String) {
    let body = json!({"name": "helpdesk", "permissions": permissions, "rank": 50});
    let created = app.post("/api/v1/clients").bearer(creator).json(&body);
    let created = created.send().expect(201);
    let text = |name: &str| created.data()[name].as_str().unwrap().to_owned();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        text("clientId"),
        text("clientSecret")
    );
    let granted = app
        .post("/api/v1/oauth/token")
        .body("application/x-www-form-urlencoded", form)
        .send()
        .expect(200);
    let token = granted.body["access_token"].as_str().unwrap().to_owned();
    (text("clientId"), token)
}

#[test]
fn change_token_ends_with_a_promotion() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let (user, _) = app.create_signed_in_user("User", &[]);
    require_new_password(&app, &admin, &user);
    let token = change_token(&app, &user);
    set_role(&app, &super_admin, &user, "SuperAdmin");
    change_password(&app, &token, PASSWORD).expect_problem(401, "auth_token_invalid");
    assert_no_change_token(login(&app, &user, NEW_PASSWORD));
    // The password remains withdrawn when the account has less authority again, or need not change it.
    set_role(&app, &super_admin, &user, "User");
    let patch = app.patch(&user.path("")).bearer(&super_admin);
    let patch = patch.json(&json!({"mustChangePassword": false}));
    patch.send().expect(200);
    assert_no_change_token(login(&app, &user, NEW_PASSWORD));
    redeem(&app, &reset_link(&app, &super_admin, &user)).expect(204);
    login(&app, &user, NEW_PASSWORD).expect(200);
}

/// The owner of a new account must be able to sign in, although the administrator or program that created it has gone.
#[test]
fn password_that_must_be_changed_can_be_changed_after_its_creator_is_removed() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let helpdesk = ["users.create", "users.resetPassword", "users.update"];
    let demoted = app.create_signed_in_user("Admin", &[]);
    let deleted = app.create_signed_in_user("Admin", &[]);
    let token_owner = app.create_signed_in_user("Admin", &[]).1;
    let created = app
        .post("/api/v1/auth/tokens")
        .bearer(&token_owner)
        .json(&json!({"name": "helpdesk", "permissions": helpdesk}))
        .send()
        .expect(201);
    let token_path = format!(
        "/api/v1/auth/tokens/{}",
        created.data()["id"].as_str().unwrap()
    );
    let (client_id, client) = client_with_token(&app, &super_admin, &helpdesk);
    let client_path = format!("/api/v1/clients/{client_id}");
    let delete = |path: &str, bearer: &str| {
        app.delete(path).bearer(bearer).send().expect(204);
    };
    let cases: [(&str, &str, &dyn Fn()); 4] = [
        ("demoted", &demoted.1, &|| {
            set_role(&app, &super_admin, &demoted.0, "User");
        }),
        ("deleted", &deleted.1, &|| {
            delete(&deleted.0.path(""), &super_admin);
        }),
        ("token", created.data()["token"].as_str().unwrap(), &|| {
            delete(&token_path, &token_owner);
        }),
        ("client", &client, &|| delete(&client_path, &super_admin)),
    ];
    for (what, creator, remove) in cases {
        let (user, _) = app.create_signed_in_user("User", &[]);
        let (promoted, _) = app.create_signed_in_user("User", &[]);
        require_new_password(&app, creator, &user);
        require_new_password(&app, creator, &promoted);
        remove();
        let token = change_token(&app, &user);
        let changed = change_password(&app, &token, PASSWORD);
        assert_eq!(changed.status, 204, "{what}: {}", changed.text);
        login(&app, &user, PASSWORD).expect(200);
        set_role(&app, &super_admin, &promoted, "Admin");
        assert_no_change_token(login(&app, &promoted, NEW_PASSWORD));
    }
}
