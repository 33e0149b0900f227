//! An app behind nginx and behind Caddy, exactly as docs/embed.md has it.

use serde_json::{Value, json};

use std::process::Command;

use crate::support::proxy::{Program, echo_app, folder, free_port, snippet};
use crate::support::{Answer, Call, TestApp, eventually, verifiers};

const SETTINGS: [(&str, &str); 2] = [
    ("ROSTERD_PERMISSIONS", "assets.read assets.write"),
    ("ROSTERD_TRUSTED_PROXIES", "127.0.0.1"),
];

/// The guide's snippet with the addresses of this test.
fn config(app: &TestApp, heading: &str, language: &str, port: u16) -> String {
    snippet("embed.md", heading, language)
        .replace("listen 8000", &format!("listen 127.0.0.1:{port}"))
        .replace(":8000 {", &format!("http://127.0.0.1:{port} {{"))
        .replace("127.0.0.1:8080", &app.addr.to_string())
        .replace("127.0.0.1:3000", &echo_app().to_string())
}

/// Allowed, refused for the wrong permission, refused at once after revocation; what a caller forges never arrives.
fn a_proxy_guards_the_app(app: &TestApp, port: u16) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let call = |token: Option<&str>| -> Answer {
        let call = Call::new(
            &agent,
            "GET",
            &format!("http://127.0.0.1:{port}/pictures?x=1"),
        )
        .header("X-Roster-User-Id", "forged")
        .header("X-Roster-Role", "SuperAdmin")
        .header("x-roster-permissions", "everything");
        match token {
            Some(token) => call.by(token).send(),
            None => call.send(),
        }
    };
    let admin = app.super_admin();
    let (reader, token) = app.someone("User", &["assets.read"]);
    let (_, stranger) = app.someone("User", &["assets.write"]);

    call(None).expect(401);
    call(Some("not-a-token")).expect(401);
    call(Some(&stranger)).expect(403);
    let seen = call(Some(&token)).expect(200).body;
    assert_eq!(seen["x-roster-user-id"], reader.id);
    assert_eq!(seen["x-roster-username"], reader.username);
    assert_eq!(seen["x-roster-role"], "User");
    assert_eq!(seen["x-roster-permissions"], "assets.read");
    assert!(
        matches!(&seen["authorization"], Value::Null) || seen["authorization"] == "",
        "the token stays outside"
    );

    let status = format!("/api/v1/users/{}/status", reader.id);
    app.post(&status)
        .by(&admin)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    call(Some(&token)).expect(401);

    // Through the proxy to rosterd itself: signing in, with the caller's own address.
    let me = Call::new(
        &agent,
        "GET",
        &format!("http://127.0.0.1:{port}/api/v1/auth/me"),
    );
    me.by(&admin).send().expect(200);
}

#[test]
fn nginx_asks_for_every_request() {
    let app = TestApp::with(&SETTINGS);
    let port = free_port();
    if let Some(_nginx) = Program::nginx(&config(&app, "nginx", "nginx", port), port) {
        a_proxy_guards_the_app(&app, port);
    }
}

#[test]
fn caddy_asks_for_every_request() {
    let app = TestApp::with(&SETTINGS);
    let port = free_port();
    if let Some(_caddy) = Program::caddy(&config(&app, "Caddy", "caddy", port), port) {
        a_proxy_guards_the_app(&app, port);
    }
}

/// The guide's back end in a file of this name, started by `command`.
fn back_end(app: &TestApp, mut command: Command, file: &str, code: &str) -> (Program, u16) {
    let port = free_port();
    let folder = folder(file, port);
    let path = folder.join(file);
    std::fs::write(&path, code).unwrap();
    // node looks for libraries from where the file is.
    std::os::unix::fs::symlink(verifiers::node_modules(), folder.join("node_modules")).unwrap();
    let admin = app.super_admin();
    let body = json!({"name": format!("back end {port}"), "permissions": []});
    let client = app
        .post("/api/v1/clients")
        .by(&admin)
        .json(&body)
        .send()
        .expect(201);
    command
        .arg(&path)
        .env("ROSTERD", &app.base)
        .env("ISSUER", "https://id.example.org")
        .env("CLIENT_ID", client.data()["clientId"].as_str().unwrap())
        .env(
            "CLIENT_SECRET",
            client.data()["clientSecret"].as_str().unwrap(),
        )
        .env("PORT", port.to_string());
    (Program::start(&mut command, folder, port), port)
}

/// Allowed, refused for the wrong permission, refused after revocation, after sign-out, and when a permission is taken.
fn a_back_end_guards_itself(app: &TestApp, port: u16) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let call = |token: &str| -> Answer {
        let url = format!("http://127.0.0.1:{port}/pictures");
        Call::new(&agent, "GET", &url).by(token).send()
    };
    let admin = app.super_admin();
    let (reader, token) = app.someone("User", &["assets.read"]);
    // It has to hear from rosterd first.
    eventually(|| call(&token).status == 200);
    assert_eq!(call(&token).body["caller"], reader.id);
    let (_, stranger) = app.someone("User", &["assets.write"]);
    call(&stranger).expect(403);
    let (head, _) = token.rsplit_once('.').unwrap();
    for wrong in ["not-a-token", &format!("{head}.AAAA"), "rst_pat_x"] {
        call(wrong).expect(401);
    }
    let foreign = TestApp::with(&[("ROSTERD_AUDIENCE", "other")]);
    call(&foreign.super_admin()).expect(401);

    let second = app.token(&reader.username);
    app.post("/api/v1/auth/logout")
        .by(&second)
        .send()
        .expect(204);
    eventually(|| call(&second).status == 401);
    call(&token).expect(200);

    let (changed, before) = app.someone("User", &["assets.read"]);
    app.patch(&changed.at("/permissions"))
        .by(&admin)
        .json(&json!({"permissions": []}))
        .send()
        .expect(200);
    eventually(|| call(&before).status != 200);
    app.post(&reader.at("/status"))
        .by(&admin)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    eventually(|| call(&token).status == 401);
}

#[test]
fn express_verifies_by_itself_and_follows_what_is_revoked() {
    let app = TestApp::with(&SETTINGS);
    if let Some(node) = verifiers::node() {
        let code = snippet("embed.md", "Express", "js");
        let (_express, port) = back_end(&app, node, "app.mjs", &code);
        a_back_end_guards_itself(&app, port);
    }
}

#[test]
fn python_asks_about_each_token() {
    let app = TestApp::with(&SETTINGS);
    if let Some(python) = verifiers::python() {
        let code = snippet("embed.md", "Python", "python");
        let (_flask, port) = back_end(&app, python, "app.py", &code);
        a_back_end_guards_itself(&app, port);
    }
}
