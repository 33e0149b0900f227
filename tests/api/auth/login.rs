//! `POST /api/v1/auth/login`, `/refresh` and `/logout`.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp};

const ME: &str = "/api/v1/auth/me";
const LOGIN: &str = "/api/v1/auth/login";
const REFRESH: &str = "/api/v1/auth/refresh";

fn login(app: &TestApp, name: &str, password: &str) -> Response {
    let body = json!({"username": name, "password": password});
    app.post(LOGIN).json(&body).send()
}

fn refresh(app: &TestApp, token: &Value) -> Response {
    app.post(REFRESH)
        .json(&json!({ "refreshToken": token }))
        .send()
}

fn me(app: &TestApp, session: &Value) -> Response {
    app.get(ME)
        .bearer(session["accessToken"].as_str().unwrap())
        .send()
}

/// The seconds between two times of the response.
fn seconds(from: &Value, to: &Value) -> i64 {
    let read = |time: &Value| chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
    (read(to) - read(from)).num_seconds()
}

#[test]
fn login_returns_tokens_session_and_account() {
    let app = TestApp::start();
    let user = app.create_user("ada", "User", &["users.read"]);
    let body = json!({"username": "ada", "password": PASSWORD});
    let response = app
        .post(LOGIN)
        .header("User-Agent", "curl/8")
        .json(&body)
        .send()
        .expect(200);
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.header("set-cookie"), "");
    let data = response.data();
    let mut members: Vec<&String> = data.as_object().unwrap().keys().collect();
    members.sort_unstable();
    assert_eq!(
        members,
        [
            "accessToken",
            "accessTokenExpiresAtUtc",
            "refreshToken",
            "refreshTokenExpiresAtUtc",
            "session",
            "tokenType",
            "user"
        ]
    );
    assert_eq!(data["tokenType"], "Bearer");
    assert_eq!(data["user"]["id"], user.id);
    assert_eq!(data["user"], *me(&app, data).expect(200).data());
    let session = &data["session"];
    assert_eq!(
        (&session["userId"], &session["isCurrent"]),
        (&json!(user.id), &json!(true))
    );
    assert_eq!(
        (&session["ip"], &session["userAgent"]),
        (&json!("127.0.0.1"), &json!("curl/8"))
    );
    let created_at = &session["createdAtUtc"];
    assert_eq!(
        seconds(created_at, &data["refreshTokenExpiresAtUtc"]),
        24 * 3600
    );
    assert!((898..=901).contains(&seconds(created_at, &data["accessTokenExpiresAtUtc"])));
    assert!(
        response.data()["accessTokenExpiresAtUtc"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
}

#[test]
fn access_token_follows_rfc_9068() {
    let app = TestApp::start();
    let user = app.create_user("ada", "Admin", &["roles.manage"]);
    let session = app.sign_in("ada");
    let token = session["accessToken"].as_str().unwrap();
    let parts: Vec<Value> = token
        .split('.')
        .take(2)
        .map(|part| {
            use base64::Engine;
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(part)
                .unwrap();
            serde_json::from_slice(&bytes).unwrap()
        })
        .collect();
    assert_eq!(
        (&parts[0]["typ"], &parts[0]["alg"]),
        (&json!("at+jwt"), &json!("ES256"))
    );
    let claims = &parts[1];
    let expected = json!({
        "iss": "https://id.example.org", "aud": "rosterd", "client_id": "rosterd", "sub": user.id, "role": "Admin",
        "sid": session["session"]["id"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&claims[name], value, "{name}");
    }
    assert_eq!(
        claims["permissions"],
        session["user"]["effectivePermissions"]
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        900
    );
    let expires_at = session["accessTokenExpiresAtUtc"].as_str().unwrap();
    let expires_at = chrono::DateTime::parse_from_rfc3339(expires_at).unwrap();
    assert_eq!(
        expires_at.timestamp_micros(),
        claims["exp"].as_i64().unwrap() * 1_000_000
    );
    let next_session = app.sign_in("ada");
    assert_ne!(next_session["accessToken"], session["accessToken"]);
}

#[test]
fn remember_me_extends_the_session_limits() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let body = json!({"username": "ada", "password": PASSWORD, "rememberMe": true});
    let data = app
        .post(LOGIN)
        .json(&body)
        .send()
        .expect(200)
        .data()
        .clone();
    assert_eq!(data["session"]["rememberMe"], true);
    let created_at = &data["session"]["createdAtUtc"];
    assert_eq!(
        seconds(created_at, &data["refreshTokenExpiresAtUtc"]),
        14 * 24 * 3600
    );
    let absolute_lifetime =
        app.query_number("SELECT extract(epoch FROM expires_at - created_at) FROM sessions");
    assert_eq!(absolute_lifetime, 30 * 24 * 3600);
}

#[test]
fn login_accepts_a_username_in_any_case_or_a_confirmed_email() {
    let app = TestApp::start();
    let user = app.create_user("ada.l", "User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = 'Ada@Example.org' WHERE id = '{}'",
        user.id
    ));
    for name in ["ada.l", " Ada.L ", "ADA.L"] {
        login(&app, name, PASSWORD).expect(200);
    }
    for name in [
        "ada@example.org",
        "ada",
        "ada.l ada.l",
        "ada.l%",
        "аda.l",
        "ada.l@",
        "",
    ] {
        login(&app, name, PASSWORD).expect_problem(401, "auth_invalid_credentials");
    }
    app.execute("UPDATE users SET email_confirmed = true");
    for name in ["ada@example.org", " ADA@example.ORG"] {
        login(&app, name, PASSWORD).expect(200);
    }
    for name in ["ada+x@example.org", "a_a@example.org", "ada＠example.org"] {
        login(&app, name, PASSWORD).expect_problem(401, "auth_invalid_credentials");
    }
}

