//! Access tokens for one application (`resource`, RFC 8707): who accepts them, and who does not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp};

const LOGIN: &str = "/api/v1/auth/login";
const REFRESH: &str = "/api/v1/auth/refresh";
const LOGOUT: &str = "/api/v1/auth/logout";
const VERIFY: &str = "/api/v1/auth/verify";
const TOKEN: &str = "/api/v1/oauth/token";
const FORM: &str = "application/x-www-form-urlencoded";
const PHOTOS: &str = "https://photos.example.org";
const NOTES: &str = "urn:example:notes";
/// The service's own audience, as a `resource`.
const SERVICE: &str = "rosterd";

fn start() -> TestApp {
    let app = TestApp::start_with(&[("ROSTERD_APP_AUDIENCES", &format!("{PHOTOS}, {NOTES}"))]);
    app.create_user("ada", "Admin", &["users.read"]);
    app
}

fn sign_in(app: &TestApp, resource: Option<&str>) -> Response {
    let body = json!({"username": "ada", "password": PASSWORD, "resource": resource});
    app.post(LOGIN).json(&body).send()
}

/// A refresh with the refresh token of these tokens.
fn refresh(app: &TestApp, tokens: &Value, resource: Option<&str>) -> Response {
    let body = json!({"refreshToken": tokens["refreshToken"], "resource": resource});
    app.post(REFRESH).json(&body).send()
}

fn access_token(tokens: &Value) -> &str {
    tokens["accessToken"].as_str().unwrap()
}

fn audience(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["aud"].as_str().unwrap().to_owned()
}

fn verify(app: &TestApp, token: &str, query: &str) -> Response {
    app.get(&format!("{VERIFY}{query}")).bearer(token).send()
}

/// The id and secret of a new service client, as form parameters.
fn create_client(app: &TestApp) -> String {
    let body = json!({"name": "picture app", "permissions": ["users.read"]});
    let client = app
        .post("/api/v1/clients")
        .bearer(app.super_admin_token())
        .json(&body)
        .send()
        .expect(201);
    let text = |name: &str| client.data()[name].as_str().unwrap().to_owned();
    format!(
        "client_id={}&client_secret={}",
        text("clientId"),
        text("clientSecret")
    )
}

fn introspect(app: &TestApp, client: &str, token: &str, audience: &str) -> Value {
    let form = format!("token={token}&{client}&audience={audience}");
    app.post("/api/v1/oauth/introspect")
        .body(FORM, form)
        .send()
        .expect(200)
        .body
        .clone()
}

#[test]
fn token_for_an_application_is_not_accepted_elsewhere() {
    let app = start();
    let signed_in = sign_in(&app, Some(PHOTOS)).expect(200);
    assert_eq!(signed_in.data()["session"]["resource"], PHOTOS);
    let token = access_token(signed_in.data());
    assert_eq!(audience(token), PHOTOS);
    for path in [
        "/api/v1/auth/me",
        "/api/v1/users",
        "/api/v1/auth/revocations",
        "/api/v1/auth/sessions",
        VERIFY,
    ] {
        let refused = app.get(path).bearer(token).send();
        let refused = refused.expect_problem(401, "auth_token_invalid");
        assert!(refused.text.contains("audience"), "{}", refused.text);
    }
    assert_eq!(
        verify(&app, token, &format!("?audience={PHOTOS}")).status,
        200
    );
    assert_eq!(
        verify(&app, token, &format!("?audience={NOTES}")).status,
        401
    );
    assert_eq!(verify(&app, token, "?audience=rosterd").status, 401);
    let several = format!("?audience=rosterd&audience={PHOTOS}");
    let caller = verify(&app, token, &several).expect(200);
    assert_eq!(caller.header("x-roster-username"), "ada");
    assert_eq!(caller.header("x-roster-role"), "Admin");
}

#[test]
fn application_can_reject_tokens_without_a_resource() {
    let app = start();
    let signed_in = sign_in(&app, None).expect(200);
    assert_eq!(signed_in.data()["session"]["resource"], Value::Null);
    let token = access_token(signed_in.data());
    assert_eq!(audience(token), SERVICE);
    assert_eq!(verify(&app, token, "").status, 200);
    assert_eq!(verify(&app, token, "?audience=rosterd").status, 200);
    assert_eq!(
        verify(&app, token, &format!("?audience={PHOTOS}")).status,
        401
    );

    let body = json!({"name": "script", "permissions": ["users.read"]});
    let personal = app.post("/api/v1/auth/tokens").bearer(token).json(&body);
    let personal = personal.send().expect(201).data()["token"].clone();
    let personal = personal.as_str().unwrap();
    assert_eq!(verify(&app, personal, "").status, 200);
    assert_eq!(
        verify(&app, personal, &format!("?audience={PHOTOS}")).status,
        401
    );

    verify(&app, token, "?audience=https://unknown.example.org")
        .expect(400)
        .expect_field_error("?audience", "invalid_value");
}

