//! Malformed and oversized bodies, queries and paths.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::{TestApp, operations, read_until_closed};

use super::{LOGIN, USERS};

// SECURITY: D22
#[test]
fn nul_character_is_refused_everywhere() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    for (method, path, names) in [
        (
            "POST",
            USERS.to_owned(),
            &["username", "password", "role", "displayName", "email"][..],
        ),
        (
            "PATCH",
            user.path(""),
            &[
                "username",
                "displayName",
                "email",
                "role",
                "authProvider",
                "authId",
                "expiresAtUtc",
            ][..],
        ),
        ("POST", user.path("/reset-password"), &["newPassword"][..]),
        ("POST", LOGIN.to_owned(), &["username", "password"][..]),
        (
            "POST",
            "/api/v1/auth/refresh".to_owned(),
            &["refreshToken"][..],
        ),
        (
            "POST",
            "/api/v1/auth/change-password".to_owned(),
            &["currentPassword", "newPassword", "changeToken"][..],
        ),
        (
            "POST",
            "/api/v1/permissions".to_owned(),
            &["name", "description"][..],
        ),
        (
            "POST",
            "/api/v1/roles".to_owned(),
            &["name", "description"][..],
        ),
    ] {
        for name in names {
            let body = format!(r#"{{"{name}": "a\u0000b"}}"#);
            app.call(method, &path)
                .bearer(&admin)
                .body("application/json", body)
                .send()
                .expect_field_error(&format!("/{name}"), "invalid_character");
        }
    }
    for body in [
        r#"{"tags": ["\u0000"]}"#,
        r#"{"attributes": {"a": {"b": ["\u0000"]}}}"#,
        r#"{"attributes": {"\u0000": 1}}"#,
    ] {
        app.patch(&user.path(""))
            .bearer(&admin)
            .body("application/json", body)
            .send()
            .expect_problem(400, "request_invalid");
    }
    for name in [
        "query",
        "username",
        "email",
        "role",
        "tag",
        "permission",
        "cursor",
        "attr.x",
        "sort",
    ] {
        app.get(&format!("{USERS}?{name}=a%00b"))
            .bearer(&admin)
            .send()
            .expect_field_error(&format!("?{name}"), "invalid_character");
    }
    for path in [
        format!("{USERS}/%00"),
        user.path("/tags/a%00"),
        "/api/v1/roles/a%00".to_owned(),
        "/api/v1/permissions/a.b%00".to_owned(),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            app.call(method, &path)
                .bearer(&admin)
                .send()
                .expect_problem(404, "not_found");
        }
    }
}

