//! Callers who are slow, idle, or many at once.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::Schema;
use crate::support::binary::{Service, on};

/// Sends this and no more; what is answered up to the end of the connection.
fn begin(service: &Service, text: &str) -> impl FnOnce() -> String + use<> {
    let mut stream = TcpStream::connect(service.addr()).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    move || {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn who_is_slow_is_cut_off_and_who_is_idle_does_no_harm() {
    let schema = Schema::new();
    let service = Service::start(&on(&schema));
    let idle: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(service.addr()).unwrap();
            write!(stream, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut begin = [0; 12];
            stream.read_exact(&mut begin).unwrap();
            stream
        })
        .collect();
    let silent = begin(&service, "");
    let head = begin(&service, "GET /livez HTTP/1.1\r\nHos");
    let body = begin(
        &service,
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"user",
    );
    for _ in 0..100 {
        service.get("/readyz").send().expect(200);
    }
    let body = body();
    for answer in [&silent(), &head(), &body] {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    assert!(body.contains("\"code\":\"request_timeout\""), "{body}");
    // They are still there.
    for mut stream in idle {
        write!(stream, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = vec![0; 4096];
        assert!(stream.read(&mut answer).unwrap() > 0);
    }
}
