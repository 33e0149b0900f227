//! Requests that are retried with the same `Idempotency-Key`.

use serde_json::{Value, json};

use crate::support::{Response, TestApp, TestUser};

const USERS: &str = "/api/v1/users";

fn user_body(username: &str) -> Value {
    json!({"username": username, "role": "User"})
}

fn create(app: &TestApp, token: &str, key: &str, body: &Value) -> Response {
    app.post(USERS)
        .bearer(token)
        .header("Idempotency-Key", key)
        .json(body)
        .send()
}

fn created_count(app: &TestApp) -> i64 {
    app.query_number("SELECT count(*) FROM users WHERE username LIKE 'made%'")
}

#[test]
fn retry_returns_the_stored_response() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let first = create(&app, &admin, "one", &user_body("made")).expect(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    for key in ["one", "\"one\""] {
        let retried = create(&app, &admin, key, &user_body("made")).expect(201);
        assert_eq!(retried.header("idempotency-replayed"), "true");
        assert_eq!(retried.text, first.text);
        for name in ["location", "etag", "content-type", "cache-control"] {
            assert_eq!(retried.header(name), first.header(name), "{name}");
        }
    }
    // The stored response shows the state at creation.
    app.patch(first.header("location"))
        .bearer(&admin)
        .json(&json!({"displayName": "x"}))
        .send()
        .expect(200);
    assert_eq!(
        create(&app, &admin, "one", &user_body("made"))
            .expect(201)
            .text,
        first.text
    );
    assert_eq!(created_count(&app), 1);
    assert_eq!(
        app.query_number("SELECT count(*) FROM audit_events WHERE action = 'user.create'"),
        1
    );
}

#[test]
fn key_is_scoped_to_caller_route_and_body() {
    let app = TestApp::start();
    let (admin, other) = (app.super_admin_token(), app.super_admin_token());
    create(&app, &admin, "one", &user_body("made-1")).expect(201);
    create(&app, &admin, "one", &user_body("made-2")).expect_problem(422, "idempotency_key_reused");
    let reformatted = format!(" {}", user_body("made-1"));
    app.post(USERS)
        .bearer(&admin)
        .header("Idempotency-Key", "one")
        .body("application/json", reformatted)
        .send()
        .expect_problem(422, "idempotency_key_reused");
    let other_response = create(&app, &other, "one", &user_body("made-2")).expect(201);
    assert_eq!(other_response.header("idempotency-replayed"), "");
    let create_permission = || {
        app.post("/api/v1/permissions")
            .bearer(&admin)
            .header("Idempotency-Key", "one")
            .json(&json!({"name": "assets.read"}))
            .send()
    };
    assert_eq!(
        create_permission()
            .expect(201)
            .header("idempotency-replayed"),
        ""
    );
    assert_eq!(
        create_permission()
            .expect(201)
            .header("idempotency-replayed"),
        "true"
    );
    create(&app, &admin, "One", &user_body("made-3")).expect(201);
    assert_eq!(created_count(&app), 3);
}

#[test]
fn stored_response_is_shared_by_all_sessions_of_an_account() {
    let app = TestApp::start();
    let (account, first) = app.create_signed_in_user("SuperAdmin", &[]);
    create(&app, &first, "one", &user_body("made")).expect(201);
    let second = app.token(&account.username);
    app.post("/api/v1/auth/logout")
        .bearer(&first)
        .send()
        .expect(204);
    assert_eq!(
        create(&app, &second, "one", &user_body("made"))
            .expect(201)
            .header("idempotency-replayed"),
        "true"
    );
    create(&app, &first, "one", &user_body("made")).expect_problem(401, "auth_token_invalid");
}

#[test]
fn error_response_is_not_stored() {
    let app = TestApp::start();
    let (admin, taken) = (
        app.super_admin_token(),
        app.create_user("made-taken", "User", &[]),
    );
    // Refused because of the body, a username conflict, and an authorization rule that is audited.
    create(&app, &admin, "a", &json!({"username": "x", "role": "User"})).expect(400);
    create(
        &app,
        &admin,
        "a",
        &json!({"username": "made-a", "role": "NoSuchRole"}),
    )
    .expect_field_error("/role", "role_unknown");
    create(&app, &admin, "b", &user_body("made-taken"))
        .expect_problem(409, "user_username_conflict");
    let (_, creator) = app.create_signed_in_user("User", &["users.create"]);
    let body = json!({"username": "made-c", "role": "Admin"});
    create(&app, &creator, "c", &body).expect_problem(403, "user_manage_forbidden");
    assert_eq!(app.query_number("SELECT count(*) FROM idempotency_keys"), 0);
    assert_eq!(
        app.query_number("SELECT count(*) FROM audit_events WHERE outcome = 'refused'"),
        1
    );

    create(&app, &admin, "a", &user_body("made-a")).expect(201);
    app.delete(&taken.path("?purge=true"))
        .bearer(&admin)
        .send()
        .expect(204);
    create(&app, &admin, "b", &user_body("made-taken")).expect(201);
    create(&app, &creator, "c", &user_body("made-c")).expect(201);
}

