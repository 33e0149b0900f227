//! A session that was ended stays ended, whatever happens to its account.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp};

use super::{ME, assert_ended, me, refresh};

const USERS: &str = "/api/v1/users";
const NEW_PASSWORD: &str = "nine purple umbrellas in june";

/// Creates a personal access token with this session.
fn personal_token(app: &TestApp, session: &Value) -> String {
    let created = app
        .post("/api/v1/auth/tokens")
        .bearer(session["accessToken"].as_str().unwrap())
        .json(&json!({"name": "x", "permissions": ["users.read"]}))
        .send()
        .expect(201);
    created.data()["token"].as_str().unwrap().to_owned()
}

/// Every way to end an account, and how to reactivate it.
fn account_endings() -> [(
    &'static str,
    &'static str,
    Value,
    &'static str,
    &'static str,
    Value,
); 4] {
    [
        (
            "POST",
            "/status",
            json!({"isActive": false}),
            "POST",
            "/status",
            json!({"isActive": true}),
        ),
        (
            "PATCH",
            "",
            json!({"isActive": false}),
            "PATCH",
            "",
            json!({"isActive": true}),
        ),
        (
            "PATCH",
            "",
            json!({"expiresAtUtc": "2001-01-01T00:00:00Z"}),
            "PATCH",
            "",
            json!({"expiresAtUtc": null}),
        ),
        ("DELETE", "", json!({}), "POST", "/restore", json!({})),
    ]
}

// SECURITY: A01
#[test]
fn ended_account_is_rejected_with_every_credential() {
    for (method, suffix, body, ..) in account_endings() {
        let app = TestApp::start();
        let (super_admin, admin) = app.create_signed_in_user("SuperAdmin", &[]);
        let user = app.create_user("ada", "User", &["users.read"]);
        let sessions = [app.sign_in("ada"), app.sign_in("ada")];
        let personal_token = personal_token(&app, &sessions[0]);
        app.get(USERS).bearer(&personal_token).send().expect(200);
        let changes = "SELECT count(*) FROM audit_events WHERE action <> 'session.refresh'";
        let before = app.query_number(changes);
        app.call(method, &user.path(suffix))
            .bearer(&admin)
            .json(&body)
            .send();
        let response = app.get(USERS).bearer(&personal_token).send().expect_safe();
        response.expect_problem(401, "auth_token_invalid");
        for session in &sessions {
            assert_ended(&app, session);
            app.get(USERS)
                .bearer(session["accessToken"].as_str().unwrap())
                .send()
                .expect_problem(401, "auth_token_invalid");
        }
        let active_sessions = format!(
            "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND user_id = '{}'",
            user.id
        );
        assert_eq!(app.query_number(&active_sessions), 0, "{method} {suffix}");
        assert_eq!(app.query_number(changes), before + 1);
        let audit_rows = format!(
            "SELECT count(*) FROM audit_events WHERE outcome = 'done' AND actor_id = '{}' AND subject_id = '{}'",
            super_admin.id, user.id
        );
        assert_eq!(app.query_number(&audit_rows), 1);
    }
}

// SECURITY: A02
#[test]
fn ended_sessions_stay_ended_after_reactivation() {
    for (method, suffix, body, undo_method, undo_suffix, undo_body) in account_endings() {
        let app = TestApp::start();
        let admin = app.super_admin_token();
        let user = app.create_user("ada", "User", &["users.read"]);
        let first = app.sign_in("ada");
        let second = refresh(&app, &first["refreshToken"])
            .expect(200)
            .data()
            .clone();
        let personal_token = personal_token(&app, &second);
        app.call(method, &user.path(suffix))
            .bearer(&admin)
            .json(&body)
            .send();
        app.call(undo_method, &user.path(undo_suffix))
            .bearer(&admin)
            .json(&undo_body)
            .send()
            .expect(200);
        assert_ended(&app, &first);
        assert_ended(&app, &second);
        me(&app, &app.sign_in("ada")).expect(200);
        assert_ended(&app, &second);
        let response = app.get(USERS).bearer(&personal_token).send().expect_safe();
        response.expect_problem(401, "auth_token_invalid");
    }
}

// SECURITY: A03
#[test]
fn password_reset_ends_every_session() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let by_admin = || {
        app.post(&user.path("/reset-password"))
            .bearer(&admin)
            .json(&json!({"newPassword": PASSWORD}))
            .send()
            .expect(204);
    };
    let by_link = || {
        let link = app
            .post(&user.path("/password-reset-link"))
            .bearer(&admin)
            .json(&json!({}))
            .send()
            .expect(201);
        let body = json!({"token": link.data()["token"], "newPassword": PASSWORD});
        app.post("/api/v1/auth/reset-password")
            .json(&body)
            .send()
            .expect(204);
    };
    for reset in [&by_admin as &dyn Fn(), &by_link] {
        let sessions = [app.sign_in("ada"), app.sign_in("ada")];
        reset();
        for session in &sessions {
            assert_ended(&app, session);
        }
        let ended_with_the_change = "SELECT count(DISTINCT ended_at) FROM sessions WHERE ended_at = (SELECT updated_at FROM users WHERE username = 'ada')";
        assert_eq!(
            app.query_number(ended_with_the_change),
            1,
            "sessions end in the transaction that changes the hash"
        );
    }
}

