//! The form of responses: bodies, headers, conditional requests, problems, records and the OpenAPI document.

use super::*;

#[test]
fn matching_if_none_match_is_304() {
    let service = TestService::start();
    let first = service.get("/items/3");
    assert_eq!(
        (first.status, first.body.as_str()),
        (200, r#"{"data":{"displayName":"3"}}"#)
    );
    assert_eq!(first.header("content-type"), Some("application/json"));
    let tag = first.header("etag").unwrap();
    let repeated = service.send("GET /items/3", &[&format!("If-None-Match: {tag}")], "");
    assert_eq!(
        (
            repeated.status,
            repeated.body.as_str(),
            repeated.header("etag")
        ),
        (304, "", Some(tag))
    );
    let other = service.send("GET /items/4", &[&format!("If-None-Match: {tag}")], "");
    assert_eq!(other.status, 200);
}

#[test]
fn if_match_with_another_version_is_412() {
    let service = TestService::start();
    let delete = |header: &str| service.send("DELETE /items/3", &[header], "");
    let unconditional = delete("X: y");
    assert_eq!(
        (unconditional.status, unconditional.header("content-type")),
        (204, None)
    );
    assert_eq!(delete("If-Match: \"7-0000000000000000\"").status, 204);
    assert_eq!(
        delete("If-Match: \"6-0000000000000000\"").problem_code(),
        "precondition_failed"
    );
    assert_eq!(delete("If-Match: nonsense").status, 412);
}

#[test]
fn created_item_has_a_location() {
    let service = TestService::start();
    let created = service.send(
        "POST /items",
        &["Content-Type: application/json", "Idempotency-Key: \"k\""],
        r#"{"displayName":"a","note":"b"}"#,
    );
    assert_eq!(
        (created.status, created.header("location")),
        (201, Some("/items/1"))
    );
    assert_eq!(created.json()["data"]["displayName"], "ab30k");
}

#[test]
fn list_is_paginated() {
    let service = TestService::start();
    let page = service.get("/items?limit=2").json();
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        page["page"],
        serde_json::json!({"next": "more", "limit": 2})
    );
    let invalid = service.get("/items?limit=9999&offset=1");
    assert_eq!(invalid.problem_code(), "request_invalid");
    assert_eq!(invalid.json()["errors"][0]["pointer"], "?limit");
    assert_eq!(invalid.json()["errors"][1]["code"], "unknown_parameter");
}

