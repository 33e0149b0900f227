//! Revoked access is refused although callers are cached: at once by the replica that revoked it, soon by the others,
//! and also by a replica that receives no notifications.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use serde_json::json;

use super::revocation_across_replicas::{listener_pids, send_signal};
use crate::support::{TestApp, wait_until};

const ME: &str = "/api/v1/auth/me";

/// Four threads use the token while the account is disabled. A request that starts after the response must be refused,
/// even if a concurrent request was about to cache the caller.
#[test]
fn token_in_use_is_refused_as_soon_as_its_account_is_disabled() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for _ in 0..40 {
        let (user, token) = app.create_signed_in_user("User", &[]);
        let status = format!("/api/v1/users/{}/status", user.id);
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_done.load(Ordering::Relaxed) {
                        app.get(ME).bearer(&token).send();
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(3));
            app.post(&status)
                .bearer(&admin)
                .json(&json!({"isActive": false}))
                .send()
                .expect(200);
            let first_after = app.get(ME).bearer(&token).send();
            let later: Vec<u16> = (0..10)
                .map(|_| app.get(ME).bearer(&token).send().status)
                .collect();
            is_done.store(true, Ordering::Relaxed);
            first_after.expect(401);
            assert_eq!(later, vec![401; 10]);
        });
    }
}

#[test]
fn permission_change_applies_to_the_next_request() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &["users.read"]);
    let permissions = format!("/api/v1/users/{}/permissions", user.id);
    for _ in 0..20 {
        app.get("/api/v1/users").bearer(&token).send().expect(200);
        app.patch(&permissions)
            .bearer(&admin)
            .json(&json!({"permissions": []}))
            .send()
            .expect(200);
        app.get("/api/v1/users")
            .bearer(&token)
            .send()
            .expect_problem(403, "permission_required");
        app.patch(&permissions)
            .bearer(&admin)
            .json(&json!({"permissions": ["users.read"]}))
            .send()
            .expect(200);
    }
}

#[test]
fn cached_permissions_of_a_super_admin_follow_the_catalogue() {
    let app = TestApp::start_with(&[("ROSTERD_DB_STATEMENT_MS", "2000")]);
    let other = app.start_replica();
    let admin = app.super_admin_token();
    let verified_permissions = |app: &TestApp| {
        let response = app
            .get("/api/v1/auth/verify")
            .bearer(&admin)
            .send()
            .expect(200);
        response.header("x-roster-permissions").to_owned()
    };
    for round in 0..20 {
        let name = format!("assets.read{round}");
        assert!(
            !verified_permissions(&app).contains(&name)
                && !verified_permissions(&other).contains(&name)
        );
        app.post("/api/v1/permissions")
            .bearer(&admin)
            .json(&json!({ "name": name }))
            .send()
            .expect(201);
        assert!(
            verified_permissions(&app).contains(&name),
            "visible at once on the replica that registered it"
        );
        wait_until(|| verified_permissions(&other).contains(&name));
    }
    app.delete("/api/v1/permissions/assets.read0")
        .bearer(&admin)
        .send()
        .expect(204);
    assert!(
        !verified_permissions(&app)
            .split(',')
            .any(|name| name == "assets.read0")
    );
    // The table cannot be read while it is locked, so a response must come from the cache. The cache may still be
    // invalidated by the last change, so there are several attempts.
    let mut lock_holder = app.sql();
    let mut attempts = 0..20;
    let is_from_memory = attempts.any(|_| {
        verified_permissions(&app);
        let lock = "BEGIN; LOCK TABLE permissions IN ACCESS EXCLUSIVE MODE";
        lock_holder.batch_execute(lock).unwrap();
        let response = app.get("/api/v1/auth/verify").bearer(&admin).send();
        lock_holder.batch_execute("ROLLBACK").unwrap();
        response
            .header("x-roster-permissions")
            .contains("assets.read1")
    });
    assert!(is_from_memory);
}

#[test]
fn change_made_with_sql_revokes_a_cached_caller() {
    let app = TestApp::start();
    let (user, token) = app.create_signed_in_user("User", &[]);
    app.get(ME).bearer(&token).send().expect(200);
    app.execute(&format!(
        "UPDATE users SET is_active = false WHERE id = '{}'",
        user.id
    ));
    wait_until(|| app.get(ME).bearer(&token).send().status == 401);
}

/// The PostgreSQL process that sends notifications to one replica is stopped with SIGSTOP, so the connection stays
/// open.
#[test]
fn replica_without_notifications_reads_the_database() {
    let isolated = TestApp::start();
    let (_, warm_up_token) = isolated.create_signed_in_user("User", &[]);
    wait_until(|| isolated.get(ME).bearer(&warm_up_token).send().status == 200);
    let listener = listener_pids(&isolated)[0];
    let other = isolated.start_replica();
    let admin = other.super_admin_token();
    send_signal(listener, "STOP");
    // Longer than the cache may be used without a notification.
    std::thread::sleep(Duration::from_millis(150));
    for _ in 0..20 {
        let (user, token) = other.create_signed_in_user("User", &[]);
        isolated.get(ME).bearer(&token).send().expect(200);
        let status = format!("/api/v1/users/{}/status", user.id);
        other
            .post(&status)
            .bearer(&admin)
            .json(&json!({"isActive": false}))
            .send()
            .expect(200);
        isolated
            .get(ME)
            .bearer(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    send_signal(listener, "CONT");
}

#[test]
fn replica_reconnects_its_notification_listener() {
    let app = TestApp::start();
    let other = app.start_replica();
    let admin = other.super_admin_token();
    for _ in 0..3 {
        let (user, token) = app.create_signed_in_user("User", &[]);
        app.get(ME).bearer(&token).send().expect(200);
        app.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rosterd listener in ' || current_schema()");
        let status = format!("/api/v1/users/{}/status", user.id);
        other
            .post(&status)
            .bearer(&admin)
            .json(&json!({"isActive": false}))
            .send()
            .expect(200);
        wait_until(|| app.get(ME).bearer(&token).send().status == 401);
        for _ in 0..50 {
            app.get(ME).bearer(&token).send().expect(401);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
