//! What the access token of a service client allows, and when it ends.

use serde_json::{Value, json};

use crate::support::{TestApp, run_concurrently, wait_until};

use super::{Client, VERIFY, assert_oauth_error, is_valid_token};

// SECURITY: G02
#[test]
fn client_token_ends_when_the_client_changes_or_ends() {
    let app = TestApp::start();
    let replica = app.start_replica();
    let admin = app.super_admin_token();
    let expect_ended = |client: &Client, ending: &dyn Fn()| {
        let token = client.token(&app);
        assert!(is_valid_token(&app, &token) && is_valid_token(&replica, &token));
        ending();
        app.get(VERIFY)
            .bearer(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
        wait_until(|| !is_valid_token(&replica, &token));
        token
    };
    let patch = |client: &Client, body: Value| {
        app.patch(&client.path(""))
            .bearer(&admin)
            .json(&body)
            .send()
            .expect(200);
    };
    // Disabled. After the client is enabled again, the token stays invalid.
    let client = Client::create(&app, &admin, &[], 0);
    let token = expect_ended(&client, &|| patch(&client, json!({"isActive": false})));
    assert_oauth_error(&client.request_token(&app, ""), 401, "invalid_client");
    patch(&client, json!({"isActive": true}));
    assert!(!is_valid_token(&app, &token));
    assert!(is_valid_token(&app, &client.token(&app)));
    // Secret rotated: the old secret and the tokens issued for it become invalid.
    let mut new_secret = String::new();
    expect_ended(&client, &|| {
        app.post(&client.path("/rotate-secret"))
            .bearer(&admin)
            .send()
            .expect(200);
    });
    assert_oauth_error(&client.request_token(&app, ""), 401, "invalid_client");
    let rotated = app
        .post(&client.path("/rotate-secret"))
        .bearer(&admin)
        .send()
        .expect(200);
    new_secret.push_str(rotated.data()["clientSecret"].as_str().unwrap());
    let client = Client {
        id: client.id,
        secret: new_secret,
    };
    // Revoked by the client.
    let token = client.token(&app);
    let other = client.token(&app);
    client.revoke(&app, &token).expect(200);
    assert!(!is_valid_token(&app, &token) && is_valid_token(&app, &other));
    // Expired, also in the cache.
    app.execute(
        "UPDATE client_access_tokens SET expires_at = clock_timestamp() + interval '100 milliseconds'",
    );
    wait_until(|| !is_valid_token(&app, &other));
    // Deleted over HTTP and with SQL.
    expect_ended(&client, &|| {
        app.delete(&client.path(""))
            .bearer(&admin)
            .send()
            .expect(204);
    });
    assert_oauth_error(&client.request_token(&app, ""), 401, "invalid_client");
    let client = Client::create(&app, &admin, &[], 0);
    let token = client.token(&app);
    assert!(is_valid_token(&app, &token));
    app.execute("DELETE FROM service_clients");
    wait_until(|| !is_valid_token(&app, &token));
}

// SECURITY: B11, G02
#[test]
fn permission_removed_from_a_client_is_refused_on_the_next_request() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let client = Client::create(&app, &admin, &["users.read", "users.create"], 0);
    let narrow_token = client.request_token(&app, "&scope=users.read").expect(200);
    let narrow_token = narrow_token.body["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = client.token(&app);
    let list_users = |token: &str| app.get("/api/v1/users").bearer(token).send();
    let set_permissions = |permissions: Value| {
        let body = json!({"permissions": permissions});
        app.patch(&client.path(""))
            .bearer(&admin)
            .json(&body)
            .send()
            .expect(200);
    };
    list_users(&token).expect(200);
    set_permissions(json!(["roles.read"]));
    list_users(&token).expect_problem(403, "permission_required");
    // A permission that was added later is not part of the scope of this token.
    app.get("/api/v1/roles")
        .bearer(&token)
        .send()
        .expect_problem(403, "permission_required");
    set_permissions(json!(["users.read", "users.create"]));
    list_users(&token).expect(200);
    // The token with the smaller scope keeps its scope.
    list_users(&narrow_token).expect(200);
    let body = json!({"username": "eve", "role": "User"});
    app.post("/api/v1/users")
        .bearer(&narrow_token)
        .json(&body)
        .send()
        .expect_problem(403, "permission_required");
    app.post("/api/v1/users")
        .bearer(&token)
        .json(&body)
        .send()
        .expect(201);
}

// SECURITY: G02
#[test]
fn token_issued_for_a_rotated_secret_is_rejected() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for _ in 0..20 {
        let client = Client::create(&app, &admin, &[], 0);
        let responses = run_concurrently(4, |index| {
            if index == 0 {
                app.post(&client.path("/rotate-secret"))
                    .bearer(&admin)
                    .send()
                    .expect(200);
                None
            } else {
                let response = client.request_token(&app, "");
                response.body["access_token"].as_str().map(str::to_owned)
            }
        });
        for token in responses.into_iter().flatten() {
            assert!(
                !is_valid_token(&app, &token),
                "the token was issued for the old secret"
            );
        }
    }
}

