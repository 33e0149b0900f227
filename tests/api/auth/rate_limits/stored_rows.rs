//! What the limits store, how long, and what the audit log records.

use crate::support::{PASSWORD, TestApp};

use super::{BEHIND_PROXY, counter_sum, fail_login_from, fail_logins, login_from};

#[test]
fn aborted_attempt_counts_as_a_failure() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let ada = app.create_user("ada", "User", &[]);
    fail_login_from(&app, "203.0.113.1", "ada").expect(401);
    let attempts_in_progress =
        "SELECT array_agg(now() - interval '61 s') FROM generate_series(1, 9)";
    app.execute(&format!(
        "UPDATE rate_limit_counters SET attempts_in_flight = ({attempts_in_progress})"
    ));
    fail_login_from(&app, "203.0.113.1", "ada").expect_problem(429, "rate_limited");
    assert_eq!(counter_sum(&app, &ada, "failures"), 10);
}

#[test]
fn purge_deletes_the_rate_limit_rows_of_the_account() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let admin = app.super_admin_token();
    let ada = app.create_user("ada", "User", &[]);
    login_from(&app, "203.0.113.1", "ada", PASSWORD).expect(200);
    fail_login_from(&app, "203.0.113.2", "ada").expect(401);
    let row_count = "SELECT (SELECT count(*) FROM rate_limit_counters) * 10 + (SELECT count(*) FROM rate_limit_known_sources)";
    let before = app.query_number(row_count);
    app.delete(&format!("/api/v1/users/{}?purge=true", ada.id))
        .bearer(&admin)
        .send()
        .expect(204);
    assert_eq!(app.query_number(row_count), before - 11);
}

#[test]
fn housekeeping_deletes_stale_rows_and_keeps_account_failures() {
    let app = TestApp::start_with(BEHIND_PROXY);
    app.create_user("ada", "User", &[]);
    app.create_user("grace", "User", &[]);
    login_from(&app, "203.0.113.1", "grace", PASSWORD).expect(200);
    fail_login_from(&app, "203.0.113.2", "ada").expect(401);
    fail_login_from(&app, "203.0.113.3", "unknown-user").expect(401);
    let row_count = || {
        ["counters", "sources", "known_sources"]
            .map(|table| app.query_number(&format!("SELECT count(*) FROM rate_limit_{table}")))
    };
    let row_counts_after = |days: i32| {
        app.execute(&format!(
            "UPDATE rate_limit_counters SET last_attempt_at = now() - interval '{days} days' - interval '1 s'; \
             UPDATE rate_limit_known_sources SET last_seen_at = now() - interval '{days} days' - interval '1 s'; \
             UPDATE rate_limit_sources SET window_ends_at = now() - interval '{days} days' + interval '10 min'"
        ));
        app.db()
            .write_now(|tx| Ok(rosterd::access::rate_limit::service::delete_expired(tx)?))
            .unwrap();
        row_count()
    };
    assert_eq!(row_count(), [3, 5, 1]);
    assert_eq!(row_counts_after(0), [3, 5, 1]);
    assert_eq!(row_counts_after(1), [2, 0, 1]);
    assert_eq!(row_counts_after(29), [2, 0, 1]);
    assert_eq!(row_counts_after(30), [1, 0, 0]);
    assert_eq!(
        app.query_number("SELECT sum(failures) FROM rate_limit_counters"),
        1
    );
}

#[test]
fn throttling_is_audited_once_a_minute() {
    let app = TestApp::start_with(BEHIND_PROXY);
    app.create_user("ada", "User", &[]);
    fail_logins(&app, 10, "203.0.113.1", "ada");
    let audit_rows = "SELECT count(*) FROM audit_events WHERE code = 'rate_limited' AND action = 'session.create'";
    for _ in 0..5 {
        fail_login_from(&app, "203.0.113.1", "ada").expect(429);
    }
    assert_eq!(app.query_number(audit_rows), 1);
    app.execute(
        "UPDATE rate_limit_counters SET refusal_audited_at = refusal_audited_at - interval '60 s'",
    );
    fail_login_from(&app, "203.0.113.1", "ada").expect(429);
    assert_eq!(app.query_number(audit_rows), 2);
}

/// Each change is recorded in the audit log, so that its number is limited.
#[test]
fn own_changes_of_one_account_are_limited() {
    let app = TestApp::start();
    let (ada, token) = app.create_signed_in_user("User", &[]);
    let (_, other) = app.create_signed_in_user("User", &[]);
    let change = |token: &str, name: &str| {
        let body = serde_json::json!({"displayName": name});
        app.patch("/api/v1/auth/me")
            .bearer(token)
            .json(&body)
            .send()
    };
    change(&token, "first").expect(200);
    app.execute(&format!(
        "UPDATE rate_limit_sources SET quota_used = 120 WHERE source = 'own {}'",
        ada.id
    ));
    let refused = change(&token, "second").expect_problem(429, "rate_limited");
    assert_ne!(refused.header("retry-after"), "");
    change(&other, "third").expect(200);
}
