//! Changing one's own password, signed in or with the token of a sign-in that needs a new password first.

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, User};

const NEW: &str = "nine purple umbrellas in june";
const CHANGE: &str = "/api/v1/auth/change-password";

fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    app.post("/api/v1/auth/login")
        .json(&json!({"username": name, "password": password}))
        .send()
}

fn change(app: &TestApp, bearer: Option<&str>, body: &Value) -> Answer {
    let call = app.post(CHANGE);
    match bearer {
        Some(token) => call.by(token).json(body).send(),
        None => call.json(body).send(),
    }
}

fn passwords(current: &str, new: &str) -> Value {
    json!({"currentPassword": current, "newPassword": new})
}

fn me(app: &TestApp, session: &Value) -> Answer {
    app.get("/api/v1/auth/me")
        .by(session["accessToken"].as_str().unwrap())
        .send()
}

/// An account that must change its password, and the token for it.
fn obliged(app: &TestApp) -> (User, String) {
    let user = app.user("ada", "User", &[]);
    app.execute("UPDATE users SET must_change_password = true WHERE username = 'ada'");
    let answer = login(app, "ada", PASSWORD).expect_problem(403, "auth_password_change_required");
    (
        user,
        answer.body["changeToken"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn a_change_ends_the_other_sessions_and_keeps_this_one() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let (one, other) = (app.sign_in("ada"), app.sign_in("ada"));
    change(&app, one["accessToken"].as_str(), &passwords(PASSWORD, NEW)).expect(204);
    me(&app, &one).expect(200);
    me(&app, &other).expect_problem(401, "auth_token_invalid");
    let refresh = |session: &Value| {
        app.post("/api/v1/auth/refresh")
            .json(&json!({"refreshToken": session["refreshToken"]}))
            .send()
    };
    refresh(&other).expect_problem(401, "auth_refresh_token_invalid");
    refresh(&one).expect(200);
    login(&app, "ada", PASSWORD).expect_problem(401, "auth_invalid_credentials");
    login(&app, "ada", NEW).expect(200);
}

#[test]
fn without_the_current_password_nothing_is_changed() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let token = session["accessToken"].as_str();
    for wrong in [
        "",
        "not the password",
        PASSWORD.split_at(15).0,
        &format!("{PASSWORD} "),
    ] {
        change(&app, token, &passwords(wrong, NEW)).expect_problem(401, "auth_invalid_credentials");
    }
    change(&app, token, &json!({"newPassword": NEW})).expect_fault("/currentPassword", "required");
    change(&app, token, &passwords(PASSWORD, "too short"))
        .expect_fault("/newPassword", "too_short");
    change(&app, token, &passwords(PASSWORD, "passwordpassword"))
        .expect_fault("/newPassword", "too_common");
    change(
        &app,
        token,
        &json!({"currentPassword": PASSWORD, "newPassword": NEW, "userId": "x"}),
    )
    .expect_fault("/userId", "unknown_field");
    me(&app, &session).expect(200);
    login(&app, "ada", PASSWORD).expect(200);
}

#[test]
fn nobody_known_is_told_so_before_the_body_is_judged() {
    let app = TestApp::start();
    app.post(CHANGE)
        .body("application/json", "{")
        .send()
        .expect_problem(401, "auth_required");
    app.post(CHANGE)
        .body("text/plain", "x")
        .send()
        .expect_problem(401, "auth_required");
    change(&app, None, &passwords(PASSWORD, NEW)).expect_problem(401, "auth_required");
    change(&app, Some("x.y.z"), &json!({})).expect_problem(401, "auth_token_invalid");
    let mut body = passwords(PASSWORD, NEW);
    body["changeToken"] = json!("x.y.z");
    change(&app, None, &body).expect_problem(401, "auth_token_invalid");
}

#[test]
fn a_change_token_is_good_as_bearer_and_in_the_body_once_and_for_nothing_else() {
    for in_body in [false, true] {
        let app = TestApp::start();
        let (_, token) = obliged(&app);
        let send = |current: &str, new: &str| {
            let mut body = passwords(current, new);
            if in_body {
                body["changeToken"] = json!(token);
            }
            change(&app, (!in_body).then_some(token.as_str()), &body)
        };
        app.get("/api/v1/auth/me")
            .by(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
        app.post("/api/v1/auth/logout")
            .by(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
        app.post("/api/v1/auth/refresh")
            .json(&json!({"refreshToken": token}))
            .send()
            .expect_problem(401, "auth_refresh_token_invalid");
        send("not the password", NEW).expect_problem(401, "auth_invalid_credentials");
        send(PASSWORD, "short").expect_fault("/newPassword", "too_short");
        send(PASSWORD, NEW).expect(204);
        send(NEW, "eleven silver kettles by the sea")
            .expect_problem(401, "auth_invalid_credentials");
        login(&app, "ada", NEW).expect(200);
    }
}

#[test]
fn an_access_token_is_no_change_token() {
    let app = TestApp::start();
    let (_, token) = app.someone("User", &[]);
    let mut body = passwords(PASSWORD, NEW);
    body["changeToken"] = json!(token);
    change(&app, None, &body).expect_problem(401, "auth_token_invalid");
}

#[test]
fn a_change_token_is_dead_once_the_account_is() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (user, token) = obliged(&app);
    let id = &user.id;
    for (ended, back) in [
        ("is_active = false", "is_active = true"),
        ("deleted_at = now()", "deleted_at = NULL"),
        ("expires_at = now()", "expires_at = NULL"),
    ] {
        app.execute(&format!("UPDATE users SET {ended} WHERE id = '{id}'"));
        let refused = change(&app, Some(&token), &passwords(PASSWORD, NEW)).expect(401);
        assert_ne!(refused.body["code"], "internal_error");
        app.execute(&format!("UPDATE users SET {back} WHERE id = '{id}'"));
    }
    app.post(&user.at("/reset-password"))
        .by(&admin)
        .json(&json!({"newPassword": NEW}))
        .send()
        .expect(204);
    change(
        &app,
        Some(&token),
        &passwords(NEW, "eleven silver kettles by the sea"),
    )
    .expect_problem(401, "auth_invalid_credentials");
    login(&app, "ada", NEW).expect_problem(403, "auth_password_change_required");
}
