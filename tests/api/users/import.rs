//! `POST /api/v1/users/import`.

use std::io::{Read, Write};
use std::net::TcpStream;

use diesel::connection::SimpleConnection;
use rosterd::access::passwords::{Hasher, HasherOptions, Password};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp, wait_until};

const IMPORT: &str = "/api/v1/users/import";

const NDJSON: &str = "application/x-ndjson";

fn import(app: &TestApp, caller: &str, body: impl Into<Vec<u8>>) -> Response {
    app.post(IMPORT).bearer(caller).body(NDJSON, body).send()
}

/// The result of each line.
fn results(response: &Response) -> Vec<Value> {
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(response.header("content-type"), NDJSON);
    let lines = response.text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn to_ndjson(lines: &[Value]) -> String {
    let json: Vec<String> = lines.iter().map(Value::to_string).collect();
    json.join("\n")
}

fn can_sign_in(app: &TestApp, username: &str) -> bool {
    let body = json!({"username": username, "password": PASSWORD});
    app.post("/api/v1/auth/login").json(&body).send().status == 200
}

#[test]
fn each_line_creates_an_account_and_has_a_result_line() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let response = import(
        &app,
        &admin,
        to_ndjson(&[
            json!({"username": "Ada", "email": "ada@example.org", "displayName": "Ada", "role": "Admin",
                   "permissions": ["webhooks.manage"], "tags": ["staff"], "attributes": {"team": 7},
                   "externalId": "4711", "password": PASSWORD}),
            json!({"username": "bob", "isActive": false}),
        ]),
    );
    let results = results(&response);
    assert_eq!(results.len(), 2);
    assert_eq!(
        (&results[0]["line"], &results[1]["line"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(results[0]["outcome"], "created");
    assert_eq!(results[0]["externalId"], "4711");
    let path = format!("/api/v1/users/{}", results[0]["id"].as_str().unwrap());
    let ada = app.get(&path).bearer(&admin).send().expect(200);
    for (member, value) in [
        ("username", json!("ada")),
        ("email", json!("ada@example.org")),
        ("emailConfirmed", json!(false)),
        ("role", json!("Admin")),
        ("permissions", json!(["webhooks.manage"])),
        ("tags", json!(["staff"])),
        ("attributes", json!({"team": 7})),
        ("authId", json!("4711")),
        ("hasPassword", json!(true)),
    ] {
        assert_eq!(ada.data()[member], value, "{member}");
    }
    assert!(can_sign_in(&app, "ada"));
    let created = "SELECT count(*) FROM audit_events WHERE action = 'user.create'";
    assert_eq!(app.query_number(created), 2);
    let bob = "SELECT count(*) FROM users WHERE username = 'bob' AND role = 'User' AND NOT is_active AND password_hash IS NULL";
    assert_eq!(app.query_number(bob), 1);
}

#[test]
fn invalid_line_has_an_error_result_and_does_not_affect_other_lines() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    app.create_user("taken", "User", &[]);
    let body = [
        "{\"username\": \"ada\"}\r\n",
        "\n",
        "no json\n",
        "{\"username\": \"x\", \"email\": \"nobody\"}\n",
        "{\"username\": \"taken\", \"externalId\": \"9\"}\n",
        "{\"username\": \"eve\", \"isSuperAdmin\": true}\n",
        "{\"username\": \"eve\", \"role\": \"Nobody\"}\n",
        "{\"username\": \"eve\", \"permissions\": [\"no.such\"]}\n",
        "{\"username\": \"eve\", \"password\": \"short\"}\n",
        "{\"username\": \"bob\"}",
    ]
    .concat();
    let results = results(&import(&app, &admin, body));
    let outcomes: Vec<(&Value, &Value, &Value)> = results
        .iter()
        .map(|result| {
            (
                &result["line"],
                &result["code"],
                &result["errors"][0]["pointer"],
            )
        })
        .collect();
    let invalid = json!("request_invalid");
    let none = Value::Null;
    assert_eq!(outcomes[0], (&json!(1), &none, &none));
    assert_eq!(outcomes[1].0, &json!(3), "a blank line has no result");
    assert_eq!(outcomes[1].1, &invalid);
    assert_eq!(outcomes[2], (&json!(4), &invalid, &json!("/username")));
    assert_eq!(
        outcomes[3],
        (&json!(5), &json!("user_username_conflict"), &none)
    );
    assert_eq!(results[3]["externalId"], "9");
    assert_eq!(outcomes[4], (&json!(6), &invalid, &json!("/isSuperAdmin")));
    assert_eq!(outcomes[5], (&json!(7), &invalid, &json!("/role")));
    assert_eq!(outcomes[6].1, &json!("permission_unknown"));
    assert_eq!(outcomes[7], (&json!(9), &invalid, &json!("/password")));
    assert_eq!(outcomes[8], (&json!(10), &none, &none));
    assert_eq!(
        app.query_number("SELECT count(*) FROM users WHERE username IN ('ada', 'bob', 'eve')"),
        2
    );
}

#[test]
fn argon2_hashes_are_imported_and_other_hashes_are_refused() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let hasher = Hasher::start(HasherOptions::default()).unwrap();
    let hash = actix_web::rt::System::new()
        .block_on(hasher.hash(Password::new(PASSWORD.to_owned())))
        .unwrap();
    let hash = hash.as_str();
    let line = |name: &str, hash: &str| json!({"username": name, "passwordHash": hash});
    let hash_and_password = json!({"username": "both", "passwordHash": hash, "password": PASSWORD});
    let body = to_ndjson(&[
        line("ada", hash),
        line("bcrypt", "$2b$12$abcdefghijklmnopqrstuv"),
        line("too-much-memory", &hash.replacen("m=19456", "m=262145", 1)),
        line(
            "too-much-work",
            &hash.replacen("m=19456,t=2", "m=131072,t=9", 1),
        ),
        line("truncated", hash.split_at(40).0),
        hash_and_password,
    ]);
    let results = results(&import(&app, &admin, body));
    assert_eq!(results[0]["outcome"], "created");
    for result in &results[1..] {
        assert_eq!(result["outcome"], "failed", "{result}");
        assert_eq!(result["errors"][0]["pointer"], "/passwordHash", "{result}");
        assert!(!result.to_string().contains("argon2id$"), "{result}");
    }
    assert!(can_sign_in(&app, "ada"));
}

#[test]
fn import_requires_the_permissions_of_creating_each_account() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("User", &["users.create"]);
    let body = to_ndjson(&[
        json!({"username": "ada"}),
        json!({"username": "chief", "role": "SuperAdmin"}),
        json!({"username": "admin", "role": "Admin"}),
        json!({"username": "granted", "permissions": ["users.create"]}),
    ]);
    let results = results(&import(&app, &token, body));
    let codes: Vec<&Value> = results.iter().map(|result| &result["code"]).collect();
    assert_eq!(
        json!(codes),
        json!([
            null,
            "user_super_admin_forbidden",
            "user_manage_forbidden",
            "permission_required"
        ])
    );
}