#[test]
fn head_is_get_without_its_body() {
    let service = TestService::start();
    let (get, head) = (
        service.get("/items/3"),
        service.send("HEAD /items/3", &[], ""),
    );
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for name in ["content-length", "content-type", "etag"] {
        assert!(head.header(name).is_some());
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(service.send("HEAD /nowhere", &[], "").body, "");
}

#[test]
fn unsupported_method_is_405_with_allow() {
    let service = TestService::start();
    let allow = |target: &str| {
        let response = service.send(target, &[], "");
        assert_eq!(response.problem_code(), "method_not_allowed");
        response.header("allow").unwrap().to_owned()
    };
    assert_eq!(allow("PUT /items"), "GET, HEAD, POST, OPTIONS");
    assert_eq!(allow("POST /items/3"), "GET, HEAD, DELETE, OPTIONS");
    assert_eq!(allow("BREW /items/3"), "GET, HEAD, DELETE, OPTIONS");
    let options = service.send("OPTIONS /items", &[], "");
    assert_eq!(
        (options.status, options.header("allow")),
        (204, Some("GET, HEAD, POST, OPTIONS"))
    );
    assert_eq!(
        service.send("OPTIONS /nowhere", &[], "").problem_code(),
        "not_found"
    );
}

#[test]
fn every_error_is_a_problem_without_internal_details() {
    let service = TestService::start();
    for (path, status, code) in [
        ("/nowhere", 404, "not_found"),
        ("/items/not-a-number", 404, "not_found"),
        ("/rejected-by-middleware", 401, "auth_required"),
        ("/fail/panic", 500, "internal_error"),
        ("/fail/internal", 500, "internal_error"),
        ("/fail/library", 500, "internal_error"),
        ("/fail/rate-limited", 429, "rate_limited"),
        ("/fail/plain-text", 400, "request_invalid"),
        ("/fail/other", 403, "permission_required"),
    ] {
        let response = service.get(path);
        assert_eq!(
            (response.status, &*response.problem_code()),
            (status, code),
            "{path}"
        );
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        assert!(response.header("x-request-id").is_some(), "{path}");
    }
    assert_eq!(
        service.get("/fail/rate-limited").header("retry-after"),
        Some("2")
    );
    assert!(
        service
            .get("/rejected-by-middleware")
            .header("www-authenticate")
            .is_some()
    );
}

#[test]
fn connection_is_usable_after_a_panic() {
    let service = TestService::start();
    let request =
        |path: &str, header: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\n{header}\r\n");
    let requests = request("/fail/panic", "") + &request("/items/3", "Connection: close\r\n");
    let output = service.send_raw(requests.as_bytes());
    assert!(
        output.contains("HTTP/1.1 500") && output.contains("HTTP/1.1 200"),
        "{output}"
    );
}

#[test]
fn every_response_has_the_security_headers() {
    let service = TestService::start();
    for path in ["/items/3", "/nowhere", "/fail/panic"] {
        let response = service.get(path);
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let policy =
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        assert_eq!(response.header("content-security-policy"), Some(policy));
        for absent in [
            "server",
            "x-powered-by",
            "set-cookie",
            "access-control-allow-origin",
        ] {
            assert_eq!(response.header(absent), None, "{absent}");
        }
    }
    assert_eq!(
        service.get("/fail/cached").header("cache-control"),
        Some("max-age=60")
    );
}

#[test]
fn trace_id_and_request_id_of_the_client_are_used() {
    let service = TestService::start();
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("traceparent: 00-{trace_id}-00f067aa0ba902b7-01");
    let response = service.send("GET /nowhere", &[&traceparent, "X-Request-Id: mine-1"], "");
    assert_eq!(response.json()["traceId"], trace_id);
    assert_eq!(response.header("x-request-id"), Some("mine-1"));
    let response = service.send(
        "GET /nowhere",
        &["traceparent: nonsense", "X-Request-Id: <script>"],
        "",
    );
    let generated = response.json()["traceId"].as_str().unwrap().to_owned();
    assert_eq!(response.header("x-request-id"), Some(&*generated));
}

#[test]
fn records_contain_patterns_instead_of_client_input() {
    let service = TestService::start();
    service.get("/items/3?secret=1");
    service.send("HEAD /items/4", &[], "");
    service.send("BREW /made-up", &[], "");
    service.get("/fail/panic");
    let records = service.observer.0.lock().unwrap();
    let expected = [
        ("GET", "/items/{id}", 200),
        ("HEAD", "/items/{id}", 200),
        ("OTHER", "none", 404),
        ("GET", "none", 500),
    ];
    let expected =
        expected.map(|(method, route, status)| (method.to_owned(), route.to_owned(), status));
    assert_eq!(*records, expected);
}

#[test]
fn openapi_document_is_derived_from_the_types() {
    let service = TestService::start();
    let schemas = service.document["components"]["schemas"]
        .as_object()
        .unwrap();
    let names: Vec<_> = schemas.keys().map(String::as_str).collect();
    for name in [
        "Item",
        "Data_Item",
        "Page_Item",
        "NewItem",
        "Problem",
        "ProblemError",
        "ProblemCode",
        "PageInfo",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let page = &schemas["Page_Item"]["properties"];
    assert_eq!(page["data"]["items"]["$ref"], "#/components/schemas/Item");
    let single = &schemas["Data_Item"]["properties"];
    assert_eq!(single["data"]["$ref"], "#/components/schemas/Item");
    let operations = &service.document["paths"]["/items"];
    let body = &operations["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["$ref"], "#/components/schemas/NewItem");
    assert_eq!(operations["get"]["parameters"][0]["name"], "limit");
}
