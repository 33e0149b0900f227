//! Bringing accounts in from elsewhere.

use rosterd::access::passwords::{Hasher, HasherOptions, Password};
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp};

const IMPORT: &str = "/api/v1/users/import";
const NDJSON: &str = "application/x-ndjson";

fn send(app: &TestApp, by: &str, body: impl Into<Vec<u8>>) -> Answer {
    app.post(IMPORT).by(by).body(NDJSON, body).send()
}

/// The result of each line.
fn results(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), NDJSON);
    let lines = answer.text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn lines(lines: &[Value]) -> String {
    let texts: Vec<String> = lines.iter().map(Value::to_string).collect();
    texts.join("\n")
}

fn can_sign_in(app: &TestApp, username: &str) -> bool {
    let body = json!({"username": username, "password": PASSWORD});
    app.post("/api/v1/auth/login").json(&body).send().status == 200
}

#[test]
fn each_line_is_an_account_and_the_answer_has_a_line_for_each() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let answer = send(
        &app,
        &admin,
        lines(&[
            json!({"username": "Ada", "email": "ada@example.org", "displayName": "Ada", "role": "Admin",
                   "permissions": ["webhooks.manage"], "tags": ["staff"], "attributes": {"team": 7},
                   "externalId": "4711", "password": PASSWORD}),
            json!({"username": "bob", "isActive": false}),
        ]),
    );
    let results = results(&answer);
    assert_eq!(results.len(), 2);
    assert_eq!(
        (&results[0]["line"], &results[1]["line"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(results[0]["outcome"], "created");
    assert_eq!(results[0]["externalId"], "4711");
    let path = format!("/api/v1/users/{}", results[0]["id"].as_str().unwrap());
    let ada = app.get(&path).by(&admin).send().expect(200);
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
    let made = "SELECT count(*) FROM audit_events WHERE action = 'user.create'";
    assert_eq!(app.number(made), 2);
    let bob = "SELECT count(*) FROM users WHERE username = 'bob' AND role = 'User' AND NOT is_active AND password_hash IS NULL";
    assert_eq!(app.number(bob), 1);
}

#[test]
fn a_line_that_is_wrong_says_so_and_spoils_no_other() {
    let app = TestApp::start();
    let admin = app.super_admin();
    app.user("taken", "User", &[]);
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
    let results = results(&send(&app, &admin, body));
    let told: Vec<(&Value, &Value, &Value)> = results
        .iter()
        .map(|one| (&one["line"], &one["code"], &one["errors"][0]["pointer"]))
        .collect();
    let invalid = json!("request_invalid");
    let none = Value::Null;
    assert_eq!(told[0], (&json!(1), &none, &none));
    assert_eq!(told[1].0, &json!(3), "a blank line has no result");
    assert_eq!(told[1].1, &invalid);
    assert_eq!(told[2], (&json!(4), &invalid, &json!("/username")));
    assert_eq!(
        told[3],
        (&json!(5), &json!("user_username_conflict"), &none)
    );
    assert_eq!(results[3]["externalId"], "9");
    assert_eq!(told[4], (&json!(6), &invalid, &json!("/isSuperAdmin")));
    assert_eq!(told[5], (&json!(7), &invalid, &json!("/role")));
    assert_eq!(told[6].1, &json!("permission_unknown"));
    assert_eq!(told[7], (&json!(9), &invalid, &json!("/password")));
    assert_eq!(told[8], (&json!(10), &none, &none));
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE username IN ('ada', 'bob', 'eve')"),
        2
    );
}

#[test]
fn a_hash_of_argon2_is_taken_over_and_renewed_and_no_other() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let hasher = Hasher::start(HasherOptions::default()).unwrap();
    let hash = actix_web::rt::System::new()
        .block_on(hasher.hash(Password::new(PASSWORD.to_owned())))
        .unwrap();
    let hash = hash.as_str();
    let line = |name: &str, hash: &str| json!({"username": name, "passwordHash": hash});
    let both = json!({"username": "both", "passwordHash": hash, "password": PASSWORD});
    let body = lines(&[
        line("ada", hash),
        line("bcrypt", "$2b$12$abcdefghijklmnopqrstuv"),
        line("ruinous", &hash.replacen("m=19456", "m=4194304", 1)),
        line("cut", hash.split_at(40).0),
        both,
    ]);
    let results = results(&send(&app, &admin, body));
    assert_eq!(results[0]["outcome"], "created");
    for result in &results[1..] {
        assert_eq!(result["outcome"], "refused", "{result}");
        assert_eq!(result["errors"][0]["pointer"], "/passwordHash", "{result}");
        assert!(!result.to_string().contains("argon2id$"), "{result}");
    }
    assert!(can_sign_in(&app, "ada"));
}

#[test]
fn nobody_brings_in_more_than_they_may_make() {
    let app = TestApp::start();
    let (_, token) = app.someone("User", &["users.create"]);
    let body = lines(&[
        json!({"username": "ada"}),
        json!({"username": "chief", "role": "SuperAdmin"}),
        json!({"username": "admin", "role": "Admin"}),
        json!({"username": "granted", "permissions": ["users.create"]}),
    ]);
    let results = results(&send(&app, &token, body));
    let codes: Vec<&Value> = results.iter().map(|one| &one["code"]).collect();
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
fn a_large_import_is_read_what_is_larger_or_no_ndjson_is_refused_and_it_can_be_sent_again() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let blank = " ".repeat(2 * 1024 * 1024);
    let body = format!("{{\"username\": \"ada\"}}\n{blank}\n{{\"username\": \"bob\"}}\n");
    let codes = |answer: &Answer| -> Vec<Value> {
        results(answer)
            .iter()
            .map(|one| one["code"].clone())
            .collect()
    };
    assert_eq!(
        codes(&send(&app, &admin, body.clone())),
        [Value::Null, Value::Null]
    );
    let conflict = json!("user_username_conflict");
    assert_eq!(
        codes(&send(&app, &admin, body)),
        [conflict.clone(), conflict]
    );
    assert_eq!(codes(&send(&app, &admin, "")), Vec::<Value>::new());
    send(&app, &admin, vec![b' '; 64 * 1024 * 1024 + 1]).expect_problem(413, "payload_too_large");
    app.post(IMPORT)
        .by(&admin)
        .json(&json!({"username": "eve"}))
        .send()
        .expect_problem(415, "unsupported_media_type");
}