#[test]
fn unknown_resource_is_refused_before_the_password_is_checked() {
    let app = start();
    for resource in [
        "https://other.example.org",
        "",
        "https://photos.example.org/",
    ] {
        sign_in(&app, Some(resource)).expect_problem(400, "invalid_target");
        let body = json!({"username": "ada", "password": "wrong", "resource": resource});
        let refused = app.post(LOGIN).json(&body).send();
        refused.expect_problem(400, "invalid_target");
    }
    let own = sign_in(&app, Some(SERVICE)).expect(200);
    assert_eq!(audience(access_token(own.data())), SERVICE);
}

#[test]
fn session_for_an_application_gets_tokens_for_that_application_only() {
    let app = start();
    let signed_in = sign_in(&app, Some(PHOTOS)).expect(200);
    for resource in [NOTES, SERVICE] {
        refresh(&app, signed_in.data(), Some(resource)).expect_problem(400, "invalid_target");
    }
    let kept = refresh(&app, signed_in.data(), None).expect(200);
    assert_eq!(audience(access_token(kept.data())), PHOTOS);
    let same = refresh(&app, kept.data(), Some(PHOTOS)).expect(200);
    assert_eq!(audience(access_token(same.data())), PHOTOS);
    assert_eq!(same.data()["session"]["resource"], PHOTOS);
}

#[test]
fn session_without_a_resource_gets_tokens_for_each_application() {
    let app = start();
    let signed_in = sign_in(&app, None).expect(200);
    let photos = refresh(&app, signed_in.data(), Some(PHOTOS)).expect(200);
    assert_eq!(audience(access_token(photos.data())), PHOTOS);
    assert_eq!(photos.data()["session"]["resource"], Value::Null);
    refresh(&app, photos.data(), Some("https://other.example.org"))
        .expect_problem(400, "invalid_target");
    // The access token of the request can be for an application too; it must be of the same session.
    let body = json!({"refreshToken": photos.data()["refreshToken"]});
    let other_session = sign_in(&app, Some(NOTES)).expect(200);
    app.post(REFRESH)
        .bearer(access_token(other_session.data()))
        .json(&body)
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");
    let next = app
        .post(REFRESH)
        .bearer(access_token(photos.data()))
        .json(&body)
        .send()
        .expect(200);
    assert_eq!(audience(access_token(next.data())), SERVICE);
}

#[test]
fn reused_refresh_token_ends_the_session_whatever_the_resource() {
    let app = start();
    let signed_in = sign_in(&app, Some(PHOTOS)).expect(200);
    let second = refresh(&app, signed_in.data(), None).expect(200);
    let third = refresh(&app, second.data(), None).expect(200);
    refresh(&app, signed_in.data(), Some(NOTES)).expect_problem(401, "auth_refresh_token_reused");
    refresh(&app, third.data(), None).expect_problem(401, "auth_refresh_token_invalid");
}

/// What ends a token.
type Ending<'a> = &'a dyn Fn(&str) -> Response;

#[test]
fn revocation_ends_tokens_for_applications() {
    let app = start();
    let query = format!("?audience={PHOTOS}");
    let client = create_client(&app);
    let endings: [(&str, Ending); 3] = [
        ("own sign-out with the token of the application", &|token| {
            app.post(LOGOUT).bearer(token).send()
        }),
        ("revocation by the holder of the token", &|token| {
            let form = format!("token={token}&client_id=rosterd");
            app.post("/api/v1/oauth/revoke").body(FORM, form).send()
        }),
        ("deactivated account", &|_| {
            let id = app.query_text("SELECT id::text FROM users WHERE username = 'ada'");
            app.post(&format!("/api/v1/users/{id}/status"))
                .bearer(app.super_admin_token())
                .json(&json!({"isActive": false}))
                .send()
        }),
    ];
    for (label, end) in endings {
        let signed_in = sign_in(&app, Some(PHOTOS)).expect(200);
        let token = access_token(signed_in.data());
        assert_eq!(verify(&app, token, &query).status, 200, "{label}");
        let introspect = || introspect(&app, &client, token, PHOTOS);
        assert_eq!(introspect()["active"], true, "{label}");
        let ended = end(token);
        assert!(ended.status < 300, "{label}: {}", ended.text);
        assert_eq!(verify(&app, token, &query).status, 401, "{label}");
        assert_eq!(introspect(), json!({"active": false}));
        let refused = refresh(&app, signed_in.data(), None);
        assert_eq!(refused.status, 401, "{label}");
    }
}

