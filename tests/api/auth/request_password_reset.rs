//! `POST /api/v1/auth/request-password-reset`: reset links by email.

use std::collections::BTreeSet;

use serde_json::json;

use crate::mail::{NEW_PASSWORD, create_user_with_email, queued_count, redeem, request_reset};
use crate::support::{PASSWORD, TestApp, wait_until};

#[test]
fn mailed_reset_link_sets_a_new_password() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let ada = create_user_with_email(&app, "Ada@example.org");
    let response = request_reset(&app, "ada@EXAMPLE.org").expect(202);
    assert!(response.text.is_empty());

    let email = server.only_email();
    assert_eq!(
        (email.from.as_str(), email.to.as_slice()),
        ("id@example.org", &["Ada@example.org".to_owned()][..])
    );
    assert_eq!(email.header("From"), "Accounts <id@example.org>");
    assert_eq!(email.header("To"), "Ada@example.org");
    assert_eq!(email.header("Subject"), "Set a new password");
    assert_eq!(email.header("Auto-Submitted"), "auto-generated");
    assert!(email.header("Message-ID").ends_with("@example.org>"));
    assert!(
        email
            .text()
            .contains(&format!("the account {}.", ada.username))
    );
    assert!(
        email
            .link()
            .starts_with("https://id.example.org/reset-password?token=rst_rst_")
    );
    let lifetime = "SELECT extract(epoch FROM expires_at - created_at) FROM password_reset_tokens";
    assert_eq!(app.query_number(lifetime), 3600);

    redeem(&app, &email).expect(204);
    redeem(&app, &email).expect_problem(400, "reset_token_invalid");
    let body = json!({"username": "ada@example.org", "password": NEW_PASSWORD});
    app.post("/api/v1/auth/login")
        .json(&body)
        .send()
        .expect(200);
    wait_until(|| queued_count(&app) == 0);
}

// SECURITY: D02
#[test]
fn reset_request_is_answered_identically_for_every_address() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let create_user_with = |email: &str, change: &str| {
        let user = create_user_with_email(&app, email);
        app.execute(&format!(
            "UPDATE users SET {change} WHERE id = '{}'",
            user.id
        ));
    };
    create_user_with_email(&app, "known@example.org");
    create_user_with("unconfirmed@example.org", "email_confirmed = false");
    create_user_with("disabled@example.org", "is_active = false");
    create_user_with("expired@example.org", "expires_at = now()");
    create_user_with("deleted@example.org", "deleted_at = now()");
    create_user_with("without-password@example.org", "password_hash = NULL");
    let mut responses = BTreeSet::new();
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
        let before = app.query_number(
            "SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.request'",
        );
        let response = request_reset(&app, email).expect(202);
        let after = app.query_number(
            "SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.request'",
        );
        assert_eq!(after, before + 1);
        let headers: Vec<String> = response
            .headers
            .iter()
            .filter(|(name, _)| !["date", "x-request-id", "traceparent"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        responses.insert((response.text, headers));
    }
    assert_eq!(responses.len(), 1, "{responses:#?}");
    wait_until(|| queued_count(&app) == 0);
    for email in server.wait_for_emails(2) {
        assert_eq!(email.to, ["known@example.org"]);
    }
}

#[test]
fn reset_request_writes_the_same_rows_for_every_address() {
    // No server listens on this port, so the queued rows stay.
    let app = TestApp::start_with(&[
        ("ROSTERD_SMTP_URL", "smtp://127.0.0.1:1"),
        ("ROSTERD_MAIL_FROM", "id@example.org"),
    ]);
    create_user_with_email(&app, "known@example.org");
    // A query for an account by its address would fail now.
    app.execute("ALTER TABLE users RENAME COLUMN email_confirmed TO hidden");
    for (expected, email) in [(1, "known@example.org"), (2, "stranger@example.org")] {
        request_reset(&app, email).expect(202);
        let count = "SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.request' AND subject_id IS NULL";
        assert_eq!(
            (queued_count(&app), app.query_number(count)),
            (expected, expected)
        );
    }
}

// SECURITY: D20
#[test]
fn malformed_address_is_refused_and_not_mailed() {
    let (app, server) = TestApp::start_with_mail(&[]);
    create_user_with_email(&app, "ada@example.org");
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
        "\u{212A}ate@example.org",
        "ada@[127.0.0.1]",
        "ada@example",
        "@example.org",
        "",
    ] {
        request_reset(&app, email).expect_field_error("/email", "invalid_email");
    }
    request_reset(&app, &format!("{}@example.org", "a".repeat(250)))
        .expect_field_error("/email", "too_long");
    request_reset(&app, "ada@example.org\0").expect_problem(400, "request_invalid");
    assert_eq!(
        app.query_number("SELECT count(*) FROM audit_events WHERE action LIKE 'user.resetLink%'"),
        0
    );
    request_reset(&app, " ada@example.org ").expect(202);
    assert_eq!(server.only_email().to, ["ada@example.org"]);
}

// SECURITY: F05
#[test]
fn mailed_link_ignores_request_headers() {
    let (app, server) = TestApp::start_with_mail(&[(
        "ROSTERD_RESET_URL",
        "https://app.example.org/reset?t={token}",
    )]);
    create_user_with_email(&app, "ada@example.org");
    app.post("/api/v1/auth/request-password-reset")
        .json(&json!({"email": "ada@example.org"}))
        .header("Host", "evil.example")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "http")
        .header("Forwarded", "host=evil.example;proto=http")
        .send()
        .expect(202);
    let email = server.only_email();
    assert!(
        email
            .link()
            .starts_with("https://app.example.org/reset?t=rst_rst_")
    );
    assert!(!email.data.contains("evil"));
}

#[test]
fn reset_request_without_a_mail_server_writes_nothing() {
    let app = TestApp::start();
    create_user_with_email(&app, "ada@example.org");
    assert!(
        request_reset(&app, "ada@example.org")
            .expect(202)
            .text
            .is_empty()
    );
    request_reset(&app, "stranger@example.org").expect(202);
    assert_eq!(
        (
            queued_count(&app),
            app.query_number("SELECT count(*) FROM password_reset_tokens")
        ),
        (0, 0)
    );
}

#[test]
fn mailed_link_of_a_disabled_account_is_refused() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let ada = create_user_with_email(&app, "ada@example.org");
    request_reset(&app, "ada@example.org").expect(202);
    let email = server.only_email();
    let admin = app.super_admin_token();
    let status = format!("/api/v1/users/{}/status", ada.id);
    app.post(&status)
        .bearer(&admin)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    redeem(&app, &email).expect_problem(400, "reset_token_invalid");
    let body = json!({"username": ada.username, "password": PASSWORD});
    let login = app.post("/api/v1/auth/login").json(&body).send();
    login.expect_problem(403, "auth_user_inactive");
}