// SECURITY: G04
#[test]
fn client_cannot_manage_itself_or_use_session_endpoints() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let all_permissions: Vec<String> = app
        .get("/api/v1/permissions")
        .bearer(&admin)
        .send()
        .expect(200)
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|permission| permission["name"].as_str().unwrap().to_owned())
        .collect();
    let all_permissions: Vec<&str> = all_permissions.iter().map(String::as_str).collect();
    let client = Client::create(&app, &admin, &all_permissions, 999);
    let token = client.token(&app);
    for (method, suffix) in [("PATCH", ""), ("DELETE", ""), ("POST", "/rotate-secret")] {
        app.call(method, &client.path(suffix))
            .bearer(&token)
            .json(&json!({"rank": 0}))
            .send()
            .expect_problem(403, "client_manage_forbidden");
    }
    let password = "nine purple umbrellas in june";
    for (method, path, body) in [
        ("GET", "/api/v1/auth/me", Value::Null),
        (
            "POST",
            "/api/v1/auth/tokens",
            json!({"name": "x", "permissions": []}),
        ),
        ("GET", "/api/v1/auth/sessions", Value::Null),
        ("POST", "/api/v1/auth/logout", Value::Null),
        (
            "POST",
            "/api/v1/auth/change-password",
            json!({"currentPassword": password, "newPassword": password}),
        ),
        ("POST", "/api/v1/invites", json!({})),
    ] {
        let call = app.call(method, path).bearer(&token);
        let call = if body.is_null() {
            call
        } else {
            call.json(&body)
        };
        call.send().expect_problem(403, "auth_session_required");
    }
    // A client is never a SuperAdmin, whatever permissions it has.
    let super_admin = app.create_user("chief", "SuperAdmin", &[]);
    let body = json!({"isActive": false});
    app.post(&super_admin.path("/status"))
        .bearer(&token)
        .json(&body)
        .send()
        .expect_problem(403, "user_super_admin_forbidden");
    let body = json!({"username": "eve", "role": "SuperAdmin"});
    app.post("/api/v1/users")
        .bearer(&token)
        .json(&body)
        .send()
        .expect_problem(403, "user_super_admin_forbidden");
    // Its rank allows it to manage accounts below, and to create clients below.
    let user = app.create_user("ada", "Admin", &[]);
    app.post(&user.path("/status"))
        .bearer(&token)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    let equal_rank = json!({"name": "equal", "rank": 999});
    app.post("/api/v1/clients")
        .bearer(&token)
        .json(&equal_rank)
        .send()
        .expect_problem(403, "client_manage_forbidden");
    let lower_rank = json!({"name": "below", "rank": 998, "permissions": ["users.read"]});
    app.post("/api/v1/clients")
        .bearer(&token)
        .json(&lower_rank)
        .send()
        .expect(201);
}

// SECURITY: C02
#[test]
fn client_cannot_take_over_a_higher_ranked_account() {
    let app = TestApp::start();
    let permissions = [
        "users.resetPassword",
        "users.update",
        "tokens.manage",
        "users.disable",
    ];
    let client = Client::create(&app, &app.super_admin_token(), &permissions, 50);
    let token = client.token(&app);
    let admin = app.create_user("boss", "Admin", &[]);
    let password = json!({"newPassword": "nine purple umbrellas in june"});
    for (path, body) in [
        (admin.path("/reset-password"), password.clone()),
        (admin.path("/password-reset-link"), json!({})),
        (
            admin.path("/tokens"),
            json!({"name": "x", "permissions": []}),
        ),
        (admin.path("/status"), json!({"isActive": false})),
    ] {
        app.post(&path)
            .bearer(&token)
            .json(&body)
            .send()
            .expect_problem(403, "user_manage_forbidden");
    }
    let user = app.create_user("ada", "User", &[]);
    app.post(&user.path("/reset-password"))
        .bearer(&token)
        .json(&password)
        .send()
        .expect(204);
    // An account of lower rank with a permission that the client lacks is protected as well.
    let user_with_extra_permission = app.create_user("rich", "User", &["webhooks.manage"]);
    app.post(&user_with_extra_permission.path("/reset-password"))
        .bearer(&token)
        .json(&password)
        .send()
        .expect_problem(403, "user_manage_forbidden");
}
