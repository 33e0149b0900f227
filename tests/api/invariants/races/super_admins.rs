//! Concurrent requests that could remove the last SuperAdmin or create a second first one.

use diesel::RunQueryDsl;
use rosterd::access::passwords::PasswordHash;
use rosterd::accounts::users::{Username, service};
use rosterd::platform::db::{Db, DbOptions};

use super::USERS;
use crate::support::{Schema, TestApp, run_concurrently, wait_until};

/// Two hundred rounds over two replicas. Each `SuperAdmin` demotes, disables, expires or deletes the other, or removes
/// its password.
// SECURITY: C04
#[test]
fn two_super_admins_removing_each_other_leave_one() {
    let first_replica = TestApp::start();
    let apps = [&first_replica, &first_replica.start_replica()];
    let (first, first_token) = apps[0].create_signed_in_user("SuperAdmin", &[]);
    let (second, second_token) = apps[0].create_signed_in_user("SuperAdmin", &[]);
    let (users, tokens) = ([first, second], [first_token, second_token]);
    let removals: [(&str, &str, &str); 7] = [
        ("PATCH", "", r#"{"role": "Admin"}"#),
        ("PATCH", "", r#"{"role": "User"}"#),
        ("POST", "/status", r#"{"isActive": false}"#),
        ("PATCH", "", r#"{"isActive": false, "displayName": "x"}"#),
        ("PATCH", "", r#"{"expiresAtUtc": "2999-01-01T00:00:00Z"}"#),
        ("DELETE", "/password", "{}"),
        ("DELETE", "", "{}"),
    ];
    let remaining_query = "SELECT count(*) FROM users WHERE role = 'SuperAdmin' AND is_active AND deleted_at IS NULL \
        AND expires_at IS NULL AND password_hash IS NOT NULL";
    apps[0].execute("CREATE TABLE saved AS SELECT id, password_hash FROM users");
    let mut removed = 0;
    for round in 0..200 {
        let responses = run_concurrently(2, |index| {
            let (method, suffix, body) =
                removals[if index == 0 { round } else { round / 7 + round } % 7];
            apps[index]
                .call(method, &users[1 - index].path(suffix))
                .bearer(&tokens[index])
                .body("application/json", body)
                .send()
        });
        let remaining = apps[0].query_number(remaining_query);
        assert!(
            remaining >= 1,
            "no SuperAdmin is left after round {round}: {responses:?}"
        );
        let succeeded = responses
            .iter()
            .filter(|response| response.status < 300)
            .count();
        assert!(succeeded >= 1, "round {round}: {responses:?}");
        removed += succeeded;
        for response in &responses {
            assert!(
                [200, 204, 401, 403, 409].contains(&response.status),
                "round {round}: {response:?}"
            );
        }
        apps[0].execute(
            "UPDATE users u SET role = 'SuperAdmin', is_active = true, deleted_at = NULL, expires_at = NULL,
                 password_hash = saved.password_hash, version = version + 1 FROM saved WHERE saved.id = u.id;
             UPDATE sessions SET ended_at = NULL, ended_reason = NULL;",
        );
        // Both replicas must have read the restored accounts before the next round.
        for index in [0, 1] {
            let list_path = format!("{USERS}?limit=1");
            wait_until(|| {
                apps[index]
                    .get(&list_path)
                    .bearer(&tokens[index])
                    .send()
                    .status
                    == 200
            });
        }
    }
    assert!(removed >= 200);
}

// SECURITY: C18
#[test]
fn twenty_concurrent_bootstraps_create_one_super_admin() {
    let schema = Schema::new();
    let db = Db::connect(&DbOptions {
        url: schema.url(),
        pool_size: 20,
        acquire_timeout: std::time::Duration::from_secs(20),
        statement_timeout: std::time::Duration::from_secs(20),
        prepared: rosterd::platform::db::PreparedStatements::default(),
    })
    .unwrap();
    let create_first = |name: &str| {
        let username = Username::parse(name).unwrap();
        let hash = PasswordHash::from_stored("$argon2id$no".to_owned());
        db.write_now(|tx| service::create_first_super_admin(tx, &username, &hash))
            .unwrap()
            .is_some()
    };
    for _ in 0..20 {
        let results = run_concurrently(20, |index| create_first(&format!("first-{index}")));
        assert_eq!(results.into_iter().filter(|created| *created).count(), 1);
        assert!(!create_first("later"));
        diesel::sql_query("DELETE FROM users")
            .execute(&mut schema.connect())
            .unwrap();
    }
}
