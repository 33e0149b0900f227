//! `/api/v1/audit`: reading the audit log, and its hash chain.

mod chain;
mod events;
mod logins;
mod pagination;

use serde_json::{Value, json};

use crate::support::{Response, TestApp, TestUser};

const EVENTS: &str = "/api/v1/audit/events";
const LOGINS: &str = "/api/v1/audit/logins";

/// Sends `GET {list}?{query}` and returns the entries of the response.
fn list_entries(app: &TestApp, token: &str, list: &str, query: &str) -> Vec<Value> {
    let response = app.get(&format!("{list}?{query}")).bearer(token).send();
    response.expect(200).data().as_array().unwrap().clone()
}

fn log_in(app: &TestApp, name: &str, password: &str) -> Response {
    app.post("/api/v1/auth/login")
        .header("User-Agent", "curl/8.0")
        .json(&json!({"username": name, "password": password}))
        .send()
}

/// An account that may read the audit log, and its token.
fn create_reader(app: &TestApp) -> (TestUser, String) {
    app.create_signed_in_user("User", &["audit.read"])
}
