//! Browser apps: the refresh token in a cookie (`"transport": "cookie"`).

use serde_json::json;

use crate::support::{PASSWORD, Response, TestApp};

const LOGIN: &str = "/api/v1/auth/login";
const REFRESH: &str = "/api/v1/auth/refresh";

fn sign_in(app: &TestApp, username: &str) -> Response {
    let body = json!({"username": username, "password": PASSWORD, "transport": "cookie"});
    app.post(LOGIN).json(&body).send().expect(200)
}

/// The `Cookie` header that a browser sends after this response.
fn refresh_cookie(response: &Response) -> String {
    let cookie = response.header("set-cookie");
    for attribute in [
        "__Host-",
        "; Path=/",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Strict",
    ] {
        assert!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn refresh_token_is_sent_only_in_the_cookie() {
    let app = TestApp::start();
    let (user, _) = app.create_signed_in_user("User", &[]);
    let signed_in = sign_in(&app, &user.username);
    assert!(signed_in.data()["refreshToken"].is_null());
    assert!(!signed_in.text.contains("rst_rt_"));
    let first_cookie = refresh_cookie(&signed_in);

    let refreshed = app
        .post(REFRESH)
        .header("Cookie", &first_cookie)
        .json(&json!({}))
        .send()
        .expect(200);
    assert!(refreshed.data()["refreshToken"].is_null());
    let second_cookie = refresh_cookie(&refreshed);
    assert_ne!(first_cookie, second_cookie);
    // A second tab that refreshes a moment later gets the same successor.
    let second_tab = app
        .post(REFRESH)
        .header("Cookie", &first_cookie)
        .json(&json!({}))
        .send()
        .expect(200);
    assert_eq!(refresh_cookie(&second_tab), second_cookie);

    let token = refreshed.data()["accessToken"].as_str().unwrap();
    let logout = app
        .post("/api/v1/auth/logout")
        .bearer(token)
        .header("Cookie", &second_cookie)
        .send()
        .expect(204);
    assert!(logout.header("set-cookie").contains("Max-Age=0"));
    app.post(REFRESH)
        .header("Cookie", &second_cookie)
        .json(&json!({}))
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");
}

#[test]
fn signing_in_with_a_session_cookie_ends_that_session() {
    let app = TestApp::start();
    let (user, _) = app.create_signed_in_user("User", &[]);
    let (other, _) = app.create_signed_in_user("User", &[]);
    let is_active = |signed_in: &Response| {
        let token = signed_in.data()["accessToken"].as_str().unwrap();
        app.get("/api/v1/auth/me").bearer(token).send().status == 200
    };
    let sign_in_with = |cookie: &str, origin: &str, password: &str| {
        let body = json!({"username": user.username, "password": password});
        let mut request = app.post(LOGIN).header("Cookie", cookie).json(&body);
        if !origin.is_empty() {
            request = request.header("Origin", origin);
        }
        request.send()
    };
    // The session of the same account, and that of another one.
    for username in [&user.username, &other.username] {
        let unrelated = sign_in(&app, &user.username);
        let previous = sign_in(&app, username);
        let cookie = refresh_cookie(&previous);
        sign_in_with(&cookie, "", "not the password at all").expect(401);
        sign_in_with(&cookie, "https://evil.example", PASSWORD).expect(200);
        assert!(
            is_active(&previous),
            "a failure or another site ends no session"
        );
        let signed_in = sign_in_with(&cookie, "", PASSWORD).expect(200);
        assert!(!is_active(&previous));
        assert!(is_active(&signed_in) && is_active(&unrelated));
        sign_in_with(&cookie, "", PASSWORD).expect(200);
    }
}

#[test]
fn cross_site_refresh_with_a_cookie_is_refused() {
    let app = TestApp::start_with(&[("ROSTERD_CORS_ORIGINS", "https://app.example.org")]);
    let (user, _) = app.create_signed_in_user("User", &[]);
    let cookie = refresh_cookie(&sign_in(&app, &user.username));
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
fn refresh_without_a_token_names_the_missing_member() {
    let app = TestApp::start();
    app.post(REFRESH)
        .json(&json!({}))
        .send()
        .expect_field_error("/refreshToken", "required");
}

#[test]
fn cookies_are_set_at_login_for_allowed_origins_only() {
    let app = TestApp::start_with(&[("ROSTERD_CORS_ORIGINS", "https://app.example.org")]);
    let (user, _) = app.create_signed_in_user("User", &[]);
    let login = |transport: &str, header: (&str, &str)| {
        let body = json!({"username": user.username, "password": PASSWORD, "transport": transport});
        let request = app.post(LOGIN).json(&body);
        request.header(header.0, header.1).send()
    };
    for header in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let refused = login("cookie", header).expect_problem(403, "cross_site_forbidden");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("ROSTERD_CORS_ORIGINS"), "{detail}");
        if header.0 == "Origin" {
            assert!(detail.contains(header.1), "{detail}");
        }
        assert_eq!(refused.header("set-cookie"), "");
        let without_cookie = login("body", header).expect(200);
        assert_eq!(without_cookie.header("set-cookie"), "");
    }
    for header in [
        ("Origin", "https://app.example.org"),
        ("Origin", "https://id.example.org"),
        ("Sec-Fetch-Site", "same-origin"),
    ] {
        refresh_cookie(&login("cookie", header).expect(200));
    }
}
