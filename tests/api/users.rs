//! Accounts over HTTP.

use serde_json::json;

use crate::support::{PASSWORD, TestApp};

#[test]
fn the_main_job_from_making_an_account_to_resetting_its_password() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let body = json!({"username": " Ada ", "password": PASSWORD, "role": "User", "permissions": ["users.read"]});
    let made = app
        .post("/api/v1/users")
        .by(&admin)
        .json(&body)
        .send()
        .expect(201);
    assert_eq!(made.data()["username"], "ada");
    let path = made.header("location").to_owned();
    let session = app.sign_in("ada");
    let token = session["accessToken"].as_str().unwrap();

    let change = json!({"permissions": ["roles.read", "audit.read"]});
    let changed = app
        .patch(&format!("{path}/permissions"))
        .by(&admin)
        .json(&change)
        .send()
        .expect(200);
    assert_eq!(
        changed.data()["permissions"],
        json!(["audit.read", "roles.read"])
    );

    let status = format!("{path}/status");
    app.post(&status)
        .by(&admin)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    app.get("/api/v1/auth/me")
        .by(token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    let refresh = json!({"refreshToken": session["refreshToken"]});
    app.post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");

    app.post(&status)
        .by(&admin)
        .json(&json!({"isActive": true}))
        .send()
        .expect(200);
    app.get("/api/v1/auth/me")
        .by(token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    app.post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");

    let reset = json!({"newPassword": "nine purple umbrellas in june"});
    app.post(&format!("{path}/reset-password"))
        .by(&admin)
        .json(&reset)
        .send()
        .expect(204);
    let old = json!({"username": "ada", "password": PASSWORD});
    app.post("/api/v1/auth/login")
        .json(&old)
        .send()
        .expect_problem(401, "auth_invalid_credentials");
    let new = json!({"username": "ada", "password": "nine purple umbrellas in june"});
    app.post("/api/v1/auth/login").json(&new).send().expect(200);
}
