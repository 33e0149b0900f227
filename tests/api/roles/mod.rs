//! `/api/v1/roles` and `/api/v1/permissions`.

mod authority;
mod catalogue;
mod concurrency;
mod crud;

use serde_json::{Value, json};

use crate::support::{Response, TestApp};

fn editor() -> Value {
    json!({"name": "Editor", "rank": 20, "permissions": ["users.read"], "description": "Keeps the texts"})
}

fn create_role(app: &TestApp, caller: &str, role: &Value) -> Response {
    app.post("/api/v1/roles").bearer(caller).json(role).send()
}

fn update_role(app: &TestApp, caller: &str, name: &str, patch: &Value) -> Response {
    let url = format!("/api/v1/roles/{name}");
    app.patch(&url).bearer(caller).json(patch).send()
}

/// Creates the role `Lead` (rank 50), which manages roles and holds `users.read` and `users.update`. Returns the token
/// of an account with it.
fn create_lead(app: &TestApp) -> String {
    app.execute(
        "INSERT INTO roles (name, rank, permissions) VALUES \
         ('Lead', 50, '{roles.manage,roles.read,users.read,users.update}')",
    );
    app.create_signed_in_user("Lead", &[]).1
}
