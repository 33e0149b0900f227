//! The authorization rules of the contract, on every path they apply to, and the order of error codes.

mod audit_of_refusals;
mod grants;
mod order_of_errors;
mod own_account;
mod rank;
mod required_permissions;
mod super_admin;

use serde_json::{Value, json};

use crate::support::{Response, TestApp, TestUser};

const USERS: &str = "/api/v1/users";

/// Every request that manages an account, with a valid body.
const MANAGEMENT_REQUESTS: [(&str, &str, &str); 12] = [
    ("PATCH", "", r#"{"displayName": "x"}"#),
    ("PATCH", "", r#"{"email": "x@example.org"}"#),
    (
        "PATCH",
        "/permissions",
        r#"{"permissions": ["users.read"]}"#,
    ),
    ("POST", "/status", r#"{"isActive": false}"#),
    (
        "POST",
        "/reset-password",
        r#"{"newPassword": "nine purple umbrellas in june"}"#,
    ),
    ("DELETE", "/password", ""),
    ("DELETE", "/mfa", ""),
    ("DELETE", "", ""),
    ("POST", "/restore", ""),
    ("DELETE", "/sessions", ""),
    ("PUT", "/tags/x", ""),
    ("DELETE", "/tags/x", ""),
];

/// Permissions that an Admin does not hold by its role.
const BEYOND_ADMIN: [&str; 3] = ["roles.manage", "clients.manage", "webhooks.manage"];

fn call(app: &TestApp, caller: &str, method: &str, path: &str, body: &str) -> Response {
    let call = app.call(method, path).bearer(caller);
    if body.is_empty() {
        call.send()
    } else {
        call.body("application/json", body).send()
    }
}

fn patch(app: &TestApp, caller: &str, user: &TestUser, change: &Value) -> Response {
    app.patch(&user.path("")).bearer(caller).json(change).send()
}

fn set_permissions(app: &TestApp, caller: &str, user: &TestUser, names: &[&str]) -> Response {
    let body = json!({"permissions": names});
    app.patch(&user.path("/permissions"))
        .bearer(caller)
        .json(&body)
        .send()
}

/// A hash of everything that a refused request must not change: all but the audit log.
fn database_state(app: &TestApp) -> i64 {
    app.query_number(
        "SELECT hashtextextended(
            (SELECT string_agg(u::text, ';' ORDER BY id) FROM users u) ||
            (SELECT string_agg(r::text, ';' ORDER BY name) FROM roles r) ||
            (SELECT string_agg(p::text, ';' ORDER BY name) FROM permissions p) ||
            (SELECT string_agg(concat(id, ended_at, generation), ';' ORDER BY id) FROM sessions s), 0)",
    )
}
