//! `ROSTERD_BREACHED_PASSWORDS_FILE`.

use serde_json::json;

use crate::support::TestApp;
use crate::support::binary::TempDir;

const BREACHED: &str = "correct horse battery staple";

/// The SHA-1 hash of [`BREACHED`], between two others.
const LIST: &str = "000000000000000000000000000000000000000A:3\r\n\
    ABF7AAD6438836DBE526AA231ABDE2D0EEF74D42:42\r\n\
    FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE:1\r\n";

#[test]
fn breached_password_is_refused_wherever_a_password_is_set() {
    let directory = TempDir::new();
    let path = directory.path().join("breached.txt");
    std::fs::write(&path, LIST).unwrap();
    let setting = ("ROSTERD_BREACHED_PASSWORDS_FILE", path.to_str().unwrap());
    let app = TestApp::start_with(&[setting]);
    let admin = app.super_admin_token();
    let create = |password: &str| {
        let body = json!({"username": "ada", "role": "User", "password": password});
        app.post("/api/v1/users").bearer(&admin).json(&body).send()
    };
    create(BREACHED).expect_field_error("/password", "breached");
    let short = create("short");
    short.expect_field_error("/password", "too_short");
    let ada = create("another horse battery staple").expect(201);
    let reset = format!(
        "/api/v1/users/{}/reset-password",
        ada.data()["id"].as_str().unwrap()
    );
    app.post(&reset)
        .bearer(&admin)
        .json(&json!({"newPassword": BREACHED}))
        .send()
        .expect_field_error("/newPassword", "breached");
    let without_list = app.start_replica_with(&[("ROSTERD_BREACHED_PASSWORDS_FILE", "")]);
    without_list
        .post(&reset)
        .bearer(&admin)
        .json(&json!({"newPassword": BREACHED}))
        .send()
        .expect(204);
}
