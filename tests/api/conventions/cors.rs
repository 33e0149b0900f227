//! Cross-origin resource sharing.

use crate::support::TestApp;

#[test]
fn cors_headers_are_sent_only_to_configured_origins() {
    let with_origin = TestApp::start_with(&[("ROSTERD_CORS_ORIGINS", "https://app.example.org")]);
    let without_origin = TestApp::start();
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
    let allowed = preflight(&with_origin, "https://app.example.org");
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://app.example.org"
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    for response in [
        preflight(&with_origin, "https://evil.example"),
        preflight(&without_origin, "https://app.example.org"),
    ] {
        assert_eq!(
            response.header("access-control-allow-origin"),
            "",
            "{response:?}"
        );
        let response = response.expect_problem(403, "cross_site_forbidden");
        let detail = response.body["detail"].as_str().unwrap();
        assert!(detail.contains("ROSTERD_CORS_ORIGINS"), "{detail}");
        assert!(detail.contains("https://"), "{detail}");
    }
    let options = without_origin.call("OPTIONS", "/api/v1/users");
    let options = options.header("Origin", "https://app.example.org");
    options.send().expect(204);
    let error = with_origin
        .get("/api/v1/auth/me")
        .header("Origin", "https://app.example.org")
        .send();
    assert_eq!(
        error.header("access-control-allow-origin"),
        "https://app.example.org",
        "error responses have CORS headers as well"
    );
    error.expect_problem(401, "auth_required");
}
