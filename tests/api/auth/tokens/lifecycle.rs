//! Creation, limits and the end of personal access tokens.

use serde_json::{Value, json};

use crate::support::{Response, TestApp, TestUser, wait_until};

use super::{ME, OWN_TOKENS, create_token, is_accepted, token_text, tokens_path};

#[test]
fn token_is_shown_once_and_authenticates_its_account() {
    let app = TestApp::start();
    let (user, session) = app.create_signed_in_user("User", &["users.read", "roles.read"]);
    let body = json!({"name": " nightly export ", "permissions": ["users.read"], "expiresAtUtc": "2099-01-01T00:00:00Z"});
    let created = app
        .post(OWN_TOKENS)
        .bearer(&session)
        .json(&body)
        .send()
        .expect(201);
    assert_eq!(created.header("cache-control"), "no-store");
    let token = token_text(created.data());
    assert!(token.starts_with("rst_pat_") && token.len() == 57);
    assert_eq!(created.data()["name"], "nightly export");
    assert_eq!(created.data()["userId"], user.id.as_str());
    assert_eq!(created.data()["lastUsedAtUtc"], Value::Null);

    let me = app.get(ME).bearer(token).send().expect(200);
    assert_eq!(me.data()["id"], user.id.as_str());
    app.get("/api/v1/users").bearer(token).send().expect(200);
    app.get("/api/v1/roles")
        .bearer(token)
        .send()
        .expect_problem(403, "permission_required");

    let path = created.header("location");
    assert_eq!(
        path,
        format!("{OWN_TOKENS}/{}", created.data()["id"].as_str().unwrap())
    );
    wait_until(|| {
        let token_response = app.get(path).bearer(&session).send().expect(200);
        assert_eq!(token_response.data().get("token"), None);
        token_response.data()["lastUsedAtUtc"].is_string()
    });
    let list = app.get(OWN_TOKENS).bearer(&session).send().expect(200);
    assert_eq!(list.data().as_array().unwrap().len(), 1);
    assert!(!list.text.contains("rst_pat_"));
    let rows_with_token =
        "SELECT count(*) FROM personal_access_tokens t WHERE t::text LIKE '%rst_pat_%'";
    assert_eq!(app.query_number(rows_with_token), 0);
    let stats = app
        .get(&format!("/api/v1/users/{}?expand=stats", user.id))
        .bearer(token)
        .send()
        .expect(200);
    assert_eq!(stats.data()["stats"], json!({"sessions": 1, "tokens": 1}));
    app.get(&format!("/api/v1/users/{}?expand=all", user.id))
        .bearer(token)
        .send()
        .expect_field_error("?expand", "invalid_value");
}

// SECURITY: C08
#[test]
fn invalid_token_request_is_refused() {
    let app = TestApp::start();
    let (user, session) = app.create_signed_in_user("User", &["users.read"]);
    let request_token = |body: Value| app.post(OWN_TOKENS).bearer(&session).json(&body).send();
    request_token(json!({"name": " ", "permissions": []})).expect_field_error("/name", "too_short");
    request_token(json!({"name": "x", "permissions": [], "expiresAtUtc": "2001-01-01T00:00:00Z"}))
        .expect_field_error("/expiresAtUtc", "in_the_past");
    let unknown = request_token(json!({"name": "x", "permissions": ["no.such"]}))
        .expect_problem(400, "permission_unknown");
    assert_eq!(unknown.body["errors"][0]["pointer"], "/permissions/0");
    request_token(json!({"name": "x", "permissions": ["roles.read"]}))
        .expect_problem(403, "permission_not_held");
    // The owner cannot be chosen by the caller.
    let other = app.create_user("ada", "User", &[]);
    request_token(json!({"name": "x", "permissions": [], "userId": other.id}))
        .expect_field_error("/userId", "unknown_field");
    assert_eq!(
        app.query_number("SELECT count(*) FROM personal_access_tokens"),
        0
    );
    let refused = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'token.create' AND outcome = 'refused' AND subject_id = '{}'",
        user.id
    );
    assert_eq!(app.query_number(&refused), 1);
}

