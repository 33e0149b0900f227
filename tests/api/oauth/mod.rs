//! `/api/v1/oauth`: tokens for service clients, introspection and revocation (RFC 6749, 7009 and 7662).

mod client_credentials;
mod client_tokens;
mod introspection;
mod metadata;
mod refresh;
mod revocation;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{Response, TestApp};

const FORM: &str = "application/x-www-form-urlencoded";
const TOKEN: &str = "/api/v1/oauth/token";
const INTROSPECT: &str = "/api/v1/oauth/introspect";
const REVOKE: &str = "/api/v1/oauth/revoke";
const VERIFY: &str = "/api/v1/auth/verify";

/// A service client with its secret.
struct Client {
    id: String,
    secret: String,
}

impl Client {
    /// Creates a client with these permissions and this rank.
    fn create(app: &TestApp, creator: &str, permissions: &[&str], rank: i32) -> Self {
        let name = format!("client {}", uuid::Uuid::now_v7());
        let body = json!({"name": name, "permissions": permissions, "rank": rank});
        let created = app
            .post("/api/v1/clients")
            .bearer(creator)
            .json(&body)
            .send()
            .expect(201);
        Self {
            id: created.data()["clientId"].as_str().unwrap().to_owned(),
            secret: created.data()["clientSecret"].as_str().unwrap().to_owned(),
        }
    }

    fn path(&self, suffix: &str) -> String {
        format!("/api/v1/clients/{}{suffix}", self.id)
    }

    /// The client credentials as form parameters.
    fn form(&self) -> String {
        format!("client_id={}&client_secret={}", self.id, self.secret)
    }

    fn basic_authorization(&self) -> String {
        basic_authorization(&self.id, &self.secret)
    }

    fn request_token(&self, app: &TestApp, extra: &str) -> Response {
        let form = format!("grant_type=client_credentials{extra}&{}", self.form());
        app.post(TOKEN).body(FORM, form).send()
    }

    /// An access token for all permissions of the client.
    fn token(&self, app: &TestApp) -> String {
        let response = self.request_token(app, "").expect(200);
        response.body["access_token"].as_str().unwrap().to_owned()
    }

    fn introspect(&self, app: &TestApp, token: &str, extra: &str) -> Response {
        let form = format!("token={token}&{}{extra}", self.form());
        app.post(INTROSPECT).body(FORM, form).send().expect(200)
    }

    fn revoke(&self, app: &TestApp, token: &str) -> Response {
        let form = format!("token={token}&{}", self.form());
        app.post(REVOKE).body(FORM, form).send()
    }
}

fn basic_authorization(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// Asserts an error response as defined by RFC 6749, section 5.2.
#[track_caller]
fn assert_oauth_error(response: &Response, status: u16, error: &str) {
    assert_eq!(
        (response.status, &response.body["error"]),
        (status, &json!(error)),
        "{}",
        response.text
    );
    assert!(response.body["error_description"].is_string());
    assert_eq!(response.body.as_object().unwrap().len(), 2);
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.header("pragma"), "no-cache");
    let challenge = response.header("www-authenticate");
    assert_eq!(
        challenge.starts_with("Basic realm="),
        status == 401,
        "{challenge}"
    );
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn string_member(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

fn is_valid_token(app: &TestApp, token: &str) -> bool {
    app.get(VERIFY).bearer(token).send().status == 200
}