// SECURITY: H20
#[test]
fn stored_response_requires_current_permission() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (creator, token) = app.create_signed_in_user("User", &["users.create"]);
    create(&app, &token, "one", &user_body("made")).expect(201);
    let set_permissions = |names: Value| {
        app.patch(&creator.path("/permissions"))
            .bearer(&admin)
            .json(&json!({ "permissions": names }))
            .send()
            .expect(200);
    };
    set_permissions(json!([]));
    create(&app, &token, "one", &user_body("made")).expect_problem(403, "permission_required");
    set_permissions(json!(["users.create"]));
    assert_eq!(
        create(&app, &token, "one", &user_body("made"))
            .expect(201)
            .header("idempotency-replayed"),
        "true"
    );
    app.post(&creator.path("/status"))
        .bearer(&admin)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    create(&app, &token, "one", &user_body("made")).expect_problem(401, "auth_token_invalid");
}

#[test]
fn purge_deletes_the_stored_response() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let first = create(&app, &admin, "one", &user_body("made")).expect(201);
    let user = TestUser {
        id: first.data()["id"].as_str().unwrap().to_owned(),
        username: String::new(),
    };
    app.delete(&user.path("")).bearer(&admin).send().expect(204);
    assert_eq!(
        create(&app, &admin, "one", &user_body("made"))
            .expect(201)
            .text,
        first.text
    );
    app.delete(&user.path("?purge=true"))
        .bearer(&admin)
        .send()
        .expect(204);
    assert_eq!(app.query_number("SELECT count(*) FROM idempotency_keys"), 0);
    let second = create(&app, &admin, "one", &user_body("made")).expect(201);
    assert_eq!(second.header("idempotency-replayed"), "");
    assert_ne!(second.data()["id"], first.data()["id"]);
}

#[test]
fn stored_response_is_encrypted_and_expires_after_a_day() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let mut body = user_body("made");
    body["displayName"] = json!("Augusta Ada King");
    create(&app, &admin, "one", &body).expect(201);
    let rows_with_plaintext = "SELECT count(*) FROM idempotency_keys WHERE encode(encrypted_response, 'escape') ~ 'Augusta' OR encode(request_mac, 'escape') ~ 'Augusta'";
    assert_eq!(app.query_number(rows_with_plaintext), 0);
    app.execute("UPDATE idempotency_keys SET created_at = now() - interval '23 hours 59 minutes'");
    assert_eq!(
        create(&app, &admin, "one", &body)
            .expect(201)
            .header("idempotency-replayed"),
        "true"
    );
    app.execute("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second'");
    create(&app, &admin, "one", &body).expect_problem(409, "user_username_conflict");
    // A stored response that was moved to another key cannot be decrypted.
    create(&app, &admin, "two", &user_body("made-2")).expect(201);
    app.execute("UPDATE idempotency_keys SET key = 'three' WHERE key = 'two'");
    create(&app, &admin, "three", &user_body("made-2")).expect_problem(500, "internal_error");
}

#[test]
fn invalid_key_is_refused() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for key in ["", "\"\"", "\"open", &"k".repeat(256)] {
        create(&app, &admin, key, &user_body("made"))
            .expect_field_error("Idempotency-Key", "invalid_header");
    }
    app.post(USERS)
        .bearer(&admin)
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b")
        .json(&user_body("made"))
        .send()
        .expect_field_error("Idempotency-Key", "invalid_header");
    create(&app, &admin, &"k".repeat(255), &user_body("made")).expect(201);
    // Without a key nothing is stored.
    app.post(USERS)
        .bearer(&admin)
        .json(&user_body("made-2"))
        .send()
        .expect(201);
    assert_eq!(app.query_number("SELECT count(*) FROM idempotency_keys"), 1);
}

// SECURITY: H20
#[test]
fn replay_of_a_secret_is_authorized_anew_against_its_target() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let send = |path: &str, body: &Value| {
        let request = app.post(path).bearer(&admin);
        request.header("Idempotency-Key", path).json(body).send()
    };
    let (user, _) = app.create_signed_in_user("User", &["users.read"]);
    let token = json!({"name": "script", "permissions": ["users.read"]});
    let link_path = user.path("/password-reset-link");
    let token_path = user.path("/tokens");
    for (path, body) in [(&link_path, &json!({})), (&token_path, &token)] {
        let first = send(path, body).expect(201);
        assert_eq!(send(path, body).expect(201).text, first.text);
    }
    // The account now ranks with the caller.
    app.execute(&format!(
        "UPDATE users SET role = 'Admin' WHERE id = '{}'",
        user.id
    ));
    for (path, body) in [(&link_path, &json!({})), (&token_path, &token)] {
        let refused = send(path, body).expect_problem(403, "user_manage_forbidden");
        assert!(!refused.text.contains("rst_"), "{}", refused.text);
    }
    // An invite for a role that the caller may no longer give.
    app.create_role("Helper", 10, &[]);
    let invite = json!({"role": "Helper"});
    send("/api/v1/invites", &invite).expect(201);
    send("/api/v1/invites", &invite).expect(201);
    let raised = json!({"permissions": ["roles.manage"]});
    let request = app.patch("/api/v1/roles/Helper").bearer(&super_admin);
    request.json(&raised).send().expect(200);
    send("/api/v1/invites", &invite).expect_problem(403, "permission_not_held");
}
