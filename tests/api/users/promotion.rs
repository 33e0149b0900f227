//! What ends when an account gets more authority, or when whoever created its credentials loses theirs.

use std::thread;

use serde_json::json;

use crate::support::{PASSWORD, Response, TestApp, TestUser};

pub(super) const NEW_PASSWORD: &str = "nine purple umbrellas in june";

/// A change of an account.
type Change<'a> = &'a dyn Fn(&TestUser);

pub(super) fn login(app: &TestApp, user: &TestUser, password: &str) -> Response {
    app.post("/api/v1/auth/login")
        .json(&json!({"username": user.username, "password": password}))
        .send()
}

pub(super) fn reset_link(app: &TestApp, caller: &str, user: &TestUser) -> String {
    let path = user.path("/password-reset-link");
    let created = app.post(&path).bearer(caller).send().expect(201);
    created.data()["token"].as_str().unwrap().to_owned()
}

pub(super) fn redeem(app: &TestApp, token: &str) -> Response {
    app.post("/api/v1/auth/reset-password")
        .json(&json!({"token": token, "newPassword": NEW_PASSWORD}))
        .send()
}

pub(super) fn set_password(app: &TestApp, caller: &str, user: &TestUser) {
    app.post(&user.path("/reset-password"))
        .bearer(caller)
        .json(&json!({"newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
}

pub(super) fn set_role(app: &TestApp, caller: &str, user: &TestUser, role: &str) -> Response {
    app.patch(&user.path(""))
        .bearer(caller)
        .json(&json!({"role": role}))
        .send()
        .expect(200)
}

pub(super) fn change_password(app: &TestApp, change_token: &str, new_password: &str) -> Response {
    app.post("/api/v1/auth/change-password")
        .bearer(change_token)
        .json(&json!({"currentPassword": NEW_PASSWORD, "newPassword": new_password}))
        .send()
}

/// The password must be changed, and the response contains no token for it.
#[track_caller]
pub(super) fn assert_no_change_token(response: Response) {
    let response = response.expect_problem(403, "auth_password_change_required");
    assert_eq!(response.body["changeToken"], json!(null));
}

// SECURITY: F08
#[test]
fn reset_link_ends_when_the_account_gets_more_authority() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    app.create_role("Helper", 10, &[]);
    app.create_role("Guide", 5, &[]);
    app.create_role("Leader", 20, &[]);
    let send = |method: &str, path: &str, body: serde_json::Value| {
        let request = app.call(method, path).bearer(&super_admin).json(&body);
        request.send().expect(200);
    };
    let raise: [(&str, &str, Change); 5] = [
        ("User", "role", &|user| {
            set_role(&app, &super_admin, user, "SuperAdmin");
        }),
        ("User", "permission", &|user| {
            let body = json!({"permissions": ["users.read"]});
            send("PATCH", &user.path("/permissions"), body);
        }),
        ("Helper", "permission of the role", &|_| {
            send(
                "PATCH",
                "/api/v1/roles/Helper",
                json!({"permissions": ["users.read"]}),
            );
        }),
        ("Helper", "rank of the role", &|_| {
            send("PATCH", "/api/v1/roles/Helper", json!({"rank": 11}));
        }),
        ("Guide", "move to another role", &|_| {
            send(
                "PATCH",
                "/api/v1/roles/Guide?moveTo=Leader",
                json!({"name": "Guide2"}),
            );
        }),
    ];
    for (role, what, raise) in raise {
        let (user, _) = app.create_signed_in_user(role, &[]);
        let link = reset_link(&app, &admin, &user);
        raise(&user);
        let response = redeem(&app, &link);
        assert_eq!(response.status, 400, "{what}: {}", response.text);
        login(&app, &user, PASSWORD).expect(200);
    }
    let (user, _) = app.create_signed_in_user("Leader", &["users.read"]);
    let link = reset_link(&app, &admin, &user);
    send(
        "PATCH",
        &user.path("/permissions"),
        json!({"permissions": []}),
    );
    set_role(&app, &super_admin, &user, "User");
    redeem(&app, &link).expect(204);
}

#[test]
fn reset_link_ends_when_its_creator_loses_the_authority() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let lose: [(&str, Change); 5] = [
        ("demoted", &|admin| {
            drop(set_role(&app, &super_admin, admin, "User"));
        }),
        ("disabled", &|admin| {
            let request = app.post(&admin.path("/status")).bearer(&super_admin);
            request.json(&json!({"isActive": false})).send().expect(200);
        }),
        ("deleted", &|admin| {
            app.delete(&admin.path(""))
                .bearer(&super_admin)
                .send()
                .expect(204);
        }),
        ("purged", &|admin| {
            let path = admin.path("?purge=true");
            app.delete(&path).bearer(&super_admin).send().expect(204);
        }),
        ("expired", &|admin| {
            app.execute(&format!(
                "UPDATE users SET expires_at = now() WHERE id = '{}'",
                admin.id
            ));
        }),
    ];
    for (what, lose) in lose {
        let (admin, token) = app.create_signed_in_user("Admin", &[]);
        let (user, _) = app.create_signed_in_user("User", &[]);
        let link = reset_link(&app, &token, &user);
        lose(&admin);
        let response = redeem(&app, &link);
        assert_eq!(response.status, 400, "{what}: {}", response.text);
        login(&app, &user, PASSWORD).expect(200);
    }
    // The link of a personal access token ends with the token, that of a service client with the client.
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let created = app
        .post("/api/v1/auth/tokens")
        .bearer(&admin)
        .json(&json!({"name": "helpdesk", "permissions": ["users.resetPassword"]}))
        .send()
        .expect(201);
    let (user, _) = app.create_signed_in_user("User", &[]);
    let link = reset_link(&app, created.data()["token"].as_str().unwrap(), &user);
    let path = format!(
        "/api/v1/auth/tokens/{}",
        created.data()["id"].as_str().unwrap()
    );
    app.delete(&path).bearer(&admin).send().expect(204);
    redeem(&app, &link).expect_problem(400, "reset_token_invalid");
}

// SECURITY: C02
#[test]
fn password_that_an_admin_set_does_not_open_a_promoted_account() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    // The admin sets the password directly, or with a link that the admin uses.
    for by_link in [false, true] {
        let (user, _) = app.create_signed_in_user("User", &["users.read"]);
        if by_link {
            redeem(&app, &reset_link(&app, &admin, &user)).expect(204);
        } else {
            set_password(&app, &admin, &user);
        }
        let session = login(&app, &user, NEW_PASSWORD).expect(200).data().clone();
        let access = session["accessToken"].as_str().unwrap();
        let token = app
            .post("/api/v1/auth/tokens")
            .bearer(access)
            .json(&json!({"name": "script", "permissions": ["users.read"]}))
            .send()
            .expect(201);
        let promoted = set_role(&app, &super_admin, &user, "SuperAdmin");
        assert_eq!(promoted.data()["mustChangePassword"], true);
        for credential in [access, token.data()["token"].as_str().unwrap()] {
            let me = app.get("/api/v1/auth/me").bearer(credential).send();
            me.expect_problem(401, "auth_token_invalid");
        }
        let refresh = json!({"refreshToken": session["refreshToken"]});
        let refreshed = app.post("/api/v1/auth/refresh").json(&refresh).send();
        refreshed.expect_problem(401, "auth_refresh_token_invalid");
        assert_no_change_token(login(&app, &user, NEW_PASSWORD));
        // A link from someone who may manage the account lets the owner in again.
        redeem(&app, &reset_link(&app, &super_admin, &user)).expect(204);
        login(&app, &user, NEW_PASSWORD).expect(200);
    }
}

