//! The outbox: how email is stored, sent, retried and dropped.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{MailServer, ReceivedEmail, Response, TestApp, TestUser, wait_until};

pub const NEW_PASSWORD: &str = "nine purple umbrellas in june";

/// Creates an account with a confirmed email address.
pub fn create_user_with_email(app: &TestApp, email: &str) -> TestUser {
    let (user, _) = app.create_signed_in_user("User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = '{email}', email_confirmed = true WHERE id = '{}'",
        user.id
    ));
    user
}

pub fn request_reset(app: &TestApp, email: &str) -> Response {
    app.post("/api/v1/auth/request-password-reset")
        .json(&json!({"email": email}))
        .send()
}

pub fn redeem(app: &TestApp, email: &ReceivedEmail) -> Response {
    app.post("/api/v1/auth/reset-password")
        .json(&json!({"token": email.token(), "newPassword": NEW_PASSWORD}))
        .send()
}

pub fn queued_count(app: &TestApp) -> i64 {
    app.query_number("SELECT count(*) FROM mail_outbox")
}

/// Makes every queued email due now.
fn make_all_due(app: &TestApp) {
    app.execute("UPDATE mail_outbox SET next_attempt_at = now()");
}

#[test]
fn queued_email_is_encrypted_and_contains_no_token() {
    let app = TestApp::start_with(&[
        ("ROSTERD_SMTP_URL", "smtp://127.0.0.1:1"),
        ("ROSTERD_MAIL_FROM", "id@example.org"),
    ]);
    create_user_with_email(&app, "ada@example.org");
    request_reset(&app, "ada@example.org").expect(202);
    wait_until(|| app.query_number("SELECT count(*) FROM mail_outbox WHERE attempts = 1") == 1);
    let readable = "SELECT count(*) FROM mail_outbox WHERE position(convert_to('example.org', 'UTF8') IN encrypted_message) > 0 \
                 OR position(convert_to('passwordReset', 'UTF8') IN encrypted_message) > 0";
    assert_eq!(app.query_number(readable), 0);
    let delayed =
        "SELECT count(*) FROM mail_outbox WHERE next_attempt_at > now() + interval '10 seconds'";
    wait_until(|| app.query_number(delayed) == 1);
}

#[test]
fn temporarily_refused_email_is_retried_with_a_valid_link() {
    let (app, server) = TestApp::start_with_mail(&[]);
    create_user_with_email(&app, "ada@example.org");
    server.refuse_recipients(&["451 try later", "421 too busy"]);
    request_reset(&app, "ada@example.org").expect(202);
    for attempt in 1..=2 {
        let recorded_attempt = format!(
            "SELECT count(*) FROM mail_outbox WHERE attempts = {attempt} AND next_attempt_at > now()"
        );
        let recipients = || {
            server
                .commands()
                .iter()
                .filter(|line| line.starts_with("RCPT"))
                .count()
        };
        wait_until(|| recipients() == attempt && app.query_number(&recorded_attempt) == 1);
        // The delay after a failure, not the lease of the attempt.
        let due_soon =
            "SELECT count(*) FROM mail_outbox WHERE next_attempt_at < now() + interval '2 minutes'";
        wait_until(|| app.query_number(due_soon) == 1);
        make_all_due(&app);
    }
    redeem(&app, &server.only_email()).expect(204);
    wait_until(|| queued_count(&app) == 0);
}

#[test]
fn resent_email_keeps_its_message_id() {
    let (app, server) = TestApp::start_with_mail(&[]);
    create_user_with_email(&app, "ada@example.org");
    // Simulates a process that ends after sending and before recording it.
    app.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
         CREATE TRIGGER keep BEFORE DELETE ON mail_outbox FOR EACH ROW EXECUTE FUNCTION keep()",
    );
    request_reset(&app, "ada@example.org").expect(202);
    let original = server.only_email();
    app.execute("DROP TRIGGER keep ON mail_outbox");
    make_all_due(&app);
    let resent = server.wait_for_emails(2).remove(1);
    assert_eq!(original.header("Message-ID"), resent.header("Message-ID"));
    assert_eq!(original.token(), resent.token());
    redeem(&app, &resent).expect(204);
}

#[test]
fn permanently_refused_email_is_dropped() {
    let (app, server) = TestApp::start_with_mail(&[]);
    create_user_with_email(&app, "ada@example.org");
    server.refuse_recipients(&["550 no such user"]);
    request_reset(&app, "ada@example.org").expect(202);
    wait_until(|| !server.commands().is_empty() && queued_count(&app) == 0);
    assert!(server.emails().is_empty());
}

