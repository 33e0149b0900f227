//! What responses reveal about accounts.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp};

use super::{NEW_PASSWORD, USERS};

// SECURITY: C12
#[test]
fn caller_without_users_read_learns_nothing_about_accounts() {
    let app = TestApp::start();
    let user = app.create_user("ada", "User", &[]);
    let (_, token) = app.create_signed_in_user(
        "User",
        &[
            "users.update",
            "users.disable",
            "sessions.revoke",
            "users.delete",
        ],
    );
    let response_for = |path: &str| {
        let response = app
            .get(path)
            .bearer(&token)
            .header("If-None-Match", "*")
            .send()
            .expect_problem(403, "permission_required");
        assert_eq!(
            (response.header("etag"), response.header("location")),
            ("", "")
        );
        let mut body = response.body.clone();
        body["traceId"] = Value::Null;
        (body, response.header("content-length").to_owned())
    };
    let missing_user = format!("{USERS}/{}", uuid::Uuid::now_v7());
    assert_eq!(response_for(&user.path("")), response_for(&missing_user));
    assert_eq!(
        response_for(&format!("{USERS}?count=true&username=ada")),
        response_for(&format!("{USERS}?count=true&username=unknown"))
    );
    assert_eq!(
        response_for(&format!("{USERS}?cursor=x")),
        response_for(&format!("{USERS}?limit=900"))
    );
    // Without a token, an existing and a missing account get the same response.
    for (method, suffix) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/status"),
        ("PUT", "/tags/x"),
    ] {
        let anonymous = |path: String| {
            let response = app
                .call(method, &path)
                .send()
                .expect_problem(401, "auth_required");
            response
                .text
                .replace(response.body["traceId"].as_str().unwrap(), "")
        };
        assert_eq!(
            anonymous(user.path(suffix)),
            anonymous(format!("{missing_user}{suffix}"))
        );
    }
}

// SECURITY: C14
#[test]
fn no_response_contains_an_account_secret() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let body = json!({"username": "ada", "role": "User", "password": NEW_PASSWORD, "email": "ada@example.org"});
    let created = app
        .post(USERS)
        .bearer(&admin)
        .header("Idempotency-Key", "one")
        .json(&body)
        .send()
        .expect(201);
    let path = created.header("location").to_owned();
    let replayed = app
        .post(USERS)
        .bearer(&admin)
        .header("Idempotency-Key", "one")
        .json(&body)
        .send()
        .expect(201);
    let session = app
        .post("/api/v1/auth/login")
        .json(&json!({"username": "ada", "password": NEW_PASSWORD}))
        .send()
        .expect(200);
    let own_token = session.data()["accessToken"].as_str().unwrap().to_owned();
    let token = app
        .post("/api/v1/auth/tokens")
        .bearer(&own_token)
        .json(&json!({"name": "x", "permissions": []}))
        .send()
        .expect(201);
    let link = app
        .post(&format!("{path}/password-reset-link"))
        .bearer(&admin)
        .json(&json!({}))
        .send()
        .expect(201);
    for secret in [
        &json!(NEW_PASSWORD),
        &json!(PASSWORD),
        &session.data()["accessToken"],
        &session.data()["refreshToken"],
        &token.data()["token"],
        &link.data()["token"],
    ] {
        app.expect_not_stored(secret.as_str().unwrap());
    }
    let weak_password = json!({"username": "x", "role": "User", "password": "umbrella"});
    for response in [
        created,
        replayed,
        session,
        app.get(&path).bearer(&admin).send().expect(200),
        app.get("/api/v1/auth/me")
            .bearer(&own_token)
            .send()
            .expect(200),
        app.get(&format!("{USERS}?query=ada"))
            .bearer(&admin)
            .send()
            .expect(200),
        app.patch(&path)
            .bearer(&admin)
            .json(&json!({"displayName": "x"}))
            .send()
            .expect(200),
        app.post(&format!("{path}/status"))
            .bearer(&admin)
            .json(&json!({"isActive": true}))
            .send()
            .expect(200),
        app.post(USERS)
            .bearer(&admin)
            .json(&weak_password)
            .send()
            .expect(400),
        app.post("/api/v1/auth/login")
            .json(&json!({"username": "ada", "password": {"umbrella": 1}}))
            .send()
            .expect(400),
        app.post("/api/v1/auth/login")
            .json(&json!({"username": "ada", "passwort": NEW_PASSWORD}))
            .send()
            .expect(400),
    ] {
        for secret in [
            "argon2",
            "umbrella",
            "password_hash",
            "passwordHash",
            "passwordVersion",
            "totp",
            "digest",
        ] {
            assert!(
                !response.text.contains(secret),
                "{secret} in {}",
                response.text
            );
        }
    }
}
