//! Attacks on the HTTP layer: ambiguous paths, forged headers, request smuggling and oversized input.

use super::*;

// SECURITY: C10
#[test]
fn ambiguous_paths_are_not_found() {
    let service = TestService::start();
    for path in [
        "//items",
        "/items/",
        "/items/.",
        "/items/./3",
        "/nowhere/../items",
        "/nowhere/%2e%2e/items",
        "/items%2f3",
        "/Items",
        "/items;x=1",
        "/items%00",
        "/items/3%00",
        "/items/%c0%ae",
        "/items%0d%0aX:%20y",
        "/items\\3",
    ] {
        let response = service.get(path);
        assert_eq!(
            (response.status, &*response.problem_code()),
            (404, "not_found"),
            "{path}"
        );
    }
    // An escaped unreserved character is equivalent to the character itself (RFC 3986, section 6.2.2.2).
    assert_eq!(service.get("/%69tems/3").status, 200);
}

// SECURITY: H10
#[test]
fn long_uris_and_headers_are_rejected() {
    let service = TestService::start();
    let get_long_uri = |length: usize| service.get(&format!("/items?x={}", "a".repeat(length)));
    assert_eq!(get_long_uri(9_000).problem_code(), "uri_too_long");
    assert_eq!(get_long_uri(60_000).problem_code(), "uri_too_long");
    let large = format!("X-Large: {}", "a".repeat(40_000));
    let response = service.send("GET /items", &[&large], "");
    assert_eq!(response.problem_code(), "headers_too_large");
    // Beyond these sizes the HTTP parser responds, without a body.
    let huge = format!("X-Huge: {}", "a".repeat(200_000));
    assert_eq!(service.send("GET /items", &[&huge], "").status, 431);
    let many = vec!["X: y"; 500];
    assert_eq!(service.send("GET /items", &many, "").status, 431);
}

// SECURITY: D07
#[test]
fn untrusted_peer_cannot_forge_its_address() {
    let service = TestService::start();
    for header in [
        "X-Forwarded-For: 203.0.113.9",
        "Forwarded: for=203.0.113.9",
        "X-Real-IP: 203.0.113.9",
        "CF-Connecting-IP: 203.0.113.9",
        "X-Forwarded-For: a",
    ] {
        let response = service.send("GET /context", &[header], "");
        assert!(
            response.body.starts_with("127.0.0.1 "),
            "{header}: {response:?}"
        );
    }
}

// SECURITY: D07
#[test]
fn trusted_proxy_forwards_the_client_address() {
    let service = TestService::start_behind_proxies(&["127.0.0.0/8"]);
    let hops = [
        "X-Forwarded-For: 1.1.1.1, 203.0.113.9",
        "X-Forwarded-For: 127.0.0.9",
    ];
    let response = service.send("GET /context", &hops, "");
    assert!(response.body.starts_with("203.0.113.9 "), "{response:?}");
    let too_many_hops = format!("X-Forwarded-For: 203.0.113.9,{}", "127.0.0.1,".repeat(3000));
    let response = service.send("GET /context", &[&too_many_hops], "");
    assert!(response.body.starts_with("127.0.0.1 "), "{response:?}");
}

// SECURITY: J02
#[test]
fn control_characters_are_removed_from_the_user_agent() {
    let service = TestService::start();
    let response = service.send("GET /context", &["User-Agent: a\tb\u{2028}c\"}"], "");
    assert!(response.body.ends_with(" abc\"}"), "{response:?}");
}

