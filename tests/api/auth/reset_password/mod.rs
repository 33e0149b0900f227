//! `POST /api/v1/auth/reset-password` and `/api/v1/users/{id}/password-reset-link`.

mod attacks;
mod links;

use serde_json::{Value, json};

use crate::support::{Response, TestApp, TestUser};

const NEW_PASSWORD: &str = "nine purple umbrellas in june";

fn link_path(user: &TestUser) -> String {
    format!("/api/v1/users/{}/password-reset-link", user.id)
}

/// Creates a reset link: the `data` of the response.
fn create_link(app: &TestApp, actor: &str, user: &TestUser) -> Value {
    let created = app.post(&link_path(user)).bearer(actor).send().expect(201);
    created.data().clone()
}

fn token_of(link: &Value) -> &str {
    link["token"].as_str().unwrap()
}

fn redeem(app: &TestApp, token: &str, password: &str) -> Response {
    app.post("/api/v1/auth/reset-password")
        .json(&json!({"token": token, "newPassword": password}))
        .send()
}

fn login(app: &TestApp, user: &TestUser, password: &str) -> Response {
    app.post("/api/v1/auth/login")
        .json(&json!({"username": user.username, "password": password}))
        .send()
}

#[track_caller]
fn assert_invalid(app: &TestApp, token: &str) {
    redeem(app, token, NEW_PASSWORD).expect_problem(400, "reset_token_invalid");
}
