//! What bodies are taken, and which are refused before they are read.

use super::*;

#[test]
fn only_plain_json_is_taken() {
    let toy = toy();
    let body = r#"{"displayName":"a"}"#;
    let status = |headers: &[&str]| toy.call("POST /things", headers, body).status;
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
    for wrong in [
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
        let answer = toy.call("POST /things", wrong, body);
        assert_eq!(answer.problem(), "unsupported_media_type", "{wrong:?}");
    }
}

#[test]
fn no_body_at_all_is_an_empty_object() {
    let toy = toy();
    let answer = toy.call("POST /things", &["Content-Length: 0"], "");
    assert_eq!(answer.problem(), "request_invalid");
    assert_eq!(answer.json()["errors"][0]["pointer"], "/displayName");
    assert_eq!(answer.json()["errors"][0]["code"], "required");
}

#[test]
fn a_fault_is_pointed_at() {
    let toy = toy();
    let answer = toy.post(r#"{"displayName":"toolong","isAdmin":true}"#);
    assert_eq!(answer.json()["errors"][0]["pointer"], "/isAdmin");
    let answer = toy.post(r#"{"displayName":"toolong"}"#);
    assert_eq!(answer.json()["errors"][0]["code"], "too_long");
    let answer = toy.post(r#"{"displayName":"a","note":"eleven chars"}"#);
    assert_eq!(answer.json()["errors"][0]["pointer"], "/note");
    let answer = toy.post(r#"{"displayName":"CANARY\u0000"}"#);
    assert_eq!(answer.problem(), "request_invalid");
    assert_eq!(answer.json()["errors"][0]["code"], "invalid_character");
}

#[test]
fn a_body_has_a_size() {
    let toy = toy();
    let padded = |length: usize| {
        let body = r#"{"displayName":"a"}"#;
        format!("{}{body}", " ".repeat(length - body.len()))
    };
    assert_eq!(toy.post(&padded(1024 * 1024)).status, 201);
    assert_eq!(
        toy.post(&padded(1024 * 1024 + 1)).problem(),
        "payload_too_large"
    );
}

/// The declared length alone is enough, and a length that is not declared is counted.
#[test]
fn a_body_that_is_too_large_is_refused_while_it_comes() {
    let toy = toy();
    let head = "POST /things HTTP/1.1\r\nHost: toy\r\nContent-Type: application/json\r\n";
    let declared = toy.raw(format!("{head}Content-Length: 5000000000\r\n\r\n{{").as_bytes());
    assert!(declared.starts_with("HTTP/1.1 413"), "{declared}");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunked = toy.raw(
        format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n{}",
            chunk.repeat(20)
        )
        .as_bytes(),
    );
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
}

#[test]
fn a_body_that_breaks_off_is_refused() {
    let toy = toy();
    let head = "POST /things HTTP/1.1\r\nHost: toy\r\nContent-Type: application/json\r\n";
    for rest in [
        "Content-Length: 50\r\n\r\n{\"displayName\":\"a\"}",
        "Transfer-Encoding: chunked\r\n\r\n13\r\n{\"displayName\":\"a\"}\r\n",
        "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let answer = toy.raw(format!("{head}{rest}").as_bytes());
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{rest:?}: {answer}"
        );
    }
}
