//! Attacks on what is sent: passwords, addresses, bodies and everything that has a limit.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;

use crate::support::{Answer, PASSWORD, TestApp, at_once, operations, to_the_end};

const USERS: &str = "/api/v1/users";
const LOGIN: &str = "/api/v1/auth/login";
const NEW: &str = "nine purple umbrellas in june";

/// One attempt, as if it were the first.
fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    app.forget_failures();
    app.post(LOGIN)
        .json(&json!({"username": name, "password": password}))
        .send()
}

#[test]
fn d01_every_failed_sign_in_is_answered_alike() {
    let app = TestApp::start();
    for (name, state) in [
        ("known", "version = 1"),
        ("disabled", "is_active = false"),
        ("deleted", "deleted_at = now()"),
        ("expired", "expires_at = now() - interval '1 day'"),
        ("passwordless", "password_hash = NULL"),
        ("obliged", "must_change_password = true"),
        ("broken", "password_hash = 'no hash'"),
        ("mfa", "mfa_enabled = true"),
    ] {
        app.user(name, "User", &[]);
        app.execute(&format!("UPDATE users SET {state}, email = '{name}@example.org', email_confirmed = true WHERE username = '{name}'"));
    }
    let shape = |name: &str, password: &str| {
        let answer = login(&app, name, password).expect_problem(401, "auth_invalid_credentials");
        let mut body = answer.body.clone();
        body["traceId"] = Value::Null;
        let mut headers: Vec<String> = answer
            .headers
            .iter()
            .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        (body, headers, answer.text.len())
    };
    let wrong = [
        "not the password at all",
        "",
        "x",
        &"long ".repeat(1000),
        "päßwörd 😀",
        "seven green lanterns at noo",
    ];
    let reference = shape("unknown", wrong[0]);
    for name in [
        "unknown",
        "known",
        "disabled",
        "deleted",
        "expired",
        "passwordless",
        "obliged",
        "broken",
        "mfa",
    ] {
        for password in wrong {
            assert_eq!(shape(name, password), reference, "{name} {password:.10}");
            assert_eq!(
                shape(&format!("{name}@example.org"), password),
                reference,
                "{name} by address"
            );
        }
    }
    for name in ["unknown", "deleted", "passwordless", "broken"] {
        assert_eq!(
            shape(name, PASSWORD),
            reference,
            "{name} with the right password"
        );
    }
    for name in [
        "",
        "a",
        "' OR 1=1 --",
        "%",
        &"n".repeat(10_000),
        "ada\n",
        "аdmin",
        "a@b@c",
    ] {
        assert_eq!(shape(name, wrong[0]), reference, "{name:.10}");
    }
    assert_eq!(app.number("SELECT count(*) FROM sessions"), 0);
}

#[test]
fn d14_a_password_is_compared_whole_and_after_nfc() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let words: Vec<String> = (0..60).map(|index| format!("w{index} ")).collect();
    let long = words.concat();
    let body = json!({"username": "ada", "role": "User", "password": format!(" {long}é ")});
    app.post(USERS).by(&admin).json(&body).send().expect(201);
    login(&app, "ada", &format!(" {long}é ")).expect(200);
    login(&app, "ada", &format!(" {long}e\u{301} ")).expect(200);
    for other in [
        format!(" {}", long.split_at(71).0),
        long.clone(),
        format!("{long}é"),
        format!(" {long}é"),
        format!("{long}é "),
        format!(" {long}é \n"),
        format!(" {long}e "),
        format!(" {long}É "),
        format!(" {}é ", long.to_uppercase()),
        format!(" {long}é  "),
        format!(" {long}é\u{a0}"),
        format!(" {long}é x"),
    ] {
        login(&app, "ada", &other).expect_problem(401, "auth_invalid_credentials");
    }
    app.post(LOGIN)
        .body(
            "application/json",
            format!(r#"{{"username": "ada", "password": " {long}é \u0000"}}"#),
        )
        .send()
        .expect_fault("/password", "invalid_character");
}

