//! JSON bodies: syntax, depth, size and media type.

use crate::support::{Response, TestApp};

const USERS: &str = "/api/v1/users";

fn post_user(app: &TestApp, token: &str, body: impl Into<Vec<u8>>) -> Response {
    app.post(USERS)
        .bearer(token)
        .body("application/json", body)
        .send()
}

// SECURITY: H04
#[test]
fn malformed_json_is_refused_with_a_pointer() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user_with = |rest: &str| format!(r#"{{"username": "ada", "role": "User"{rest}}}"#);
    for malformed in [
        "",
        " ",
        "{",
        "nul",
        "{'username': 'ada'}",
        r#"{"username": "ada",}"#,
        r#"{"username": "ada"} x"#,
        r#"{"username": "ada"}{"username": "grace"}"#,
        "// a\n{}",
        "{\"a\": NaN}",
        "{\"a\": Infinity}",
        "{\"a\": 1e400}",
        "{\"a\": 01}",
        "{\"a\": +1}",
        "{\"a\": .5}",
        "{\"a\": \"\u{1}\"}",
        "{\"a\": \"\\ud800\"}",
        "{\"a\": \"\\x41\"}",
        "\u{feff}{}",
    ] {
        post_user(&app, &admin, malformed).expect_field_error("", "malformed_json");
    }
    post_user(&app, &admin, b"{\"username\": \"\xff\xfe\"}".to_vec())
        .expect_problem(400, "request_invalid");
    post_user(&app, &admin, b"\xff\xfe{\0}\0".to_vec()).expect_problem(400, "request_invalid");
    for (body, pointer, code) in [
        (
            user_with(r#", "username": "grace""#),
            "/username",
            "duplicate_member",
        ),
        (
            user_with(r#", "userna\u006de": "grace""#),
            "/username",
            "duplicate_member",
        ),
        (
            user_with(r#", "attributes": {"a": {"b": 1, "b": 2}}"#),
            "/attributes/a/b",
            "duplicate_member",
        ),
        (
            user_with(r#", "displayName": "a\u0000b""#),
            "/displayName",
            "invalid_character",
        ),
        (
            user_with(r#", "password": "seven green \u0000lanterns at noon""#),
            "/password",
            "invalid_character",
        ),
        (
            user_with(r#", "tags": ["a", "b\u0000"]"#),
            "/tags/1",
            "invalid_character",
        ),
        (
            user_with(r#", "attributes": {"a/b~c": "\u0000"}"#),
            "/attributes/a~1b~0c",
            "invalid_character",
        ),
        (
            user_with(r#", "__proto__": {}"#),
            "/__proto__",
            "unknown_field",
        ),
        (user_with(r#", "Role": "User""#), "/Role", "unknown_field"),
        (
            user_with(r#", "isActive": "true""#),
            "/isActive",
            "invalid_type",
        ),
        (user_with(r#", "isActive": 1"#), "/isActive", "invalid_type"),
        (
            user_with(r#", "permissions": [1]"#),
            "/permissions/0",
            "invalid_type",
        ),
        ("[]".to_owned(), "", "invalid_type"),
        ("null".to_owned(), "", "invalid_type"),
        ("\"x\"".to_owned(), "", "invalid_type"),
    ] {
        post_user(&app, &admin, body).expect_field_error(pointer, code);
    }
    assert_eq!(app.query_number("SELECT count(*) FROM users"), 1);
}

#[test]
fn body_depth_size_and_media_type_are_limited() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let deep = |levels: usize| {
        format!(
            r#"{{"username": "ada", "role": "User", "attributes": {}1{}}}"#,
            r#"{"a":"#.repeat(levels),
            "}".repeat(levels)
        )
    };
    let response = post_user(&app, &admin, deep(32)).expect_problem(400, "request_invalid");
    assert_eq!(response.body["errors"][0]["code"], "too_deep");
    post_user(&app, &admin, deep(100_000)).expect_problem(400, "request_invalid");
    post_user(&app, &admin, "[".repeat(1 << 20)).expect_problem(400, "request_invalid");
    post_user(&app, &admin, deep(31)).expect(201);

    let padded = |length: usize| {
        let body = r#"{"username": "padded", "role": "User"}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    post_user(&app, &admin, padded((1 << 20) + 1)).expect_problem(413, "payload_too_large");
    post_user(&app, &admin, padded(1 << 20)).expect(201);
    let response = app.send_raw(
        format!("POST {USERS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {admin}\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n")
            .as_bytes(),
    );
    assert!(
        response.starts_with("HTTP/1.1 413 ") && response.contains("payload_too_large"),
        "{response}"
    );

    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin1",
        "application/xml",
        "application/json-patch+json",
    ] {
        app.post(USERS)
            .bearer(&admin)
            .body(content_type, r#"{"username": "x", "role": "User"}"#)
            .send()
            .expect_problem(415, "unsupported_media_type");
    }
    app.post(USERS)
        .bearer(&admin)
        .header("Content-Encoding", "gzip")
        .body("application/json", "x")
        .send()
        .expect_problem(415, "unsupported_media_type");
    let body = r#"{"username": "grace", "role": "User"}"#;
    app.post(USERS)
        .bearer(&admin)
        .body("application/json; charset=utf-8", body)
        .send()
        .expect(201);
    let body = r#"{"username": "linus", "role": "User"}"#;
    app.post(USERS)
        .bearer(&admin)
        .body("application/merge-patch+json", body)
        .send()
        .expect(201);
}
