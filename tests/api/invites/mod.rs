//! `/api/v1/invites`. Registration with an invite is in `auth/register/`.

mod creation;
mod management;

use serde_json::Value;

use crate::support::{Response, TestApp};

const INVITES: &str = "/api/v1/invites";

fn create_invite(app: &TestApp, token: &str, invite: &Value) -> Response {
    app.post(INVITES).bearer(token).json(invite).send()
}

fn text<'a>(data: &'a Value, member: &str) -> &'a str {
    data[member].as_str().unwrap()
}
