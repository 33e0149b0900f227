//! `/api/v1/auth/request-email-confirmation` and `/api/v1/auth/confirm-email`.

use std::thread;

use serde_json::json;

use crate::support::{PASSWORD, Response, TestApp, TestUser, wait_until};

/// An account with an unconfirmed email address, and its token.
fn create_user_with_unconfirmed_email(app: &TestApp, email: &str) -> (TestUser, String) {
    let (user, token) = app.create_signed_in_user("User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = '{email}' WHERE id = '{}'",
        user.id
    ));
    (user, token)
}

fn request_confirmation(app: &TestApp, token: &str) -> Response {
    let request = app.post("/api/v1/auth/request-email-confirmation");
    request.bearer(token).send()
}

fn confirm(app: &TestApp, token: &str) -> Response {
    app.post("/api/v1/auth/confirm-email")
        .json(&json!({"token": token}))
        .send()
}

fn is_confirmed(app: &TestApp, token: &str) -> bool {
    let me = app.get("/api/v1/auth/me").bearer(token).send().expect(200);
    me.data()["emailConfirmed"] == true
}

#[track_caller]
fn assert_invalid(app: &TestApp, token: &str) {
    confirm(app, token).expect_problem(400, "confirmation_token_invalid");
}

#[test]
fn confirmed_address_can_be_used_to_log_in() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let (ada, token) = create_user_with_unconfirmed_email(&app, "ada@example.org");
    let login = || {
        let body = json!({"username": "ada@example.org", "password": PASSWORD});
        app.post("/api/v1/auth/login").json(&body).send()
    };
    login().expect_problem(401, "auth_invalid_credentials");
    assert!(
        request_confirmation(&app, &token)
            .expect(202)
            .text
            .is_empty()
    );
    let email = server.only_email();
    assert_eq!(email.to, ["ada@example.org"]);
    assert_eq!(email.header("Subject"), "Confirm your email address");
    assert!(
        email
            .link()
            .starts_with("https://id.example.org/confirm-email?token=rst_cfm_")
    );
    assert!(!is_confirmed(&app, &token));

    assert!(confirm(&app, &email.token()).expect(204).text.is_empty());
    assert!(is_confirmed(&app, &token));
    login().expect(200);
    assert_invalid(&app, &email.token());
    let audit = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'user.emailConfirmation.use' AND outcome = 'done' \
         AND subject_id = '{}' AND before->>'emailConfirmed' = 'false' AND after->>'emailConfirmed' = 'true'",
        ada.id
    );
    assert_eq!(app.query_number(&audit), 1);
}

#[test]
fn no_email_is_sent_without_an_unconfirmed_address() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let (_, without_email) = app.create_signed_in_user("User", &[]);
    let (ada, with_confirmed_email) = create_user_with_unconfirmed_email(&app, "ada@example.org");
    app.execute(&format!(
        "UPDATE users SET email_confirmed = true WHERE id = '{}'",
        ada.id
    ));
    request_confirmation(&app, &without_email).expect(202);
    request_confirmation(&app, &with_confirmed_email).expect(202);
    assert_eq!(app.query_number("SELECT count(*) FROM mail_outbox"), 0);
    let call = app.post("/api/v1/auth/request-email-confirmation");
    call.send().expect_problem(401, "auth_required");

    // The address is checked again when the email is sent.
    let (bob, token) = create_user_with_unconfirmed_email(&app, "bob@example.org");
    server.refuse_recipients(&["451 later"]);
    request_confirmation(&app, &token).expect(202);
    wait_until(|| {
        app.query_number(
            "SELECT count(*) FROM mail_outbox WHERE attempts = 1 AND next_attempt_at > now()",
        ) == 1
    });
    app.execute(&format!(
        "UPDATE users SET email = 'robert@example.org' WHERE id = '{}'",
        bob.id
    ));
    app.execute("UPDATE mail_outbox SET next_attempt_at = now()");
    wait_until(|| app.query_number("SELECT count(*) FROM mail_outbox") == 0);
    assert!(server.emails().is_empty());
}

#[test]
fn link_confirms_only_the_address_it_was_sent_to() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let admin = app.super_admin_token();
    let (ada, token) = create_user_with_unconfirmed_email(&app, "ada@example.org");
    request_confirmation(&app, &token).expect(202);
    let email = server.only_email();
    let account = format!("/api/v1/users/{}", ada.id);
    let set_email = |email: &str| {
        let body = json!({"email": email});
        app.patch(&account)
            .bearer(&admin)
            .json(&body)
            .send()
            .expect(200)
    };
    set_email("other@example.org");
    assert_invalid(&app, &email.token());
    assert!(!is_confirmed(&app, &token));
    // The account has the old address again. The link is accepted, because it was sent to that address.
    set_email("ada@example.org");
    confirm(&app, &email.token()).expect(204);
}

