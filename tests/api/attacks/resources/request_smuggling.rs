//! Request smuggling, behind nginx and without a proxy.

use std::io::Write;
use std::net::TcpStream;

use crate::support::programs::{ExternalProgram, free_port};
use crate::support::{TestApp, read_until_closed, run_concurrently};

use super::ME;

/// The smuggled request. If it is executed, the token becomes invalid.
fn logout_request(token: &str) -> String {
    format!(
        "POST /api/v1/auth/logout HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Requests that contain another request for a parser with a different view of the framing.
fn ambiguous_requests(hidden: &str) -> Vec<String> {
    let length = hidden.len();
    let in_a_chunk = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
    let after_no_chunk = format!("0\r\n\r\n{hidden}");
    let mut bodies: Vec<(String, String)> = [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
        "Content-Length: 6\r\nTransfer-Encoding : chunked",
        "Content-Length: 6\r\nTransfer-Encoding:\tchunked",
        "Content-Length: 6\r\nTransfer-Encoding: xchunked",
        "Content-Length: 6\r\nTransfer-Encoding: chunked, identity",
        "Content-Length: 6\r\nTransfer-Encoding: identity, chunked",
        "Content-Length: 6\r\nTransfer-Encoding: \u{b}chunked",
        "Content-Length: 6\r\nX: y\nTransfer-Encoding: chunked",
        "Content-Length: 6\r\n Transfer-Encoding: chunked",
        "Content-Length: 6\r\nTransfer-Encoding\r\n : chunked",
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "Content-Length: 6\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked",
        "Content-Length: 6\r\nTransfer_Encoding: chunked",
        "Transfer-Encoding: \"chunked\"\r\nContent-Length: 6",
        "Transfer-Encoding: chunked;q=1\r\nContent-Length: 6",
    ]
    .into_iter()
    .flat_map(|framing| {
        [&after_no_chunk, &in_a_chunk].map(|body| (framing.to_owned(), body.clone()))
    })
    .collect();
    for framing in [
        format!("Content-Length: 0\r\nContent-Length: {length}"),
        format!("Content-Length: {length}\r\nContent-Length: 0"),
        format!("Content-Length: 0, {length}"),
        format!("Content-Length: +{length}"),
        format!("Content-Length: {length} "),
        format!("Content-Length:\u{b}{length}"),
        "Content-Length: -1".to_owned(),
        "Content-Length: 0x0".to_owned(),
        format!("Content-Length: 0\r\n {length}"),
        format!("X: y\rContent-Length: {length}"),
        format!("X: y\nContent-Length: {length}"),
        "X: y\0".to_owned(),
    ] {
        bodies.push((framing, hidden.to_owned()));
    }
    for chunks in [
        format!("0\n\r\n{hidden}"),
        format!("0\r\n\n{hidden}"),
        format!("0;\n\r\n\r\n{hidden}"),
        format!("0x0\r\n\r\n{hidden}"),
        format!("+0\r\n\r\n{hidden}"),
        format!("10000000000000000\r\n\r\n{hidden}"),
        format!("1\r\nxx\r\n0\r\n\r\n{hidden}"),
        format!("1\nx\n0\n\n{hidden}"),
        format!("2\r\nx\r\n0\r\n\r\n{hidden}"),
    ] {
        bodies.push(("Transfer-Encoding: chunked".to_owned(), chunks));
    }
    bodies
        .into_iter()
        .map(|(framing, body)| request_with_framing(&framing, &body))
        .collect()
}

/// The service executes the request that follows these, as HTTP requires. A proxy might parse them differently.
fn valid_pipelined_requests(hidden: &str) -> Vec<String> {
    let mut requests = vec![request_with_framing("Content_Length: 0", hidden)];
    for last_chunk in [
        "0;x=\"\r\n\r\n",
        "00000000000000000\r\n\r\n",
        "0\r\nContent-Length: 9\r\n\r\n",
    ] {
        requests.push(request_with_framing(
            "Transfer-Encoding: chunked",
            &format!("{last_chunk}{hidden}"),
        ));
    }
    requests
}

fn request_with_framing(framing: &str, body: &str) -> String {
    format!(
        "POST /api/v1/auth/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{body}"
    )
}

/// nginx refuses the smuggled request, so it is executed only if nginx and the service disagree about the framing.
// SECURITY: H08
#[test]
fn smuggled_request_is_not_executed_behind_nginx() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    for buffering in ["on", "off"] {
        let port = free_port();
        let server = format!(
            "upstream app {{ server {}; keepalive 8; }}\nserver {{ listen 127.0.0.1:{port}; location = /api/v1/auth/logout {{ return 403; }}\n\
             keepalive_timeout 1s; client_header_timeout 1s; client_body_timeout 1s; lingering_close off; \
             location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
             proxy_request_buffering {buffering}; }} }}",
            app.addr
        );
        let Some(_nginx) = ExternalProgram::nginx(&server, port) else {
            return;
        };
        let send = |request: &str| {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let _ = socket.write_all(request.as_bytes());
            read_until_closed(&mut socket)
        };
        assert!(send(&logout_request("x")).starts_with("HTTP/1.1 403"));
        run_concurrently(12, |thread| {
            let token = app.token("ada");
            let hidden = logout_request(&token);
            let requests = ambiguous_requests(&hidden)
                .into_iter()
                .chain(valid_pipelined_requests(&hidden));
            for request in requests.skip(thread).step_by(12) {
                send(&request);
                // The next request on the shared connection gets its own response.
                let next_response =
                    send("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                assert!(
                    next_response.starts_with("HTTP/1.1 200"),
                    "{request}\n{next_response}"
                );
                assert_eq!(app.get(ME).bearer(&token).send().status, 200, "{request}");
            }
        });
    }
}

/// The smuggled request is read as part of the preceding request's body.
#[test]
fn smuggled_request_is_not_executed_without_a_proxy() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let mut executed = Vec::new();
    for index in 0..ambiguous_requests("").len() {
        let token = app.token("ada");
        let request = ambiguous_requests(&logout_request(&token)).swap_remove(index);
        let mut socket = TcpStream::connect(app.addr).unwrap();
        let _ = socket.write_all(request.as_bytes());
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let response = read_until_closed(&mut socket);
        if app.get(ME).bearer(&token).send().status != 200 {
            executed.push(format!(
                "{:?} {response}",
                request.split("POST /api/v1/auth/logout").next()
            ));
        }
    }
    assert!(executed.is_empty(), "{}", executed.join("\n"));
    // A pipelined request after a valid body is executed.
    let token = app.token("ada");
    let valid_request = format!(
        "POST /api/v1/auth/check HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n{}",
        logout_request(&token)
    );
    app.send_raw(
        &[
            valid_request.as_bytes(),
            b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        ]
        .concat(),
    );
    app.get(ME).bearer(&token).send().expect(401);
}
