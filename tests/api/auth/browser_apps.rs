//! Browser apps: the refresh token in a cookie, and which pages may call.

use serde_json::json;

use crate::support::{Answer, PASSWORD, TestApp};

const LOGIN: &str = "/api/v1/auth/login";
const REFRESH: &str = "/api/v1/auth/refresh";

fn sign_in(app: &TestApp, username: &str) -> Answer {
    let body = json!({"username": username, "password": PASSWORD, "transport": "cookie"});
    app.post(LOGIN).json(&body).send().expect(200)
}

/// What the browser would send back.
fn cookie_of(answer: &Answer) -> String {
    let set = answer.header("set-cookie");
    for word in [
        "__Host-",
        "; Path=/",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Strict",
    ] {
        assert!(set.contains(word), "{word} in {set}");
    }
    set.split(';').next().unwrap().to_owned()
}

#[test]
fn the_refresh_token_of_a_browser_app_is_only_in_its_cookie() {
    let app = TestApp::start();
    let (user, _) = app.someone("User", &[]);
    let signed_in = sign_in(&app, &user.username);
    assert!(signed_in.data()["refreshToken"].is_null());
    assert!(!signed_in.text.contains("rst_rt_"));
    let first = cookie_of(&signed_in);

    let refreshed = app
        .post(REFRESH)
        .header("Cookie", &first)
        .json(&json!({}))
        .send()
        .expect(200);
    assert!(refreshed.data()["refreshToken"].is_null());
    let second = cookie_of(&refreshed);
    assert_ne!(first, second);
    // Two tabs: the one that comes a moment later gets the same.
    let again = app
        .post(REFRESH)
        .header("Cookie", &first)
        .json(&json!({}))
        .send()
        .expect(200);
    assert_eq!(cookie_of(&again), second);

    let token = refreshed.data()["accessToken"].as_str().unwrap();
    let out = app
        .post("/api/v1/auth/logout")
        .by(token)
        .header("Cookie", &second)
        .send()
        .expect(204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    app.post(REFRESH)
        .header("Cookie", &second)
        .json(&json!({}))
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");
}

#[test]
fn pages_of_other_sites_get_nothing_by_the_cookie() {
    let app = TestApp::with(&[("ROSTERD_CORS_ORIGINS", "https://app.example.org")]);
    let (user, _) = app.someone("User", &[]);
    let cookie = cookie_of(&sign_in(&app, &user.username));
    let refresh = || app.post(REFRESH).header("Cookie", &cookie).json(&json!({}));
    for origin in ["https://evil.example", "null", "http://app.example.org"] {
        refresh()
            .header("Origin", origin)
            .send()
            .expect_problem(403, "cross_site_forbidden");
    }
    refresh()
        .header("Sec-Fetch-Site", "cross-site")
        .send()
        .expect_problem(403, "cross_site_forbidden");
    refresh()
        .header("Origin", "https://app.example.org")
        .header("Sec-Fetch-Site", "same-site")
        .send()
        .expect(200);
}

#[test]
fn only_listed_origins_are_told_that_they_may_call() {
    let open = TestApp::with(&[("ROSTERD_CORS_ORIGINS", "https://app.example.org")]);
    let closed = TestApp::start();
    let preflight = |app: &TestApp, origin: &str| {
        app.call("OPTIONS", "/api/v1/users")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header(
                "Access-Control-Request-Headers",
                "authorization,content-type",
            )
            .send()
    };
    let allowed = preflight(&open, "https://app.example.org");
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://app.example.org"
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    for answer in [
        preflight(&open, "https://evil.example"),
        preflight(&closed, "https://app.example.org"),
    ] {
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "",
            "{answer:?}"
        );
    }
    let refused = open
        .get("/api/v1/auth/me")
        .header("Origin", "https://app.example.org")
        .send();
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "https://app.example.org",
        "errors can be read too"
    );
    refused.expect_problem(401, "auth_required");
}

#[test]
fn a_refresh_without_a_token_says_what_is_missing() {
    let app = TestApp::start();
    app.post(REFRESH)
        .json(&json!({}))
        .send()
        .expect_fault("/refreshToken", "required");
}