// SECURITY: G02
#[test]
fn token_ends_when_it_is_revoked_expires_or_its_account_ends() {
    let app = TestApp::start();
    let replica = app.start_replica();
    let admin = app.super_admin_token();
    let set_status = |user: &TestUser, active: bool| {
        app.post(&format!("/api/v1/users/{}/status", user.id))
            .bearer(&admin)
            .json(&json!({"isActive": active}))
            .send()
            .expect(200)
    };
    // Revoked by its owner, and by an administrator.
    let (user, session) = app.create_signed_in_user("User", &[]);
    for path in [OWN_TOKENS.to_owned(), tokens_path(&user)] {
        let created = create_token(&app, &session, &[]);
        assert!(
            is_accepted(&app, token_text(&created)) && is_accepted(&replica, token_text(&created))
        );
        let session = if path == OWN_TOKENS { &session } else { &admin };
        let path = format!("{path}/{}", created["id"].as_str().unwrap());
        app.delete(&path)
            .bearer(session)
            .header("If-Match", "\"2-0011223344556677\"")
            .send()
            .expect_problem(412, "precondition_failed");
        app.delete(&path).bearer(session).send().expect(204);
        app.get(ME)
            .bearer(token_text(&created))
            .send()
            .expect_problem(401, "auth_token_invalid");
        wait_until(|| !is_accepted(&replica, token_text(&created)));
        app.delete(&path)
            .bearer(session)
            .send()
            .expect_problem(404, "not_found");
    }
    // Expired, also in the cache.
    let expiring = create_token(&app, &session, &[]);
    assert!(is_accepted(&app, token_text(&expiring)));
    app.execute(
        "UPDATE personal_access_tokens SET expires_at = clock_timestamp() + interval '100 milliseconds'",
    );
    wait_until(|| !is_accepted(&app, token_text(&expiring)));
    // Account disabled and enabled again: the token stays invalid.
    let created = create_token(&app, &session, &[]);
    assert!(is_accepted(&app, token_text(&created)));
    set_status(&user, false);
    assert!(!is_accepted(&app, token_text(&created)));
    set_status(&user, true);
    assert!(!is_accepted(&app, token_text(&created)));
    // Account deleted and restored.
    let (user, session) = app.create_signed_in_user("User", &[]);
    let created = create_token(&app, &session, &[]);
    let path = format!("/api/v1/users/{}", user.id);
    app.delete(&path).bearer(&admin).send().expect(204);
    assert!(!is_accepted(&app, token_text(&created)));
    app.post(&format!("{path}/restore"))
        .bearer(&admin)
        .send()
        .expect(200);
    assert!(!is_accepted(&app, token_text(&created)));
    // Account expired and extended.
    let (user, session) = app.create_signed_in_user("User", &[]);
    let created = create_token(&app, &session, &[]);
    let path = format!("/api/v1/users/{}", user.id);
    for expiry in ["2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
        app.patch(&path)
            .bearer(&admin)
            .json(&json!({"expiresAtUtc": expiry}))
            .send()
            .expect(200);
        assert!(!is_accepted(&app, token_text(&created)));
    }
}

// SECURITY: G06
#[test]
fn only_the_exact_token_text_is_accepted() {
    let app = TestApp::start();
    let (user, session) = app.create_signed_in_user("User", &[]);
    let created = create_token(&app, &session, &[]);
    let get_me = |header: &str| app.get(ME).header("Authorization", header).send();
    for spelling in ["Bearer", "bearer", "BEARER"] {
        let response = get_me(&format!("{spelling} {}", token_text(&created))).expect(200);
        assert_eq!(response.data()["id"], user.id.as_str());
    }
    let other_prefix = token_text(&created).replace("rst_pat_", "rst_cs_");
    let uppercase = token_text(&created).to_uppercase();
    let percent_encoded = token_text(&created).replacen('_', "%5F", 1);
    for altered in [
        &other_prefix,
        &uppercase,
        &percent_encoded,
        &token_text(&created).chars().take(56).collect(),
    ] {
        get_me(&format!("Bearer {altered}")).expect_problem(401, "auth_token_invalid");
    }
    for altered in ["Token", "Basic", "Bearer "] {
        get_me(&format!("{altered} {}", token_text(&created)))
            .expect_problem(401, "auth_token_invalid");
    }
}

// SECURITY: G08
#[test]
fn token_limit_holds_under_concurrent_creates() {
    let app = TestApp::start();
    let (user, session) = app.create_signed_in_user("User", &[]);
    for _ in 0..20 {
        app.clear_rate_limits();
        app.execute(&format!(
        "DELETE FROM personal_access_tokens; \
         INSERT INTO personal_access_tokens (id, user_id, name, digest, permissions, created_at, expires_at) \
         SELECT gen_random_uuid(), '{}', 'x', int8send(n), '{{}}', now(), CASE WHEN n > 95 THEN now() END \
         FROM generate_series(1, 105) n",
        user.id
    ));
        let body = json!({"name": "x", "permissions": []});
        let responses: Vec<Response> = std::thread::scope(|scope| {
            let create_several = || {
                (0..4)
                    .map(|_| app.post(OWN_TOKENS).bearer(&session).json(&body).send())
                    .collect::<Vec<_>>()
            };
            let workers: Vec<_> = (0..10).map(|_| scope.spawn(create_several)).collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap())
                .collect()
        });
        let (created, refused): (Vec<_>, Vec<_>) = responses
            .into_iter()
            .partition(|response| response.status == 201);
        assert_eq!(
            created.len(),
            5,
            "95 active tokens leave room for five, and expired tokens do not count"
        );
        for response in refused {
            response.expect_problem(409, "token_limit_reached");
        }
        assert_eq!(
            app.query_number("SELECT count(*) FROM personal_access_tokens"),
            100
        );
    }
}

#[test]
fn purge_deletes_tokens_and_stored_responses() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    app.post(&tokens_path(&user))
        .bearer(&admin)
        .header("Idempotency-Key", "once")
        .json(&json!({"name": "x", "permissions": []}))
        .send()
        .expect(201);
    assert_eq!(app.query_number("SELECT count(*) FROM idempotency_keys"), 1);
    app.delete(&format!("/api/v1/users/{}?purge=true", user.id))
        .bearer(&admin)
        .send()
        .expect(204);
    assert_eq!(app.query_number("SELECT count(*) FROM idempotency_keys"), 0);
    assert_eq!(
        app.query_number("SELECT count(*) FROM personal_access_tokens"),
        0
    );
}
