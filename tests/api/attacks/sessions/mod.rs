//! Attacks on sessions and refresh tokens.

mod ended_sessions;
mod refresh_tokens;

use serde_json::{Value, json};

use crate::support::{Response, TestApp};

const ME: &str = "/api/v1/auth/me";

fn refresh(app: &TestApp, token: &Value) -> Response {
    app.post("/api/v1/auth/refresh")
        .json(&json!({ "refreshToken": token }))
        .send()
        .expect_safe()
}

fn me(app: &TestApp, session: &Value) -> Response {
    app.get(ME)
        .bearer(session["accessToken"].as_str().unwrap())
        .send()
        .expect_safe()
}

/// Asserts that both tokens of the session are rejected.
#[track_caller]
fn assert_ended(app: &TestApp, session: &Value) {
    me(app, session).expect_problem(401, "auth_token_invalid");
    refresh(app, &session["refreshToken"]).expect_problem(401, "auth_refresh_token_invalid");
}