#[test]
fn new_link_invalidates_the_previous_one() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let (_, token) = create_user_with_unconfirmed_email(&app, "ada@example.org");
    request_confirmation(&app, &token).expect(202);
    server.wait_for_emails(1);
    request_confirmation(&app, &token).expect(202);
    let emails = server.wait_for_emails(2);
    assert_invalid(&app, &emails[0].token());
    confirm(&app, &emails[1].token()).expect(204);
}

#[test]
fn ended_account_cannot_confirm_its_address() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let (ada, token) = create_user_with_unconfirmed_email(&app, "ada@example.org");
    request_confirmation(&app, &token).expect(202);
    let email = server.only_email();
    for ending in [
        "is_active = false",
        "deleted_at = now()",
        "expires_at = now()",
    ] {
        app.execute(&format!(
            "UPDATE users SET {ending} WHERE id = '{}'",
            ada.id
        ));
        assert_invalid(&app, &email.token());
        app.execute("UPDATE users SET is_active = true, deleted_at = NULL, expires_at = NULL");
    }
    confirm(&app, &email.token()).expect(204);
}

// SECURITY: F01
#[test]
fn concurrent_confirmations_succeed_once() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let replica = app.start_replica();
    for round in 1..=20 {
        app.clear_rate_limits();
        let (ada, token) =
            create_user_with_unconfirmed_email(&app, &format!("ada{round}@example.org"));
        request_confirmation(&app, &token).expect(202);
        let emails = server.wait_for_emails(round);
        let link = &emails[round - 1].token();
        let replicas = [&app, &replica];
        let mut statuses: Vec<u16> = thread::scope(|scope| {
            let threads: Vec<_> = (0..32)
                .map(|index| {
                    let app = replicas[index % 2];
                    scope.spawn(move || confirm(app, link).status)
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        statuses.sort_unstable();
        assert_eq!((statuses[0], statuses[1], statuses[31]), (204, 400, 400));
        let version = format!("SELECT version FROM users WHERE id = '{}'", ada.id);
        assert_eq!(app.query_number(&version), 2);
    }
}

// SECURITY: F02
#[test]
fn confirmation_token_works_only_for_confirmation() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let admin = app.super_admin_token();
    let (ada, token) = create_user_with_unconfirmed_email(&app, "ada@example.org");
    request_confirmation(&app, &token).expect(202);
    let confirmation = server.only_email();
    let link = format!("/api/v1/users/{}/password-reset-link", ada.id);
    let link = app.post(&link).bearer(&admin).send().expect(201);
    assert_invalid(&app, link.data()["token"].as_str().unwrap());
    assert_invalid(&app, &token);
    let body =
        json!({"token": confirmation.token(), "newPassword": "nine purple umbrellas in june"});
    let reset = app.post("/api/v1/auth/reset-password").json(&body).send();
    reset.expect_problem(400, "reset_token_invalid");
    for wrong_type in [json!([]), json!({}), json!(1)] {
        let body = json!({"token": wrong_type});
        let call = app.post("/api/v1/auth/confirm-email").json(&body).send();
        call.expect_field_error("/token", "invalid_type");
    }
    assert_invalid(&app, "");
    for missing in [json!({}), json!({"token": null})] {
        let call = app.post("/api/v1/auth/confirm-email").json(&missing).send();
        call.expect_field_error("/token", "required");
    }
    confirm(&app, &confirmation.token()).expect(204);
}

// SECURITY: F04
#[test]
fn confirmation_expires_after_a_day_and_only_its_digest_is_stored() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let (_, token) = create_user_with_unconfirmed_email(&app, "ada@example.org");
    request_confirmation(&app, &token).expect(202);
    let email = server.only_email();
    let lifetime =
        "SELECT extract(epoch FROM expires_at - created_at) FROM email_confirmation_tokens";
    assert_eq!(app.query_number(lifetime), 86_400);
    let digest = format!(
        "SELECT count(*) FROM email_confirmation_tokens WHERE digest = sha256(convert_to('{}', 'UTF8'))",
        email.token()
    );
    assert_eq!(app.query_number(&digest), 1);
    app.execute("UPDATE email_confirmation_tokens SET expires_at = clock_timestamp()");
    assert_invalid(&app, &email.token());
    app.execute(
        "UPDATE email_confirmation_tokens SET expires_at = clock_timestamp() + interval '1 minute'",
    );
    confirm(&app, &email.token()).expect(204);
}

// SECURITY: F06
#[test]
fn get_and_head_do_not_confirm_an_address() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let (_, token) = create_user_with_unconfirmed_email(&app, "ada@example.org");
    request_confirmation(&app, &token).expect(202);
    let email = server.only_email();
    for method in ["GET", "HEAD"] {
        let path = format!("/api/v1/auth/confirm-email?token={}", &email.token());
        assert_eq!(app.call(method, &path).send().status, 405);
    }
    assert!(!is_confirmed(&app, &token));
    confirm(&app, &email.token()).expect(204);
}
