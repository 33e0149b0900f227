//! Letters: how they are written, sent, tried again and given up.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Answer, Letter, MailServer, PASSWORD, TestApp, User, eventually};

const NEW: &str = "nine purple umbrellas in june";

/// An account with a confirmed address.
fn reachable(app: &TestApp, email: &str) -> User {
    let (user, _) = app.someone("User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = '{email}', email_confirmed = true WHERE id = '{}'",
        user.id
    ));
    user
}

fn forgot(app: &TestApp, email: &str) -> Answer {
    app.post("/api/v1/auth/request-password-reset")
        .json(&json!({"email": email}))
        .send()
}

fn redeem(app: &TestApp, letter: &Letter) -> Answer {
    app.post("/api/v1/auth/reset-password")
        .json(&json!({"token": letter.token(), "newPassword": NEW}))
        .send()
}

fn waiting(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM outgoing_mail")
}

/// Lets the letters that wait be tried now.
fn hurry(app: &TestApp) {
    app.execute("UPDATE outgoing_mail SET due_at = now()");
}

#[test]
fn whoever_forgot_a_password_gets_a_link_by_mail_and_sets_another() {
    let (app, server) = TestApp::with_mail(&[]);
    let ada = reachable(&app, "Ada@example.org");
    let answer = forgot(&app, "ada@EXAMPLE.org").expect(202);
    assert!(answer.text.is_empty());

    let letter = server.letter();
    assert_eq!(
        (letter.from.as_str(), letter.to.as_slice()),
        ("id@example.org", &["Ada@example.org".to_owned()][..])
    );
    assert_eq!(letter.header("From"), "Accounts <id@example.org>");
    assert_eq!(letter.header("To"), "Ada@example.org");
    assert_eq!(letter.header("Subject"), "Set a new password");
    assert_eq!(letter.header("Auto-Submitted"), "auto-generated");
    assert!(letter.header("Message-ID").ends_with("@example.org>"));
    assert!(
        letter
            .text()
            .contains(&format!("the account {}.", ada.username))
    );
    assert!(
        letter
            .link()
            .starts_with("https://id.example.org/reset-password?token=rst_rst_")
    );
    let lifetime = "SELECT extract(epoch FROM expires_at - created_at) FROM reset_links";
    assert_eq!(app.number(lifetime), 3600);

    redeem(&app, &letter).expect(204);
    redeem(&app, &letter).expect_problem(400, "reset_token_invalid");
    let body = json!({"username": "ada@example.org", "password": NEW});
    app.post("/api/v1/auth/login")
        .json(&body)
        .send()
        .expect(200);
    eventually(|| waiting(&app) == 0);
}

