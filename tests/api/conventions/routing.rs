//! Unknown routes, wrong methods, malformed ids, and limits of URLs and headers.

use crate::support::TestApp;

const USERS: &str = "/api/v1/users";

#[test]
fn unknown_route_and_wrong_method_are_problems() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
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
                .bearer(&admin)
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
        let response = app.call(method, &path).send();
        assert!(
            response.header("allow").starts_with(allow),
            "{method} {path} {}",
            response.header("allow")
        );
        response.expect_problem(405, "method_not_allowed");
    }
    let options = app.call("OPTIONS", USERS).send().expect(204);
    assert_eq!(
        (options.header("allow"), options.text.as_str()),
        ("GET, HEAD, POST, OPTIONS", "")
    );
}

#[test]
fn malformed_id_is_not_found() {
    let app = TestApp::start();
    let (admin_user, admin) = app.create_signed_in_user("SuperAdmin", &[]);
    let without_hyphens = admin_user.id.replace('-', "");
    for id in [
        "1",
        "null",
        "undefined",
        "x",
        "00000000-0000-0000-0000-000000000000",
        &admin_user.username,
        &without_hyphens,
        &format!("%7B{}%7D", admin_user.id),
        &format!("urn:uuid:{}", admin_user.id),
        &format!("{}%20", admin_user.id),
        "%F0%9F%98%80",
        "99999999999999999999999999",
        &"a".repeat(3000),
        "'%20OR%201=1--",
    ] {
        for (method, suffix, body) in [
            ("GET", "", ""),
            ("PATCH", "", "{}"),
            ("DELETE", "", ""),
            ("PATCH", "/permissions", r#"{"permissions": []}"#),
            ("POST", "/status", r#"{"isActive": true}"#),
            ("POST", "/restore", ""),
            ("DELETE", "/sessions", ""),
            ("PUT", "/tags/x", ""),
        ] {
            let call = app
                .call(method, &format!("{USERS}/{id}{suffix}"))
                .bearer(&admin);
            let call = if body.is_empty() {
                call
            } else {
                call.body("application/json", body)
            };
            call.send().expect_problem(404, "not_found");
        }
    }
    let uppercase = admin_user.id.to_uppercase();
    app.get(&format!("{USERS}/{uppercase}"))
        .bearer(&admin)
        .send()
        .expect(200);
}

// SECURITY: H10
#[test]
fn long_urls_and_headers_are_refused() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    app.get(&format!("{USERS}?query={}", "a".repeat(9000)))
        .bearer(&admin)
        .send()
        .expect_problem(414, "uri_too_long");
    app.get(USERS)
        .bearer(&admin)
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
        .bearer(&admin)
        .header("Authorization", "Bearer x")
        .send()
        .expect_problem(401, "auth_token_invalid");
    app.get(&format!("{USERS}?access_token={admin}"))
        .send()
        .expect_problem(401, "auth_required");
}