#[test]
fn correct_password_reveals_the_reason_except_for_deleted_accounts() {
    let app = TestApp::start();
    let user = app.create_user("ada", "User", &[]);
    let update_ada = |change: &str| {
        app.execute(&format!(
            "UPDATE users SET {change} WHERE id = '{}'",
            user.id
        ));
    };
    for (change, status, code) in [
        ("is_active = false", 403, "auth_user_inactive"),
        ("must_change_password = true", 403, "auth_user_inactive"),
        ("is_active = true", 403, "auth_password_change_required"),
        (
            "must_change_password = false, expires_at = now()",
            403,
            "auth_user_inactive",
        ),
        (
            "expires_at = now() + interval '1 hour', deleted_at = now()",
            401,
            "auth_invalid_credentials",
        ),
        (
            "deleted_at = NULL, password_hash = NULL",
            401,
            "auth_invalid_credentials",
        ),
    ] {
        update_ada(change);
        let response = login(&app, "ada", PASSWORD).expect_problem(status, code);
        assert_eq!(
            response.body["changeToken"].is_string(),
            code == "auth_password_change_required",
            "{}",
            response.text
        );
        login(&app, "ada", "not the password").expect_problem(401, "auth_invalid_credentials");
    }
    assert_eq!(app.query_number("SELECT count(*) FROM sessions"), 0);
    assert_eq!(
        app.query_number("SELECT count(*) FROM users WHERE last_login_at IS NOT NULL"),
        0
    );
    assert_eq!(
        app.query_number("SELECT count(*) FROM audit_events WHERE action = 'session.create' AND outcome = 'refused'"),
        12
    );
}

#[test]
fn access_token_does_not_outlive_its_account() {
    let app = TestApp::start();
    let user = app.create_user("ada", "User", &[]);
    app.execute(&format!(
        "UPDATE users SET expires_at = now() + interval '2 s' WHERE id = '{}'",
        user.id
    ));
    let session = app.sign_in("ada");
    me(&app, &session).expect(200);
    crate::support::wait_until(|| me(&app, &session).status == 401);
    refresh(&app, &session["refreshToken"]).expect_problem(401, "auth_refresh_token_invalid");
}

