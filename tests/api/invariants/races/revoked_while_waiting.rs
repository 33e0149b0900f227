//! Requests that wait for a lock while their caller loses the session, the account, the permission or the rank.

use diesel::connection::SimpleConnection;
use serde_json::json;

use super::{NEW_PASSWORD, USERS, access_token, login};
use crate::support::{PASSWORD, TestApp, TestUser, backend_pid, wait_until};

/// Takes the lock of authority changes and that of the account of the caller, starts `request`, waits until it blocks on one of
/// them, then runs `sql` and commits.
fn run_sql_while_waiting<T: Send>(
    app: &TestApp,
    caller: Option<&TestUser>,
    request: impl FnOnce() -> T + Send,
    sql: &str,
) -> T {
    let mut lock_holder = app.sql();
    lock_holder
        .batch_execute(
            "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ':authority', 0))",
        )
        .unwrap();
    if let Some(caller) = caller {
        let lock_row = format!("SELECT 1 FROM users WHERE id = '{}' FOR UPDATE", caller.id);
        lock_holder.batch_execute(&lock_row).unwrap();
    }
    let pid = backend_pid(&mut lock_holder);
    let waiting =
        format!("SELECT count(*) FROM pg_stat_activity WHERE {pid} = ANY (pg_blocking_pids(pid))");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(request);
        wait_until(|| app.query_number(&waiting) >= 1);
        lock_holder
            .batch_execute(&format!("{sql}; COMMIT"))
            .unwrap();
        waiter.join().unwrap()
    })
}

#[test]
fn caller_revoked_while_the_request_waits_changes_nothing() {
    let app = TestApp::start();
    app.create_role("Idle", 100, &[]);
    let user = app.create_user("target", "User", &[]);
    let requests = [
        (
            "POST",
            USERS.to_owned(),
            r#"{"username": "made", "role": "User"}"#,
        ),
        ("PATCH", user.path(""), r#"{"displayName": "x"}"#),
        (
            "PATCH",
            user.path("/permissions"),
            r#"{"permissions": ["users.read"]}"#,
        ),
        ("POST", user.path("/status"), r#"{"isActive": false}"#),
        (
            "POST",
            user.path("/reset-password"),
            r#"{"newPassword": "nine purple umbrellas in june"}"#,
        ),
        ("DELETE", user.path("/password"), "{}"),
        ("DELETE", user.path("/sessions"), "{}"),
        ("PUT", user.path("/tags/x"), "{}"),
        ("DELETE", user.path("/tags/x"), "{}"),
        ("DELETE", user.path(""), "{}"),
        ("DELETE", user.path("?purge=true"), "{}"),
        ("POST", user.path("/restore"), "{}"),
        (
            "POST",
            "/api/v1/permissions".to_owned(),
            r#"{"name": "assets.read"}"#,
        ),
        ("DELETE", "/api/v1/permissions/assets.none".to_owned(), "{}"),
    ];
    let changed_rows = "SELECT count(*) FROM users WHERE version <> 1 OR username = 'made'";
    for (revocation, status, code) in [
        (
            "UPDATE users SET is_active = false WHERE id = '{}'",
            401,
            "auth_token_invalid",
        ),
        (
            "UPDATE users SET deleted_at = now() WHERE id = '{}'",
            401,
            "auth_token_invalid",
        ),
        (
            "UPDATE sessions SET ended_at = now() WHERE user_id = '{}'",
            401,
            "auth_token_invalid",
        ),
        (
            "DELETE FROM users WHERE id = '{}'",
            401,
            "auth_token_invalid",
        ),
        (
            "UPDATE users SET role = 'Idle', permissions = '{{}}' WHERE id = '{}'",
            403,
            "permission_required",
        ),
    ] {
        for (method, path, body) in &requests {
            let (actor, token) = app.create_signed_in_user("Admin", &["roles.manage"]);
            let revocation = revocation
                .replace("'{}'", &format!("'{}'", actor.id))
                .replace("{{}}", "{}");
            let response = run_sql_while_waiting(
                &app,
                Some(&actor),
                || {
                    app.call(method, path)
                        .bearer(&token)
                        .body("application/json", *body)
                        .send()
                },
                &revocation,
            );
            assert_eq!(
                (response.status, &response.body["code"]),
                (status, &json!(code)),
                "{method} {path} {revocation} {}",
                response.text
            );
            assert_eq!(
                app.query_number(changed_rows),
                0,
                "{method} {path} {revocation}"
            );
        }
    }
}

#[test]
fn password_change_that_waited_for_a_revocation_is_refused() {
    let app = TestApp::start();
    let user = app.create_user("ada", "User", &[]);
    for revocation in [
        "UPDATE users SET is_active = false",
        "UPDATE sessions SET ended_at = now()",
        "UPDATE users SET deleted_at = now(), is_active = true",
    ] {
        app.execute("UPDATE users SET deleted_at = NULL, is_active = true");
        let token = access_token(&app.sign_in("ada"));
        let mut lock_holder = app.sql();
        lock_holder
            .batch_execute(&format!(
                "BEGIN; SELECT 1 FROM users WHERE id = '{}' FOR UPDATE",
                user.id
            ))
            .unwrap();
        let response = std::thread::scope(|scope| {
            let change = scope.spawn(|| {
                app.post("/api/v1/auth/change-password")
                    .bearer(&token)
                    .json(&json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}))
                    .send()
            });
            let blocked_query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%users%' \
                AND cardinality(pg_blocking_pids(pid)) > 0 AND application_name = 'rosterd'";
            wait_until(|| app.query_number(blocked_query) >= 1);
            lock_holder
                .batch_execute(&format!("{revocation}; COMMIT"))
                .unwrap();
            change.join().unwrap()
        });
        response.expect_problem(401, "auth_token_invalid");
        app.execute("UPDATE users SET deleted_at = NULL, is_active = true");
        login(&app, "ada", PASSWORD).expect(200);
    }
}

#[test]
fn concurrent_retry_waits_for_the_first_request_and_replays_its_response() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let create = || {
        app.post(USERS)
            .bearer(&admin)
            .header("Idempotency-Key", "one")
            .json(&json!({"username": "made", "role": "User"}))
            .send()
    };
    let (first, second) = run_sql_while_waiting(
        &app,
        None,
        || {
            std::thread::scope(|scope| {
                let first = scope.spawn(create);
                let in_flight =
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
                wait_until(|| app.query_number(in_flight) >= 1);
                let second = scope.spawn(create);
                (first.join().unwrap(), second.join().unwrap())
            })
        },
        "SELECT pg_sleep(0.3)",
    );
    let replayed =
        [&first, &second].map(|response| response.header("idempotency-replayed").to_owned());
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.text, second.text);
    assert_eq!(
        replayed.iter().filter(|header| *header == "true").count(),
        1
    );
}
