//! Attacks on sessions and refresh tokens: what was ended comes back on no path.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp};

const ME: &str = "/api/v1/auth/me";
const USERS: &str = "/api/v1/users";
const NEW: &str = "nine purple umbrellas in june";

fn refresh(app: &TestApp, token: &Value) -> Answer {
    app.post("/api/v1/auth/refresh")
        .json(&json!({ "refreshToken": token }))
        .send()
        .harmless()
}

fn me(app: &TestApp, session: &Value) -> Answer {
    app.get(ME)
        .by(session["accessToken"].as_str().unwrap())
        .send()
        .harmless()
}

/// Holds if neither token of the session is good for anything.
#[track_caller]
fn dead(app: &TestApp, session: &Value) {
    me(app, session).expect_problem(401, "auth_token_invalid");
    refresh(app, &session["refreshToken"]).expect_problem(401, "auth_refresh_token_invalid");
}

/// A personal access token made by whoever has this session.
fn personal_token(app: &TestApp, session: &Value) -> String {
    let made = app
        .post("/api/v1/auth/tokens")
        .by(session["accessToken"].as_str().unwrap())
        .json(&json!({"name": "x", "permissions": ["users.read"]}))
        .send()
        .expect(201);
    made.data()["token"].as_str().unwrap().to_owned()
}

/// Every way in which an administrator ends an account for a while, and the way back.
fn endings() -> [(
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

#[test]
fn a01_a_disabled_account_is_out_on_every_path_at_once() {
    for (method, below, body, ..) in endings() {
        let app = TestApp::start();
        let (boss, admin) = app.someone("SuperAdmin", &[]);
        let user = app.user("ada", "User", &["users.read"]);
        let sessions = [app.sign_in("ada"), app.sign_in("ada")];
        let program = personal_token(&app, &sessions[0]);
        app.get(USERS).by(&program).send().expect(200);
        let before = app.number("SELECT count(*) FROM audit_events");
        app.call(method, &user.at(below))
            .by(&admin)
            .json(&body)
            .send();
        let gone = app.get(USERS).by(&program).send().harmless();
        gone.expect_problem(401, "auth_token_invalid");
        for session in &sessions {
            dead(&app, session);
            app.get(USERS)
                .by(session["accessToken"].as_str().unwrap())
                .send()
                .expect_problem(401, "auth_token_invalid");
        }
        let live = format!(
            "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND user_id = '{}'",
            user.id
        );
        assert_eq!(app.number(&live), 0, "{method} {below}");
        assert_eq!(app.number("SELECT count(*) FROM audit_events"), before + 1);
        let told = format!(
            "SELECT count(*) FROM audit_events WHERE outcome = 'done' AND actor_id = '{}' AND subject_id = '{}'",
            boss.id, user.id
        );
        assert_eq!(app.number(&told), 1);
    }
}

#[test]
fn a02_what_was_ended_stays_ended_when_the_account_comes_back() {
    for (method, below, body, back, back_below, back_body) in endings() {
        let app = TestApp::start();
        let admin = app.super_admin();
        let user = app.user("ada", "User", &["users.read"]);
        let first = app.sign_in("ada");
        let second = refresh(&app, &first["refreshToken"])
            .expect(200)
            .data()
            .clone();
        let program = personal_token(&app, &second);
        app.call(method, &user.at(below))
            .by(&admin)
            .json(&body)
            .send();
        app.call(back, &user.at(back_below))
            .by(&admin)
            .json(&back_body)
            .send()
            .expect(200);
        dead(&app, &first);
        dead(&app, &second);
        me(&app, &app.sign_in("ada")).expect(200);
        dead(&app, &second);
        let gone = app.get(USERS).by(&program).send().harmless();
        gone.expect_problem(401, "auth_token_invalid");
    }
}

#[test]
fn a03_a_reset_ends_every_session_with_the_old_password() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let by_admin = || {
        app.post(&user.at("/reset-password"))
            .by(&admin)
            .json(&json!({"newPassword": PASSWORD}))
            .send()
            .expect(204);
    };
    let by_link = || {
        let link = app
            .post(&user.at("/password-reset-link"))
            .by(&admin)
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
            dead(&app, session);
        }
        let moments = "SELECT count(DISTINCT ended_at) FROM sessions WHERE ended_at = (SELECT updated_at FROM users WHERE username = 'ada')";
        assert_eq!(
            app.number(moments),
            1,
            "in the transaction that changed the hash"
        );
    }
}

