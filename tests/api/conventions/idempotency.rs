//! Creating calls that are sent again with the same `Idempotency-Key`.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, User};

const USERS: &str = "/api/v1/users";

fn body(username: &str) -> Value {
    json!({"username": username, "role": "User"})
}

fn create(app: &TestApp, by: &str, key: &str, body: &Value) -> Answer {
    app.post(USERS)
        .by(by)
        .header("Idempotency-Key", key)
        .json(body)
        .send()
}

fn made(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM users WHERE username LIKE 'made%'")
}

#[test]
fn the_first_answer_is_given_again_whole() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let first = create(&app, &admin, "one", &body("made")).expect(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    for key in ["one", "\"one\""] {
        let again = create(&app, &admin, key, &body("made")).expect(201);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.text, first.text);
        for name in ["location", "etag", "content-type", "cache-control"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
    }
    // As it was made, not as it is.
    app.patch(first.header("location"))
        .by(&admin)
        .json(&json!({"displayName": "x"}))
        .send()
        .expect(200);
    assert_eq!(
        create(&app, &admin, "one", &body("made")).expect(201).text,
        first.text
    );
    assert_eq!(made(&app), 1);
    assert_eq!(
        app.number("SELECT count(*) FROM audit_events WHERE action = 'user.create'"),
        1
    );
}

#[test]
fn the_same_key_with_another_body_is_refused_and_with_another_caller_or_call_its_own() {
    let app = TestApp::start();
    let (admin, other) = (app.super_admin(), app.super_admin());
    create(&app, &admin, "one", &body("made-1")).expect(201);
    create(&app, &admin, "one", &body("made-2")).expect_problem(422, "idempotency_key_reused");
    let spaced = format!(" {}", body("made-1"));
    app.post(USERS)
        .by(&admin)
        .header("Idempotency-Key", "one")
        .body("application/json", spaced)
        .send()
        .expect_problem(422, "idempotency_key_reused");
    let theirs = create(&app, &other, "one", &body("made-2")).expect(201);
    assert_eq!(theirs.header("idempotency-replayed"), "");
    let register = || {
        app.post("/api/v1/permissions")
            .by(&admin)
            .header("Idempotency-Key", "one")
            .json(&json!({"name": "assets.read"}))
            .send()
    };
    assert_eq!(register().expect(201).header("idempotency-replayed"), "");
    assert_eq!(
        register().expect(201).header("idempotency-replayed"),
        "true"
    );
    create(&app, &admin, "One", &body("made-3")).expect(201);
    assert_eq!(made(&app), 3);
}

#[test]
fn the_same_caller_is_the_same_in_another_session() {
    let app = TestApp::start();
    let (own, first) = app.someone("SuperAdmin", &[]);
    create(&app, &first, "one", &body("made")).expect(201);
    let second = app.token(&own.username);
    app.post("/api/v1/auth/logout")
        .by(&first)
        .send()
        .expect(204);
    assert_eq!(
        create(&app, &second, "one", &body("made"))
            .expect(201)
            .header("idempotency-replayed"),
        "true"
    );
    create(&app, &first, "one", &body("made")).expect_problem(401, "auth_token_invalid");
}

#[test]
fn a_refused_answer_is_not_kept() {
    let app = TestApp::start();
    let (admin, taken) = (app.super_admin(), app.user("made-taken", "User", &[]));
    // By the body, by a name that is taken, by a rule that leaves an audit row.
    create(&app, &admin, "a", &json!({"username": "x", "role": "User"})).expect(400);
    create(
        &app,
        &admin,
        "a",
        &json!({"username": "made-a", "role": "Nobody"}),
    )
    .expect_fault("/role", "role_unknown");
    create(&app, &admin, "b", &body("made-taken")).expect_problem(409, "user_username_conflict");
    let (_, clerk) = app.someone("User", &["users.create"]);
    let wanted = json!({"username": "made-c", "role": "Admin"});
    create(&app, &clerk, "c", &wanted).expect_problem(403, "user_manage_forbidden");
    assert_eq!(app.number("SELECT count(*) FROM kept_replies"), 0);
    assert_eq!(
        app.number("SELECT count(*) FROM audit_events WHERE outcome = 'refused'"),
        1
    );

    create(&app, &admin, "a", &body("made-a")).expect(201);
    app.delete(&taken.at("?purge=true"))
        .by(&admin)
        .send()
        .expect(204);
    create(&app, &admin, "b", &body("made-taken")).expect(201);
    create(&app, &clerk, "c", &body("made-c")).expect(201);
}

