//! `POST /api/v1/auth/change-password`, with a session or with a change token.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp, TestUser};

const NEW_PASSWORD: &str = "nine purple umbrellas in june";
const CHANGE_PASSWORD: &str = "/api/v1/auth/change-password";

fn login(app: &TestApp, name: &str, password: &str) -> Response {
    app.post("/api/v1/auth/login")
        .json(&json!({"username": name, "password": password}))
        .send()
}

fn change_password(app: &TestApp, bearer: Option<&str>, body: &Value) -> Response {
    let call = app.post(CHANGE_PASSWORD);
    match bearer {
        Some(token) => call.bearer(token).json(body).send(),
        None => call.json(body).send(),
    }
}

fn change_body(current: &str, new: &str) -> Value {
    json!({"currentPassword": current, "newPassword": new})
}

fn me(app: &TestApp, session: &Value) -> Response {
    app.get("/api/v1/auth/me")
        .bearer(session["accessToken"].as_str().unwrap())
        .send()
}

/// An account that must change its password, and its change token.
fn user_with_change_token(app: &TestApp) -> (TestUser, String) {
    let user = app.create_user("ada", "User", &[]);
    app.execute("UPDATE users SET must_change_password = true WHERE username = 'ada'");
    let response = login(app, "ada", PASSWORD).expect_problem(403, "auth_password_change_required");
    (
        user,
        response.body["changeToken"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn password_change_ends_the_other_sessions() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let (current, other) = (app.sign_in("ada"), app.sign_in("ada"));
    change_password(
        &app,
        current["accessToken"].as_str(),
        &change_body(PASSWORD, NEW_PASSWORD),
    )
    .expect(204);
    me(&app, &current).expect(200);
    me(&app, &other).expect_problem(401, "auth_token_invalid");
    let refresh = |session: &Value| {
        app.post("/api/v1/auth/refresh")
            .json(&json!({"refreshToken": session["refreshToken"]}))
            .send()
    };
    refresh(&other).expect_problem(401, "auth_refresh_token_invalid");
    refresh(&current).expect(200);
    login(&app, "ada", PASSWORD).expect_problem(401, "auth_invalid_credentials");
    login(&app, "ada", NEW_PASSWORD).expect(200);
}

#[test]
fn wrong_current_password_or_weak_new_password_is_refused() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let token = session["accessToken"].as_str();
    for wrong_password in [
        "",
        "not the password",
        PASSWORD.split_at(15).0,
        &format!("{PASSWORD} "),
    ] {
        change_password(&app, token, &change_body(wrong_password, NEW_PASSWORD))
            .expect_problem(403, "auth_current_password_wrong");
    }
    let refused = change_password(&app, token, &change_body("not the password", NEW_PASSWORD));
    assert_eq!(refused.body["errors"][0]["pointer"], "/currentPassword");
    change_password(&app, token, &json!({"newPassword": NEW_PASSWORD}))
        .expect_field_error("/currentPassword", "required");
    change_password(&app, token, &change_body(PASSWORD, "too short"))
        .expect_field_error("/newPassword", "too_short");
    change_password(&app, token, &change_body(PASSWORD, "passwordpassword"))
        .expect_field_error("/newPassword", "too_common");
    change_password(
        &app,
        token,
        &json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD, "userId": "x"}),
    )
    .expect_field_error("/userId", "unknown_field");
    me(&app, &session).expect(200);
    login(&app, "ada", PASSWORD).expect(200);
}

#[test]
fn unauthenticated_caller_is_refused_before_body_validation() {
    let app = TestApp::start();
    app.post(CHANGE_PASSWORD)
        .body("application/json", "{")
        .send()
        .expect_problem(401, "auth_required");
    app.post(CHANGE_PASSWORD)
        .body("text/plain", "x")
        .send()
        .expect_problem(401, "auth_required");
    change_password(&app, None, &change_body(PASSWORD, NEW_PASSWORD))
        .expect_problem(401, "auth_required");
    change_password(&app, Some("x.y.z"), &json!({})).expect_problem(401, "auth_token_invalid");
    let mut body = change_body(PASSWORD, NEW_PASSWORD);
    body["changeToken"] = json!("x.y.z");
    change_password(&app, None, &body).expect_problem(401, "auth_token_invalid");
}

#[test]
fn change_token_works_once_and_only_for_the_password_change() {
    for in_body in [false, true] {
        let app = TestApp::start();
        let (_, token) = user_with_change_token(&app);
        let send = |current: &str, new: &str| {
            let mut body = change_body(current, new);
            if in_body {
                body["changeToken"] = json!(token);
            }
            change_password(&app, (!in_body).then_some(token.as_str()), &body)
        };
        app.get("/api/v1/auth/me")
            .bearer(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
        app.post("/api/v1/auth/logout")
            .bearer(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
        app.post("/api/v1/auth/refresh")
            .json(&json!({"refreshToken": token}))
            .send()
            .expect_problem(401, "auth_refresh_token_invalid");
        send("not the password", NEW_PASSWORD).expect_problem(403, "auth_current_password_wrong");
        send(PASSWORD, "short").expect_field_error("/newPassword", "too_short");
        send(PASSWORD, NEW_PASSWORD).expect(204);
        send(NEW_PASSWORD, "eleven silver kettles by the sea")
            .expect_problem(401, "auth_token_invalid");
        login(&app, "ada", NEW_PASSWORD).expect(200);
    }
}

#[test]
fn access_token_is_not_accepted_as_a_change_token() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("User", &[]);
    let mut body = change_body(PASSWORD, NEW_PASSWORD);
    body["changeToken"] = json!(token);
    change_password(&app, None, &body).expect_problem(401, "auth_token_invalid");
}

#[test]
fn change_token_ends_with_the_account() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = user_with_change_token(&app);
    let id = &user.id;
    for (ending, undo) in [
        ("is_active = false", "is_active = true"),
        ("deleted_at = now()", "deleted_at = NULL"),
        ("expires_at = now()", "expires_at = NULL"),
    ] {
        app.execute(&format!("UPDATE users SET {ending} WHERE id = '{id}'"));
        let refused =
            change_password(&app, Some(&token), &change_body(PASSWORD, NEW_PASSWORD)).expect(401);
        assert_ne!(refused.body["code"], "internal_error");
        app.execute(&format!("UPDATE users SET {undo} WHERE id = '{id}'"));
    }
    app.post(&user.path("/reset-password"))
        .bearer(&admin)
        .json(&json!({"newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
    change_password(
        &app,
        Some(&token),
        &change_body(NEW_PASSWORD, "eleven silver kettles by the sea"),
    )
    .expect_problem(401, "auth_token_invalid");
    login(&app, "ada", NEW_PASSWORD).expect_problem(403, "auth_password_change_required");
}