#[test]
fn a04_a_change_of_ones_own_password_keeps_the_session_that_made_it() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let (mine, other) = (app.sign_in("ada"), app.sign_in("ada"));
    let body = json!({"currentPassword": PASSWORD, "newPassword": NEW});
    app.post("/api/v1/auth/change-password")
        .by(mine["accessToken"].as_str().unwrap())
        .json(&body)
        .send()
        .expect(204);
    dead(&app, &other);
    me(&app, &mine).expect(200);
    let next = refresh(&app, &mine["refreshToken"]).expect(200);
    me(&app, next.data()).expect(200);
}

#[test]
fn a05_an_old_refresh_token_that_comes_back_ends_its_whole_family() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let first = app.sign_in("ada");
    let bystander = app.sign_in("ada");
    let second = refresh(&app, &first["refreshToken"])
        .expect(200)
        .data()
        .clone();
    app.execute("UPDATE sessions SET rotated_at = rotated_at - interval '31 seconds'");
    let reused =
        refresh(&app, &first["refreshToken"]).expect_problem(401, "auth_refresh_token_reused");
    assert_eq!(reused.header("cache-control"), "no-store");
    dead(&app, &second);
    me(&app, &first).expect_problem(401, "auth_token_invalid");
    refresh(&app, &first["refreshToken"]).expect_problem(401, "auth_refresh_token_invalid");
    me(&app, &bystander).expect(200);
    let told = "SELECT count(*) FROM audit_events WHERE action = 'session.refresh' AND outcome = 'refused' AND code = 'auth_refresh_token_reused'";
    assert_eq!(app.number(told), 1);
    assert_eq!(
        app.number("SELECT count(*) FROM sessions WHERE ended_reason = 'refreshTokenReused'"),
        1
    );
}

#[test]
fn a08_there_is_no_grace_once_the_successor_was_used() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let first = app.sign_in("ada");
    let second = refresh(&app, &first["refreshToken"])
        .expect(200)
        .data()
        .clone();
    let third = refresh(&app, &second["refreshToken"])
        .expect(200)
        .data()
        .clone();
    refresh(&app, &first["refreshToken"]).expect_problem(401, "auth_refresh_token_reused");
    dead(&app, &third);
}

#[test]
fn a10_a_refresh_token_does_not_go_with_anothers_access_token() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let (_, other) = app.someone("Admin", &[]);
    let body = json!({"refreshToken": session["refreshToken"]});
    app.post("/api/v1/auth/refresh")
        .by(&other)
        .json(&body)
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");
    let own = session["accessToken"].as_str().unwrap();
    app.post("/api/v1/auth/refresh")
        .by(own)
        .json(&body)
        .send()
        .expect(200);
}

#[test]
fn a12_a_refresh_token_has_one_spelling() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let token = session["refreshToken"].as_str().unwrap();
    let (prefix, secret) = token.split_at(7);
    assert_eq!(prefix, "rst_rt_");
    let bytes = URL_SAFE_NO_PAD.decode(secret).unwrap();
    assert_eq!(bytes.len(), 32);
    let mut spellings: Vec<String> = (0..token.len())
        .map(|length| token.split_at(length).0.to_owned())
        .collect();
    spellings.extend([
        format!("{token}A"),
        format!("{token}="),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}\n"),
        token.to_uppercase(),
        secret.to_owned(),
        format!("{prefix}{}", STANDARD.encode(&bytes)),
        format!("{prefix}{}", hex::encode(&bytes)),
        format!("rst_pat_{secret}"),
        "%".to_owned(),
        "_".repeat(token.len()),
    ]);
    // The last letter carries four bits that belong to no byte.
    let last = secret.chars().last().unwrap();
    spellings.extend(
        "AQgwBRhxCSiyDTjz"
            .chars()
            .filter(|c| *c != last)
            .map(|c| format!("{}{c}", token.split_at(token.len() - 1).0)),
    );
    for wrong in spellings {
        refresh(&app, &json!(wrong)).expect_problem(401, "auth_refresh_token_invalid");
    }
    refresh(&app, &session["refreshToken"]).expect(200);
}

