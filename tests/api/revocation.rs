//! What is revoked stays revoked, although callers are known from memory: at once where it was revoked, soon elsewhere, and
//! also when the news do not come through.

use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::sql_types::Integer;
use serde_json::json;

use crate::support::{TestApp, eventually};

const ME: &str = "/api/v1/auth/me";

/// One account after the other is switched off while its token is in use from four sides: a request that begins after
/// the answer must be refused, whatever the others were just about to remember.
#[test]
fn a_caller_who_is_being_remembered_while_revoked_is_refused_at_once() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for _ in 0..40 {
        let (user, token) = app.someone("User", &[]);
        let status = format!("/api/v1/users/{}/status", user.id);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        app.get(ME).by(&token).send();
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(3));
            app.post(&status)
                .by(&admin)
                .json(&json!({"isActive": false}))
                .send()
                .expect(200);
            let next = app.get(ME).by(&token).send();
            let later: Vec<u16> = (0..10)
                .map(|_| app.get(ME).by(&token).send().status)
                .collect();
            over.store(true, Ordering::Relaxed);
            next.expect(401);
            assert_eq!(later, vec![401; 10]);
        });
    }
}

#[test]
fn what_is_granted_or_taken_shows_in_the_next_request() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (user, token) = app.someone("User", &["users.read"]);
    let permissions = format!("/api/v1/users/{}/permissions", user.id);
    for _ in 0..20 {
        app.get("/api/v1/users").by(&token).send().expect(200);
        app.patch(&permissions)
            .by(&admin)
            .json(&json!({"permissions": []}))
            .send()
            .expect(200);
        app.get("/api/v1/users")
            .by(&token)
            .send()
            .expect_problem(403, "permission_required");
        app.patch(&permissions)
            .by(&admin)
            .json(&json!({"permissions": ["users.read"]}))
            .send()
            .expect(200);
    }
}

#[test]
fn a_change_made_past_the_service_is_heard_of_too() {
    let app = TestApp::start();
    let (user, token) = app.someone("User", &[]);
    app.get(ME).by(&token).send().expect(200);
    app.execute(&format!(
        "UPDATE users SET is_active = false WHERE id = '{}'",
        user.id
    ));
    eventually(|| app.get(ME).by(&token).send().status == 401);
}

/// The server process that tells one replica the news is stopped, not ended: nothing tells the replica that it is deaf.
#[test]
fn a_replica_that_is_deaf_asks_the_database() {
    let deaf = TestApp::start();
    let (_, warm) = deaf.someone("User", &[]);
    eventually(|| deaf.get(ME).by(&warm).send().status == 200);
    let ear = listener(&deaf);
    let other = deaf.replica();
    let admin = other.super_admin();
    signal(ear, "STOP");
    // Longer than memory may answer without news.
    std::thread::sleep(Duration::from_millis(150));
    for _ in 0..20 {
        let (user, token) = other.someone("User", &[]);
        deaf.get(ME).by(&token).send().expect(200);
        let status = format!("/api/v1/users/{}/status", user.id);
        other
            .post(&status)
            .by(&admin)
            .json(&json!({"isActive": false}))
            .send()
            .expect(200);
        deaf.get(ME)
            .by(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    signal(ear, "CONT");
}

#[test]
fn a_replica_whose_listener_was_cut_off_hears_again() {
    let app = TestApp::start();
    let other = app.replica();
    let admin = other.super_admin();
    for _ in 0..3 {
        let (user, token) = app.someone("User", &[]);
        app.get(ME).by(&token).send().expect(200);
        app.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rosterd listener in ' || current_schema()");
        let status = format!("/api/v1/users/{}/status", user.id);
        other
            .post(&status)
            .by(&admin)
            .json(&json!({"isActive": false}))
            .send()
            .expect(200);
        eventually(|| app.get(ME).by(&token).send().status == 401);
        for _ in 0..50 {
            app.get(ME).by(&token).send().expect(401);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A thousand revocations of five kinds through three replicas. Says when, after the answer of the revoking replica, the
/// last request began that another one still accepted; and none is accepted again after it was refused.
#[test]
#[ignore = "takes minutes; run by make test-long"]
fn a_thousand_revocations_through_three_replicas() {
    let one = TestApp::start();
    let replicas = [one.replica(), one.replica()];
    let all = [&one, &replicas[0], &replicas[1]];
    let admin = one.super_admin();
    let mut delays = Vec::new();
    for round in 0..1000_usize {
        let by = all[round % 3];
        let (user, token) = one.someone("User", &["users.read"]);
        let users = "/api/v1/users?limit=1";
        for app in all {
            app.get(users).by(&token).send().expect(200);
        }
        let path = format!("/api/v1/users/{}", user.id);
        let refused = match round % 5 {
            0 => {
                let off = json!({"isActive": false});
                by.post(&format!("{path}/status"))
                    .by(&admin)
                    .json(&off)
                    .send()
                    .expect(200);
                401
            }
            1 => {
                let none = json!({"permissions": []});
                by.patch(&format!("{path}/permissions"))
                    .by(&admin)
                    .json(&none)
                    .send()
                    .expect(200);
                403
            }
            2 => {
                by.delete(&format!("{path}/sessions"))
                    .by(&admin)
                    .send()
                    .expect(204);
                401
            }
            3 => {
                let new = json!({"newPassword": "nine purple umbrellas in june"});
                by.post(&format!("{path}/reset-password"))
                    .by(&admin)
                    .json(&new)
                    .send()
                    .expect(204);
                401
            }
            _ => {
                by.delete(&path).by(&admin).send().expect(204);
                401
            }
        };
        let answered = Instant::now();
        by.get(users).by(&token).send().expect(refused);
        for app in all {
            let mut accepted_until = Duration::ZERO;
            loop {
                let asked = answered.elapsed();
                if app.get(users).by(&token).send().status == refused {
                    break;
                }
                accepted_until = asked;
                assert!(asked < Duration::from_secs(5), "still accepted");
            }
            delays.push(accepted_until);
        }
        for app in all {
            app.get(users).by(&token).send().expect(refused);
        }
    }
    delays.sort_unstable();
    let at = |share: usize| delays[(delays.len() - 1) * share / 1000];
    writeln!(
        std::io::stdout(),
        "accepted elsewhere for: p50 {:?}, p99 {:?}, p99.9 {:?}",
        at(500),
        at(990),
        at(999)
    )
    .unwrap();
}

/// The server process that tells this replica the news.
fn listener(app: &TestApp) -> i32 {
    let sql = "(SELECT pid FROM pg_stat_activity WHERE application_name = 'rosterd listener in ' || current_schema())";
    diesel::select(diesel::dsl::sql::<Integer>(sql))
        .get_result(&mut app.sql())
        .unwrap()
}

fn signal(process: i32, name: &str) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.to_string())
        .status()
        .unwrap();
    assert!(sent.success());
}