#[test]
fn required_change_cannot_be_waived_by_who_may_not_set_the_password() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let permissions = ["users.read", "users.update", "users.resetPassword"];
    let (_, helper) = app.create_signed_in_user("User", &permissions);
    let user = app.create_user("ada", "User", &[]);
    set_password(&app, &helper, &user);
    app.patch(&user.path("/permissions"))
        .bearer(&super_admin)
        .json(&json!({"permissions": ["users.managePermissions"]}))
        .send()
        .expect(200);
    assert_no_change_token(login(&app, &user, NEW_PASSWORD));
    let waive = |caller: &str| {
        let body = json!({"mustChangePassword": false});
        app.patch(&user.path("")).bearer(caller).json(&body).send()
    };
    assert_eq!(waive(&helper).status, 403);
    assert_no_change_token(login(&app, &user, NEW_PASSWORD));
    // The password stays out of use, because the helper knows it.
    waive(&super_admin).expect(200);
    assert_no_change_token(login(&app, &user, NEW_PASSWORD));
}

#[test]
fn password_set_by_whoever_may_manage_the_promoted_account_must_be_changed() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (user, _) = app.create_signed_in_user("User", &[]);
    set_password(&app, &super_admin, &user);
    set_role(&app, &super_admin, &user, "Admin");
    let refused = login(&app, &user, NEW_PASSWORD);
    let refused = refused.expect_problem(403, "auth_password_change_required");
    let change_token = refused.body["changeToken"].as_str().unwrap().to_owned();
    change_password(&app, &change_token, PASSWORD).expect(204);
    let access = app.token(&user.username);
    // The owner set this password, so the next promotion ends nothing.
    set_role(&app, &super_admin, &user, "SuperAdmin");
    app.get("/api/v1/auth/me")
        .bearer(&access)
        .send()
        .expect(200);
    login(&app, &user, PASSWORD).expect(200);
}

