//! Random concurrent changes.

use serde_json::{Value, json};

use super::login;
use crate::support::{PASSWORD, TestApp, TestUser, run_concurrently};

// SECURITY: K12
#[test]
fn random_concurrent_changes_cause_no_server_error() {
    send_random_requests(12, 30);
}

// SECURITY: K12
#[test]
#[ignore = "long: run by make test-long"]
fn many_random_concurrent_changes_cause_no_server_error() {
    send_random_requests(64, 600);
}

/// Sends random changes of a few accounts from `threads` threads to two replicas. No response is a 5xx, and at the end
/// one usable `SuperAdmin` is left and no session outlives its account.
fn send_random_requests(threads: usize, rounds: usize) {
    let app = TestApp::start();
    let second_replica = app.start_replica();
    let super_admins: Vec<(TestUser, String)> = (0..3)
        .map(|_| app.create_signed_in_user("SuperAdmin", &[]))
        .collect();
    let users: Vec<TestUser> = (0..4)
        .map(|index| app.create_user(&format!("u-{index}"), "User", &[]))
        .collect();
    let responses = run_concurrently(threads, |index| {
        let app = if index % 2 == 0 {
            &app
        } else {
            &second_replica
        };
        let mut state = u32::try_from(index).unwrap() + 1;
        let mut random = |limit: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % limit
        };
        let mut server_errors = Vec::new();
        for round in 0..rounds {
            let caller = &super_admins[random(3)].1;
            let target = if random(4) == 0 {
                &super_admins[random(3)].0
            } else {
                &users[random(4)]
            };
            let send = |method: &str, suffix: &str, body: Value| {
                app.call(method, &target.path(suffix))
                    .bearer(caller)
                    .json(&body)
                    .send()
            };
            let response = match random(12) {
                0 => send(
                    "PATCH",
                    "",
                    json!({"role": (["User", "Admin", "SuperAdmin"][random(3)])}),
                ),
                1 => send(
                    "PATCH",
                    "",
                    json!({"displayName": format!("{index}-{round}"), "tags": ["a"]}),
                ),
                2 => send("POST", "/status", json!({"isActive": random(2) == 0})),
                3 => send(
                    "PATCH",
                    "/permissions",
                    json!({"permissions": ["users.read"]}),
                ),
                4 => send("DELETE", "", json!({})),
                5 => send("POST", "/restore", json!({})),
                6 => send("DELETE", "/sessions", json!({})),
                7 => send("PUT", "/tags/b", json!({})),
                8 => send(
                    "PATCH",
                    "",
                    json!({"expiresAtUtc": (["2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"][random(2)])}),
                ),
                9 => send("PATCH", "", json!({"username": format!("n-{}", random(5))})),
                10 => login(app, &format!("n-{}", random(5)), PASSWORD),
                _ => send("GET", "", json!({})),
            };
            if response.status >= 500 {
                server_errors.push(response.text);
            }
        }
        server_errors
    });
    assert_eq!(responses.concat(), Vec::<String>::new());
    let usable_super_admins = "SELECT count(*) FROM users WHERE role = 'SuperAdmin' AND is_active AND deleted_at IS NULL AND expires_at IS NULL";
    assert!(app.query_number(usable_super_admins) >= 1);
    let orphaned_sessions = "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.ended_at IS NULL AND \
        (NOT u.is_active OR u.deleted_at IS NOT NULL OR u.expires_at < now() - interval '1 hour')";
    assert_eq!(
        app.query_number(orphaned_sessions),
        0,
        "sessions of inactive accounts"
    );
}
