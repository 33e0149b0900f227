//! `POST /api/v1/oauth/token` with `grant_type=client_credentials`.

use serde_json::json;

use crate::support::{TestApp, wait_until};

use super::{Client, FORM, TOKEN, VERIFY, assert_oauth_error, basic_authorization, claims};

#[test]
fn client_credentials_grant_issues_a_usable_token() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let client = Client::create(&app, &admin, &["users.read", "roles.read"], 0);
    let response = app
        .post(TOKEN)
        .header("Authorization", &client.basic_authorization())
        .body(FORM, "grant_type=client_credentials&scope=users.read")
        .send()
        .expect(200);
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.header("pragma"), "no-cache");
    assert_eq!(response.body["token_type"], "Bearer");
    assert_eq!(response.body["scope"], "users.read");
    assert_eq!(
        response.body.get("refresh_token"),
        None,
        "RFC 6749, section 4.4.3"
    );
    let lifetime = response.body["expires_in"].as_i64().unwrap();
    assert!((1..=900).contains(&lifetime), "{lifetime}");
    let token = response.body["access_token"].as_str().unwrap();
    let token_claims = claims(token);
    assert_eq!(token_claims["sub"], format!("client:{}", client.id));
    assert_eq!(token_claims["client_id"], client.id.as_str());
    assert_eq!(
        (&token_claims["iss"], &token_claims["aud"]),
        (&json!("https://id.example.org"), &json!("rosterd"))
    );
    assert_eq!(
        (&token_claims["scope"], &token_claims["permissions"]),
        (&json!("users.read"), &json!(["users.read"]))
    );
    assert_eq!(token_claims.get("role"), None);
    for member in ["iat", "exp"] {
        assert!(token_claims[member].is_i64());
    }
    for member in ["jti", "sid"] {
        assert!(token_claims[member].is_string());
    }

    app.get("/api/v1/users").bearer(token).send().expect(200);
    app.get("/api/v1/roles")
        .bearer(token)
        .send()
        .expect_problem(403, "permission_required");
    let verified = app.get(VERIFY).bearer(token).send().expect(200);
    let name = format!("client:{}", client.id);
    assert_eq!(verified.header("x-roster-user-id"), name);
    assert_eq!(verified.header("x-roster-username"), name);
    assert_eq!(verified.header("x-roster-role"), "");
    assert_eq!(verified.header("x-roster-permissions"), "users.read");

    let all_permissions = client.request_token(&app, "").expect(200);
    assert_eq!(all_permissions.body["scope"], "roles.read users.read");
    let all_permissions = all_permissions.body["access_token"].as_str().unwrap();
    app.get("/api/v1/roles")
        .bearer(all_permissions)
        .send()
        .expect(200);
    wait_until(|| {
        let client_response = app.get(&client.path("")).bearer(&admin).send().expect(200);
        client_response.data()["lastUsedAtUtc"].is_string()
    });
    let audit_rows = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'client.grant' AND actor_kind = 'client' AND actor_id = '{}'",
        client.id
    );
    assert_eq!(app.query_number(&audit_rows), 2);
}

#[test]
fn client_must_authenticate_exactly_once() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let client = Client::create(&app, &admin, &[], 0);
    let grant = "grant_type=client_credentials";
    let send = |authorization: &[&str], form: &str| {
        let call = authorization
            .iter()
            .fold(app.post(TOKEN), |call, authorization| {
                call.header("Authorization", authorization)
            });
        call.body(FORM, form).send()
    };
    let (credentials, authorization) = (client.form(), client.basic_authorization());
    send(&[&authorization], grant).expect(200);
    send(&[&authorization.replace("Basic", "bAsIc")], grant).expect(200);
    send(
        &[&authorization],
        &format!("{grant}&client_id={}", client.id),
    )
    .expect(200);
    send(&[], &format!("{grant}&{credentials}")).expect(200);
    send(&[], &format!("{grant}&{credentials}&unknown=1&scope=")).expect(200);

    let invalid_requests = [
        send(&[&authorization], &format!("{grant}&{credentials}")),
        send(&[&authorization], &format!("{grant}&client_id=another")),
        send(&[&authorization, &authorization], grant),
        send(&[], &format!("{grant}&{credentials}&client_secret=x")),
        send(&[], &format!("{grant}&{grant}&{credentials}")),
        send(&[], &credentials),
        send(&[], ""),
        app.post(&format!("{TOKEN}?{credentials}"))
            .body(FORM, grant)
            .send(),
        app.post(TOKEN)
            .json(&json!({"grant_type": "client_credentials"}))
            .send(),
        app.post(TOKEN).body(FORM, "grant_type=%zz").send(),
    ];
    for response in &invalid_requests {
        assert_oauth_error(response, 400, "invalid_request");
    }
    let unknown_client = Client {
        id: uuid::Uuid::now_v7().to_string(),
        secret: client.secret.clone(),
    };
    let invalid_clients = [
        send(&[], grant),
        send(&[], &format!("{grant}&client_id={}", client.id)),
        send(
            &[],
            &format!("{grant}&client_id={}&client_secret=", client.id),
        ),
        send(
            &[],
            &format!("{grant}&client_id={}&client_secret=wrong", client.id),
        ),
        send(
            &[],
            &format!("{grant}&client_id=rosterd&client_secret=")
                .replace("client_secret=", "client_secret=x"),
        ),
        send(&[], &format!("{grant}&{}", unknown_client.form())),
        send(&[&unknown_client.basic_authorization()], grant),
        send(&["Basic"], grant),
        send(&["Basic !!!"], grant),
        send(&[&format!("Bearer {admin}")], grant),
        send(&[&basic_authorization(&client.id, "")], grant),
        send(
            &[&basic_authorization(
                &client.id.to_uppercase(),
                &client.secret.to_uppercase(),
            )],
            grant,
        ),
    ];
    for response in &invalid_clients {
        assert_oauth_error(response, 401, "invalid_client");
    }
    assert_oauth_error(
        &send(&[], "grant_type=client_credentials&client_id=rosterd"),
        400,
        "unauthorized_client",
    );
    for grant_type in ["password", "authorization_code", "CLIENT_CREDENTIALS"] {
        let response = send(&[], &format!("grant_type={grant_type}&{credentials}"));
        assert_oauth_error(&response, 400, "unsupported_grant_type");
    }
    let oversized = "x".repeat(1024 * 1024 + 1);
    let response = send(&[], &oversized);
    assert_oauth_error(&response, 413, "invalid_request");
    app.get(TOKEN)
        .send()
        .expect_problem(405, "method_not_allowed");
}