#[test]
fn h20_a_caller_who_lost_the_permission_or_was_disabled_gets_no_kept_answer() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (clerk, token) = app.someone("User", &["users.create"]);
    create(&app, &token, "one", &body("made")).expect(201);
    let permit = |names: Value| {
        app.patch(&clerk.at("/permissions"))
            .by(&admin)
            .json(&json!({ "permissions": names }))
            .send()
            .expect(200);
    };
    permit(json!([]));
    create(&app, &token, "one", &body("made")).expect_problem(403, "permission_required");
    permit(json!(["users.create"]));
    assert_eq!(
        create(&app, &token, "one", &body("made"))
            .expect(201)
            .header("idempotency-replayed"),
        "true"
    );
    app.post(&clerk.at("/status"))
        .by(&admin)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    create(&app, &token, "one", &body("made")).expect_problem(401, "auth_token_invalid");
}

#[test]
fn a_purge_takes_the_kept_answer_with_it() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let first = create(&app, &admin, "one", &body("made")).expect(201);
    let user = User {
        id: first.data()["id"].as_str().unwrap().to_owned(),
        username: String::new(),
    };
    app.delete(&user.at("")).by(&admin).send().expect(204);
    assert_eq!(
        create(&app, &admin, "one", &body("made")).expect(201).text,
        first.text
    );
    app.delete(&user.at("?purge=true"))
        .by(&admin)
        .send()
        .expect(204);
    assert_eq!(app.number("SELECT count(*) FROM kept_replies"), 0);
    let second = create(&app, &admin, "one", &body("made")).expect(201);
    assert_eq!(second.header("idempotency-replayed"), "");
    assert_ne!(second.data()["id"], first.data()["id"]);
}

#[test]
fn an_answer_is_kept_for_a_day_and_unreadable_in_the_database() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let mut wanted = body("made");
    wanted["displayName"] = json!("Augusta Ada King");
    create(&app, &admin, "one", &wanted).expect(201);
    let readable = "SELECT count(*) FROM kept_replies WHERE encode(sealed_reply, 'escape') ~ 'Augusta' OR encode(request_mac, 'escape') ~ 'Augusta'";
    assert_eq!(app.number(readable), 0);
    app.execute("UPDATE kept_replies SET created_at = now() - interval '23 hours 59 minutes'");
    assert_eq!(
        create(&app, &admin, "one", &wanted)
            .expect(201)
            .header("idempotency-replayed"),
        "true"
    );
    app.execute("UPDATE kept_replies SET created_at = now() - interval '24 hours 1 second'");
    create(&app, &admin, "one", &wanted).expect_problem(409, "user_username_conflict");
    // One that is moved to another place is no answer there.
    create(&app, &admin, "two", &body("made-2")).expect(201);
    app.execute("UPDATE kept_replies SET key = 'three' WHERE key = 'two'");
    create(&app, &admin, "three", &body("made-2")).expect_problem(500, "internal_error");
}

#[test]
fn what_is_no_key_is_refused() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for key in ["", "\"\"", "\"open", &"k".repeat(256)] {
        create(&app, &admin, key, &body("made")).expect_fault("Idempotency-Key", "invalid_header");
    }
    app.post(USERS)
        .by(&admin)
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b")
        .json(&body("made"))
        .send()
        .expect_fault("Idempotency-Key", "invalid_header");
    create(&app, &admin, &"k".repeat(255), &body("made")).expect(201);
    // Without one, nothing is kept.
    app.post(USERS)
        .by(&admin)
        .json(&body("made-2"))
        .send()
        .expect(201);
    assert_eq!(app.number("SELECT count(*) FROM kept_replies"), 1);
}
