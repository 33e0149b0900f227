//! Addresses, heads and framings made to be read in two ways, or to cost more than they should.

use super::*;

#[test]
fn c10_a_path_has_one_spelling() {
    let toy = toy();
    for path in [
        "//things",
        "/things/",
        "/things/.",
        "/things/./3",
        "/nowhere/../things",
        "/nowhere/%2e%2e/things",
        "/things%2f3",
        "/Things",
        "/things;x=1",
        "/things%00",
        "/things/3%00",
        "/things/%c0%ae",
        "/things%0d%0aX:%20y",
        "/things\\3",
    ] {
        let answer = toy.get(path);
        assert_eq!(
            (answer.status, &*answer.problem()),
            (404, "not_found"),
            "{path}"
        );
    }
    // Another spelling of the same letters is the same address to everyone.
    assert_eq!(toy.get("/%74hings/3").status, 200);
}

#[test]
fn h10_addresses_and_headers_have_a_size() {
    let toy = toy();
    let long = |length: usize| toy.get(&format!("/things?x={}", "a".repeat(length)));
    assert_eq!(long(9_000).problem(), "uri_too_long");
    assert_eq!(long(60_000).problem(), "uri_too_long");
    let large = format!("X-Large: {}", "a".repeat(40_000));
    assert_eq!(
        toy.call("GET /things", &[&large], "").problem(),
        "headers_too_large"
    );
    // From here on the parser answers, without a body.
    let huge = format!("X-Huge: {}", "a".repeat(200_000));
    assert_eq!(toy.call("GET /things", &[&huge], "").status, 431);
    let many = vec!["X: y"; 500];
    assert_eq!(toy.call("GET /things", &many, "").status, 431);
}

#[test]
fn d07_an_untrusted_peer_can_not_choose_its_address() {
    let toy = toy();
    for header in [
        "X-Forwarded-For: 203.0.113.9",
        "Forwarded: for=203.0.113.9",
        "X-Real-IP: 203.0.113.9",
        "CF-Connecting-IP: 203.0.113.9",
        "X-Forwarded-For: a",
    ] {
        let answer = toy.call("GET /whoami", &[header], "");
        assert!(
            answer.body.starts_with("127.0.0.1 "),
            "{header}: {answer:?}"
        );
    }
    let behind = toy_behind(&["127.0.0.0/8"]);
    let forwarded = [
        "X-Forwarded-For: 1.1.1.1, 203.0.113.9",
        "X-Forwarded-For: 127.0.0.9",
    ];
    assert!(
        behind
            .call("GET /whoami", &forwarded, "")
            .body
            .starts_with("203.0.113.9 ")
    );
    let endless = format!("X-Forwarded-For: 203.0.113.9,{}", "127.0.0.1,".repeat(3000));
    assert!(
        behind
            .call("GET /whoami", &[&endless], "")
            .body
            .starts_with("127.0.0.1 ")
    );
}

#[test]
fn j02_a_user_agent_brings_no_control_characters() {
    let toy = toy();
    let answer = toy.call("GET /whoami", &["User-Agent: a\tb\u{2028}c\"}"], "");
    assert!(answer.body.ends_with(" abc\"}"), "{answer:?}");
}

#[test]
fn d22_nul_reaches_no_handler() {
    let toy = toy();
    assert_eq!(toy.get("/things?limit=%00").problem(), "request_invalid");
    assert_eq!(toy.get("/things?x%00=1").problem(), "request_invalid");
    assert_eq!(
        toy.post(r#"{"displayName":"\u0000"}"#).problem(),
        "request_invalid"
    );
}

#[test]
fn h01_depth_and_number_of_members_are_harmless() {
    let toy = toy();
    assert_eq!(toy.post(&"[".repeat(100_000)).problem(), "request_invalid");
    assert_eq!(
        toy.post(&r#"{"a":"#.repeat(100_000)).problem(),
        "request_invalid"
    );
    let members: Vec<_> = (0..70_000)
        .map(|number| format!("\"{number}\":0"))
        .collect();
    assert_eq!(
        toy.post(&format!("{{{}}}", members.join(","))).problem(),
        "request_invalid"
    );
}

const HIDDEN: &str = "GET /fail/bare HTTP/1.1\r\nHost: toy\r\n\r\n";

/// Requests that hold [`HIDDEN`] for whoever reads their framing otherwise: the header that says so, and the body.
fn smugglers() -> Vec<(String, String)> {
    let length = HIDDEN.len();
    let after_no_chunk = format!("0\r\n\r\n{HIDDEN}");
    let in_a_chunk = format!("{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n");
    let mut all: Vec<(String, String)> = [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Content-Length: 40\r\nTransfer-Encoding: chunked",
    ]
    .map(|framing| (framing.to_owned(), after_no_chunk.clone()))
    .to_vec();
    all.extend(
        [
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            "Transfer-Encoding:\tchunked\r\nContent-Length: 4",
        ]
        .map(|framing| (framing.to_owned(), in_a_chunk.clone())),
    );
    all.extend(
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
        .map(|framing| (framing, HIDDEN.to_owned())),
    );
    let chunked = "Transfer-Encoding: chunked".to_owned();
    all.extend(
        [
            "0x0\r\n\r\n",
            "10000000000000000\r\n\r\n",
            "1\r\nxx\r\n0\r\n\r\n",
            "\r\n0\r\n\r\n",
        ]
        .map(|chunks| (chunked.clone(), format!("{chunks}{HIDDEN}"))),
    );
    all
}

/// How many answers came, and whether the hidden request was among what was served.
fn sent(framing: &str, body: &str) -> (String, usize, bool) {
    let toy = toy();
    let request = format!("POST /things HTTP/1.1\r\nHost: toy\r\n{framing}\r\n\r\n{body}");
    let answer = toy.raw(request.as_bytes());
    let answers = answer.matches("HTTP/1.1 ").count();
    let seen = toy.seen.0.lock().unwrap();
    let served = seen.iter().any(|(_, route, _)| route == "/fail/{kind}");
    (answer, answers, served)
}

#[test]
fn h08_no_framing_smuggles_a_second_request() {
    let (_, answers, served) = sent("Content-Length: 0", HIDDEN);
    assert!(
        answers == 2 && served,
        "an honest second request is served, so a smuggled one would be seen"
    );
    for (framing, body) in smugglers() {
        let (answer, answers, served) = sent(&framing, &body);
        assert!(!served && answers <= 1, "{framing:?}: {answer}");
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{framing:?}: {answer}"
        );
    }
}

#[test]
fn h24_a_panic_leaves_nothing_behind() {
    let toy = toy();
    for _ in 0..50 {
        assert_eq!(toy.get("/fail/panic").problem(), "internal_error");
    }
    assert_eq!(toy.get("/things/3").status, 200);
}