#[test]
fn requested_scope_must_be_held_by_the_client() {
    let app = TestApp::start();
    let client = Client::create(
        &app,
        &app.super_admin_token(),
        &["users.read", "roles.read"],
        0,
    );
    let request_scope = |text: &str| client.request_token(&app, &format!("&scope={text}"));
    let granted_scope = |text: &str| request_scope(text).expect(200).body["scope"].clone();
    assert_eq!(granted_scope("roles.read"), "roles.read");
    assert_eq!(
        granted_scope("users.read+roles.read"),
        "roles.read users.read"
    );
    assert_eq!(granted_scope("users.read%20users.read"), "users.read");
    for invalid_scope in [
        "users.delete",
        "users.read+users.delete",
        "no.such",
        "*",
        "users.*",
        "%22%5C%0A",
    ] {
        assert_oauth_error(&request_scope(invalid_scope), 400, "invalid_scope");
    }
    let refusals = "SELECT count(*) FROM audit_events WHERE action = 'client.grant' AND outcome = 'refused' AND code = 'permission_not_held'";
    assert_eq!(app.query_number(refusals), 6);
}

// SECURITY: G06
#[test]
fn secret_guessing_is_throttled_per_source() {
    let app = TestApp::start_with(&[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")]);
    let admin = app.super_admin_token();
    let client = Client::create(&app, &admin, &[], 0);
    app.create_user("ada", "User", &[]);
    let attempt_count = std::cell::Cell::new(0);
    // Each call uses another client id or another spelling of it.
    let guess = || {
        let round = attempt_count.get();
        attempt_count.set(round + 1);
        let ids = [
            client.id.clone(),
            client.id.to_uppercase(),
            uuid::Uuid::now_v7().to_string(),
            format!("x{round}"),
        ];
        let call = app.post(TOKEN).header("X-Forwarded-For", "203.0.113.7");
        if usize::is_multiple_of(round, 2) {
            let authorization = basic_authorization(&ids[round % 4], &format!("guess{round}"));
            call.header("Authorization", &authorization)
                .body(FORM, "grant_type=client_credentials")
                .send()
        } else {
            let form = format!(
                "grant_type=client_credentials&client_id={}&client_secret=guess{round}",
                ids[round % 4]
            );
            call.body(FORM, form).send()
        }
    };
    assert_oauth_error(&guess(), 401, "invalid_client");
    app.execute("UPDATE rate_limit_sources SET quota_used = 299");
    assert_oauth_error(&guess(), 401, "invalid_client");
    let throttled = guess();
    assert_eq!(
        (throttled.status, &throttled.body["error"]),
        (429, &json!("temporarily_unavailable"))
    );
    assert!(throttled.header("retry-after").parse::<u64>().unwrap() > 0);
    assert!(
        throttled
            .header("ratelimit-policy")
            .starts_with("\"source\"")
    );
    guess();
    // Audited once a minute.
    let audit_rows = "SELECT count(*) FROM audit_events WHERE code = 'rate_limited'";
    assert_eq!(app.query_number(audit_rows), 1);
    // A correct secret and a correct login from the same source are accepted.
    let form = format!("grant_type=client_credentials&{}", client.form());
    let from_source = |path: &str| app.post(path).header("X-Forwarded-For", "203.0.113.7");
    from_source(TOKEN).body(FORM, form).send().expect(200);
    let sign_in = json!({"username": "ada", "password": crate::support::PASSWORD});
    from_source("/api/v1/auth/login")
        .json(&sign_in)
        .send()
        .expect(200);
    app.execute("UPDATE rate_limit_sources SET window_ends_at = now()");
    assert_oauth_error(&guess(), 401, "invalid_client");
}

// SECURITY: J01
#[test]
fn client_secrets_are_not_stored() {
    let app = TestApp::start();
    let client = Client::create(&app, &app.super_admin_token(), &[], 0);
    let token = client.token(&app);
    client.revoke(&app, &token).expect(200);
    app.post(TOKEN)
        .body(
            FORM,
            format!(
                "grant_type=client_credentials&client_id={}&client_secret=canary-guess",
                client.secret
            ),
        )
        .send();
    for canary in [client.secret.as_str(), "canary-guess", token.as_str()] {
        let tables = [
            "audit_events",
            "audit_personal_data",
            "service_clients",
            "client_access_tokens",
            "idempotency_keys",
            "rate_limit_sources",
            "rate_limit_counters",
        ];
        for table in tables {
            let rows_with_secret =
                format!("SELECT count(*) FROM {table} t WHERE strpos(t::text, '{canary}') > 0");
            assert_eq!(app.query_number(&rows_with_secret), 0, "{table}");
        }
    }
}
