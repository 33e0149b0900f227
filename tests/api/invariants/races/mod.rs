//! Concurrent requests: the rules hold in every interleaving, and no request fails with a 500.

mod concurrent_edits;
mod locks;
mod password_and_session_races;
mod random_load;
mod revoked_while_waiting;
mod super_admins;
mod unique_names;

use serde_json::{Value, json};

use crate::support::{Response, TestApp, TestUser};

const USERS: &str = "/api/v1/users";
const ME: &str = "/api/v1/auth/me";
const NEW_PASSWORD: &str = "nine purple umbrellas in june";

fn count_status(responses: &[Response], status: u16) -> usize {
    responses
        .iter()
        .filter(|response| response.status == status)
        .count()
}

fn login(app: &TestApp, name: &str, password: &str) -> Response {
    app.post("/api/v1/auth/login")
        .json(&json!({"username": name, "password": password}))
        .send()
}

fn refresh(app: &TestApp, refresh_token: &Value) -> Response {
    app.post("/api/v1/auth/refresh")
        .json(&json!({ "refreshToken": refresh_token }))
        .send()
}

fn access_token(session: &Value) -> String {
    session["accessToken"].as_str().unwrap().to_owned()
}

fn set_active(app: &TestApp, caller: &str, user: &TestUser, is_active: bool) -> Response {
    app.post(&user.path("/status"))
        .bearer(caller)
        .json(&json!({ "isActive": is_active }))
        .send()
}

fn set_permissions(app: &TestApp, caller: &str, user: &TestUser, names: &Value) -> Response {
    app.patch(&user.path("/permissions"))
        .bearer(caller)
        .json(&json!({ "permissions": names }))
        .send()
}