#[test]
fn d02_asking_for_a_reset_is_the_same_for_every_address() {
    let (app, server) = TestApp::with_mail(&[]);
    let change = |email: &str, change: &str| {
        let user = reachable(&app, email);
        app.execute(&format!(
            "UPDATE users SET {change} WHERE id = '{}'",
            user.id
        ));
    };
    reachable(&app, "known@example.org");
    change("unconfirmed@example.org", "email_confirmed = false");
    change("disabled@example.org", "is_active = false");
    change("expired@example.org", "expires_at = now()");
    change("deleted@example.org", "deleted_at = now()");
    change("without-password@example.org", "password_hash = NULL");
    let mut answers = BTreeSet::new();
    for email in [
        "known@example.org",
        "KNOWN@example.org",
        "unknown@example.org",
        "unconfirmed@example.org",
        "disabled@example.org",
        "expired@example.org",
        "deleted@example.org",
        "without-password@example.org",
    ] {
        let before =
            app.number("SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.request'");
        let answer = forgot(&app, email).expect(202);
        let after =
            app.number("SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.request'");
        assert_eq!(after, before + 1);
        let headers: Vec<String> = answer
            .headers
            .iter()
            .filter(|(name, _)| !["date", "x-request-id", "traceparent"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        answers.insert((answer.text, headers));
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    eventually(|| waiting(&app) == 0);
    for letter in server.wait_for(2) {
        assert_eq!(letter.to, ["known@example.org"]);
    }
}

#[test]
fn asking_writes_the_same_rows_for_every_address_and_looks_nobody_up() {
    // Nobody listens there, so that what was written stays.
    let app = TestApp::with(&[
        ("ROSTERD_SMTP_URL", "smtp://127.0.0.1:1"),
        ("ROSTERD_MAIL_FROM", "id@example.org"),
    ]);
    reachable(&app, "known@example.org");
    // Whoever looks for an account by its address now fails.
    app.execute("ALTER TABLE users RENAME COLUMN email_confirmed TO hidden");
    for (asked, email) in [(1, "known@example.org"), (2, "stranger@example.org")] {
        forgot(&app, email).expect(202);
        let count = "SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.request' AND subject_id IS NULL";
        assert_eq!((waiting(&app), app.number(count)), (asked, asked));
    }
}

#[test]
fn d20_what_is_no_single_plain_address_is_refused_and_never_mailed() {
    let (app, server) = TestApp::with_mail(&[]);
    reachable(&app, "ada@example.org");
    for email in [
        "ada\u{FE6B}example.org",
        "ada\u{FF20}example.org",
        "ada@evil.example@example.org",
        "\"ada@evil.example\"@example.org",
        "ada(comment)@example.org",
        "ada@example.org,evil@example.net",
        "ada@example.org evil@example.net",
        "ada@example.org;evil@example.net",
        "ada@example.org\r\nBcc: evil@example.net",
        "ada@example.org\nrcpt to:<evil@example.net>",
        "<ada@example.org>",
        "Ada <ada@example.org>",
        "ada@ex\u{e4}mple.org",
        "ad\u{430}@example.org",
        "ada@[127.0.0.1]",
        "ada@example",
        "@example.org",
        "",
    ] {
        forgot(&app, email).expect_fault("/email", "invalid_email");
    }
    forgot(&app, &format!("{}@example.org", "a".repeat(250))).expect_fault("/email", "too_long");
    forgot(&app, "ada@example.org\0").expect_problem(400, "request_invalid");
    assert_eq!(
        app.number("SELECT count(*) FROM audit_events WHERE action LIKE 'user.resetLink%'"),
        0
    );
    forgot(&app, " ada@example.org ").expect(202);
    assert_eq!(server.letter().to, ["ada@example.org"]);
}

#[test]
fn f05_a_mailed_link_leads_where_the_settings_say() {
    let (app, server) = TestApp::with_mail(&[(
        "ROSTERD_RESET_URL",
        "https://app.example.org/reset?t={token}",
    )]);
    reachable(&app, "ada@example.org");
    app.post("/api/v1/auth/request-password-reset")
        .json(&json!({"email": "ada@example.org"}))
        .header("Host", "evil.example")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "http")
        .header("Forwarded", "host=evil.example;proto=http")
        .send()
        .expect(202);
    let letter = server.letter();
    assert!(
        letter
            .link()
            .starts_with("https://app.example.org/reset?t=rst_rst_")
    );
    assert!(!letter.data.contains("evil"));
}

#[test]
fn without_a_mail_server_the_answer_is_the_same_and_nothing_is_written() {
    let app = TestApp::start();
    reachable(&app, "ada@example.org");
    assert!(forgot(&app, "ada@example.org").expect(202).text.is_empty());
    forgot(&app, "stranger@example.org").expect(202);
    assert_eq!(
        (
            waiting(&app),
            app.number("SELECT count(*) FROM reset_links")
        ),
        (0, 0)
    );
}

#[test]
fn what_waits_is_encrypted_and_has_no_token() {
    let app = TestApp::with(&[
        ("ROSTERD_SMTP_URL", "smtp://127.0.0.1:1"),
        ("ROSTERD_MAIL_FROM", "id@example.org"),
    ]);
    reachable(&app, "ada@example.org");
    forgot(&app, "ada@example.org").expect(202);
    eventually(|| app.number("SELECT count(*) FROM outgoing_mail WHERE attempts = 1") == 1);
    let named = "SELECT count(*) FROM outgoing_mail WHERE position(convert_to('example.org', 'UTF8') IN sealed) > 0 \
                 OR position(convert_to('passwordReset', 'UTF8') IN sealed) > 0";
    assert_eq!(app.number(named), 0);
    let later = "SELECT count(*) FROM outgoing_mail WHERE due_at > now() + interval '10 seconds'";
    eventually(|| app.number(later) == 1);
}

#[test]
fn a_letter_that_is_refused_for_now_is_tried_again_with_a_link_that_is_good() {
    let (app, server) = TestApp::with_mail(&[]);
    reachable(&app, "ada@example.org");
    server.refuse(&["451 try later", "421 too busy"]);
    forgot(&app, "ada@example.org").expect(202);
    for attempt in 1..=2 {
        let tried = format!(
            "SELECT count(*) FROM outgoing_mail WHERE attempts = {attempt} AND due_at > now()"
        );
        let recipients = || {
            server
                .commands()
                .iter()
                .filter(|line| line.starts_with("RCPT"))
                .count()
        };
        eventually(|| recipients() == attempt && app.number(&tried) == 1);
        // The wait that follows a failure, not the lease of an attempt.
        let wait = "SELECT count(*) FROM outgoing_mail WHERE due_at < now() + interval '2 minutes'";
        eventually(|| app.number(wait) == 1);
        hurry(&app);
    }
    redeem(&app, &server.letter()).expect(204);
    eventually(|| waiting(&app) == 0);
}

#[test]
fn a_letter_keeps_its_message_id_when_it_is_sent_once_more() {
    let (app, server) = TestApp::with_mail(&[]);
    reachable(&app, "ada@example.org");
    // As if the process had ended after sending and before noting it.
    app.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
         CREATE TRIGGER keep BEFORE DELETE ON outgoing_mail FOR EACH ROW EXECUTE FUNCTION keep()",
    );
    forgot(&app, "ada@example.org").expect(202);
    let first = server.letter();
    app.execute("DROP TRIGGER keep ON outgoing_mail");
    hurry(&app);
    let again = server.wait_for(2).remove(1);
    assert_eq!(first.header("Message-ID"), again.header("Message-ID"));
    redeem(&app, &first).expect_problem(400, "reset_token_invalid");
    redeem(&app, &again).expect(204);
}

#[test]
fn a_letter_that_is_refused_for_ever_is_given_up() {
    let (app, server) = TestApp::with_mail(&[]);
    reachable(&app, "ada@example.org");
    server.refuse(&["550 nobody here"]);
    forgot(&app, "ada@example.org").expect(202);
    eventually(|| !server.commands().is_empty() && waiting(&app) == 0);
    assert!(server.letters().is_empty());
}

#[test]
fn a_letter_is_given_up_after_the_last_wait_and_after_a_day() {
    let (app, server) = TestApp::with_mail(&[]);
    reachable(&app, "ada@example.org");
    server.refuse(&["451 later", "451 later"]);
    forgot(&app, "ada@example.org").expect(202);
    let failed = |times: i64| {
        format!("SELECT count(*) FROM outgoing_mail WHERE attempts = {times} AND due_at > now()")
    };
    eventually(|| app.number(&failed(1)) == 1);
    app.execute("UPDATE outgoing_mail SET attempts = 7, due_at = now()");
    eventually(|| waiting(&app) == 0);

    server.refuse(&["451 later"]);
    forgot(&app, "ada@example.org").expect(202);
    eventually(|| app.number(&failed(1)) == 1);
    app.execute(
        "UPDATE outgoing_mail SET created_at = now() - interval '24 hours', due_at = now()",
    );
    eventually(|| waiting(&app) == 0);
    assert!(server.letters().is_empty());
}

#[test]
fn replicas_share_the_work_and_send_each_letter_once() {
    let (app, server) = TestApp::with_mail(&[]);
    let _others = [app.replica(), app.replica()];
    for i in 0..30 {
        reachable(&app, &format!("user{i}@example.org"));
    }
    for i in 0..30 {
        forgot(&app, &format!("user{i}@example.org")).expect(202);
    }
    eventually(|| waiting(&app) == 0);
    let letters = server.wait_for(30);
    let recipients: BTreeSet<_> = letters.iter().map(|letter| letter.to.clone()).collect();
    assert_eq!(recipients.len(), 30);
}

#[test]
fn a_letter_that_can_not_be_read_is_dropped_and_holds_nobody_up() {
    let (app, server) = TestApp::with_mail(&[]);
    reachable(&app, "ada@example.org");
    app.execute(
        "INSERT INTO outgoing_mail (id, sealed, due_at, created_at) \
         VALUES (gen_random_uuid(), 'sealed under another key', now() - interval '1 hour', now())",
    );
    forgot(&app, "ada@example.org").expect(202);
    server.letter();
    eventually(|| waiting(&app) == 0);
}

#[test]
fn the_login_goes_only_to_a_server_that_is_spoken_to_as_the_settings_say() {
    let server = MailServer::start();
    let addr = server.url().replace("smtp://", "");
    let start = |url: &str| {
        let app = TestApp::with(&[
            ("ROSTERD_SMTP_URL", url),
            ("ROSTERD_MAIL_FROM", "id@example.org"),
        ]);
        reachable(&app, "ada@example.org");
        forgot(&app, "ada@example.org").expect(202);
        app
    };
    // This server has no STARTTLS: whoever stands between could have taken that away.
    let app = start(&format!("smtp://user:hunter2@{addr}?tls=required"));
    eventually(|| {
        app.number("SELECT count(*) FROM outgoing_mail WHERE attempts = 1 AND due_at < now() + interval '1 minute'") == 1
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
    server.letter();
    // base64 of "\0user\0hunter2" (RFC 4616).
    assert!(
        server
            .commands()
            .contains(&"AUTH PLAIN AHVzZXIAaHVudGVyMg==".to_owned())
    );
    eventually(|| waiting(&app) == 0);
}

#[test]
fn texts_in_a_folder_replace_those_that_are_built_in() {
    let folder = std::env::temp_dir().join(format!("rosterd-letters-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = "Subject: Neues Passwort f\u{fc}r dich\n\nHallo {username},\n\n{url}\n";
    std::fs::write(folder.join("password-reset.txt"), text).unwrap();
    let (app, server) = TestApp::with_mail(&[("ROSTERD_MAIL_TEMPLATES", folder.to_str().unwrap())]);
    let ada = reachable(&app, "ada@example.org");
    forgot(&app, "ada@example.org").expect(202);
    let letter = server.letter();
    assert!(letter.data.is_ascii());
    assert!(letter.header("Subject").contains("=?utf-8?"));
    assert!(
        letter
            .text()
            .starts_with(&format!("Hallo {},\n\nhttps://", ada.username))
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_purge_takes_what_waits_for_the_account() {
    let app = TestApp::with(&[
        ("ROSTERD_SMTP_URL", "smtp://127.0.0.1:1"),
        ("ROSTERD_MAIL_FROM", "id@example.org"),
    ]);
    let admin = app.super_admin();
    let (ada, token) = app.someone("User", &[]);
    let unconfirmed = format!(
        "UPDATE users SET email = 'ada@example.org' WHERE id = '{}'",
        ada.id
    );
    app.execute(&unconfirmed);
    app.post("/api/v1/auth/request-email-confirmation")
        .by(&token)
        .send()
        .expect(202);
    assert_eq!(waiting(&app), 1);
    let purge = format!("/api/v1/users/{}?purge=true", ada.id);
    app.delete(&purge).by(&admin).send().expect(204);
    assert_eq!(waiting(&app), 0);
}

#[test]
fn a_mailed_link_settles_nothing_for_an_account_that_has_ended_meanwhile() {
    let (app, server) = TestApp::with_mail(&[]);
    let ada = reachable(&app, "ada@example.org");
    forgot(&app, "ada@example.org").expect(202);
    let letter = server.letter();
    let admin = app.super_admin();
    let status = format!("/api/v1/users/{}/status", ada.id);
    app.post(&status)
        .by(&admin)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    redeem(&app, &letter).expect_problem(400, "reset_token_invalid");
    let body = json!({"username": ada.username, "password": PASSWORD});
    let login = app.post("/api/v1/auth/login").json(&body).send();
    login.expect_problem(403, "auth_user_inactive");
}