/// Sends a chunked body without an end over a raw socket. Returns the response, or an empty text if the connection was closed
/// first.
fn send_endless_body(
    app: &TestApp,
    method: &str,
    path: &str,
    token: &str,
    chunk_count: usize,
) -> String {
    let mut socket = TcpStream::connect(app.addr).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..chunk_count {
        match socket.write_all(chunk.as_bytes()) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    // The service does not wait for the missing end.
    read_until_closed(&mut socket)
}

// SECURITY: H01, H14
#[test]
fn oversized_or_malformed_body_is_refused_early() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let send = |body: String| {
        app.post(USERS)
            .bearer(&admin)
            .body("application/json", body)
            .send()
    };
    let members: Vec<String> = (0..60_000)
        .map(|index| format!("\"k{index}\":1,"))
        .collect();
    let many_members = members.concat();
    for body in [
        format!("{{{many_members}\"k\":1}}"),
        format!("{{\"attributes\":{{{many_members}\"k\":1}}}}"),
        format!("{{\"username\": \"{}\"}}", "a".repeat(1_000_000)),
        format!("{{\"tags\": [{}\"a\"]}}", "\"a\",".repeat(250_000)),
        format!(
            "{{\"permissions\": [{}\"a\"], \"username\": \"ada\", \"role\": \"User\"}}",
            "\"a\",".repeat(250_000)
        ),
        "[".repeat(1_000_000),
        "{\"a\":".repeat(170_000),
        format!("{{\"a\": {}", "[{\"b\":".repeat(100_000)),
        format!("{{\"username\": {}}}", "9".repeat(1_000_000)),
        format!("{{\"{}\": 1}}", "k".repeat(1_000_000)),
    ] {
        let response = send(body)
            .expect_safe()
            .expect_problem(400, "request_invalid");
        assert!(
            response.text.len() < 100_000,
            "a response of {} bytes",
            response.text.len()
        );
    }
    send(" ".repeat(10 << 20)).expect_problem(413, "payload_too_large");
    for chunk_count in [20, 1000] {
        let response = send_endless_body(&app, "POST", USERS, &admin, chunk_count);
        assert!(
            response.is_empty() || response.starts_with("HTTP/1.1 413 "),
            "{response}"
        );
    }
    // The same holds for requests whose body is not read.
    let other_admin = app.super_admin_token();
    for (method, path, token, status) in [
        ("POST", USERS, "x", 401),
        ("POST", "/nowhere", "x", 404),
        ("PUT", USERS, "x", 405),
        ("GET", USERS, admin.as_str(), 200),
        ("DELETE", "/api/v1/permissions/a.b", admin.as_str(), 404),
        ("POST", "/api/v1/auth/logout", other_admin.as_str(), 204),
    ] {
        let response = send_endless_body(&app, method, path, token, 1);
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{method} {path} {response}"
        );
        assert!(
            response.to_ascii_lowercase().contains("connection: close"),
            "{response}"
        );
    }
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].repeat(10);
    app.post(USERS)
        .bearer(&admin)
        .header("Content-Encoding", "gzip")
        .body("application/json", gzip)
        .send()
        .expect_problem(415, "unsupported_media_type");
    // The service still responds.
    app.get("/api/v1/auth/me").bearer(&admin).send().expect(200);
}

// SECURITY: H02
#[test]
fn list_queries_are_bounded() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    app.execute("INSERT INTO users (id, username, role, created_at, updated_at) SELECT gen_random_uuid(), 'user' || n, 'User', now(), now() FROM generate_series(1, 5000) n");
    let list = |query: &str| {
        app.get(&format!("{USERS}?{query}"))
            .bearer(&admin)
            .send()
            .expect_safe()
    };
    list("limit=1000000000").expect_field_error("?limit", "out_of_range");
    let filters: Vec<String> = (0..400).map(|index| format!("attr.a{index}=1")).collect();
    assert_eq!(list(&filters.join("&")).expect(200).data(), &json!([]));
    list(&format!("query={}", "%25".repeat(2500))).expect(200);
    list(&format!("query={}", "a%25".repeat(1900))).expect(200);
    list(&format!("query={}", "_".repeat(7900))).expect(200);
    list(&format!("attr.a={}", "%5B".repeat(2600))).expect(200);
    assert_eq!(
        list("query=user&count=true&limit=200").expect(200).body["page"]["total"],
        5000
    );
}

// SECURITY: H06
#[test]
fn every_operation_refuses_unknown_members() {
    let app = TestApp::start_with(&[("ROSTERD_REGISTRATION", "open")]);
    let (admin_user, admin) = app.create_signed_in_user("SuperAdmin", &[]);
    let operations_with_body: Vec<_> = operations()
        .iter()
        .filter(|operation| {
            operation.definition["requestBody"]["content"]["application/json"].is_object()
        })
        // The members of this body are defined by the caller.
        .filter(|operation| !operation.path.ends_with("/auth/check"))
        .collect();
    assert!(operations_with_body.len() > 15);
    for operation in operations_with_body {
        let path = operation
            .path
            .replace("{id}", &admin_user.id)
            .replace("{name}", "User")
            .replace("{tag}", "x");
        let response = app
            .call(&operation.method, &path)
            .bearer(&admin)
            .json(&json!({"bogus": 1}))
            .send();
        let response = response.expect_problem(400, "request_invalid");
        assert_eq!(
            response.body["errors"][0]["pointer"], "/bogus",
            "{} {}",
            operation.method, response.text
        );
    }
}