#[test]
fn refresh_rotates_both_tokens_of_the_session() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let first = app.sign_in("ada");
    let response = refresh(&app, &first["refreshToken"]).expect(200);
    assert_eq!(response.header("cache-control"), "no-store");
    let second = response.data();
    assert_ne!(second["refreshToken"], first["refreshToken"]);
    assert_ne!(second["accessToken"], first["accessToken"]);
    assert_eq!(second["session"]["id"], first["session"]["id"]);
    assert_eq!(
        second["session"]["createdAtUtc"],
        first["session"]["createdAtUtc"]
    );
    me(&app, second).expect(200);
    me(&app, &first).expect(200);
    let retried = refresh(&app, &first["refreshToken"]).expect(200);
    assert_eq!(
        retried.data()["refreshToken"],
        second["refreshToken"],
        "a retry returns the same successor"
    );
    refresh(&app, &second["refreshToken"]).expect(200);
    assert_eq!(app.query_number("SELECT count(*) FROM refresh_tokens"), 3);
    assert_eq!(
        app.query_number("SELECT count(*) FROM refresh_tokens WHERE octet_length(digest) = 32"),
        3
    );
}

#[test]
fn invalid_refresh_token_is_refused() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    refresh(&app, &session["accessToken"]).expect_problem(401, "auth_refresh_token_invalid");
    refresh(&app, &json!("")).expect_problem(401, "auth_refresh_token_invalid");
    refresh(&app, &json!("x".repeat(100_000))).expect_problem(401, "auth_refresh_token_invalid");
    for wrong_type in [json!(7), json!([session["refreshToken"]]), json!({})] {
        refresh(&app, &wrong_type).expect_field_error("/refreshToken", "invalid_type");
    }
    app.post(REFRESH)
        .send()
        .expect_field_error("/refreshToken", "required");
    // A refresh token is not accepted as an access token.
    app.get(ME)
        .bearer(session["refreshToken"].as_str().unwrap())
        .send()
        .expect_problem(401, "auth_token_invalid");
    refresh(&app, &session["refreshToken"]).expect(200);
}

#[test]
fn idle_session_expires() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    app.execute("UPDATE sessions SET last_seen_at = now() - interval '24 hours', idle_timeout_seconds = idle_timeout_seconds");
    crate::support::wait_until(|| me(&app, &session).status == 401);
    refresh(&app, &session["refreshToken"]).expect_problem(401, "auth_refresh_token_expired");
}

#[test]
fn logout_ends_only_the_current_session() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let (current, other) = (app.sign_in("ada"), app.sign_in("ada"));
    let log_out = || {
        app.post("/api/v1/auth/logout")
            .bearer(current["accessToken"].as_str().unwrap())
            .send()
    };
    log_out().expect(204);
    me(&app, &current).expect_problem(401, "auth_token_invalid");
    refresh(&app, &current["refreshToken"]).expect_problem(401, "auth_refresh_token_invalid");
    me(&app, &other).expect(200);
    app.post("/api/v1/auth/logout")
        .send()
        .expect_problem(401, "auth_required");
}

/// A client whose first answer was lost must not take the second one for a failure.
#[test]
fn repeated_logout_is_answered_with_204() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &[]);
    let log_out = |token: &str| app.post("/api/v1/auth/logout").bearer(token).send();
    for _ in 0..3 {
        log_out(&token).expect(204);
    }
    let ended = "SELECT count(*) FROM audit_events WHERE action = 'session.end'";
    assert_eq!(app.query_number(ended), 1);

    // The answer does not depend on who ended the session.
    let token = app.token(&user.username);
    app.delete(&user.path("/sessions"))
        .bearer(&admin)
        .send()
        .expect(204);
    log_out(&token).expect(204);
    // A token of an account that cannot sign in is refused by every operation.
    let token = app.token(&user.username);
    app.delete(&user.path("?purge=true"))
        .bearer(&admin)
        .send()
        .expect(204);
    log_out(&token).expect_problem(401, "auth_token_invalid");

    let forged = format!(
        "{}A",
        token.trim_end_matches(|last: char| last.is_ascii_alphanumeric())
    );
    for invalid in ["rst_pat_unknown", "no.such.token", &forged] {
        log_out(invalid).expect_problem(401, "auth_token_invalid");
    }
}

#[test]
fn permissions_follow_the_account_and_not_the_token() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &[]);
    let list = || app.get("/api/v1/users").bearer(&token).send();
    list().expect_problem(403, "permission_required");
    app.patch(&user.path(""))
        .bearer(&admin)
        .json(&json!({"role": "Admin"}))
        .send()
        .expect(200);
    list().expect(200);
    app.patch(&user.path(""))
        .bearer(&admin)
        .json(&json!({"role": "User"}))
        .send()
        .expect(200);
    list().expect_problem(403, "permission_required");
}
