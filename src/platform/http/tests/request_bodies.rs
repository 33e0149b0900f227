//! Accepted and rejected request bodies.

use super::*;

#[test]
fn only_unencoded_json_is_accepted() {
    let service = TestService::start();
    let body = r#"{"displayName":"a"}"#;
    let status = |headers: &[&str]| service.send("POST /items", headers, body).status;
    assert_eq!(status(&["Content-Type: application/json"]), 201);
    assert_eq!(
        status(&["Content-Type: application/merge-patch+json; charset=utf-8"]),
        201
    );
    assert_eq!(
        status(&[
            "Content-Type: application/json",
            "Content-Encoding: identity"
        ]),
        201
    );
    for headers in [
        &["X: y"][..],
        &["Content-Type: text/plain"],
        &["Content-Type: application/x-www-form-urlencoded"],
        &["Content-Type: application/json; charset=utf-16"],
        &[
            "Content-Type: application/json",
            "Content-Type: application/json",
        ],
        &["Content-Type: application/json", "Content-Encoding: gzip"],
        &[
            "Content-Type: application/json",
            "Content-Encoding: identity, gzip",
        ],
        &[
            "Content-Type: application/json",
            "Content-Encoding: identity",
            "Content-Encoding: gzip",
        ],
    ] {
        let response = service.send("POST /items", headers, body);
        assert_eq!(
            response.problem_code(),
            "unsupported_media_type",
            "{headers:?}"
        );
    }
}

#[test]
fn missing_body_is_treated_as_an_empty_object() {
    let service = TestService::start();
    let response = service.send("POST /items", &["Content-Length: 0"], "");
    assert_eq!(response.problem_code(), "request_invalid");
    assert_eq!(response.json()["errors"][0]["pointer"], "/displayName");
    assert_eq!(response.json()["errors"][0]["code"], "required");
}

#[test]
fn field_errors_have_pointers_and_codes() {
    let service = TestService::start();
    let response = service.post_item(r#"{"displayName":"toolong","isAdmin":true}"#);
    assert_eq!(response.json()["errors"][0]["pointer"], "/isAdmin");
    let response = service.post_item(r#"{"displayName":"toolong"}"#);
    assert_eq!(response.json()["errors"][0]["code"], "too_long");
    let response = service.post_item(r#"{"displayName":"a","note":"eleven chars"}"#);
    assert_eq!(response.json()["errors"][0]["pointer"], "/note");
    let response = service.post_item(r#"{"displayName":"CANARY\u0000"}"#);
    assert_eq!(response.problem_code(), "request_invalid");
    assert_eq!(response.json()["errors"][0]["code"], "invalid_character");
}

#[test]
fn body_of_more_than_1_mib_is_rejected() {
    let service = TestService::start();
    let padded = |length: usize| {
        let body = r#"{"displayName":"a"}"#;
        format!("{}{body}", " ".repeat(length - body.len()))
    };
    assert_eq!(service.post_item(&padded(1024 * 1024)).status, 201);
    assert_eq!(
        service.post_item(&padded(1024 * 1024 + 1)).problem_code(),
        "payload_too_large"
    );
}

#[test]
fn large_body_is_rejected_before_it_is_complete() {
    let service = TestService::start();
    let head = "POST /items HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
    let with_content_length =
        service.send_raw(format!("{head}Content-Length: 5000000000\r\n\r\n{{").as_bytes());
    assert!(
        with_content_length.starts_with("HTTP/1.1 413"),
        "{with_content_length}"
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunked = service.send_raw(
        format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n{}",
            chunk.repeat(20)
        )
        .as_bytes(),
    );
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
}

#[test]
fn incomplete_body_is_rejected() {
    let service = TestService::start();
    let head = "POST /items HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
    for rest in [
        "Content-Length: 50\r\n\r\n{\"displayName\":\"a\"}",
        "Transfer-Encoding: chunked\r\n\r\n13\r\n{\"displayName\":\"a\"}\r\n",
        "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let response = service.send_raw(format!("{head}{rest}").as_bytes());
        assert!(
            response.is_empty() || response.starts_with("HTTP/1.1 400"),
            "{rest:?}: {response}"
        );
    }
}
