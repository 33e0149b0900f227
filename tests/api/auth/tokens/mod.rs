//! `/api/v1/auth/tokens` and `/api/v1/users/{id}/tokens`: personal access tokens.

mod authority;
mod ended_with_password;
mod lifecycle;

use serde_json::{Value, json};

use crate::support::{TestApp, TestUser};

const ME: &str = "/api/v1/auth/me";
const OWN_TOKENS: &str = "/api/v1/auth/tokens";

/// Creates a token of the caller: the `data` of the response.
fn create_token(app: &TestApp, session: &str, permissions: &[&str]) -> Value {
    let body = json!({"name": "nightly export", "permissions": permissions});
    let response = app
        .post(OWN_TOKENS)
        .bearer(session)
        .json(&body)
        .send()
        .expect(201);
    response.data().clone()
}

fn token_text(created: &Value) -> &str {
    created["token"].as_str().unwrap()
}

fn tokens_path(user: &TestUser) -> String {
    format!("/api/v1/users/{}/tokens", user.id)
}

fn is_accepted(app: &TestApp, token: &str) -> bool {
    app.get(ME).bearer(token).send().status == 200
}