// SECURITY: D22
#[test]
fn nul_characters_are_rejected() {
    let service = TestService::start();
    for response in [
        service.get("/items?limit=%00"),
        service.get("/items?x%00=1"),
        service.post_item(r#"{"displayName":"\u0000"}"#),
    ] {
        assert_eq!(response.problem_code(), "request_invalid");
    }
}

// SECURITY: H01
#[test]
fn deeply_nested_and_wide_json_is_rejected() {
    let service = TestService::start();
    let members: Vec<_> = (0..70_000)
        .map(|number| format!("\"{number}\":0"))
        .collect();
    for body in [
        "[".repeat(100_000),
        r#"{"a":"#.repeat(100_000),
        format!("{{{}}}", members.join(",")),
    ] {
        assert_eq!(service.post_item(&body).problem_code(), "request_invalid");
    }
}

const SMUGGLED_REQUEST: &str = "GET /fail/plain-text HTTP/1.1\r\nHost: test\r\n\r\n";

/// Ambiguous framings: a header and a body that contains [`SMUGGLED_REQUEST`] under another interpretation of the header.
fn ambiguous_framings() -> Vec<(String, String)> {
    let length = SMUGGLED_REQUEST.len();
    let after_last_chunk = format!("0\r\n\r\n{SMUGGLED_REQUEST}");
    let inside_a_chunk = format!("{length:x}\r\n{SMUGGLED_REQUEST}\r\n0\r\n\r\n");
    let mut framings: Vec<(String, String)> = [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Content-Length: 40\r\nTransfer-Encoding: chunked",
    ]
    .map(|header| (header.to_owned(), after_last_chunk.clone()))
    .to_vec();
    framings.extend(
        [
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            "Transfer-Encoding:\tchunked\r\nContent-Length: 4",
        ]
        .map(|header| (header.to_owned(), inside_a_chunk.clone())),
    );
    framings.extend(
        [
            format!("Content-Length: 0\r\nContent-Length: {length}"),
            format!("Content-Length: 0, {length}"),
            format!("Content-Length: +{length}"),
            "Content-Length: -1".to_owned(),
            "Content-Length: 0x0".to_owned(),
            "Content-Length: 18446744073709551616".to_owned(),
            format!("Content-Length: 0\r\n {length}"),
            format!("X: y\rContent-Length: {length}"),
            "X: y\0".to_owned(),
            "Host: other".to_owned(),
        ]
        .map(|header| (header, SMUGGLED_REQUEST.to_owned())),
    );
    let chunked = "Transfer-Encoding: chunked".to_owned();
    framings.extend(
        [
            "0x0\r\n\r\n",
            "10000000000000000\r\n\r\n",
            "1\r\nxx\r\n0\r\n\r\n",
            "\r\n0\r\n\r\n",
        ]
        .map(|chunks| (chunked.clone(), format!("{chunks}{SMUGGLED_REQUEST}"))),
    );
    framings
}

/// What the server did with a request and the bytes after it.
struct SmugglingResult {
    output: String,
    response_count: usize,
    was_smuggled_request_served: bool,
}

fn send_with_framing(header: &str, body: &str) -> SmugglingResult {
    let service = TestService::start();
    let request = format!("POST /items HTTP/1.1\r\nHost: test\r\n{header}\r\n\r\n{body}");
    let output = service.send_raw(request.as_bytes());
    let records = service.observer.0.lock().unwrap();
    SmugglingResult {
        response_count: output.matches("HTTP/1.1 ").count(),
        was_smuggled_request_served: records.iter().any(|(_, route, _)| route == "/fail/{kind}"),
        output,
    }
}

// SECURITY: H08
#[test]
fn ambiguous_framing_does_not_smuggle_a_request() {
    // Control: after an unambiguous framing the second request is served, so the test would detect a smuggled one.
    let control = send_with_framing("Content-Length: 0", SMUGGLED_REQUEST);
    assert!(control.response_count == 2 && control.was_smuggled_request_served);
    for (header, body) in ambiguous_framings() {
        let result = send_with_framing(&header, &body);
        let output = &result.output;
        assert!(
            !result.was_smuggled_request_served && result.response_count <= 1,
            "{header:?}: {output}"
        );
        assert!(
            output.is_empty() || output.starts_with("HTTP/1.1 4"),
            "{header:?}: {output}"
        );
    }
}

// SECURITY: H24
#[test]
fn service_works_after_many_panics() {
    let service = TestService::start();
    for _ in 0..50 {
        assert_eq!(service.get("/fail/panic").problem_code(), "internal_error");
    }
    assert_eq!(service.get("/items/3").status, 200);
}
