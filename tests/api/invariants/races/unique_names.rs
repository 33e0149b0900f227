//! Concurrent requests for the same username, email address or idempotency key.

use serde_json::json;

use super::{USERS, count_status};
use crate::support::{TestApp, TestUser, run_concurrently};

#[test]
fn concurrent_requests_for_one_username_create_or_rename_one_account() {
    let first_replica = TestApp::start();
    let second_replica = first_replica.start_replica();
    let admin = first_replica.super_admin_token();
    for round in 0..20 {
        let responses = run_concurrently(8, |index| {
            let app = if index % 2 == 0 {
                &first_replica
            } else {
                &second_replica
            };
            let name = if index % 3 == 0 {
                format!(" Name-{round}")
            } else {
                format!("name-{round}")
            };
            app.post(USERS)
                .bearer(&admin)
                .json(&json!({"username": name, "role": "User"}))
                .send()
        });
        assert_eq!(
            (count_status(&responses, 201), count_status(&responses, 409)),
            (1, 7)
        );
        for response in responses
            .into_iter()
            .filter(|response| response.status == 409)
        {
            response.expect_problem(409, "user_username_conflict");
        }
    }
    // The same for renames.
    let users: Vec<TestUser> = (0..8)
        .map(|index| first_replica.create_user(&format!("other-{index}"), "User", &[]))
        .collect();
    for round in 0..20 {
        let responses = run_concurrently(8, |index| {
            first_replica
                .patch(&users[index].path(""))
                .bearer(&admin)
                .json(&json!({"username": format!("renamed-{round}")}))
                .send()
        });
        assert_eq!(
            (count_status(&responses, 200), count_status(&responses, 409)),
            (1, 7)
        );
    }
}

// SECURITY: D24
#[test]
fn one_hundred_concurrent_creations_with_the_same_email_or_username_create_one_account() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for round in 0..20 {
        for field in ["email", "username"] {
            let responses = run_concurrently(100, |index| {
                let mixed_case: String = format!("same.name{round}")
                    .chars()
                    .enumerate()
                    .map(|(bit, letter)| {
                        if index >> bit & 1 == 1 {
                            letter.to_ascii_uppercase()
                        } else {
                            letter
                        }
                    })
                    .collect();
                let body = match field {
                    "email" => json!({
                        "username": format!("user-{round}-{index}"), "role": "User",
                        "email": format!("{mixed_case}@example.org"),
                    }),
                    _ => json!({"username": mixed_case, "role": "User"}),
                };
                app.post(USERS).bearer(&admin).json(&body).send()
            });
            assert_eq!(
                (count_status(&responses, 201), count_status(&responses, 409)),
                (1, 99),
                "{field}"
            );
            let code = format!("user_{field}_conflict");
            assert!(
                responses
                    .iter()
                    .all(|response| response.status == 201 || response.body["code"] == code)
            );
        }
    }
}

#[test]
fn concurrent_requests_with_one_idempotency_key_create_one_account() {
    let first_replica = TestApp::start();
    let second_replica = first_replica.start_replica();
    let admin = first_replica.super_admin_token();
    for round in 0..20 {
        let responses = run_concurrently(8, |index| {
            let app = if index % 2 == 0 {
                &first_replica
            } else {
                &second_replica
            };
            app.post(USERS)
                .bearer(&admin)
                .header("Idempotency-Key", &format!("key-{round}"))
                .json(&json!({"username": format!("made-{round}"), "role": "User"}))
                .send()
        });
        assert_eq!(count_status(&responses, 201), 8);
        let replayed = responses
            .iter()
            .filter(|response| response.header("idempotency-replayed") == "true")
            .count();
        assert_eq!(replayed, 7);
        assert!(
            responses
                .iter()
                .all(|response| response.text == responses[0].text)
        );
    }
}

#[test]
fn concurrent_requests_with_one_idempotency_key_and_different_bodies_create_one_account() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for round in 0..20 {
        let responses = run_concurrently(8, |index| {
            app.post(USERS)
                .bearer(&admin)
                .header("Idempotency-Key", &format!("key-{round}"))
                .json(&json!({"username": format!("made-{round}-{index}"), "role": "User"}))
                .send()
        });
        assert_eq!(
            (count_status(&responses, 201), count_status(&responses, 422)),
            (1, 7)
        );
    }
    assert_eq!(
        app.query_number("SELECT count(*) FROM users WHERE username LIKE 'made-%'"),
        20
    );
}