#[test]
fn d16_a_password_needs_no_mix_of_characters() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for (index, password) in [
        "wmfqohzdbrxtyjk",
        "843976150284736",
        "correct horse battery staple",
        "😀😎🐴🔋📎🎉🍎🚲🌍🌙⭐🔥🍕🎸🚀",
        "口令必须足够长才可以使用因为安全重要",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user-{index}");
        let body = json!({"username": name, "role": "User", "password": password});
        app.post(USERS).by(&admin).json(&body).send().expect(201);
        login(&app, &name, password).expect(200);
    }
}

/// A PHC string under these parameters.
fn hashed(password: &str, memory: u32, iterations: u32) -> String {
    let params = Params::new(memory, iterations, 1, Some(32)).unwrap();
    let salt = b"sixteen bytes!!!";
    let mut output = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut output)
        .unwrap();
    format!(
        "$argon2id$v=19$m={memory},t={iterations},p=1${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(output)
    )
}

#[test]
fn d18_a_weak_hash_is_renewed_once_at_the_next_sign_in() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let hash = || app.text("SELECT password_hash FROM users WHERE username = 'ada'");
    let todays = hash();
    let today = todays.split('$').nth(3).unwrap();
    for _ in 0..5 {
        app.execute(&format!(
            "UPDATE users SET password_hash = '{}' WHERE username = 'ada'",
            hashed(PASSWORD, 1024, 1)
        ));
        let before = app.get(&user.at("")).by(&admin).send().expect(200);
        login(&app, "ada", "not the password").expect(401);
        assert!(hash().contains("m=1024"), "a wrong password renews nothing");
        let answers = at_once(6, |_| login(&app, "ada", PASSWORD));
        assert!(answers.iter().all(|answer| answer.status == 200));
        let renewed = hash();
        assert_eq!(renewed.split('$').nth(3), Some(today));
        login(&app, "ada", PASSWORD).expect(200);
        assert_eq!(hash(), renewed, "once is enough");
        for answer in &answers {
            app.get("/api/v1/auth/me")
                .by(answer.data()["accessToken"].as_str().unwrap())
                .send()
                .expect(200);
        }
        app.patch(&user.at(""))
            .by(&admin)
            .header("If-Match", before.header("etag"))
            .json(&json!({}))
            .send()
            .expect(200);
    }
}

#[test]
fn d18_a_hash_that_is_none_is_a_wrong_password() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let whole = hashed(PASSWORD, 19_456, 2);
    for broken in [
        "",
        " ",
        "x",
        "$",
        "$$$$$",
        "$argon2id$",
        "$argon2id$v=19$m=19456,t=2,p=1$",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA",
        "$argon2id$v=19$m=4294967295,t=1,p=1$c2l4dGVlbiBieXRlcyEhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=19456,t=4294967295,p=1$c2l4dGVlbiBieXRlcyEhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=0,t=0,p=0$c2l4dGVlbiBieXRlcyEhIQ$AAAA",
        "$2b$12$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghijklmno",
        "$argon2id$v=19$m=19456,t=2,p=1$%%%%$%%%%",
        whole.split_at(whole.len() - 1).0,
        &whole.replace("v=19", "v=99"),
        "päßwörd",
        PASSWORD,
    ] {
        app.execute(&format!(
            "UPDATE users SET password_hash = '{broken}' WHERE username = 'ada'"
        ));
        login(&app, "ada", PASSWORD)
            .harmless()
            .expect_problem(401, "auth_invalid_credentials");
    }
    app.post(&user.at("/reset-password"))
        .by(&admin)
        .json(&json!({"newPassword": NEW}))
        .send()
        .expect(204);
    login(&app, "ada", NEW).expect(200);
}