/// An hour passes by everything in the database being an hour older.
#[test]
fn a14_a_session_ends_at_its_absolute_limit_however_busy() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let mut session = app.sign_in("ada");
    let mut hours = 0;
    loop {
        app.execute(
            "UPDATE sessions SET created_at = created_at - interval '1 hour', last_seen_at = last_seen_at - interval '1 hour',
                 rotated_at = rotated_at - interval '1 hour', expires_at = expires_at - interval '1 hour'",
        );
        hours += 1;
        let answer = refresh(&app, &session["refreshToken"]);
        if answer.status == 401 {
            answer.expect_problem(401, "auth_refresh_token_expired");
            break;
        }
        session = answer.expect(200).data().clone();
        let end = |name: &str| {
            chrono::DateTime::parse_from_rfc3339(session[name].as_str().unwrap()).unwrap()
        };
        assert!(end("accessTokenExpiresAtUtc") <= end("refreshTokenExpiresAtUtc"));
    }
    assert_eq!(hours, 7 * 24);
    crate::support::eventually(|| me(&app, &session).status == 401);
}

#[test]
fn a16_whoever_takes_the_name_of_a_purged_account_inherits_nothing() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let old = app.user("ada", "Admin", &["roles.manage"]);
    let session = app.sign_in("ada");
    app.patch(&old.at(""))
        .by(&admin)
        .json(&json!({"email": "ada@example.org", "emailConfirmed": true, "tags": ["vip"]}))
        .send()
        .expect(200);
    app.delete(&old.at("")).by(&admin).send().expect(204);
    dead(&app, &session);
    let again =
        json!({"username": "ada", "role": "User", "password": NEW, "email": "ada@example.org"});
    app.post(USERS).by(&admin).json(&again).send().expect(409);
    app.delete(&old.at("?purge=true"))
        .by(&admin)
        .send()
        .expect(204);
    dead(&app, &session);
    let new = app.post(USERS).by(&admin).json(&again).send().expect(201);
    assert_ne!(new.data()["id"], old.id);
    for (name, value) in [
        ("role", json!("User")),
        ("effectivePermissions", json!([])),
        ("tags", json!([])),
        ("emailConfirmed", json!(false)),
    ] {
        assert_eq!(new.data()[name], value, "{name}");
    }
    dead(&app, &session);
    let old_password = json!({"username": "ada", "password": PASSWORD});
    app.post("/api/v1/auth/login")
        .json(&old_password)
        .send()
        .expect_problem(401, "auth_invalid_credentials");
}

#[test]
fn a18_one_session_that_is_ended_by_its_id_is_dead_and_the_others_live() {
    let app = TestApp::start();
    let admin = app.super_admin();
    app.user("ada", "User", &[]);
    let (one, other) = (app.sign_in("ada"), app.sign_in("ada"));
    let id = |session: &Value| session["session"]["id"].as_str().unwrap().to_owned();
    app.delete(&format!("/api/v1/sessions/{}", id(&one)))
        .by(&admin)
        .send()
        .expect(204);
    dead(&app, &one);
    me(&app, &other).expect(200);
    let next = refresh(&app, &other["refreshToken"])
        .expect(200)
        .data()
        .clone();
    app.delete(&format!("/api/v1/auth/sessions/{}", id(&next)))
        .by(next["accessToken"].as_str().unwrap())
        .send()
        .expect(204);
    dead(&app, &next);
}

/// A session id or token that somebody else chose is never taken over at a sign-in.
#[test]
fn a20_a_session_begins_at_the_sign_in_and_with_nothing_of_the_callers() {
    let app = TestApp::start();
    let user = app.user("ada", "User", &[]);
    let (_, planted) = app.someone("User", &[]);
    let body = json!({"username": "ada", "password": PASSWORD});
    let session = app
        .post("/api/v1/auth/login")
        .by(&planted)
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
            .expect_fault(&format!("/{member}"), "unknown_field");
    };
    for member in ["sid", "sessionId", "session", "refreshToken", "accessToken"] {
        with(member);
    }
    // A refused sign-in gives nothing that is good for anything.
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
        .by(change.as_str().unwrap())
        .send()
        .expect_problem(401, "auth_token_invalid");
    refresh(&app, &change).expect_problem(401, "auth_refresh_token_invalid");
    assert_eq!(
        app.number(&format!(
            "SELECT count(*) FROM sessions WHERE user_id = '{}'",
            user.id
        )),
        1
    );
}
