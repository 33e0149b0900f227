//! `POST /api/v1/oauth/introspect` (RFC 7662).

use serde_json::json;

use crate::support::{TestApp, wait_until};

use super::{Client, FORM, INTROSPECT, assert_oauth_error, claims};

// SECURITY: B18, O08
#[test]
fn introspection_of_an_active_token_returns_its_claims() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let client = Client::create(&app, &admin, &[], 0);
    let user = app.create_user("ada", "User", &["users.read", "roles.read"]);
    let session = app.sign_in("ada");
    let access = session["accessToken"].as_str().unwrap();
    let response = client.introspect(&app, access, "");
    assert_eq!(response.header("cache-control"), "no-store");
    let token_claims = claims(access);
    assert_eq!(
        response.body,
        json!({
            "active": true, "scope": "roles.read users.read", "client_id": "rosterd", "username": "ada",
            "role": "User", "token_type": "Bearer", "exp": token_claims["exp"], "iat": token_claims["iat"], "sub": user.id,
            "aud": "rosterd", "iss": "https://id.example.org", "jti": token_claims["jti"], "sid": token_claims["sid"],
        })
    );
    // The scope shows the current permissions, not those at the time of issue.
    let path = user.path("/permissions");
    app.patch(&path)
        .bearer(&admin)
        .json(&json!({"permissions": ["roles.read"]}))
        .send()
        .expect(200);
    assert_eq!(
        client.introspect(&app, access, "").body["scope"],
        "roles.read"
    );

    let token = json!({"name": "export", "permissions": ["roles.read"], "expiresAtUtc": "2099-01-01T00:00:00Z"});
    let created = app
        .post("/api/v1/auth/tokens")
        .bearer(access)
        .json(&token)
        .send()
        .expect(201);
    let personal = client
        .introspect(&app, created.data()["token"].as_str().unwrap(), "")
        .body;
    assert_eq!(
        (&personal["active"], &personal["sub"]),
        (&json!(true), &json!(user.id))
    );
    assert_eq!(
        (&personal["scope"], &personal["jti"]),
        (&json!("roles.read"), &created.data()["id"])
    );
    assert_eq!(personal["exp"], 4_070_908_800_i64);

    let own_token = client.token(&app);
    let own_token = client.introspect(&app, &own_token, "").body;
    assert_eq!(own_token["sub"], format!("client:{}", client.id));
    assert_eq!(own_token["client_id"], client.id.as_str());
    assert_eq!(
        (own_token.get("username"), own_token.get("role")),
        (None, None)
    );
}

// SECURITY: B18, O08
#[test]
fn introspection_of_an_invalid_token_returns_only_inactive() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let client = Client::create(&app, &admin, &[], 0);
    app.create_user("ada", "User", &[]);
    let inactive = json!({"active": false});
    let assert_inactive = |token: &str, extra: &str| {
        let response = client.introspect(&app, token, extra);
        assert_eq!(response.body, inactive, "{token} {extra}");
        assert_eq!(response.header("cache-control"), "no-store");
    };
    // Unknown tokens, malformed tokens, tokens for another audience, and other secrets.
    for token in ["x", "a.b.c", "rst_pat_x", "rst_rt_x", "%22", "...."] {
        assert_inactive(token, "");
    }
    let other_audience = TestApp::start_with(&[("ROSTERD_AUDIENCE", "other")]);
    assert_inactive(&other_audience.super_admin_token(), "");
    assert_inactive(&client.secret, "");
    let session = app.sign_in("ada");
    let refresh = session["refreshToken"].as_str().unwrap();
    for hint in [
        "",
        "&token_type_hint=refresh_token",
        "&token_type_hint=other",
    ] {
        assert_inactive(refresh, hint);
    }
    // Session ended.
    let access = session["accessToken"].as_str().unwrap();
    assert_eq!(
        client
            .introspect(&app, access, "&token_type_hint=refresh_token")
            .body["active"],
        true
    );
    app.post("/api/v1/auth/logout")
        .bearer(access)
        .send()
        .expect(204);
    assert_inactive(access, "");
    // Account expired.
    app.create_user("eve", "User", &[]);
    let access = app.token("eve");
    app.execute("UPDATE users SET expires_at = now() WHERE username = 'eve'");
    wait_until(|| client.introspect(&app, &access, "").body == inactive);

    // Only an authenticated service client may introspect.
    let introspect = |form: &str| app.post(INTROSPECT).body(FORM, form).send();
    assert_oauth_error(
        &introspect(&format!("token={admin}")),
        401,
        "invalid_client",
    );
    assert_oauth_error(
        &introspect(&format!("token={admin}&client_id=rosterd")),
        401,
        "invalid_client",
    );
    let by_token = app
        .post(INTROSPECT)
        .bearer(&admin)
        .body(FORM, format!("token={admin}"));
    assert_oauth_error(&by_token.send(), 401, "invalid_client");
    assert_oauth_error(&introspect(&client.form()), 400, "invalid_request");
    assert_oauth_error(
        &app.post(INTROSPECT)
            .header("Authorization", &client.basic_authorization())
            .json(&json!({"token": "x"}))
            .send(),
        400,
        "invalid_request",
    );
    app.get(INTROSPECT)
        .send()
        .expect_problem(405, "method_not_allowed");
}

#[test]
fn refresh_token_introspection_requires_sessions_read_and_a_hint() {
    let app = TestApp::start();
    let client = Client::create(&app, &app.super_admin_token(), &["sessions.read"], 0);
    let user = app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let old = session["refreshToken"].as_str().unwrap();
    let introspect = |token: &str| {
        client
            .introspect(&app, token, "&token_type_hint=refresh_token")
            .body
    };
    let introspected = introspect(old);
    assert_eq!(
        (&introspected["active"], &introspected["token_type"]),
        (&json!(true), &json!("refresh_token"))
    );
    assert_eq!(
        (&introspected["sub"], &introspected["sid"]),
        (&json!(user.id), &session["session"]["id"])
    );
    assert_eq!(introspected.get("scope"), None);
    assert_eq!(
        client.introspect(&app, old, "").body,
        json!({"active": false})
    );
    let body = json!({"refreshToken": old});
    let new = app
        .post("/api/v1/auth/refresh")
        .json(&body)
        .send()
        .expect(200);
    let new = new.data()["refreshToken"].as_str().unwrap();
    app.execute(
        "UPDATE sessions SET rotated_at = now() - interval '31 seconds', successor_used_at = now() - interval '31 seconds'",
    );
    assert_eq!(introspect(old), json!({"active": false}));
    assert_eq!(introspect(new)["active"], true);
    app.execute("UPDATE users SET is_active = false");
    assert_eq!(introspect(new), json!({"active": false}));
}