#[test]
fn d20_an_address_is_one_plain_address() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    for address in [
        "ada\u{FE6B}example.org",
        "ada\u{FF20}example.org",
        "a@b@example.org",
        "\"a b\"@example.org",
        "\"a@b\"@example.org",
        "ada(comment)@example.org",
        "ada@example.org\r\nBcc: evil@example.org",
        "ada@example.org\nx",
        "ada@exämple.org",
        "аda@example.org",
        "a@example.org,evil@example.net",
        "a@example.org;evil@example.net",
        "a@example.org evil@example.net",
        "Ada <ada@example.org>",
        "<ada@example.org>",
        "mailto:ada@example.org",
        "ada@[127.0.0.1]",
        "ada@localhost",
        "@example.org",
        "ada@",
        "ada",
        "",
        ".ada@example.org",
        "ada.@example.org",
        "a..b@example.org",
        "ada@example..org",
        "ada@-example.org",
        "ada@.example.org",
        "ada@example.org.",
        "ada\u{0}@example.org",
        "ada\u{200b}@example.org",
        "ada\u{2028}@example.org",
        &format!("{}@example.org", "a".repeat(250)),
    ] {
        let answer = app
            .patch(&user.at(""))
            .by(&admin)
            .json(&json!({ "email": address }))
            .send();
        let answer = answer.expect_problem(400, "request_invalid");
        assert_eq!(answer.body["errors"][0]["pointer"], "/email", "{address}");
        let body = json!({"username": "grace", "role": "User", "email": address});
        app.post(USERS)
            .by(&admin)
            .json(&body)
            .send()
            .expect_problem(400, "request_invalid");
    }
    for address in [
        "ada@example.org",
        "ada+tag@example.org",
        "a.d-a_1@mail.example.co.uk",
        "o'neil@example.org",
        "ada@xn--exmple-cua.org",
        " ada@example.org\t",
    ] {
        let shown = app
            .patch(&user.at(""))
            .by(&admin)
            .json(&json!({ "email": address }))
            .send()
            .expect(200);
        assert_eq!(shown.data()["email"], address.trim());
    }
}

#[test]
fn d22_nul_is_refused_wherever_it_stands() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    for (method, path, names) in [
        (
            "POST",
            USERS.to_owned(),
            &["username", "password", "role", "displayName", "email"][..],
        ),
        (
            "PATCH",
            user.at(""),
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
        ("POST", user.at("/reset-password"), &["newPassword"][..]),
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
                .by(&admin)
                .body("application/json", body)
                .send()
                .expect_fault(&format!("/{name}"), "invalid_character");
        }
    }
    for body in [
        r#"{"tags": ["\u0000"]}"#,
        r#"{"attributes": {"a": {"b": ["\u0000"]}}}"#,
        r#"{"attributes": {"\u0000": 1}}"#,
    ] {
        app.patch(&user.at(""))
            .by(&admin)
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
            .by(&admin)
            .send()
            .expect_fault(&format!("?{name}"), "invalid_character");
    }
    for path in [
        format!("{USERS}/%00"),
        user.at("/tags/a%00"),
        "/api/v1/roles/a%00".to_owned(),
        "/api/v1/permissions/a.b%00".to_owned(),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            app.call(method, &path)
                .by(&admin)
                .send()
                .expect_problem(404, "not_found");
        }
    }
}

#[test]
fn d26_a_session_alone_changes_nothing_that_one_signs_in_with() {
    let app = TestApp::start();
    let (own, token) = app.someone("SuperAdmin", &[]);
    let change = |body: Value| {
        app.post("/api/v1/auth/change-password")
            .by(&token)
            .json(&body)
            .send()
            .harmless()
    };
    for current in ["", "wrong wrong wrong", NEW] {
        let body = json!({"currentPassword": current, "newPassword": NEW});
        app.withstand(1, || change(body))
            .expect_problem(401, "auth_invalid_credentials");
    }
    app.withstand(0, || {
        change(json!({"newPassword": NEW})).expect_fault("/currentPassword", "required");
        change(json!({"currentPassword": null, "newPassword": NEW})).expect(400);
    });
    login(&app, &own.username, PASSWORD).expect(200);
}

