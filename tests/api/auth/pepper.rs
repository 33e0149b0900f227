//! `ROSTERD_PASSWORD_PEPPER`.

use serde_json::json;

use crate::support::{PASSWORD, Response, TestApp};

const WITH_PEPPER: [(&str, &str); 1] = [("ROSTERD_PASSWORD_PEPPER", "on")];
const PEPPERS: &str = "SELECT count(*) FROM password_peppers";
const PEPPERED_HASHES: &str = "SELECT count(*) FROM users WHERE password_hash LIKE '%,keyid=%'";

fn log_in(app: &TestApp, name: &str) -> Response {
    let body = json!({"username": name, "password": PASSWORD});
    app.post("/api/v1/auth/login").json(&body).send()
}

fn import(app: &TestApp, name: &str, hash: &str) -> Response {
    let line = json!({"username": name, "passwordHash": hash}).to_string();
    app.post("/api/v1/users/import")
        .bearer(app.super_admin_token())
        .body("application/x-ndjson", line)
        .send()
        .expect(200)
}

#[test]
fn hashes_get_a_pepper_when_it_is_switched_on_and_verify_when_it_is_off() {
    let plain = TestApp::start();
    plain.create_user("ada", "User", &[]);
    log_in(&plain, "ada").expect(200);
    assert_eq!(plain.query_number(PEPPERED_HASHES), 0);
    assert_eq!(plain.query_number(PEPPERS), 0);
    let peppered = plain.start_replica_with(&WITH_PEPPER);
    log_in(&peppered, "ada").expect(200);
    assert_eq!(plain.query_number(PEPPERED_HASHES), 1);
    // The replica without the setting learns the pepper from the database, and does not remove it from the hash.
    log_in(&plain, "ada").expect(200);
    assert_eq!(plain.query_number(PEPPERED_HASHES), 1);
    let another = plain.start_replica_with(&WITH_PEPPER);
    log_in(&another, "ada").expect(200);
    assert_eq!(plain.query_number(PEPPERS), 1);
    drop((peppered, another));
    let switched_off = plain.start_replica();
    log_in(&switched_off, "ada").expect(200);
    plain
        .execute("UPDATE users SET password_hash = replace(password_hash, 'keyid=', 'keyid=AAAA')");
    log_in(&plain, "ada").expect(401);
}

#[test]
fn pepper_is_random_and_not_derived_from_the_secret_key() {
    let (first, second) = (
        TestApp::start_with(&WITH_PEPPER),
        TestApp::start_with(&WITH_PEPPER),
    );
    let hash = |app: &TestApp| {
        app.create_user("ada", "User", &[]);
        log_in(app, "ada").expect(200);
        app.query_text("SELECT password_hash FROM users WHERE username = 'ada'")
    };
    // Both have the same secret key. With the id of its own pepper, the hash of the other one does not match.
    let (own, other) = (hash(&first), hash(&second));
    let id = |hash: &str| {
        let (_, rest) = hash.split_once("keyid=").unwrap();
        rest.split_once('$').unwrap().0.to_owned()
    };
    assert_ne!(id(&own), id(&other));
    let forged = other.replace(&id(&other), &id(&own));
    first.execute(&format!("UPDATE users SET password_hash = '{forged}'"));
    log_in(&first, "ada").expect(401);
}

#[test]
fn imported_hash_must_have_a_pepper_of_this_database() {
    let app = TestApp::start();
    let peppered = app.start_replica_with(&WITH_PEPPER);
    peppered.create_user("ada", "User", &[]);
    log_in(&peppered, "ada").expect(200);
    let own = app.query_text("SELECT password_hash FROM users WHERE username = 'ada'");
    // The pepper is newer than this replica.
    let result = import(&app, "grace", &own);
    assert!(
        result.text.contains("\"outcome\":\"created\""),
        "{}",
        result.text
    );
    log_in(&app, "grace").expect(200);

    let hash = "$argon2id$v=19$m=19456,t=2,p=1,keyid=AQEBAQEBAQE$c29tZXNhbHRzb21lc2FsdA$9p2mCq1E8wVxv3xqzF5dZ1i7bq0d3l5yq0m0Yw3b7kE";
    let result = import(&app, "linus", hash);
    assert!(result.text.contains("unknown pepper"), "{}", result.text);
    assert!(result.text.contains("/passwordHash"), "{}", result.text);
    let users = "SELECT count(*) FROM users WHERE username = 'linus'";
    assert_eq!(app.query_number(users), 0);
}
