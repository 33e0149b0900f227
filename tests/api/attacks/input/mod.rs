//! Attacks through request input: passwords, email addresses, bodies and queries.

mod bodies_and_queries;
mod email_addresses;
mod passwords;

use serde_json::json;

use crate::support::{Response, TestApp};

const USERS: &str = "/api/v1/users";
const LOGIN: &str = "/api/v1/auth/login";

/// One login attempt without earlier failures.
fn login(app: &TestApp, name: &str, password: &str) -> Response {
    app.clear_rate_limits();
    app.post(LOGIN)
        .json(&json!({"username": name, "password": password}))
        .send()
}
