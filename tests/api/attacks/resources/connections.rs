//! Clients that hold connections open.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;

use rosterd::platform::crypto::TokenKind;
use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::support::binary::{ServiceProcess, database_settings};
use crate::support::{ProcessUsage, Schema, TestApp, read_until_closed, wait_until};

use super::ME;

const GET: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Opens a connection with an incomplete request, which the service waits for.
fn hold_connection(app: &TestApp, token: &str) -> TcpStream {
    let mut socket = TcpStream::connect(app.addr).unwrap();
    let request = format!(
        "POST /api/v1/users/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: 10\r\n\r\n "
    );
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

#[test]
fn connection_above_the_maximum_gets_503_until_others_are_closed() {
    let app = TestApp::start_with(&[("ROSTERD_MAX_CONNECTIONS", "20")]);
    // The connections of this client stay open.
    let token = app.super_admin_token();
    let (mut held, mut refused) = (Vec::new(), String::new());
    wait_until(|| {
        held.push(hold_connection(&app, &token));
        refused = app.send_raw(GET);
        refused.starts_with("HTTP/1.1 503 ")
    });
    // On a busy machine, the server has not yet noticed the end of some of the other connections.
    assert!((5..=24).contains(&held.len()), "{}", held.len());
    let refused = refused.to_lowercase();
    for part in [
        "connection: close",
        "retry-after: 1",
        "application/problem+json",
        "\"code\":\"overloaded\"",
    ] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    held.clear();
    wait_until(|| app.send_raw(GET).starts_with("HTTP/1.1 200 "));
}

#[test]
fn connections_of_one_peer_are_limited_but_not_those_of_this_machine() {
    let Some(peer) = own_network_address() else {
        eprintln!("skipped: this machine has no network address");
        return;
    };
    let schema = Schema::new();
    let mut settings = database_settings(&schema);
    for (name, value) in [
        ("ROSTERD_ADDR", "0.0.0.0:0"),
        ("ROSTERD_MAX_CONNECTIONS_PER_PEER", "3"),
    ] {
        settings.push((name.to_owned(), value.to_owned()));
    }
    let service = ServiceProcess::start(&settings);
    let port = service.base.rsplit(':').next().unwrap().parse().unwrap();
    let [peer, loopback] =
        [peer, Ipv4Addr::LOCALHOST.into()].map(|address| SocketAddr::new(address, port));
    let status = |address: SocketAddr| {
        let mut socket = TcpStream::connect(address).unwrap();
        let _ = socket.write_all(GET);
        read_until_closed(&mut socket)
    };
    let mut held = Vec::new();
    wait_until(|| {
        held.push(TcpStream::connect(peer).unwrap());
        status(peer).starts_with("HTTP/1.1 503 ")
    });
    for _ in 0..5 {
        held.push(TcpStream::connect(loopback).unwrap());
    }
    assert!(status(loopback).starts_with("HTTP/1.1 200 "));
    held.clear();
    wait_until(|| status(peer).starts_with("HTTP/1.1 200 "));
}

/// The address of this machine on a network, if it has one. No packet is sent.
fn own_network_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    Some(address).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

#[test]
fn response_closes_its_connection_when_three_quarters_are_in_use() {
    let app = TestApp::start_with(&[("ROSTERD_MAX_CONNECTIONS", "20")]);
    let token = app.super_admin_token();
    let response = app.get("/livez").send().expect(200);
    assert_eq!(response.header("connection"), "");
    let mut held = Vec::new();
    wait_until(|| {
        held.push(hold_connection(&app, &token));
        app.get("/livez").send().header("connection") == "close"
    });
    assert!((10..=20).contains(&held.len()), "{}", held.len());
}

#[test]
fn client_that_never_reads_is_disconnected() {
    let schema = Schema::new();
    let mut settings = database_settings(&schema);
    settings.push(("ROSTERD_WRITE_TIMEOUT_SECONDS".to_owned(), "1".to_owned()));
    let service = ServiceProcess::start(&settings);
    service.get("/openapi.json").send().expect(200);
    let open_files = || ProcessUsage::of(service.pid()).files;
    let without_reader = open_files();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let address: SocketAddr = service.addr().parse().unwrap();
    socket.connect(&address.into()).unwrap();
    let mut socket = TcpStream::from(socket);
    wait_until(|| open_files() > without_reader);
    let request = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(30);
    socket.write_all(request.as_bytes()).unwrap();
    wait_until(|| open_files() <= without_reader);
    drop(socket);
}

#[test]
fn limit_on_open_files_is_raised_to_the_hard_limit() {
    let schema = Schema::new();
    let program = env!("CARGO_BIN_EXE_rosterd");
    let mut service = Command::new("sh")
        .args(["-c", "ulimit -S -n 200 && exec \"$0\" serve", program])
        .env_clear()
        .envs(database_settings(&schema))
        .env("ROSTERD_ADDR", "127.0.0.1:0")
        .current_dir("/")
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", service.id());
    wait_until(|| {
        let limits = std::fs::read_to_string(&limits).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open"));
        let values: Vec<&str> = line.unwrap().split_whitespace().collect();
        values[3] == values[4] && values[3] != "200"
    });
    service.kill().unwrap();
    service.wait().unwrap();
}

#[test]
fn unknown_personal_tokens_of_one_source_are_refused_after_100_lookups() {
    let app = TestApp::start();
    let (owner, session) = app.create_signed_in_user("SuperAdmin", &[]);
    let body = json!({"name": "backup", "permissions": ["users.read"]});
    let created = app.post("/api/v1/auth/tokens").bearer(&session).json(&body);
    let created = created.send().expect(201);
    let program = created.data()["token"].as_str().unwrap();
    let send = |token: &str| app.get(ME).bearer(token).send();
    let unknown_token = || TokenKind::PersonalToken.generate().unwrap();
    app.get("/api/v1/users").bearer(program).send().expect(200);
    let repeated = unknown_token();
    for _ in 0..10 {
        send(&repeated).expect_problem(401, "auth_token_invalid");
    }
    for _ in 1..100 {
        send(&unknown_token()).expect_problem(401, "auth_token_invalid");
    }
    let refused = send(&unknown_token()).expect_problem(429, "rate_limited");
    assert_ne!(refused.header("retry-after"), "");
    assert!(refused.header("ratelimit").contains("unknown-tokens"));
    send(&repeated).expect_problem(401, "auth_token_invalid");
    send(&session).expect(200);
    // A program whose token has been found is not affected, even when it is no longer cached.
    app.patch(&owner.path(""))
        .bearer(app.super_admin_token())
        .json(&json!({"displayName": "Owner"}))
        .send()
        .expect(200);
    app.get("/api/v1/users").bearer(program).send().expect(200);
}

#[test]
fn concurrent_readiness_checks_cause_one_query() {
    use diesel::connection::SimpleConnection;
    let app = TestApp::start();
    let mut other = app.sql();
    let lock = "BEGIN; LOCK TABLE __diesel_schema_migrations IN ACCESS EXCLUSIVE MODE";
    other.batch_execute(lock).unwrap();
    let waiting = "SELECT count(*) FROM pg_locks \
                   WHERE NOT granted AND relation = '__diesel_schema_migrations'::regclass";
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| app.get("/readyz").send().expect(200));
        }
        wait_until(|| app.query_number(waiting) > 0);
        // Enough time for the other requests to arrive.
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(app.query_number(waiting), 1);
        other.batch_execute("ROLLBACK").unwrap();
    });
}

#[test]
fn request_that_is_not_http_gets_a_status_without_a_body_and_is_closed() {
    let app = TestApp::start();
    let too_many_headers = format!("GET /livez HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    for (request, status) in [
        ("\u{16}\u{3}\u{1}\r\n\r\n", "400"),
        ("GET /livez HTTP/9.9\r\n\r\n", "400"),
        ("GET /livez HTTP/1.1\r\nno colon\r\n\r\n", "400"),
        (&too_many_headers, "431"),
    ] {
        let response = app.send_raw(request.as_bytes());
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {response}"
        );
        assert!(response.ends_with("\r\n\r\n"), "{request:?}: {response}");
    }
}
