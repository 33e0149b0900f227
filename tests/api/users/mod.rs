//! `/api/v1/users`: accounts.

mod breached_passwords;
mod create;
mod import;
mod lifecycle;
mod list;
mod list_cursors;
mod passwords_of_others;
mod promotion;
mod promotion_email;
mod update;

use serde_json::{Value, json};

use crate::support::{Response, TestApp, TestUser};

const USERS: &str = "/api/v1/users";

const OTHER_PASSWORD: &str = "nine purple umbrellas in june";

fn login(app: &TestApp, name: &str, password: &str) -> Response {
    let body = json!({"username": name, "password": password});
    app.post("/api/v1/auth/login").json(&body).send()
}

fn get_user(app: &TestApp, caller: &str, user: &TestUser) -> Value {
    app.get(&user.path(""))
        .bearer(caller)
        .send()
        .expect(200)
        .data()
        .clone()
}

fn patch(app: &TestApp, caller: &str, user: &TestUser, change: &Value) -> Response {
    app.patch(&user.path("")).bearer(caller).json(change).send()
}
