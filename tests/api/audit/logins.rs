//! `GET /api/v1/audit/logins`.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp};

use super::{LOGINS, create_reader, list_entries, log_in};

#[test]
fn every_login_attempt_is_listed_with_its_reason() {
    let app = TestApp::start();
    let (_, token) = create_reader(&app);
    for (name, change) in [
        ("ada", "display_name = NULL"),
        ("deleted", "deleted_at = now()"),
        ("disabled", "is_active = false"),
        ("expired", "expires_at = now()"),
        ("forced", "must_change_password = true"),
        ("invited", "password_hash = NULL"),
    ] {
        app.create_user(name, "User", &[]);
        app.execute(&format!(
            "UPDATE users SET {change} WHERE username = '{name}'"
        ));
    }
    for (name, password, status, reason) in [
        ("ada", PASSWORD, 200, None),
        ("ada", "not the password", 401, Some("wrong_password")),
        ("deleted", PASSWORD, 401, Some("account_deleted")),
        ("disabled", PASSWORD, 403, Some("account_disabled")),
        ("disabled", "not the password", 401, Some("wrong_password")),
        ("expired", PASSWORD, 403, Some("account_expired")),
        ("forced", PASSWORD, 403, Some("password_change_required")),
        ("invited", PASSWORD, 401, Some("no_password")),
        ("unknown-user", PASSWORD, 401, Some("unknown_name")),
    ] {
        log_in(&app, name, password).expect(status);
        let entry = &list_entries(&app, &token, LOGINS, "limit=1")[0];
        assert_eq!(entry["reason"].as_str(), reason, "{name}");
        let outcome = if reason.is_none() {
            "success"
        } else {
            "failure"
        };
        assert_eq!(entry["outcome"], outcome);
        assert_eq!(
            (&entry["ip"], &entry["userAgent"]),
            (&json!("127.0.0.1"), &json!("curl/8.0"))
        );
        assert_eq!(entry["sessionId"].is_string(), reason.is_none());
        if name == "unknown-user" {
            assert_eq!(
                (&entry["userId"], &entry["username"]),
                (&Value::Null, &Value::Null)
            );
            assert!(entry["unknownNameId"].is_string());
        } else {
            assert_eq!(entry["username"], name);
            assert_eq!(entry["unknownNameId"], Value::Null);
        }
    }
    let count = |query: &str| list_entries(&app, &token, LOGINS, query).len();
    assert_eq!(count("outcome=failure"), 8);
    assert_eq!(count("outcome=success"), 2);
    assert_eq!(count("user=ada"), 2);
    assert_eq!(count("user=ada&outcome=success"), 1);
    assert_eq!(count("user=Unknown-User"), 1);
    assert_eq!(count("action=user.*"), 0);
    assert_eq!(count("ip=127.0.0.1&actor=anonymous"), 8);
}

#[test]
fn unknown_username_is_found_only_by_searching_for_its_exact_text() {
    let app = TestApp::start();
    let (_, token) = create_reader(&app);
    log_in(&app, "Correct Horse Battery", "x").expect(401);
    log_in(&app, "correct horse battery", "y").expect(401);
    let entries = list_entries(&app, &token, LOGINS, "user=correct+horse+battery");
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["unknownNameId"], entries[1]["unknownNameId"]);
    let rows_with_text = "SELECT (SELECT count(*) FROM audit_events t WHERE t::text ~* 'horse') \
                + (SELECT count(*) FROM audit_personal_data t WHERE t::text ~* 'horse')";
    assert_eq!(app.query_number(rows_with_text), 0);
    assert!(!json!(entries).to_string().contains("orse"));
}

#[test]
fn throttled_attempts_are_listed_once_a_minute() {
    let app = TestApp::start();
    let (_, token) = create_reader(&app);
    app.create_user("ada", "User", &[]);
    for _ in 0..10 {
        log_in(&app, "ada", "not the password").expect(401);
    }
    for _ in 0..3 {
        log_in(&app, "ada", PASSWORD).expect(429);
    }
    let entries = list_entries(&app, &token, LOGINS, "user=ada");
    assert_eq!(entries.len(), 11);
    assert_eq!(entries[0]["reason"], "rate_limited");
}