#[test]
fn password_set_by_whoever_grants_a_permission_stays_valid() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (user, _) = app.create_signed_in_user("User", &[]);
    set_password(&app, &super_admin, &user);
    app.patch(&user.path("/permissions"))
        .bearer(&super_admin)
        .json(&json!({"permissions": ["users.read"]}))
        .send()
        .expect(200);
    login(&app, &user, NEW_PASSWORD).expect(200);
}

#[test]
fn token_that_another_created_ends_when_the_account_gets_more_authority() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (user, own) = app.create_signed_in_user("User", &["users.read"]);
    let create = |path: &str, caller: &str| {
        let body = json!({"name": "script", "permissions": ["users.read"]});
        let created = app.post(path).bearer(caller).json(&body).send().expect(201);
        created.data()["token"].as_str().unwrap().to_owned()
    };
    let by_owner = create("/api/v1/auth/tokens", &own);
    let by_admin = create(&user.path("/tokens"), &super_admin);
    set_role(&app, &super_admin, &user, "Admin");
    let me = |token: &str| app.get("/api/v1/auth/me").bearer(token).send().status;
    assert_eq!((me(&by_owner), me(&by_admin)), (200, 401));
}

#[test]
fn token_of_a_session_that_an_admin_opened_ends_with_a_promotion() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let (user, _) = app.create_signed_in_user("User", &[]);
    set_password(&app, &admin, &user);
    let session = login(&app, &user, NEW_PASSWORD).expect(200);
    let session = session.data()["accessToken"].as_str().unwrap().to_owned();
    let body = json!({"name": "by the admin", "permissions": []});
    let created = app
        .post("/api/v1/auth/tokens")
        .bearer(&session)
        .json(&body)
        .send()
        .expect(201);
    let token = created.data()["token"].as_str().unwrap().to_owned();
    app.post("/api/v1/auth/change-password")
        .bearer(&session)
        .json(&json!({"currentPassword": NEW_PASSWORD, "newPassword": PASSWORD}))
        .send()
        .expect(204);
    set_role(&app, &super_admin, &user, "Admin");
    app.get("/api/v1/auth/me").bearer(&token).send().expect(401);
}

#[test]
fn raising_a_role_ends_what_others_created_for_its_accounts() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let raise: [(&str, serde_json::Value, u16); 3] = [
        ("Helper", json!({"permissions": ["assets.read"]}), 200),
        ("Guide", json!({"permissions": ["roles.manage"]}), 403),
        ("Leader", json!({"rank": 200}), 403),
    ];
    app.post("/api/v1/permissions")
        .bearer(&super_admin)
        .json(&json!({"name": "assets.read"}))
        .send()
        .expect(201);
    for (role, change, login_status) in raise {
        app.create_role(role, 10, &[]);
        let (user, _) = app.create_signed_in_user(role, &[]);
        set_password(&app, &admin, &user);
        let body = json!({"name": "by the admin", "permissions": []});
        let token = app
            .post(&user.path("/tokens"))
            .bearer(&admin)
            .json(&body)
            .send()
            .expect(201);
        let token = token.data()["token"].as_str().unwrap().to_owned();
        let me = || app.get("/api/v1/auth/me").bearer(&token).send().status;
        assert_eq!(me(), 200, "{role}");
        app.patch(&format!("/api/v1/roles/{role}"))
            .bearer(&super_admin)
            .json(&change)
            .send()
            .expect(200);
        assert_eq!(me(), 401, "{role}");
        assert_eq!(
            login(&app, &user, NEW_PASSWORD).status,
            login_status,
            "{role}"
        );
    }
}

#[test]
fn reset_link_used_during_a_promotion_never_gives_access_to_the_promoted_account() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    for _ in 0..20 {
        let (user, _) = app.create_signed_in_user("User", &[]);
        let link = reset_link(&app, &admin, &user);
        thread::scope(|scope| {
            scope.spawn(|| redeem(&app, &link));
            scope.spawn(|| set_role(&app, &super_admin, &user, "SuperAdmin"));
        });
        let response = login(&app, &user, NEW_PASSWORD);
        if response.status == 403 {
            assert_no_change_token(response);
        } else {
            response.expect_problem(401, "auth_invalid_credentials");
        }
        app.clear_rate_limits();
    }
}
