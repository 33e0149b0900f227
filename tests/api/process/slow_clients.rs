//! Slow, idle and many connections.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::Schema;
use crate::support::binary::{ServiceProcess, database_settings};

/// Sends text and keeps the connection open. The returned closure reads until the server closes it.
fn send_and_keep_open(service: &ServiceProcess, text: &str) -> impl FnOnce() -> String + use<> {
    let mut stream = TcpStream::connect(service.addr()).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    move || {
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }
}

#[test]
fn slow_requests_time_out_and_idle_connections_stay_open() {
    let schema = Schema::new();
    let service = ServiceProcess::start(&database_settings(&schema));
    let idle: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(service.addr()).unwrap();
            write!(stream, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut status_line = [0; 12];
            stream.read_exact(&mut status_line).unwrap();
            stream
        })
        .collect();
    let without_request = send_and_keep_open(&service, "");
    let partial_head = send_and_keep_open(&service, "GET /livez HTTP/1.1\r\nHos");
    let partial_body = send_and_keep_open(
        &service,
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"user",
    );
    for _ in 0..100 {
        service.get("/readyz").send().expect(200);
    }
    let partial_body = partial_body();
    for response in [&without_request(), &partial_head(), &partial_body] {
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    }
    assert!(
        partial_body.contains("\"code\":\"request_timeout\""),
        "{partial_body}"
    );
    // The idle connections are still usable.
    for mut stream in idle {
        write!(stream, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut response = vec![0; 4096];
        assert!(stream.read(&mut response).unwrap() > 0);
    }
}