#[test]
fn d26_wrong_current_passwords_are_counted_with_failed_sign_ins() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let token = app.token("ada");
    for number in 0..10 {
        let body = json!({"currentPassword": format!("wrong {number}"), "newPassword": NEW});
        let change = app.post("/api/v1/auth/change-password").by(&token);
        change.json(&body).send().harmless().expect(401);
    }
    let body = json!({"currentPassword": PASSWORD, "newPassword": NEW});
    app.post("/api/v1/auth/change-password")
        .by(&token)
        .json(&body)
        .send()
        .harmless()
        .expect_problem(429, "rate_limited");
}

/// What a bare socket is answered to a body that comes in pieces and does not end; empty when it was cut off first.
fn endless(app: &TestApp, method: &str, path: &str, token: &str, pieces: usize) -> String {
    let mut socket = TcpStream::connect(app.addr).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let piece = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..pieces {
        match socket.write_all(piece.as_bytes()) {
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
    // Whoever sends no end is not waited for.
    to_the_end(&mut socket)
}

#[test]
fn h01_a_body_of_any_size_or_shape_is_cut_short() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let send = |body: String| {
        app.post(USERS)
            .by(&admin)
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
        let answer = send(body).harmless().expect_problem(400, "request_invalid");
        assert!(
            answer.text.len() < 100_000,
            "an answer of {} bytes",
            answer.text.len()
        );
    }
    send(" ".repeat(10 << 20)).expect_problem(413, "payload_too_large");
    for pieces in [20, 1000] {
        let answer = endless(&app, "POST", USERS, &admin, pieces);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 413 "),
            "{answer}"
        );
    }
    // Nor is anybody waited for where nobody reads a body at all.
    let other = app.super_admin();
    for (method, path, token, status) in [
        ("POST", USERS, "x", 401),
        ("POST", "/nowhere", "x", 404),
        ("PUT", USERS, "x", 405),
        ("GET", USERS, admin.as_str(), 200),
        ("DELETE", "/api/v1/permissions/a.b", admin.as_str(), 404),
        ("POST", "/api/v1/auth/logout", other.as_str(), 204),
    ] {
        let answer = endless(&app, method, path, token, 1);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{method} {path} {answer}"
        );
        assert!(
            answer.to_ascii_lowercase().contains("connection: close"),
            "{answer}"
        );
    }
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].repeat(10);
    app.post(USERS)
        .by(&admin)
        .header("Content-Encoding", "gzip")
        .body("application/json", gzip)
        .send()
        .expect_problem(415, "unsupported_media_type");
    // h14: and it goes on answering.
    app.get("/api/v1/auth/me").by(&admin).send().expect(200);
}

#[test]
fn h02_a_list_is_bounded_in_every_way() {
    let app = TestApp::start();
    let admin = app.super_admin();
    app.execute("INSERT INTO users (id, username, role, created_at, updated_at) SELECT gen_random_uuid(), 'user' || n, 'User', now(), now() FROM generate_series(1, 5000) n");
    let list = |query: &str| {
        app.get(&format!("{USERS}?{query}"))
            .by(&admin)
            .send()
            .harmless()
    };
    list("limit=1000000000").expect_fault("?limit", "out_of_range");
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

#[test]
fn h06_every_body_refuses_a_member_that_it_does_not_know() {
    let app = TestApp::with(&[("ROSTERD_REGISTRATION", "open")]);
    let (own, admin) = app.someone("SuperAdmin", &[]);
    let with_body: Vec<_> = operations()
        .iter()
        .filter(|operation| {
            operation.said["requestBody"]["content"]["application/json"].is_object()
        })
        // Its members are the caller's own.
        .filter(|operation| !operation.path.ends_with("/auth/check"))
        .collect();
    assert!(with_body.len() > 15);
    for operation in with_body {
        let path = operation
            .path
            .replace("{id}", &own.id)
            .replace("{name}", "User")
            .replace("{tag}", "x");
        let answer = app
            .call(&operation.method, &path)
            .by(&admin)
            .json(&json!({"bogus": 1}))
            .send();
        let known = answer.expect_problem(400, "request_invalid");
        assert_eq!(
            known.body["errors"][0]["pointer"], "/bogus",
            "{} {}",
            operation.method, known.text
        );
    }
}
