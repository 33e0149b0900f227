//! `POST /api/v1/auth/register`.

mod confirmation;
mod invite_attacks;
mod open;
mod with_invite;

use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp};

const REGISTER: &str = "/api/v1/auth/register";

fn register(app: &TestApp, body: &Value) -> Response {
    app.post(REGISTER).json(body).send()
}

/// A request body with this username and a password.
fn registration_body(username: &str) -> Value {
    json!({"username": username, "password": PASSWORD})
}

fn with_member(mut body: Value, member: &str, value: impl Into<Value>) -> Value {
    body[member] = value.into();
    body
}

/// Creates an invite and returns its token.
fn create_invite(app: &TestApp, creator_token: &str, invite_body: &Value) -> String {
    let created = app
        .post("/api/v1/invites")
        .bearer(creator_token)
        .json(invite_body)
        .send()
        .expect(201);
    created.data()["token"].as_str().unwrap().to_owned()
}

fn user_count(app: &TestApp) -> i64 {
    app.query_number("SELECT count(*) FROM users")
}