#[test]
fn import_over_64_mib_or_of_another_type_is_refused_and_a_repeated_import_reports_conflicts() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let blank = " ".repeat(2 * 1024 * 1024);
    let body = format!("{{\"username\": \"ada\"}}\n{blank}\n{{\"username\": \"bob\"}}\n");
    let codes = |response: &Response| -> Vec<Value> {
        results(response)
            .iter()
            .map(|result| result["code"].clone())
            .collect()
    };
    assert_eq!(
        codes(&import(&app, &admin, body.clone())),
        [Value::Null, Value::Null]
    );
    let conflict = json!("user_username_conflict");
    assert_eq!(
        codes(&import(&app, &admin, body)),
        [conflict.clone(), conflict]
    );
    assert_eq!(codes(&import(&app, &admin, "")), Vec::<Value>::new());
    import(&app, &admin, vec![b' '; 64 * 1024 * 1024 + 1]).expect_problem(413, "payload_too_large");
    app.post(IMPORT)
        .bearer(&admin)
        .json(&json!({"username": "eve"}))
        .send()
        .expect_problem(415, "unsupported_media_type");
}

#[test]
fn result_of_a_line_is_sent_before_the_next_line_is_processed() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    // The second line waits for this transaction, which inserts an account with the same name.
    let mut other = app.sql();
    let insert = "BEGIN; INSERT INTO users (id, username, role, created_at, updated_at) \
                  VALUES (gen_random_uuid(), 'bob', 'User', now(), now())";
    other.batch_execute(insert).unwrap();
    let body = "{\"username\": \"ada\"}\n{\"username\": \"bob\"}\n";
    let mut socket = TcpStream::connect(app.addr).unwrap();
    let head = format!(
        "POST {IMPORT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin}\r\nContent-Type: {NDJSON}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("\"ada\"") {
        let mut chunk = [0; 4096];
        let length = socket.read(&mut chunk).unwrap();
        assert_ne!(length, 0, "the response ended early");
        received.extend_from_slice(&chunk[..length]);
    }
    assert!(!String::from_utf8_lossy(&received).contains("\"bob\""));
    other.batch_execute("ROLLBACK").unwrap();
    socket.read_to_end(&mut received).unwrap();
    let text = String::from_utf8_lossy(&received);
    assert!(
        text.contains("\"bob\"") && text.ends_with("0\r\n\r\n"),
        "{text}"
    );
}

#[test]
fn import_that_is_interrupted_ends_without_the_final_chunk() {
    let app = TestApp::start();
    let (importer, token) = app.create_signed_in_user("User", &["users.create"]);
    // The first line waits until the session of the importer has ended.
    let mut other = app.sql();
    let insert = "BEGIN; INSERT INTO users (id, username, role, created_at, updated_at) \
                  VALUES (gen_random_uuid(), 'bob', 'User', now(), now())";
    other.batch_execute(insert).unwrap();
    let body = "{\"username\": \"bob\"}\n{\"username\": \"eve\"}\n{\"username\": \"mallory\"}\n";
    let mut socket = TcpStream::connect(app.addr).unwrap();
    let head = format!(
        "POST {IMPORT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {NDJSON}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    wait_until(|| {
        let waiting =
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'";
        app.query_number(waiting) > 0
    });
    let end_session = format!(
        "UPDATE sessions SET ended_at = now() WHERE user_id = '{}'",
        importer.id
    );
    app.execute(&end_session);
    other.batch_execute("ROLLBACK").unwrap();
    let mut received = Vec::new();
    socket.read_to_end(&mut received).unwrap();
    let text = String::from_utf8_lossy(&received);
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    assert!(text.contains("auth_token_invalid"), "{text}");
    assert!(
        !text.contains("mallory") && !text.ends_with("0\r\n\r\n"),
        "{text}"
    );
}

#[test]
fn long_line_has_a_short_result() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let long_name = "x".repeat(300 * 1024);
    let body = to_ndjson(&[
        json!({ "username": long_name }),
        json!({"username": "x".repeat(100_000)}),
    ]);
    let response = import(&app, &admin, body);
    let results = results(&response);
    assert_eq!(results[0]["errors"][0]["code"], "too_long");
    assert_eq!(results[0]["errors"][0]["pointer"], "");
    assert_eq!(results[1]["username"].as_str().unwrap().len(), 200);
    assert!(response.text.len() < 10_000, "{}", response.text.len());
}
