//! `GET /.well-known/oauth-authorization-server` (RFC 8414).

use serde_json::json;

use crate::support::TestApp;

#[test]
fn metadata_matches_the_endpoints() {
    let app = TestApp::start();
    let response = app
        .get("/.well-known/oauth-authorization-server")
        .send()
        .expect(200);
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "public, max-age=300");
    let issuer = "https://id.example.org";
    assert_eq!(response.body["issuer"], issuer);
    for (member, method) in [
        ("token_endpoint", "POST"),
        ("introspection_endpoint", "POST"),
        ("revocation_endpoint", "POST"),
        ("jwks_uri", "GET"),
        ("service_documentation", "GET"),
    ] {
        let path = response.body[member]
            .as_str()
            .unwrap()
            .strip_prefix(issuer)
            .unwrap();
        let status = app.call(method, path).send().status;
        assert!(status == 200 || status == 400, "{member}: {status}");
    }
    assert_eq!(response.body["response_types_supported"], json!([]));
    let grants = json!(["client_credentials", "refresh_token"]);
    assert_eq!(response.body["grant_types_supported"], grants);
    let methods = json!(["client_secret_basic", "client_secret_post", "none"]);
    assert_eq!(
        response.body["token_endpoint_auth_methods_supported"],
        methods
    );
}