#[test]
fn token_is_active_only_for_introspection_that_accepts_its_audience() {
    let app = start();
    let client = create_client(&app);
    let for_service = sign_in(&app, None).expect(200);
    let for_photos = sign_in(&app, Some(PHOTOS)).expect(200);
    let both = format!("{PHOTOS}&audience={SERVICE}");
    for (audience, service, photos) in [
        ("", true, false),
        (SERVICE, true, false),
        (PHOTOS, false, true),
        (NOTES, false, false),
        ("unknown", false, false),
        (&both, true, true),
    ] {
        for (tokens, expected) in [(&for_service, service), (&for_photos, photos)] {
            let answer = introspect(&app, &client, access_token(tokens.data()), audience);
            assert_eq!(answer["active"], expected, "{audience}");
        }
    }
}

#[test]
fn sign_out_can_be_repeated_with_the_token_of_an_application() {
    let app = start();
    let signed_in = sign_in(&app, Some(PHOTOS)).expect(200);
    for _ in 0..2 {
        let token = access_token(signed_in.data());
        app.post(LOGOUT).bearer(token).send().expect(204);
    }
}

#[test]
fn client_requests_a_token_for_an_application() {
    let app = start();
    let client = create_client(&app);
    let request = |extra: &str| {
        let form = format!("grant_type=client_credentials&{client}{extra}");
        app.post(TOKEN).body(FORM, form).send()
    };
    let issued = request(&format!("&resource={PHOTOS}")).expect(200);
    let token = issued.body["access_token"].as_str().unwrap();
    assert_eq!(audience(token), PHOTOS);
    assert_eq!(introspect(&app, &client, token, PHOTOS)["aud"], PHOTOS);
    app.get("/api/v1/users")
        .bearer(token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    assert_eq!(
        verify(&app, token, &format!("?audience={PHOTOS}")).status,
        200
    );
    let form = format!("token={token}&{client}");
    let revoked = app.post("/api/v1/oauth/revoke").body(FORM, form).send();
    revoked.expect(200);
    assert_eq!(
        verify(&app, token, &format!("?audience={PHOTOS}")).status,
        401
    );

    let default = request("&resource=").expect(200);
    let default = default.body["access_token"].as_str().unwrap();
    assert_eq!(audience(default), SERVICE);
    assert_eq!(introspect(&app, &client, default, "")["aud"], SERVICE);
    for resource in [
        "&resource=https://other.example.org".to_owned(),
        format!("&resource={PHOTOS}&resource={NOTES}"),
    ] {
        let refused = request(&resource).expect(400);
        assert_eq!(refused.body["error"], "invalid_target", "{}", refused.text);
    }
}

#[test]
fn oauth_refresh_has_the_same_rules_about_resources() {
    let app = start();
    let request = |token: &Value, resource: &str| {
        let token = token.as_str().unwrap();
        let form = format!(
            "grant_type=refresh_token&client_id=rosterd&refresh_token={token}&resource={resource}"
        );
        app.post(TOKEN).body(FORM, form).send()
    };
    let signed_in = sign_in(&app, Some(PHOTOS)).expect(200);
    let refused = request(&signed_in.data()["refreshToken"], NOTES).expect(400);
    assert_eq!(refused.body["error"], "invalid_target", "{}", refused.text);
    let issued = request(&signed_in.data()["refreshToken"], PHOTOS).expect(200);
    let token = issued.body["access_token"].as_str().unwrap();
    assert_eq!(audience(token), PHOTOS);
}

#[test]
fn tokens_of_a_removed_application_are_rejected() {
    let app = start();
    let signed_in = sign_in(&app, Some(PHOTOS)).expect(200);
    app.execute("DELETE FROM replicas");
    let replica = app.start_replica_with(&[("ROSTERD_APP_AUDIENCES", NOTES)]);
    let token = access_token(signed_in.data());
    let both = format!("?audience=rosterd&audience={NOTES}");
    assert_eq!(verify(&replica, token, &both).status, 401);
    let refused = refresh(&replica, signed_in.data(), None);
    refused.expect_problem(401, "auth_refresh_token_invalid");
}

#[test]
fn cookie_session_can_be_for_an_application() {
    let app = start();
    let body =
        json!({"username": "ada", "password": PASSWORD, "transport": "cookie", "resource": PHOTOS});
    let signed_in = app.post(LOGIN).json(&body).send().expect(200);
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap();
    let with_cookie = |body: &Value| {
        let request = app.post(REFRESH).header("Cookie", cookie);
        request.json(body).send()
    };
    with_cookie(&json!({"resource": NOTES})).expect_problem(400, "invalid_target");
    let refreshed = with_cookie(&json!({})).expect(200);
    assert_eq!(audience(access_token(refreshed.data())), PHOTOS);
}

#[test]
fn audit_log_contains_the_resource() {
    let app = start();
    sign_in(&app, Some(PHOTOS)).expect(200);
    let recorded = "SELECT after::text FROM audit_events WHERE action = 'session.create' ORDER BY id DESC LIMIT 1";
    let recorded = app.query_text(recorded);
    assert!(recorded.contains(PHOTOS), "{recorded}");
}
