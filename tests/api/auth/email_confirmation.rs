//! Showing that mail to an address reaches whoever gave it.

use std::thread;

use serde_json::json;

use crate::support::{Answer, PASSWORD, TestApp, User, eventually};

/// An account with an address that is not confirmed, and a token of it.
fn with_address(app: &TestApp, email: &str) -> (User, String) {
    let (user, token) = app.someone("User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = '{email}' WHERE id = '{}'",
        user.id
    ));
    (user, token)
}

fn ask(app: &TestApp, token: &str) -> Answer {
    let ask = app.post("/api/v1/auth/request-email-confirmation");
    ask.by(token).send()
}

fn confirm(app: &TestApp, token: &str) -> Answer {
    app.post("/api/v1/auth/confirm-email")
        .json(&json!({"token": token}))
        .send()
}

fn is_confirmed(app: &TestApp, token: &str) -> bool {
    let me = app.get("/api/v1/auth/me").by(token).send().expect(200);
    me.data()["emailConfirmed"] == true
}

#[track_caller]
fn assert_dead(app: &TestApp, token: &str) {
    confirm(app, token).expect_problem(400, "confirmation_token_invalid");
}

#[test]
fn an_address_is_confirmed_by_whoever_gets_its_mail_and_is_then_a_name_to_sign_in_by() {
    let (app, server) = TestApp::with_mail(&[]);
    let (ada, token) = with_address(&app, "ada@example.org");
    let login = || {
        let body = json!({"username": "ada@example.org", "password": PASSWORD});
        app.post("/api/v1/auth/login").json(&body).send()
    };
    login().expect_problem(401, "auth_invalid_credentials");
    assert!(ask(&app, &token).expect(202).text.is_empty());
    let letter = server.letter();
    assert_eq!(letter.to, ["ada@example.org"]);
    assert_eq!(letter.header("Subject"), "Confirm your email address");
    assert!(
        letter
            .link()
            .starts_with("https://id.example.org/confirm-email?token=rst_cfm_")
    );
    assert!(!is_confirmed(&app, &token));

    assert!(confirm(&app, &letter.token()).expect(204).text.is_empty());
    assert!(is_confirmed(&app, &token));
    login().expect(200);
    assert_dead(&app, &letter.token());
    let audit = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'user.emailConfirmation.use' AND outcome = 'done' \
         AND subject_id = '{}' AND before->>'emailConfirmed' = 'false' AND after->>'emailConfirmed' = 'true'",
        ada.id
    );
    assert_eq!(app.number(&audit), 1);
}

#[test]
fn nothing_is_mailed_where_there_is_nothing_to_confirm() {
    let (app, server) = TestApp::with_mail(&[]);
    let (_, nothing) = app.someone("User", &[]);
    let (ada, confirmed) = with_address(&app, "ada@example.org");
    app.execute(&format!(
        "UPDATE users SET email_confirmed = true WHERE id = '{}'",
        ada.id
    ));
    ask(&app, &nothing).expect(202);
    ask(&app, &confirmed).expect(202);
    assert_eq!(app.number("SELECT count(*) FROM outgoing_mail"), 0);
    let call = app.post("/api/v1/auth/request-email-confirmation");
    call.send().expect_problem(401, "auth_required");

    // What is confirmed, changed or over by the time that the letter is written is not mailed either.
    let (bob, token) = with_address(&app, "bob@example.org");
    server.refuse(&["451 later"]);
    ask(&app, &token).expect(202);
    eventually(|| {
        app.number("SELECT count(*) FROM outgoing_mail WHERE attempts = 1 AND due_at > now()") == 1
    });
    app.execute(&format!(
        "UPDATE users SET email = 'robert@example.org' WHERE id = '{}'",
        bob.id
    ));
    app.execute("UPDATE outgoing_mail SET due_at = now()");
    eventually(|| app.number("SELECT count(*) FROM outgoing_mail") == 0);
    assert!(server.letters().is_empty());
}

#[test]
fn a_link_confirms_the_address_that_it_was_mailed_to_and_no_other() {
    let (app, server) = TestApp::with_mail(&[]);
    let admin = app.super_admin();
    let (ada, token) = with_address(&app, "ada@example.org");
    ask(&app, &token).expect(202);
    let letter = server.letter();
    let account = format!("/api/v1/users/{}", ada.id);
    let set = |email: &str| {
        let change = json!({"email": email});
        app.patch(&account)
            .by(&admin)
            .json(&change)
            .send()
            .expect(200)
    };
    set("other@example.org");
    assert_dead(&app, &letter.token());
    assert!(!is_confirmed(&app, &token));
    // Back at the old address: that mail reached its owner is still true.
    set("ada@example.org");
    confirm(&app, &letter.token()).expect(204);
}

