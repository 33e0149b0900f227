//! The configurations and apps of `docs/embed.md`, run as written: nginx, Caddy, Express and Flask.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};

use super::operations_without_body;
use crate::support::programs::{
    ExternalProgram, free_port, guide_code_block, program_directory, start_header_echo_app,
};
use crate::support::verifiers;

use crate::support::{PASSWORD, RequestBuilder, Response, TestApp, read_until_closed, wait_until};

const SETTINGS: [(&str, &str); 2] = [
    ("ROSTERD_PERMISSIONS", "assets.read assets.write"),
    ("ROSTERD_TRUSTED_PROXIES", "127.0.0.1"),
];

/// The code block of the guide, with its example addresses replaced by those of this test.
fn proxy_config(app: &TestApp, heading: &str, language: &str, port: u16) -> String {
    guide_code_block("embed.md", heading, language)
        .replace("listen 8000", &format!("listen 127.0.0.1:{port}"))
        .replace(":8000 {", &format!("http://127.0.0.1:{port} {{"))
        .replace("127.0.0.1:8080", &app.addr.to_string())
        .replace("127.0.0.1:3000", &start_header_echo_app().to_string())
}

/// Checks an app behind a proxy: allowed, refused for a missing permission, refused at once after revocation. Headers
/// forged by the caller do not reach the app.
fn check_app_behind_proxy(app: &TestApp, port: u16) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let call = |token: Option<&str>| -> Response {
        let call = RequestBuilder::new(
            &agent,
            "GET",
            &format!("http://127.0.0.1:{port}/pictures?x=1"),
        )
        .header("X-Roster-User-Id", "forged")
        .header("X-Roster-Role", "SuperAdmin")
        .header("x-roster-permissions", "everything")
        .header("X_Roster_User_Id", "forged")
        .header("X_Roster_Role", "SuperAdmin")
        .header("X-Roster_Permissions", "assets.write")
        .header("Connection", "X-Roster-User-Id, X-Roster-Role");
        match token {
            Some(token) => call.bearer(token).send(),
            None => call.send(),
        }
    };
    let admin = app.super_admin_token();
    let (reader, token) = app.create_signed_in_user("User", &["assets.read"]);
    let (_, other_token) = app.create_signed_in_user("User", &["assets.write"]);

    call(None).expect(401);
    call(Some("not-a-token")).expect(401);
    call(Some(&other_token)).expect(403);
    let received_headers = call(Some(&token)).expect(200).body;
    assert_eq!(received_headers["x-roster-user-id"], reader.id);
    assert_eq!(received_headers["x-roster-username"], reader.username);
    assert_eq!(received_headers["x-roster-role"], "User");
    assert_eq!(received_headers["x-roster-permissions"], "assets.read");
    for name in ["x_roster_user_id", "x_roster_role", "x-roster_permissions"] {
        assert_eq!(received_headers[name], Value::Null, "{name}");
    }
    assert!(
        matches!(&received_headers["authorization"], Value::Null)
            || received_headers["authorization"] == "",
        "the token does not reach the app"
    );

    // The proxy replaces the client's address in the header that rosterd uses, and removes the other one.
    let login = format!("http://127.0.0.1:{port}/api/v1/auth/login");
    let session = RequestBuilder::new(&agent, "POST", &login)
        .header("X-Forwarded-For", "203.0.113.9")
        .header("Forwarded", "for=203.0.113.9")
        .json(&json!({"username": reader.username, "password": PASSWORD}))
        .send()
        .expect(200);
    assert_eq!(session.data()["session"]["ip"], "127.0.0.1");

    let status = format!("/api/v1/users/{}/status", reader.id);
    app.post(&status)
        .bearer(&admin)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    call(Some(&token)).expect(401);

    // The proxy also forwards requests to rosterd itself.
    let me = RequestBuilder::new(
        &agent,
        "GET",
        &format!("http://127.0.0.1:{port}/api/v1/auth/me"),
    );
    me.bearer(&admin).send().expect(200);
}

/// Calls every operation that needs no body without one, as browsers and curl do: the proxy must pass on the answer of rosterd.
fn check_operations_without_body(app: &TestApp, port: u16) {
    let token = app.super_admin_token();
    let mut checked = 0;
    for (method, path) in operations_without_body() {
        let send = |address: &str| {
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
            );
            let mut socket = TcpStream::connect(address).unwrap();
            socket.write_all(head.as_bytes()).unwrap();
            let response = read_until_closed(&mut socket);
            response.split(' ').nth(1).unwrap_or_default().to_owned()
        };
        let direct = send(&app.addr.to_string());
        let proxied = send(&format!("127.0.0.1:{port}"));
        assert_eq!(direct, proxied, "{method} {path}");
        checked += 1;
    }
    assert!(checked > 20, "{checked}");

    let head = format!(
        "POST /api/v1/auth/logout HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    let response = read_until_closed(&mut socket);
    assert!(response.starts_with("HTTP/1.1 204"), "{response}");
    app.get("/api/v1/auth/me").bearer(&token).send().expect(401);
}

#[test]
fn nginx_for_a_browser_app_passes_on_operations_without_a_body() {
    let app = TestApp::start_with(&SETTINGS);
    let port = free_port();
    let config = proxy_config(&app, "A browser app", "nginx", port);
    if let Some(_nginx) = ExternalProgram::nginx(&config, port) {
        check_operations_without_body(&app, port);
    }
}

