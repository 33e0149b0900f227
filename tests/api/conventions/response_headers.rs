//! Headers of every response: caching, sniffing and trace ids.

use serde_json::json;

use crate::support::{Response, TestApp};

const USERS: &str = "/api/v1/users";

#[test]
fn every_response_has_security_and_trace_headers() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let send = |method: &str, path: &str| {
        app.call(method, path)
            .bearer(&admin)
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
        let response = send(method, path).expect(status);
        assert_eq!(response.header("x-request-id"), "mine-1");
        assert_eq!(response.header("cache-control"), "no-store");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert_eq!(
            response.header("cross-origin-resource-policy"),
            "same-origin"
        );
        assert!(
            response
                .header("content-security-policy")
                .contains("base-uri 'none'")
        );
        assert_eq!(
            response.header("strict-transport-security"),
            "max-age=31536000"
        );
        for absent in [
            "set-cookie",
            "access-control-allow-origin",
            "server",
            "x-powered-by",
        ] {
            assert_eq!(response.header(absent), "", "{absent}");
        }
        if status >= 400 {
            assert_eq!(response.body["traceId"], trace);
        }
    }
    let body = json!({"username": "ada", "role": "User"});
    app.post(USERS)
        .bearer(&admin)
        .header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&body)
        .send()
        .expect(201);
    assert_eq!(
        app.query_number(&format!(
            "SELECT count(*) FROM audit_events WHERE trace_id = '{trace}'"
        )),
        1
    );
    // A generated id is the same in the header and in the body, and differs between requests.
    let ids_of = |response: Response| {
        (
            response.header("x-request-id").to_owned(),
            response.body["traceId"].as_str().unwrap().to_owned(),
        )
    };
    let (first, second) = (
        ids_of(app.get("/nowhere").send()),
        ids_of(app.get("/nowhere").send()),
    );
    assert_eq!(first.0, first.1);
    assert_ne!(first.0, second.0);
    let invalid = app.get("/nowhere").header("X-Request-Id", "a b\"}").send();
    assert_eq!(invalid.header("x-request-id"), invalid.body["traceId"]);
}

#[test]
fn browsers_are_told_to_use_https_only_if_the_public_url_is_https() {
    let app = TestApp::start_with(&[("ROSTERD_PUBLIC_URL", "http://localhost:8080")]);
    let response = app.get("/livez").send().expect(200);
    assert_eq!(response.header("strict-transport-security"), "");
}
