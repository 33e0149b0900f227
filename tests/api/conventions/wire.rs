//! What every call has in common on the wire: problems, conditions, the size and the form of what is sent, traces.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp};

const USERS: &str = "/api/v1/users";

/// What a bare socket is answered, for what no client library would send.
fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(app.addr).unwrap();
    socket.write_all(request).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn create_raw(app: &TestApp, token: &str, body: impl Into<Vec<u8>>) -> Answer {
    app.post(USERS)
        .by(token)
        .body("application/json", body)
        .send()
}

#[test]
fn an_unknown_route_and_a_wrong_method_are_problems() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let id = uuid::Uuid::now_v7();
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/users",
        "/api/v1/users/",
        "/api/v1/Users",
        "/users",
        &format!("{USERS}/{id}/"),
        &format!("{USERS}/{id}/nothing"),
        "/api/v1/users;x=1",
        "/api/v1/auth/login/",
        "/api/v1/users/%2e%2e/auth/me",
        "//api/v1/users",
        "/api/v1//users",
        "/api/v1/./users",
        "/api/v1/users%00",
        "/%61pi/v1/users/x/y",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            app.call(method, path)
                .by(&admin)
                .send()
                .expect_problem(404, "not_found");
        }
    }
    for (method, path, allow) in [
        ("DELETE", USERS.to_owned(), "GET, HEAD, POST, OPTIONS"),
        ("PUT", USERS.to_owned(), "GET, HEAD, POST, OPTIONS"),
        (
            "POST",
            format!("{USERS}/{id}"),
            "GET, HEAD, PATCH, DELETE, OPTIONS",
        ),
        ("GET", format!("{USERS}/{id}/status"), "POST, OPTIONS"),
        ("GET", format!("{USERS}/{id}/permissions"), "PATCH, OPTIONS"),
        (
            "POST",
            format!("{USERS}/{id}/tags/x"),
            "PUT, DELETE, OPTIONS",
        ),
        ("GET", "/api/v1/auth/login".to_owned(), "POST, OPTIONS"),
        ("TRACE", "/api/v1/auth/me".to_owned(), "GET, HEAD"),
        ("BREW", "/api/v1/auth/logout".to_owned(), "POST, OPTIONS"),
    ] {
        let answer = app.call(method, &path).send();
        assert!(
            answer.header("allow").starts_with(allow),
            "{method} {path} {}",
            answer.header("allow")
        );
        answer.expect_problem(405, "method_not_allowed");
    }
    let options = app.call("OPTIONS", USERS).send().expect(204);
    assert_eq!(
        (options.header("allow"), options.text.as_str()),
        ("GET, HEAD, POST, OPTIONS", "")
    );
}

#[test]
fn every_answer_is_guarded_and_traced() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let sent = |method: &str, path: &str| {
        app.call(method, path)
            .by(&admin)
            .header("X-Request-Id", "mine-1")
            .header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))
            .send()
    };
    for (method, path, status) in [
        ("GET", USERS, 200),
        ("GET", "/nowhere", 404),
        ("DELETE", USERS, 405),
        ("POST", USERS, 400),
    ] {
        let answer = sent(method, path).expect(status);
        assert_eq!(answer.header("x-request-id"), "mine-1");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        for absent in [
            "set-cookie",
            "access-control-allow-origin",
            "server",
            "x-powered-by",
        ] {
            assert_eq!(answer.header(absent), "", "{absent}");
        }
        if status >= 400 {
            assert_eq!(answer.body["traceId"], trace);
        }
    }
    let id = json!({"username": "ada", "role": "User"});
    app.post(USERS)
        .by(&admin)
        .header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&id)
        .send()
        .expect(201);
    assert_eq!(
        app.number(&format!(
            "SELECT count(*) FROM audit_events WHERE trace_id = '{trace}'"
        )),
        1
    );
    // One that is made up is the same in the header and the body, and another each time.
    let made = |answer: Answer| {
        (
            answer.header("x-request-id").to_owned(),
            answer.body["traceId"].as_str().unwrap().to_owned(),
        )
    };
    let (one, other) = (
        made(app.get("/nowhere").send()),
        made(app.get("/nowhere").send()),
    );
    assert_eq!(one.0, one.1);
    assert_ne!(one.0, other.0);
    let ill = app.get("/nowhere").header("X-Request-Id", "a b\"}").send();
    assert_eq!(ill.header("x-request-id"), ill.body["traceId"]);
}

