//! Limits of the other requests that need no account.

use serde_json::{Value, json};

use crate::mail::{create_user_with_email, queued_count, redeem, request_reset};
use crate::support::{Response, TestApp, run_concurrently, wait_until};

use super::{BEHIND_PROXY, is_within};

fn post_from(app: &TestApp, source: &str, path: &str, body: &Value) -> Response {
    app.post(path)
        .header("X-Forwarded-For", source)
        .json(body)
        .send()
}

#[track_caller]
fn assert_limited(response: Response, policy: &str) {
    let response = response.expect_problem(429, "rate_limited");
    assert_eq!(response.header("ratelimit-policy"), policy);
    assert!(is_within(response.header("retry-after"), 1..=600));
}

#[test]
fn reset_requests_are_limited_per_source_and_network() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let request = |source: &str| {
        let body = json!({"email": "ada@example.org"});
        post_from(&app, source, "/api/v1/auth/request-password-reset", &body)
    };
    for _ in 0..30 {
        request("203.0.113.1").expect(202);
    }
    for _ in 0..5 {
        assert_limited(request("203.0.113.1"), r#""source";q=30;w=600"#);
    }
    request("203.0.113.2").expect(202);
    let rows = |code: &str| {
        app.query_number(&format!(
            "SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.request' AND code {code}"
        ))
    };
    assert_eq!((rows("IS NULL"), rows("= 'rate_limited'")), (31, 1));
    app.execute(
        "UPDATE rate_limit_sources SET quota_used = 120 WHERE source = 'reset 203.0.113.0/24'",
    );
    assert_limited(request("203.0.113.3"), r#""network";q=120;w=600"#);
    request("203.0.114.1").expect(202);
}

#[test]
fn address_gets_five_messages_per_hour_with_the_same_link() {
    let (app, server) = TestApp::start_with_mail(&[]);
    create_user_with_email(&app, "ada@example.org");
    for email in ["ada@example.org", "ADA@example.org"].repeat(6) {
        request_reset(&app, email).expect(202);
    }
    let emails = server.wait_for_emails(5);
    wait_until(|| app.query_number("SELECT count(*) FROM mail_outbox") == 0);
    assert_eq!(server.emails().len(), 5);
    assert!(
        emails
            .iter()
            .all(|email| email.token() == emails[0].token())
    );
    redeem(&app, &emails[4]).expect(204);
    redeem(&app, &emails[0]).expect_problem(400, "reset_token_invalid");
}

#[test]
fn requested_mail_does_not_end_the_link_of_an_administrator() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let admin = app.super_admin_token();
    let ada = create_user_with_email(&app, "ada@example.org");
    let path = format!("/api/v1/users/{}/password-reset-link", ada.id);
    app.post(&path).bearer(&admin).send().expect(201);
    request_reset(&app, "ada@example.org").expect(202);
    wait_until(|| queued_count(&app) == 0);
    assert!(server.emails().is_empty());
    let lifetime = "SELECT extract(epoch FROM expires_at - created_at) FROM password_reset_tokens";
    assert_eq!(app.query_number(lifetime), 86_400);
}

#[test]
fn link_that_was_sent_again_is_valid_for_an_hour_but_at_most_for_a_day() {
    let (app, server) = TestApp::start_with_mail(&[]);
    create_user_with_email(&app, "ada@example.org");
    request_reset(&app, "ada@example.org").expect(202);
    server.wait_for_emails(1);
    let seconds_left =
        "SELECT extract(epoch FROM expires_at - now()) / 60 FROM password_reset_tokens";
    for (age, expected) in [("50 min", 59..=60), ("23 h 30 min", 29..=30)] {
        app.execute(&format!(
            "UPDATE password_reset_tokens SET created_at = now() - interval '{age}', expires_at = now() + interval '1 min'"
        ));
        request_reset(&app, "ada@example.org").expect(202);
        wait_until(|| expected.contains(&app.query_number(seconds_left)));
    }
}

#[test]
fn floods_of_invalid_tokens_are_limited_and_valid_tokens_are_not() {
    let (app, server) = TestApp::start_with_mail(&[("ROSTERD_REGISTRATION", "invite")]);
    create_user_with_email(&app, "ada@example.org");
    request_reset(&app, "ada@example.org").expect(202);
    let email = server.only_email();
    let requests = [
        (
            "reset-password",
            json!({"token": "rst_rst_x", "newPassword": "nine purple umbrellas"}),
        ),
        ("confirm-email", json!({"token": "rst_cfm_x"})),
        (
            "register",
            json!({
                "username": "grace", "password": "nine purple umbrellas", "email": "grace@example.org",
                "inviteToken": "x"
            }),
        ),
    ];
    let statuses = run_concurrently(90, |number| {
        let (path, body) = &requests[number % 3];
        let path = format!("/api/v1/auth/{path}");
        app.post(&path).json(body).send().status
    });
    let limited = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(limited, 30, "{statuses:?}");
    let rows = "SELECT count(*) FROM audit_events WHERE code IN \
        ('reset_token_invalid', 'confirmation_token_invalid', 'invite_invalid', 'rate_limited')";
    assert_eq!(app.query_number(rows), 61);
    redeem(&app, &email).expect(204);
}

#[test]
fn registrations_are_limited_per_source() {
    let app = TestApp::start_with(&[
        ("ROSTERD_TRUSTED_PROXIES", "127.0.0.1"),
        ("ROSTERD_REGISTRATION", "open"),
    ]);
    let register = |source: &str, name: &str| {
        let body = json!({"username": name, "password": "nine purple umbrellas"});
        post_from(&app, source, "/api/v1/auth/register", &body)
    };
    register("203.0.113.1", "ada").expect(201);
    app.execute(
        "UPDATE rate_limit_sources SET quota_used = 60 WHERE source = 'register 203.0.113.1'",
    );
    assert_limited(register("203.0.113.1", "grace"), r#""source";q=60;w=600"#);
    register("203.0.113.2", "grace").expect(201);
}