#[test]
fn email_is_dropped_after_the_last_retry_or_after_a_day() {
    let (app, server) = TestApp::start_with_mail(&[]);
    create_user_with_email(&app, "ada@example.org");
    server.refuse_recipients(&["451 later", "451 later"]);
    request_reset(&app, "ada@example.org").expect(202);
    let failed = |times: i64| {
        format!(
            "SELECT count(*) FROM mail_outbox WHERE attempts = {times} AND next_attempt_at > now() \
             AND next_attempt_at < now() + interval '2 minutes'"
        )
    };
    wait_until(|| app.query_number(&failed(1)) == 1);
    app.execute("UPDATE mail_outbox SET attempts = 7, next_attempt_at = now()");
    wait_until(|| queued_count(&app) == 0);

    server.refuse_recipients(&["451 later"]);
    request_reset(&app, "ada@example.org").expect(202);
    wait_until(|| app.query_number(&failed(1)) == 1);
    app.execute(
        "UPDATE mail_outbox SET created_at = now() - interval '24 hours', next_attempt_at = now()",
    );
    wait_until(|| queued_count(&app) == 0);
    assert!(server.emails().is_empty());
}

#[test]
fn replicas_send_each_email_once() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let _others = [app.start_replica(), app.start_replica()];
    for i in 0..30 {
        create_user_with_email(&app, &format!("user{i}@example.org"));
    }
    for i in 0..30 {
        request_reset(&app, &format!("user{i}@example.org")).expect(202);
    }
    wait_until(|| queued_count(&app) == 0);
    let emails = server.wait_for_emails(30);
    let recipients: BTreeSet<_> = emails.iter().map(|email| email.to.clone()).collect();
    assert_eq!(recipients.len(), 30);
}

#[test]
fn undecryptable_email_is_dropped_and_others_are_sent() {
    let (app, server) = TestApp::start_with_mail(&[]);
    create_user_with_email(&app, "ada@example.org");
    app.execute(
        "INSERT INTO mail_outbox (id, encrypted_message, next_attempt_at, created_at) \
         VALUES (gen_random_uuid(), 'sealed under another key', now() - interval '1 hour', now())",
    );
    request_reset(&app, "ada@example.org").expect(202);
    server.only_email();
    wait_until(|| queued_count(&app) == 0);
}

#[test]
fn smtp_credentials_are_sent_only_as_the_tls_setting_allows() {
    let server = MailServer::start();
    let addr = server.url().replace("smtp://", "");
    let start = |url: &str| {
        let app = TestApp::start_with(&[
            ("ROSTERD_SMTP_URL", url),
            ("ROSTERD_MAIL_FROM", "id@example.org"),
        ]);
        create_user_with_email(&app, "ada@example.org");
        request_reset(&app, "ada@example.org").expect(202);
        app
    };
    // The server does not offer STARTTLS, as after a downgrade by an attacker on the network.
    let app = start(&format!("smtp://user:hunter2@{addr}?tls=required"));
    wait_until(|| {
        app.query_number("SELECT count(*) FROM mail_outbox WHERE attempts = 1 AND next_attempt_at < now() + interval '1 minute'") == 1
    });
    let commands = server.commands();
    assert!(
        !commands.is_empty()
            && commands
                .iter()
                .all(|line| line.starts_with("EHLO") || line == "QUIT"),
        "{commands:?}"
    );

    let app = start(&format!("smtp://user:hunter2@{addr}"));
    server.only_email();
    // base64 of "\0user\0hunter2" (RFC 4616).
    assert!(
        server
            .commands()
            .contains(&"AUTH PLAIN AHVzZXIAaHVudGVyMg==".to_owned())
    );
    wait_until(|| queued_count(&app) == 0);
}

#[test]
fn templates_in_a_folder_replace_the_defaults() {
    let folder =
        std::env::temp_dir().join(format!("rosterd-mail-templates-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = "Subject: Neues Passwort f\u{fc}r dich\n\nHallo {username},\n\n{url}\n";
    std::fs::write(folder.join("password-reset.txt"), text).unwrap();
    let (app, server) =
        TestApp::start_with_mail(&[("ROSTERD_MAIL_TEMPLATES", folder.to_str().unwrap())]);
    let ada = create_user_with_email(&app, "ada@example.org");
    request_reset(&app, "ada@example.org").expect(202);
    let email = server.only_email();
    assert!(email.data.is_ascii());
    assert!(email.header("Subject").contains("=?utf-8?"));
    assert!(
        email
            .text()
            .starts_with(&format!("Hallo {},\n\nhttps://", ada.username))
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn purge_deletes_queued_email_of_the_account() {
    let app = TestApp::start_with(&[
        ("ROSTERD_SMTP_URL", "smtp://127.0.0.1:1"),
        ("ROSTERD_MAIL_FROM", "id@example.org"),
    ]);
    let admin = app.super_admin_token();
    let (ada, token) = app.create_signed_in_user("User", &[]);
    let unconfirmed = format!(
        "UPDATE users SET email = 'ada@example.org' WHERE id = '{}'",
        ada.id
    );
    app.execute(&unconfirmed);
    app.post("/api/v1/auth/request-email-confirmation")
        .bearer(&token)
        .send()
        .expect(202);
    assert_eq!(queued_count(&app), 1);
    let purge = format!("/api/v1/users/{}?purge=true", ada.id);
    app.delete(&purge).bearer(&admin).send().expect(204);
    assert_eq!(queued_count(&app), 0);
}
