//! Reused, altered and foreign refresh tokens, and the absolute limit of a session.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{TestApp, wait_until};

use super::{assert_ended, me, refresh};

// SECURITY: A05
#[test]
fn reused_refresh_token_ends_the_session() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let first = app.sign_in("ada");
    let other_session = app.sign_in("ada");
    let second = refresh(&app, &first["refreshToken"])
        .expect(200)
        .data()
        .clone();
    use_and_let_grace_period_pass(&app, &second);
    let reused =
        refresh(&app, &first["refreshToken"]).expect_problem(401, "auth_refresh_token_reused");
    assert_eq!(reused.header("cache-control"), "no-store");
    assert_ended(&app, &second);
    me(&app, &first).expect_problem(401, "auth_token_invalid");
    refresh(&app, &first["refreshToken"]).expect_problem(401, "auth_refresh_token_invalid");
    me(&app, &other_session).expect(200);
    let audit_rows = "SELECT count(*) FROM audit_events WHERE action = 'session.refresh' AND outcome = 'refused' AND code = 'auth_refresh_token_reused'";
    assert_eq!(app.query_number(audit_rows), 1);
    assert_eq!(
        app.query_number("SELECT count(*) FROM sessions WHERE ended_reason = 'refreshTokenReused'"),
        1
    );
}

/// Uses the access token of the newest tokens, and moves that use and everything before it 31 seconds back.
fn use_and_let_grace_period_pass(app: &TestApp, tokens: &Value) {
    me(app, tokens).expect(200);
    let used = "SELECT count(*) FROM sessions WHERE successor_used_at >= rotated_at";
    wait_until(|| app.query_number(used) == 1);
    app.execute(
        "UPDATE sessions SET rotated_at = rotated_at - interval '31 seconds', \
         successor_used_at = successor_used_at - interval '31 seconds'",
    );
}

#[test]
fn lost_refresh_answer_can_be_repeated_until_its_tokens_are_used() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let first = app.sign_in("ada");
    let second = refresh(&app, &first["refreshToken"]).expect(200);
    // The answer is lost, and the next attempt succeeds only after an outage of ten minutes.
    app.execute(
        "UPDATE sessions SET created_at = created_at - interval '10 minutes', \
         rotated_at = rotated_at - interval '10 minutes', last_seen_at = last_seen_at - interval '10 minutes'",
    );
    let repeated = refresh(&app, &first["refreshToken"])
        .expect(200)
        .data()
        .clone();
    assert_eq!(repeated["refreshToken"], second.data()["refreshToken"]);
    use_and_let_grace_period_pass(&app, &repeated);
    refresh(&app, &first["refreshToken"]).expect_problem(401, "auth_refresh_token_reused");
    assert_ended(&app, &repeated);
}

/// The access tokens are verified offline, so their use is not known.
#[test]
fn two_parties_that_share_a_session_are_detected() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let mut tokens = app.sign_in("ada");
    let minutes_pass = "UPDATE sessions SET rotated_at = rotated_at - interval '10 minutes'";
    for round in 0..3 {
        let next = refresh(&app, &tokens["refreshToken"])
            .expect(200)
            .data()
            .clone();
        app.execute(minutes_pass);
        let repeated = refresh(&app, &tokens["refreshToken"]);
        if round < 2 {
            assert_eq!(
                repeated.expect(200).data()["refreshToken"],
                next["refreshToken"]
            );
        } else {
            repeated.expect_problem(401, "auth_refresh_token_reused");
        }
        tokens = next;
    }
    assert_ended(&app, &tokens);
}

// SECURITY: A08
#[test]
fn refresh_grace_period_ends_once_the_successor_is_used() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
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
    assert_ended(&app, &third);
}

// SECURITY: A10
#[test]
fn refresh_with_another_users_access_token_is_rejected() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let (_, other) = app.create_signed_in_user("Admin", &[]);
    let body = json!({"refreshToken": session["refreshToken"]});
    app.post("/api/v1/auth/refresh")
        .bearer(&other)
        .json(&body)
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");
    let own_token = session["accessToken"].as_str().unwrap();
    app.post("/api/v1/auth/refresh")
        .bearer(own_token)
        .json(&body)
        .send()
        .expect(200);
}

// SECURITY: A12
#[test]
fn altered_refresh_token_is_rejected() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let token = session["refreshToken"].as_str().unwrap();
    let (prefix, secret) = token.split_at(7);
    assert_eq!(prefix, "rst_rt_");
    let bytes = URL_SAFE_NO_PAD.decode(secret).unwrap();
    assert_eq!(bytes.len(), 32);
    let mut altered_tokens: Vec<String> = (0..token.len())
        .map(|length| token.split_at(length).0.to_owned())
        .collect();
    altered_tokens.extend([
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
    // The last base64 character has four unused bits.
    let last = secret.chars().last().unwrap();
    altered_tokens.extend(
        "AQgwBRhxCSiyDTjz"
            .chars()
            .filter(|c| *c != last)
            .map(|c| format!("{}{c}", token.split_at(token.len() - 1).0)),
    );
    for altered in altered_tokens {
        refresh(&app, &json!(altered)).expect_problem(401, "auth_refresh_token_invalid");
    }
    refresh(&app, &session["refreshToken"]).expect(200);
}

/// An hour is simulated by moving all times in the database back.
// SECURITY: A14
#[test]
fn session_ends_at_its_absolute_limit() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let mut session = app.sign_in("ada");
    let mut hours = 0;
    loop {
        app.execute(
            "UPDATE sessions SET created_at = created_at - interval '1 hour', last_seen_at = last_seen_at - interval '1 hour',
                 rotated_at = rotated_at - interval '1 hour', expires_at = expires_at - interval '1 hour'",
        );
        hours += 1;
        let response = refresh(&app, &session["refreshToken"]);
        if response.status == 401 {
            response.expect_problem(401, "auth_refresh_token_expired");
            break;
        }
        session = response.expect(200).data().clone();
        let parse_time = |name: &str| {
            chrono::DateTime::parse_from_rfc3339(session[name].as_str().unwrap()).unwrap()
        };
        assert!(parse_time("accessTokenExpiresAtUtc") <= parse_time("refreshTokenExpiresAtUtc"));
    }
    assert_eq!(hours, 7 * 24);
    wait_until(|| me(&app, &session).status == 401);
}
