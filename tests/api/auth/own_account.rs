//! Changing and deleting one's own account.

use serde_json::{Value, json};

use crate::support::{Answer, Call, PASSWORD, TestApp, at_once};

const ME: &str = "/api/v1/auth/me";

fn change(app: &TestApp, token: &str, body: &Value) -> Answer {
    app.patch(ME).by(token).json(body).send()
}

fn leave(app: &TestApp, token: &str, password: &str) -> Answer {
    leaving(app, token, password).send()
}

fn leaving(app: &TestApp, token: &str, password: &str) -> Call {
    let call = app.delete(ME).by(token);
    call.json(&json!({"currentPassword": password}))
}

#[test]
fn people_say_what_they_are_called_and_what_apps_note_about_them() {
    let app = TestApp::start();
    let (_, token) = app.someone("User", &[]);
    let body = json!({"displayName": " Ada ", "attributes": {"locale": "en", "theme": "dark"}});
    let changed = change(&app, &token, &body).expect(200);
    assert_eq!(changed.data()["displayName"], "Ada");
    let body = json!({"displayName": null, "attributes": {"theme": null}});
    let changed = change(&app, &token, &body).expect(200);
    assert_eq!(changed.data()["displayName"], Value::Null);
    assert_eq!(changed.data()["attributes"], json!({"locale": "en"}));
    let me = app.get(ME).by(&token).send().expect(200);
    assert_eq!(me.body, changed.body);
    assert_eq!(me.header("etag"), changed.header("etag"));
}

#[test]
fn another_address_takes_the_password_and_is_confirmed_anew() {
    let (app, server) = TestApp::with_mail(&[]);
    let (user, token) = app.someone("User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = 'old@example.org', email_confirmed = true WHERE id = '{}'",
        user.id
    ));
    let asked = |password: Option<&str>| {
        let mut body = json!({"email": "new@example.org"});
        if let Some(password) = password {
            body["currentPassword"] = password.into();
        }
        change(&app, &token, &body)
    };
    asked(None).expect_fault("/currentPassword", "required");
    asked(Some("not the password")).expect_problem(401, "auth_invalid_credentials");
    let me = app.get(ME).by(&token).send().expect(200);
    assert_eq!(me.data()["email"], "old@example.org");

    let changed = asked(Some(PASSWORD)).expect(200);
    assert_eq!(changed.data()["email"], "new@example.org");
    assert_eq!(changed.data()["emailConfirmed"], false);
    let mut letters = server.wait_for(2);
    letters.sort_by_key(|letter| letter.to.clone());
    let [new, old] = letters.try_into().unwrap();
    assert_eq!(new.to, ["new@example.org"]);
    assert_eq!(old.to, ["old@example.org"]);
    assert!(!old.text().contains("new@"), "{}", old.text());
    app.post("/api/v1/auth/confirm-email")
        .json(&json!({"token": new.token()}))
        .send()
        .expect(204);
    let me = app.get(ME).by(&token).send().expect(200);
    assert_eq!(me.data()["emailConfirmed"], true);
}

#[test]
fn an_address_is_taken_or_given_up_as_anywhere_else() {
    let app = TestApp::start();
    let (other, _) = app.someone("User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = 'taken@example.org' WHERE id = '{}'",
        other.id
    ));
    let (_, token) = app.someone("User", &[]);
    let with = |email: Value| {
        let body = json!({"email": email, "currentPassword": PASSWORD});
        change(&app, &token, &body)
    };
    with("TAKEN@example.org".into()).expect_problem(409, "user_email_conflict");
    with("no address".into()).expect_fault("/email", "invalid_email");
    with("free@example.org".into()).expect(200);
    let none = with(Value::Null).expect(200);
    assert_eq!(none.data()["email"], Value::Null);
}

#[test]
fn c01_nobody_gives_themselves_anything_by_changing_their_own_account() {
    let app = TestApp::start();
    let (user, token) = app.someone("User", &[]);
    let before = app.get(ME).by(&token).send().expect(200);
    for (member, value) in [
        ("role", json!("SuperAdmin")),
        ("roles", json!(["SuperAdmin"])),
        ("permissions", json!(["users.read"])),
        ("effectivePermissions", json!(["users.read"])),
        ("effective_permissions", json!(["users.read"])),
        ("isSuperAdmin", json!(true)),
        ("is_superadmin", json!(true)),
        ("isActive", json!(true)),
        ("status", json!("active")),
        ("emailConfirmed", json!(true)),
        ("email_confirmed", json!(true)),
        ("mfaEnabled", json!(true)),
        ("mustChangePassword", json!(false)),
        ("hasPassword", json!(true)),
        (
            "passwordHash",
            json!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"),
        ),
        ("password_hash", json!("x")),
        ("password", json!(PASSWORD)),
        ("username", json!("root")),
        ("tags", json!(["staff"])),
        ("id", json!("00000000-0000-0000-0000-000000000000")),
        ("userId", json!("00000000-0000-0000-0000-000000000000")),
        ("createdAtUtc", json!("2000-01-01T00:00:00Z")),
        ("expiresAtUtc", Value::Null),
        ("authProvider", json!("ldap")),
        ("version", json!(7)),
        ("user", json!({"role": "SuperAdmin"})),
        ("/role", json!("SuperAdmin")),
        ("__proto__", json!({"role": "SuperAdmin"})),
    ] {
        let mixed = json!({"displayName": "Eve", member: value});
        change(&app, &token, &mixed).expect_problem(400, "request_invalid");
        change(&app, &token, &json!({member: value})).expect_problem(400, "request_invalid");
    }
    let patch = json!([{"op": "replace", "path": "/role", "value": "SuperAdmin"}]);
    change(&app, &token, &patch).expect_problem(400, "request_invalid");
    let after = app.get(ME).by(&token).send().expect(200);
    assert_eq!(after.body, before.body);
    assert_eq!(after.data()["id"], user.id.as_str());
}