// SECURITY: A04
#[test]
fn password_change_keeps_only_the_current_session() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let (current, other) = (app.sign_in("ada"), app.sign_in("ada"));
    let body = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
    app.post("/api/v1/auth/change-password")
        .bearer(current["accessToken"].as_str().unwrap())
        .json(&body)
        .send()
        .expect(204);
    assert_ended(&app, &other);
    me(&app, &current).expect(200);
    let next = refresh(&app, &current["refreshToken"]).expect(200);
    me(&app, next.data()).expect(200);
}

// SECURITY: A16
#[test]
fn reused_username_inherits_nothing_from_a_purged_account() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let old = app.create_user("ada", "Admin", &["roles.manage"]);
    let session = app.sign_in("ada");
    app.patch(&old.path(""))
        .bearer(&admin)
        .json(&json!({"email": "ada@example.org", "emailConfirmed": true, "tags": ["vip"]}))
        .send()
        .expect(200);
    app.delete(&old.path("")).bearer(&admin).send().expect(204);
    assert_ended(&app, &session);
    let user_body = json!({"username": "ada", "role": "User", "password": NEW_PASSWORD, "email": "ada@example.org"});
    app.post(USERS)
        .bearer(&admin)
        .json(&user_body)
        .send()
        .expect(409);
    app.delete(&old.path("?purge=true"))
        .bearer(&admin)
        .send()
        .expect(204);
    assert_ended(&app, &session);
    let new = app
        .post(USERS)
        .bearer(&admin)
        .json(&user_body)
        .send()
        .expect(201);
    assert_ne!(new.data()["id"], old.id);
    for (name, value) in [
        ("role", json!("User")),
        ("effectivePermissions", json!([])),
        ("tags", json!([])),
        ("emailConfirmed", json!(false)),
    ] {
        assert_eq!(new.data()[name], value, "{name}");
    }
    assert_ended(&app, &session);
    let old_password = json!({"username": "ada", "password": PASSWORD});
    app.post("/api/v1/auth/login")
        .json(&old_password)
        .send()
        .expect_problem(401, "auth_invalid_credentials");
}

// SECURITY: A18
#[test]
fn ending_one_session_leaves_the_others_active() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    app.create_user("ada", "User", &[]);
    let (first, other) = (app.sign_in("ada"), app.sign_in("ada"));
    let id = |session: &Value| session["session"]["id"].as_str().unwrap().to_owned();
    app.delete(&format!("/api/v1/sessions/{}", id(&first)))
        .bearer(&admin)
        .send()
        .expect(204);
    assert_ended(&app, &first);
    me(&app, &other).expect(200);
    let next = refresh(&app, &other["refreshToken"])
        .expect(200)
        .data()
        .clone();
    app.delete(&format!("/api/v1/auth/sessions/{}", id(&next)))
        .bearer(next["accessToken"].as_str().unwrap())
        .send()
        .expect(204);
    assert_ended(&app, &next);
}

/// Session fixation: a session id or token chosen by an attacker is not adopted at login.
// SECURITY: A20
#[test]
fn login_never_adopts_a_caller_supplied_session() {
    let app = TestApp::start();
    let user = app.create_user("ada", "User", &[]);
    let (_, planted) = app.create_signed_in_user("User", &[]);
    let body = json!({"username": "ada", "password": PASSWORD});
    let session = app
        .post("/api/v1/auth/login")
        .bearer(&planted)
        .header("Cookie", "__Host-rosterd=x; sid=1")
        .json(&body)
        .send()
        .expect(200)
        .data()
        .clone();
    assert_eq!(session["user"]["id"], user.id);
    let with = |member: &str| {
        let mut body = body.clone();
        body[member] = session["session"]["id"].clone();
        app.post("/api/v1/auth/login")
            .json(&body)
            .send()
            .expect_field_error(&format!("/{member}"), "unknown_field");
    };
    for member in ["sid", "sessionId", "session", "refreshToken", "accessToken"] {
        with(member);
    }
    // A refused login returns no usable session material.
    app.execute(&format!(
        "UPDATE users SET must_change_password = true WHERE id = '{}'",
        user.id
    ));
    let refused = app
        .post("/api/v1/auth/login")
        .json(&body)
        .send()
        .expect_problem(403, "auth_password_change_required");
    let change = refused.body["changeToken"].clone();
    app.get(ME)
        .bearer(change.as_str().unwrap())
        .send()
        .expect_problem(401, "auth_token_invalid");
    refresh(&app, &change).expect_problem(401, "auth_refresh_token_invalid");
    assert_eq!(
        app.query_number(&format!(
            "SELECT count(*) FROM sessions WHERE user_id = '{}'",
            user.id
        )),
        1
    );
}