#[test]
fn a_new_link_ends_the_one_before() {
    let (app, server) = TestApp::with_mail(&[]);
    let (_, token) = with_address(&app, "ada@example.org");
    ask(&app, &token).expect(202);
    server.wait_for(1);
    ask(&app, &token).expect(202);
    let letters = server.wait_for(2);
    assert_dead(&app, &letters[0].token());
    confirm(&app, &letters[1].token()).expect(204);
}

#[test]
fn an_account_that_is_over_confirms_nothing() {
    let (app, server) = TestApp::with_mail(&[]);
    let (ada, token) = with_address(&app, "ada@example.org");
    ask(&app, &token).expect(202);
    let letter = server.letter();
    for over in [
        "is_active = false",
        "deleted_at = now()",
        "expires_at = now()",
    ] {
        app.execute(&format!("UPDATE users SET {over} WHERE id = '{}'", ada.id));
        assert_dead(&app, &letter.token());
        app.execute("UPDATE users SET is_active = true, deleted_at = NULL, expires_at = NULL");
    }
    confirm(&app, &letter.token()).expect(204);
}

#[test]
fn f01_a_confirmation_is_good_once_when_32_race() {
    let (app, server) = TestApp::with_mail(&[]);
    let other = app.replica();
    for round in 1..=20 {
        let (ada, token) = with_address(&app, &format!("ada{round}@example.org"));
        ask(&app, &token).expect(202);
        let letters = server.wait_for(round);
        let link = &letters[round - 1].token();
        let replicas = [&app, &other];
        let mut statuses: Vec<u16> = thread::scope(|scope| {
            let racers: Vec<_> = (0..32)
                .map(|i| {
                    let app = replicas[i % 2];
                    scope.spawn(move || confirm(app, link).status)
                })
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap())
                .collect()
        });
        statuses.sort_unstable();
        assert_eq!((statuses[0], statuses[1], statuses[31]), (204, 400, 400));
        let version = format!("SELECT version FROM users WHERE id = '{}'", ada.id);
        assert_eq!(app.number(&version), 2);
    }
}

#[test]
fn f02_a_token_of_one_flow_is_good_for_no_other() {
    let (app, server) = TestApp::with_mail(&[]);
    let admin = app.super_admin();
    let (ada, token) = with_address(&app, "ada@example.org");
    ask(&app, &token).expect(202);
    let confirmation = server.letter();
    let link = format!("/api/v1/users/{}/password-reset-link", ada.id);
    let link = app.post(&link).by(&admin).send().expect(201);
    assert_dead(&app, link.data()["token"].as_str().unwrap());
    assert_dead(&app, &token);
    let body =
        json!({"token": confirmation.token(), "newPassword": "nine purple umbrellas in june"});
    let reset = app.post("/api/v1/auth/reset-password").json(&body).send();
    reset.expect_problem(400, "reset_token_invalid");
    for wrong in [json!(null), json!([]), json!({}), json!(1)] {
        let body = json!({"token": wrong});
        let call = app.post("/api/v1/auth/confirm-email").json(&body).send();
        call.expect_fault("/token", "invalid_type");
    }
    assert_dead(&app, "");
    let none = app
        .post("/api/v1/auth/confirm-email")
        .json(&json!({}))
        .send();
    none.expect_fault("/token", "required");
    confirm(&app, &confirmation.token()).expect(204);
}

#[test]
fn f04_a_confirmation_ends_after_a_day_by_the_database_clock_and_only_its_digest_is_kept() {
    let (app, server) = TestApp::with_mail(&[]);
    let (_, token) = with_address(&app, "ada@example.org");
    ask(&app, &token).expect(202);
    let letter = server.letter();
    let lifetime = "SELECT extract(epoch FROM expires_at - created_at) FROM email_confirmations";
    assert_eq!(app.number(lifetime), 86_400);
    let digest = format!(
        "SELECT count(*) FROM email_confirmations WHERE digest = sha256(convert_to('{}', 'UTF8'))",
        letter.token()
    );
    assert_eq!(app.number(&digest), 1);
    app.execute("UPDATE email_confirmations SET expires_at = clock_timestamp()");
    assert_dead(&app, &letter.token());
    app.execute(
        "UPDATE email_confirmations SET expires_at = clock_timestamp() + interval '1 minute'",
    );
    confirm(&app, &letter.token()).expect(204);
}

#[test]
fn f06_get_and_head_confirm_nothing() {
    let (app, server) = TestApp::with_mail(&[]);
    let (_, token) = with_address(&app, "ada@example.org");
    ask(&app, &token).expect(202);
    let letter = server.letter();
    for method in ["GET", "HEAD"] {
        let path = format!("/api/v1/auth/confirm-email?token={}", &letter.token());
        assert_eq!(app.call(method, &path).send().status, 405);
    }
    assert!(!is_confirmed(&app, &token));
    confirm(&app, &letter.token()).expect(204);
}