#[test]
fn an_id_that_is_no_uuid_is_not_found() {
    let app = TestApp::start();
    let (own, admin) = app.someone("SuperAdmin", &[]);
    let bare = own.id.replace('-', "");
    for id in [
        "1",
        "null",
        "undefined",
        "x",
        "00000000-0000-0000-0000-000000000000",
        &own.username,
        &bare,
        &format!("%7B{}%7D", own.id),
        &format!("urn:uuid:{}", own.id),
        &format!("{}%20", own.id),
        "%F0%9F%98%80",
        "99999999999999999999999999",
        &"a".repeat(3000),
        "'%20OR%201=1--",
    ] {
        for (method, below, body) in [
            ("GET", "", ""),
            ("PATCH", "", "{}"),
            ("DELETE", "", ""),
            ("PATCH", "/permissions", r#"{"permissions": []}"#),
            ("POST", "/status", r#"{"isActive": true}"#),
            ("POST", "/restore", ""),
            ("DELETE", "/sessions", ""),
            ("PUT", "/tags/x", ""),
        ] {
            let call = app.call(method, &format!("{USERS}/{id}{below}")).by(&admin);
            let call = if body.is_empty() {
                call
            } else {
                call.body("application/json", body)
            };
            call.send().expect_problem(404, "not_found");
        }
    }
    let upper = own.id.to_uppercase();
    app.get(&format!("{USERS}/{upper}"))
        .by(&admin)
        .send()
        .expect(200);
}

#[test]
fn h04_a_body_that_is_no_json_of_ours_is_refused_where_it_is_wrong() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let with = |rest: &str| format!(r#"{{"username": "ada", "role": "User"{rest}}}"#);
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
        create_raw(&app, &admin, malformed).expect_fault("", "malformed_json");
    }
    create_raw(&app, &admin, b"{\"username\": \"\xff\xfe\"}".to_vec())
        .expect_problem(400, "request_invalid");
    create_raw(&app, &admin, b"\xff\xfe{\0}\0".to_vec()).expect_problem(400, "request_invalid");
    for (body, pointer, code) in [
        (
            with(r#", "username": "grace""#),
            "/username",
            "duplicate_member",
        ),
        (
            with(r#", "userna\u006de": "grace""#),
            "/username",
            "duplicate_member",
        ),
        (
            with(r#", "attributes": {"a": {"b": 1, "b": 2}}"#),
            "/attributes/a/b",
            "duplicate_member",
        ),
        (
            with(r#", "displayName": "a\u0000b""#),
            "/displayName",
            "invalid_character",
        ),
        (
            with(r#", "password": "seven green \u0000lanterns at noon""#),
            "/password",
            "invalid_character",
        ),
        (
            with(r#", "tags": ["a", "b\u0000"]"#),
            "/tags/1",
            "invalid_character",
        ),
        (
            with(r#", "attributes": {"a/b~c": "\u0000"}"#),
            "/attributes/a~1b~0c",
            "invalid_character",
        ),
        (with(r#", "__proto__": {}"#), "/__proto__", "unknown_field"),
        (with(r#", "Role": "User""#), "/Role", "unknown_field"),
        (with(r#", "isActive": "true""#), "/isActive", "invalid_type"),
        (with(r#", "isActive": 1"#), "/isActive", "invalid_type"),
        (
            with(r#", "permissions": [1]"#),
            "/permissions/0",
            "invalid_type",
        ),
        ("[]".to_owned(), "", "invalid_type"),
        ("null".to_owned(), "", "invalid_type"),
        ("\"x\"".to_owned(), "", "invalid_type"),
    ] {
        create_raw(&app, &admin, body).expect_fault(pointer, code);
    }
    assert_eq!(app.number("SELECT count(*) FROM users"), 1);
}

#[test]
fn what_is_too_deep_too_large_or_in_another_format_is_refused() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let deep = |levels: usize| {
        format!(
            r#"{{"username": "ada", "role": "User", "attributes": {}1{}}}"#,
            r#"{"a":"#.repeat(levels),
            "}".repeat(levels)
        )
    };
    let answer = create_raw(&app, &admin, deep(32)).expect_problem(400, "request_invalid");
    assert_eq!(answer.body["errors"][0]["code"], "too_deep");
    create_raw(&app, &admin, deep(100_000)).expect_problem(400, "request_invalid");
    create_raw(&app, &admin, "[".repeat(1 << 20)).expect_problem(400, "request_invalid");
    create_raw(&app, &admin, deep(31)).expect(201);

    let padded = |length: usize| {
        let body = r#"{"username": "padded", "role": "User"}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    create_raw(&app, &admin, padded((1 << 20) + 1)).expect_problem(413, "payload_too_large");
    create_raw(&app, &admin, padded(1 << 20)).expect(201);
    let declared = raw(
        &app,
        format!("POST {USERS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {admin}\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n")
            .as_bytes(),
    );
    assert!(
        declared.starts_with("HTTP/1.1 413 ") && declared.contains("payload_too_large"),
        "{declared}"
    );

    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin1",
        "application/xml",
        "application/json-patch+json",
    ] {
        app.post(USERS)
            .by(&admin)
            .body(kind, r#"{"username": "x", "role": "User"}"#)
            .send()
            .expect_problem(415, "unsupported_media_type");
    }
    app.post(USERS)
        .by(&admin)
        .header("Content-Encoding", "gzip")
        .body("application/json", "x")
        .send()
        .expect_problem(415, "unsupported_media_type");
    let body = r#"{"username": "grace", "role": "User"}"#;
    app.post(USERS)
        .by(&admin)
        .body("application/json; charset=utf-8", body)
        .send()
        .expect(201);
    let body = r#"{"username": "linus", "role": "User"}"#;
    app.post(USERS)
        .by(&admin)
        .body("application/merge-patch+json", body)
        .send()
        .expect(201);
}

#[test]
fn h10_addresses_and_headers_have_a_limit() {
    let app = TestApp::start();
    let admin = app.super_admin();
    app.get(&format!("{USERS}?query={}", "a".repeat(9000)))
        .by(&admin)
        .send()
        .expect_problem(414, "uri_too_long");
    app.get(USERS)
        .by(&admin)
        .header("X-Long", &"a".repeat(40_000))
        .send()
        .expect_problem(431, "headers_too_large");
    app.get(USERS)
        .header("Authorization", &format!("Bearer {}", "a".repeat(20_000)))
        .send()
        .expect_problem(401, "auth_token_invalid");
    app.get(USERS)
        .header("Authorization", &format!("Bearer {}", ".".repeat(10_000)))
        .send()
        .expect_problem(401, "auth_token_invalid");
    for scheme in [
        format!("Basic {admin}"),
        admin.clone(),
        format!("Bearer  {admin}"),
        format!("Bearer {admin} x"),
        "Bearer".to_owned(),
    ] {
        app.get(USERS)
            .header("Authorization", &scheme)
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    app.get(USERS)
        .header("Authorization", &format!("bearer {admin}"))
        .send()
        .expect(200);
    app.get(USERS)
        .by(&admin)
        .header("Authorization", "Bearer x")
        .send()
        .expect_problem(401, "auth_token_invalid");
    app.get(&format!("{USERS}?access_token={admin}"))
        .send()
        .expect_problem(401, "auth_required");
}

#[test]
fn every_single_mutable_thing_is_tagged_and_answers_304_to_its_tag() {
    let app = TestApp::start();
    let (own, admin) = app.someone("SuperAdmin", &[]);
    for path in [
        own.at(""),
        "/api/v1/auth/me".to_owned(),
        "/api/v1/roles/User".to_owned(),
    ] {
        let got = app.get(&path).by(&admin).send().expect(200);
        let tag = got.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{path} {tag}");
        let known = |tag: &str| {
            app.get(&path)
                .by(&admin)
                .header("If-None-Match", tag)
                .send()
        };
        for same in [
            tag.clone(),
            format!("\"x\", {tag}"),
            "*".to_owned(),
            format!("W/{tag}"),
        ] {
            let answer = known(&same).expect(304);
            assert_eq!(
                (answer.text.as_str(), answer.header("etag")),
                ("", tag.as_str())
            );
        }
        known("\"1-0000000000000000\"").expect(200);
        let head = app.call("HEAD", &path).by(&admin).send().expect(200);
        assert_eq!(
            (head.text.as_str(), head.header("etag")),
            ("", tag.as_str())
        );
    }
    let tag = app
        .get(&own.at(""))
        .by(&admin)
        .send()
        .header("etag")
        .to_owned();
    app.get(&own.at(""))
        .header("If-None-Match", &tag)
        .send()
        .expect_problem(401, "auth_required");
    // A role's permissions are part of how its holders look.
    app.role("Librarian", 1, &[]);
    let user = app.user("ada", "Librarian", &[]);
    let before = app
        .get(&user.at(""))
        .by(&admin)
        .send()
        .header("etag")
        .to_owned();
    app.execute("UPDATE roles SET permissions = '{users.read}' WHERE name = 'Librarian'");
    crate::support::eventually(|| {
        app.get(&user.at(""))
            .by(&admin)
            .header("If-None-Match", &before)
            .send()
            .status
            == 200
    });
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a table of conditions and what each is answered"
)]
fn h18_if_match_guards_every_change_by_version() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let tag = || {
        app.get(&user.at(""))
            .by(&admin)
            .send()
            .expect(200)
            .header("etag")
            .to_owned()
    };
    let old = tag();
    app.patch(&user.at(""))
        .by(&admin)
        .header("If-Match", &old)
        .json(&json!({"displayName": "x"}))
        .send()
        .expect(200);
    let refused = |method: &str, below: &str, body: &Value, condition: &str| {
        app.call(method, &user.at(below))
            .by(&admin)
            .header("If-Match", condition)
            .json(body)
            .send()
            .expect_problem(412, "precondition_failed");
    };
    let calls = [
        ("PATCH", "", json!({"displayName": "y"})),
        ("PATCH", "", json!({})),
        (
            "PATCH",
            "/permissions",
            json!({"permissions": ["users.read"]}),
        ),
        ("POST", "/status", json!({"isActive": false})),
        (
            "POST",
            "/reset-password",
            json!({"newPassword": "nine purple umbrellas in june"}),
        ),
        ("PUT", "/tags/x", json!({})),
        ("DELETE", "/tags/x", json!({})),
        ("DELETE", "/sessions", json!({})),
        ("DELETE", "/password", json!({})),
        ("DELETE", "", json!({})),
        ("DELETE", "?purge=true", json!({})),
        ("POST", "/restore", json!({})),
    ];
    let now = tag();
    for (method, below, body) in &calls {
        refused(method, below, body, &old);
    }
    for condition in [
        format!("W/{now}"),
        now.trim_matches('"').to_owned(),
        "\"2\"".to_owned(),
        String::new(),
        "*, *".to_owned(),
    ] {
        refused("PATCH", "", &json!({"displayName": "y"}), &condition);
    }
    assert_eq!(tag(), now, "nothing was changed");
    for (method, below, body) in &calls[..9] {
        let condition = format!("\"other\", {}", tag());
        let answer = app
            .call(method, &user.at(below))
            .by(&admin)
            .header("If-Match", &condition)
            .json(body)
            .send();
        assert!(
            [200, 204].contains(&answer.status),
            "{method} {below} {}",
            answer.text
        );
    }
    app.patch(&user.at(""))
        .by(&admin)
        .header("If-Match", "*")
        .json(&json!({"isActive": true}))
        .send()
        .expect(200);
    app.patch(&format!("{USERS}/{}", uuid::Uuid::now_v7()))
        .by(&admin)
        .header("If-Match", "*")
        .json(&json!({}))
        .send()
        .expect_problem(404, "not_found");
    // What somebody's login changes is no change that an edit must know of.
    app.post(&user.at("/reset-password"))
        .by(&admin)
        .json(&json!({"newPassword": PASSWORD}))
        .send()
        .expect(204);
    let before = tag();
    app.sign_in("ada");
    assert_ne!(tag(), before);
    app.delete(&user.at(""))
        .by(&admin)
        .header("If-Match", &before)
        .send()
        .expect(204);
}

#[test]
fn an_edit_answers_the_tag_for_the_next_one() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let mut tag = app
        .get(&user.at(""))
        .by(&admin)
        .send()
        .header("etag")
        .to_owned();
    for (method, below, body) in [
        ("PATCH", "", json!({"displayName": "x"})),
        (
            "PATCH",
            "/permissions",
            json!({"permissions": ["users.read"]}),
        ),
        ("POST", "/status", json!({"isActive": false})),
        ("PUT", "/tags/x", json!({})),
        ("DELETE", "/tags/x", json!({})),
        ("PATCH", "", json!({"attributes": {"a": 1}})),
    ] {
        let answer = app
            .call(method, &user.at(below))
            .by(&admin)
            .header("If-Match", &tag)
            .json(&body)
            .send()
            .expect(200);
        assert_ne!(answer.header("etag"), tag);
        answer.header("etag").clone_into(&mut tag);
        assert_eq!(app.get(&user.at("")).by(&admin).send().header("etag"), tag);
    }
}
