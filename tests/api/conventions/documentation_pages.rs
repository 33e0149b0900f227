//! `/openapi.json` and `/docs/`: their headers, the switches for them, and what they disclose.

use crate::support::TestApp;

#[test]
fn pages_have_a_charset_and_a_strict_content_security_policy() {
    let app = TestApp::start();
    for (path, content_type) in [
        ("/docs/", "text/html; charset=utf-8"),
        ("/docs/swagger-ui.css", "text/css; charset=utf-8"),
        (
            "/docs/swagger-initializer.js",
            "text/javascript; charset=utf-8",
        ),
    ] {
        let response = app.get(path).send().expect(200);
        assert_eq!(response.header("content-type"), content_type, "{path}");
        let policy = response.header("content-security-policy");
        assert!(policy.contains("base-uri 'none'"), "{policy}");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
    }
}

#[test]
fn document_and_page_can_be_switched_off() {
    for (settings, document, docs) in [
        (&[][..], 200, 200),
        (&[("ROSTERD_DOCS", "off")], 200, 404),
        // The page shows the document.
        (&[("ROSTERD_OPENAPI", "off")], 404, 404),
    ] {
        let app = TestApp::start_with(settings);
        app.get("/openapi.json").send().expect(document);
        app.get("/docs/").send().expect(docs);
        if docs == 404 {
            app.get("/docs").send().expect_problem(404, "not_found");
        }
    }
}

#[test]
fn document_has_an_entity_tag_and_is_compressed_on_request() {
    let app = TestApp::start();
    for (path, version) in [("/openapi.json", "3.1"), ("/openapi-3.0.json", "3.0.3")] {
        let plain = app.get(path).header("Accept-Encoding", "identity").send();
        let plain = plain.expect(200);
        assert!(plain.body["openapi"].as_str().unwrap().starts_with(version));
        assert_eq!(plain.header("vary"), "Accept-Encoding");
        let tag = plain.header("etag");
        let unchanged = app.get(path).header("If-None-Match", tag).send();
        assert!(unchanged.expect(304).text.is_empty());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        );
        let compressed = app.send_raw(request.as_bytes());
        assert!(compressed.contains("content-encoding: gzip"));
        assert!(compressed.len() * 3 < plain.text.len());
    }
}

#[test]
fn anonymous_callers_do_not_learn_the_version_of_the_program() {
    let app = TestApp::start();
    let version = env!("CARGO_PKG_VERSION");
    for path in [
        "/livez",
        "/readyz",
        "/openapi.json",
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/nowhere",
    ] {
        let response = app.get(path).send();
        assert!(!response.text.contains(&format!("\"{version}\"")), "{path}");
    }
    assert_eq!(app.get("/openapi.json").send().body["info"]["version"], "1");
}
