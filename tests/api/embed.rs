//! An app behind nginx and behind Caddy, exactly as docs/embed.md has it.

use serde_json::{Value, json};

use crate::support::proxy::{Program, echo_app, free_port, snippet};
use crate::support::{Answer, Call, TestApp};

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