#[test]
fn nginx_checks_every_request() {
    let app = TestApp::start_with(&SETTINGS);
    let port = free_port();
    if let Some(_nginx) = ExternalProgram::nginx(&proxy_config(&app, "nginx", "nginx", port), port)
    {
        check_app_behind_proxy(&app, port);
        check_operations_without_body(&app, port);
    }
}

#[test]
fn caddy_checks_every_request() {
    let app = TestApp::start_with(&SETTINGS);
    let port = free_port();
    if let Some(_caddy) = ExternalProgram::caddy(&proxy_config(&app, "Caddy", "caddy", port), port)
    {
        check_app_behind_proxy(&app, port);
        check_operations_without_body(&app, port);
    }
}

/// Writes `code`, an app from the guide, to `file`, starts it with `command`, and returns the running program and its
/// port.
fn start_app(
    app: &TestApp,
    mut command: Command,
    file: &str,
    code: &str,
) -> (ExternalProgram, u16) {
    let port = free_port();
    let directory = program_directory(file, port);
    let path = directory.join(file);
    std::fs::write(&path, code).unwrap();
    // Node.js looks for packages next to the file.
    std::os::unix::fs::symlink(verifiers::node_modules(), directory.join("node_modules")).unwrap();
    let admin = app.super_admin_token();
    let body = json!({"name": format!("app {port}"), "permissions": []});
    let client = app
        .post("/api/v1/clients")
        .bearer(&admin)
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
    (ExternalProgram::start(&mut command, directory, port), port)
}

/// Checks that an app permits a valid request, and refuses: a missing permission, an invalid or foreign token, and a token
/// after sign-out, after its account loses the permission, and after its account is disabled.
fn check_app_that_verifies_tokens(app: &TestApp, port: u16) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let call = |token: &str| -> Response {
        let url = format!("http://127.0.0.1:{port}/pictures");
        RequestBuilder::new(&agent, "GET", &url)
            .bearer(token)
            .send()
    };
    let admin = app.super_admin_token();
    let (reader, token) = app.create_signed_in_user("User", &["assets.read"]);
    // The app must fetch the keys first.
    wait_until(|| call(&token).status == 200);
    assert_eq!(call(&token).body["caller"], reader.id);
    let (_, other_token) = app.create_signed_in_user("User", &["assets.write"]);
    call(&other_token).expect(403);
    let (head, _) = token.rsplit_once('.').unwrap();
    for invalid in ["not-a-token", &format!("{head}.AAAA"), "rst_pat_x"] {
        call(invalid).expect(401);
    }
    let other_service = TestApp::start_with(&[("ROSTERD_AUDIENCE", "other")]);
    call(&other_service.super_admin_token()).expect(401);

    let second_token = app.token(&reader.username);
    app.post("/api/v1/auth/logout")
        .bearer(&second_token)
        .send()
        .expect(204);
    wait_until(|| call(&second_token).status == 401);
    call(&token).expect(200);

    let (other_user, token_before) = app.create_signed_in_user("User", &["assets.read"]);
    app.patch(&other_user.path("/permissions"))
        .bearer(&admin)
        .json(&json!({"permissions": []}))
        .send()
        .expect(200);
    wait_until(|| call(&token_before).status != 200);
    app.post(&reader.path("/status"))
        .bearer(&admin)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    wait_until(|| call(&token).status == 401);
}

#[test]
fn express_app_verifies_tokens_and_follows_revocations() {
    let app = TestApp::start_with(&SETTINGS);
    if let Some(node) = verifiers::node() {
        let code = guide_code_block("embed.md", "Express", "js");
        let (_express, port) = start_app(&app, node, "app.mjs", &code);
        check_app_that_verifies_tokens(&app, port);
        check_that_the_latest_revocation_counts(&app, port);
    }
}

/// The feed can list an older entry after a newer one with the same value.
fn check_that_the_latest_revocation_counts(app: &TestApp, port: u16) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let url = format!("http://127.0.0.1:{port}/pictures");
    let status = |token: &str| {
        let request = RequestBuilder::new(&agent, "GET", &url).bearer(token);
        request.send().status
    };
    let (user, token) = app.create_signed_in_user("User", &["assets.read"]);
    wait_until(|| status(&token) == 200);
    let (other, marker) = app.create_signed_in_user("User", &["assets.read"]);
    wait_until(|| status(&marker) == 200);
    let insert = |sub: &str, age: &str| {
        app.execute(&format!(
            "INSERT INTO revocations (sub, at, committed_by)
             SELECT '{sub}', t, t FROM (SELECT now() - interval '{age}' AS t) AS times"
        ));
    };
    insert(&user.id, "0 seconds");
    insert(&user.id, "10 minutes");
    // The app has read both entries when it refuses the token of this later one.
    insert(&other.id, "0 seconds");
    wait_until(|| status(&marker) == 401);
    assert_eq!(status(&token), 401);
}

#[test]
fn flask_app_introspects_each_token() {
    let app = TestApp::start_with(&SETTINGS);
    if let Some(python) = verifiers::python() {
        let code = guide_code_block("embed.md", "Python", "python");
        let (_flask, port) = start_app(&app, python, "app.py", &code);
        check_app_that_verifies_tokens(&app, port);
    }
}