#[test]
fn whoever_leaves_is_gone_at_once_and_keeps_the_name() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let ada = app.user("ada", "User", &[]);
    let (here, there) = (app.sign_in("ada"), app.token("ada"));
    let here = here["accessToken"].as_str().unwrap();
    let made = app.post("/api/v1/auth/tokens").by(here);
    let made = made.json(&json!({"name": "export", "permissions": []}));
    let program = made.send().expect(201).data()["token"].clone();
    app.delete(ME)
        .by(here)
        .json(&json!({}))
        .send()
        .expect_fault("/currentPassword", "required");
    leave(&app, here, "not the password").expect_problem(401, "auth_invalid_credentials");
    leave(&app, program.as_str().unwrap(), PASSWORD).expect_problem(403, "auth_session_required");
    leaving(&app, here, PASSWORD)
        .header("If-Match", "\"99-0123456789abcdef\"")
        .send()
        .expect_problem(412, "precondition_failed");

    leave(&app, here, PASSWORD).expect(204);
    for token in [here, &there, program.as_str().unwrap()] {
        app.get(ME)
            .by(token)
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    app.post("/api/v1/auth/login")
        .json(&json!({"username": "ada", "password": PASSWORD}))
        .send()
        .expect_problem(401, "auth_invalid_credentials");
    app.post("/api/v1/users")
        .by(&admin)
        .json(&json!({"username": "ada", "role": "User"}))
        .send()
        .expect_problem(409, "user_username_conflict");
    app.post(&format!("/api/v1/users/{}/restore", ada.id))
        .by(&admin)
        .send()
        .expect(200);
    app.token("ada");
}

#[test]
fn a_changed_password_wins_over_leaving_with_the_old_one() {
    let app = TestApp::start();
    for round in 0..20 {
        let name = format!("ada{round}");
        app.user(&name, "User", &[]);
        let token = app.token(&name);
        let answers = at_once(2, |which| {
            if which == 0 {
                leave(&app, &token, PASSWORD).status
            } else {
                let body = json!({"currentPassword": PASSWORD, "newPassword": "nine purple umbrellas in june"});
                let call = app.post("/api/v1/auth/change-password").by(&token);
                call.json(&body).send().status
            }
        });
        assert!(
            matches!(answers[..], [204, 401] | [401, 204]),
            "{round}: {answers:?}"
        );
    }
}

#[test]
fn the_last_super_admin_does_not_leave_and_of_two_at_once_one_stays() {
    let app = TestApp::start();
    for round in 0..20 {
        app.execute("UPDATE users SET deleted_at = now()");
        let tokens = [0, 1].map(|which| {
            let name = format!("chief{round}-{which}");
            app.user(&name, "SuperAdmin", &[]);
            app.token(&name)
        });
        let mut answers = at_once(2, |which| leave(&app, &tokens[which], PASSWORD).status);
        answers.sort_unstable();
        assert_eq!(answers, [204, 409], "{round}");
    }
    let refused = "SELECT count(*) FROM audit_events WHERE action = 'user.deleteOwn' AND code = 'last_super_admin'";
    assert_eq!(app.number(refused), 20);
}

#[test]
fn d26_the_password_that_is_asked_for_here_is_guessed_no_more_often_than_at_sign_in() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let token = app.token("ada");
    for attempt in 0..10 {
        let wrong = format!("wrong password {attempt}");
        if attempt % 2 == 0 {
            leave(&app, &token, &wrong).expect_problem(401, "auth_invalid_credentials");
        } else {
            let body = json!({"email": "new@example.org", "currentPassword": wrong});
            change(&app, &token, &body).expect_problem(401, "auth_invalid_credentials");
        }
    }
    leave(&app, &token, PASSWORD).expect_problem(429, "rate_limited");
    app.post("/api/v1/auth/login")
        .json(&json!({"username": "ada", "password": PASSWORD}))
        .send()
        .expect_problem(429, "rate_limited");
}
