//! Access tokens and headers stay small, however many permissions a caller holds.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::TestApp;

const VERIFY: &str = "/api/v1/auth/verify";
const MAX_TOKEN_BYTES: usize = 4096;

/// Registers this many permissions with names of 100 characters. Returns the names.
fn register_long_permissions(app: &TestApp, count: usize) -> Vec<String> {
    app.execute(&format!(
        "INSERT INTO permissions (name) SELECT 'assets.' || rpad('read' || n, 93, 'x') FROM generate_series(1, {count}) n"
    ));
    (1..=count)
        .map(|number| format!("assets.{:x<93}", format!("read{number}")))
        .collect()
}

fn claims(token: &str) -> Value {
    assert!(token.len() <= MAX_TOKEN_BYTES, "{}", token.len());
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[track_caller]
fn assert_permissions_are_omitted(token: &str) {
    let claims = claims(token);
    assert_eq!(claims["permissions_omitted"], true, "{claims}");
    assert_eq!(claims.get("permissions"), None);
    assert_eq!(claims.get("scope"), None);
}

#[test]
fn super_admin_token_has_no_permissions_and_is_accepted_with_a_full_catalogue() {
    let app = TestApp::start();
    let names = register_long_permissions(&app, 1_900);
    let admin = app.super_admin_token();
    assert_permissions_are_omitted(&admin);
    app.get("/api/v1/users").bearer(&admin).send().expect(200);
    let verified = app.get(VERIFY).bearer(&admin).send().expect(200);
    assert_eq!(verified.header("x-roster-role"), "SuperAdmin");
    assert_eq!(verified.header("x-roster-permissions-omitted"), "true");
    assert_eq!(verified.headers.get("x-roster-permissions").unwrap(), "");
    let path = format!("{VERIFY}?permission={}", names[1_899]);
    app.get(&path).bearer(&admin).send().expect(200);
}

#[test]
fn token_that_would_be_too_long_omits_the_permissions_and_the_current_ones_are_checked() {
    let app = TestApp::start();
    let names = register_long_permissions(&app, 140);
    let mut granted: Vec<&str> = names.iter().map(String::as_str).collect();
    granted.push("users.read");
    let (ada, token) = app.create_signed_in_user("User", &granted);
    assert_permissions_are_omitted(&token);
    app.get("/api/v1/users").bearer(&token).send().expect(200);
    app.get("/api/v1/roles")
        .bearer(&token)
        .send()
        .expect_problem(403, "permission_required");
    let verify = |permission: &str| {
        let path = format!("{VERIFY}?permission={permission}");
        app.get(&path).bearer(&token).send()
    };
    let verified = verify(&names[0]).expect(200);
    assert_eq!(verified.header("x-roster-permissions-omitted"), "true");
    verify("roles.read").expect_problem(403, "permission_required");
    verify("").expect_problem(403, "permission_required");
    let admin = app.super_admin_token();
    app.patch(&ada.path("/permissions"))
        .bearer(&admin)
        .json(&json!({"permissions": ["roles.read"]}))
        .send()
        .expect(200);
    app.get("/api/v1/users")
        .bearer(&token)
        .send()
        .expect_problem(403, "permission_required");
    let verified = verify("roles.read").expect(200);
    assert_eq!(verified.header("x-roster-permissions"), "roles.read");
    assert_eq!(verified.headers.get("x-roster-permissions-omitted"), None);
}

#[test]
fn token_of_usual_size_lists_the_permissions() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("User", &["roles.read", "users.read"]);
    let claims = claims(&token);
    assert_eq!(claims["permissions"], json!(["roles.read", "users.read"]));
    assert_eq!(claims.get("permissions_omitted"), None);
}

#[test]
fn client_token_that_would_be_too_long_omits_scope_and_permissions() {
    let app = TestApp::start();
    let mut names = register_long_permissions(&app, 60);
    names.push("users.read".to_owned());
    let admin = app.super_admin_token();
    let body = json!({"name": "media", "permissions": names});
    let client = app.post("/api/v1/clients").bearer(&admin).json(&body);
    let client = client.send().expect(201);
    let text = |name: &str| client.data()[name].as_str().unwrap().to_owned();
    let credentials = format!(
        "client_id={}&client_secret={}",
        text("clientId"),
        text("clientSecret")
    );
    let post = |path: &str, parameters: &str| {
        let form = format!("{parameters}&{credentials}");
        let request = app.post(path);
        request
            .body("application/x-www-form-urlencoded", form)
            .send()
            .expect(200)
    };
    let issued = post("/api/v1/oauth/token", "grant_type=client_credentials");
    let token = issued.body["access_token"].as_str().unwrap();
    assert_permissions_are_omitted(token);
    app.get("/api/v1/users").bearer(token).send().expect(200);
    let introspected = post("/api/v1/oauth/introspect", &format!("token={token}"));
    let scope = introspected.body["scope"].as_str().unwrap();
    assert_eq!(scope.split(' ').count(), 61);
}
