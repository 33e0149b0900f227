//! Graceful shutdown by signals, and a killed process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::binary::{ServiceProcess, TempDir, database_settings, is_alive, signal};
use crate::support::{PASSWORD, Schema};

/// A request whose body has been sent in part.
struct PartialRequest {
    stream: TcpStream,
    rest: String,
}

impl PartialRequest {
    fn start(service: &ServiceProcess) -> Self {
        let body = json!({"username": "nobody", "password": PASSWORD}).to_string();
        let (first, rest) = body.split_at(10);
        let mut stream = TcpStream::connect(service.addr()).unwrap();
        write!(
            stream,
            "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
            body.len()
        )
        .unwrap();
        Self {
            stream,
            rest: rest.to_owned(),
        }
    }

    /// Sends the rest of the body. Returns everything received until the connection is closed.
    fn finish(mut self) -> String {
        let _ = self.stream.write_all(self.rest.as_bytes());
        self.read_until_closed()
    }

    fn read_until_closed(&mut self) -> String {
        let mut response = Vec::new();
        // A closed connection may be reset.
        let _ = self.stream.read_to_end(&mut response);
        String::from_utf8(response).unwrap()
    }
}

/// Opens a connection, makes one request and leaves it open.
fn open_keep_alive_connection(service: &ServiceProcess) -> TcpStream {
    let mut stream = TcpStream::connect(service.addr()).unwrap();
    write!(stream, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line).unwrap();
    assert_eq!(&status_line, b"HTTP/1.1 200");
    stream
}

fn check_graceful_shutdown(signal_name: &str) {
    let dir = TempDir::new();
    let mut service = ServiceProcess::start(&dir.private_cluster_settings());
    let postmaster = dir.postmaster_pid().unwrap();
    let idle_connections: Vec<TcpStream> = (0..50)
        .map(|_| open_keep_alive_connection(&service))
        .collect();
    let partial_request = PartialRequest::start(&service);
    // This response shows that the partial request has arrived.
    service.get("/livez").send().expect(200);
    service.signal(signal_name);
    service.wait_for_output("shutting down: requests in flight may finish");
    let response = partial_request.finish();
    assert!(response.starts_with("HTTP/1.1 401"), "{response}");
    assert!(
        response
            .to_lowercase()
            .contains("\r\nconnection: close\r\n")
    );
    assert!(service.wait_for_exit().success());
    assert!(!is_alive(postmaster));
    assert_eq!(dir.postmaster_pid(), None);
    let output = service.output().join("\n");
    assert!(!output.contains("do not arrive"), "{output}");
    drop(idle_connections);
}

#[test]
fn sigterm_finishes_open_requests_and_stops_the_private_cluster() {
    check_graceful_shutdown("-TERM");
}

#[test]
fn sigint_finishes_open_requests_and_stops_the_private_cluster() {
    check_graceful_shutdown("-INT");
}

#[test]
fn readiness_check_fails_during_the_drain_delay() {
    let schema = Schema::new();
    let mut settings = database_settings(&schema);
    settings.push(("ROSTERD_DRAIN_DELAY_SECONDS".into(), "3600".into()));
    let mut service = ServiceProcess::start(&settings);
    service.get("/readyz").send().expect(200);
    service.signal("-TERM");
    service.wait_for_output("shutting down: requests in flight may finish");
    let response = service
        .get("/readyz")
        .send()
        .expect_problem(503, "overloaded");
    assert_eq!(response.header("retry-after"), "1");
    let response = service.get("/livez").send().expect(200);
    assert_eq!(response.header("connection"), "close");
    service.signal("-TERM");
    assert!(service.wait_for_exit().success());
}

#[test]
fn unused_connection_can_be_used_until_the_drain_ends() {
    let schema = Schema::new();
    let mut settings = database_settings(&schema);
    settings.push(("ROSTERD_DRAIN_DELAY_SECONDS".into(), "1".into()));
    settings.push(("ROSTERD_DRAIN_SECONDS".into(), "3600".into()));
    let mut service = ServiceProcess::start(&settings);
    let mut unused = open_keep_alive_connection(&service);
    service.signal("-TERM");
    service.wait_for_output("shutting down: requests in flight may finish");
    thread::sleep(Duration::from_secs(3));
    write!(
        unused,
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    )
    .unwrap();
    let mut responses = String::new();
    unused.read_to_string(&mut responses).unwrap();
    let (_, response) = responses.rsplit_once("HTTP/1.1 ").unwrap();
    assert!(response.starts_with('4'), "{response}");
    assert!(
        response
            .to_lowercase()
            .contains("\r\nconnection: close\r\n")
    );
    drop(unused);
    assert!(service.wait_for_exit().success());
}

#[test]
fn request_longer_than_the_drain_time_is_closed() {
    let schema = Schema::new();
    let mut settings = database_settings(&schema);
    settings.push(("ROSTERD_DRAIN_SECONDS".into(), "1".into()));
    let mut service = ServiceProcess::start(&settings);
    let mut partial_request = PartialRequest::start(&service);
    service.get("/livez").send().expect(200);
    service.signal("-TERM");
    assert_eq!(partial_request.read_until_closed(), "");
    assert!(service.wait_for_exit().success());
}

#[test]
fn second_signal_closes_open_requests() {
    let schema = Schema::new();
    let mut settings = database_settings(&schema);
    settings.push(("ROSTERD_DRAIN_SECONDS".into(), "3600".into()));
    let mut service = ServiceProcess::start(&settings);
    let mut partial_request = PartialRequest::start(&service);
    service.get("/livez").send().expect(200);
    service.signal("-TERM");
    service.wait_for_output("shutting down: requests in flight may finish");
    service.signal("-TERM");
    service.wait_for_output("are cut off");
    assert!(service.wait_for_exit().success());
    assert_eq!(partial_request.read_until_closed(), "");
}

#[test]
fn killed_process_loses_no_acknowledged_account() {
    const ACCOUNTS: usize = 1000;
    const THREADS: usize = 8;
    let dir = TempDir::new();
    let mut service = ServiceProcess::start(&dir.private_cluster_settings());
    let postmaster = dir.postmaster_pid().unwrap();
    let password = service.generated_password();
    let token = service.token("admin", &password);
    let has_enough = AtomicBool::new(false);
    let acknowledged: Vec<String> = thread::scope(|scope| {
        let create = |thread_number: usize| {
            let (service, token, has_enough) = (&service, &token, &has_enough);
            move || {
                let mut created = Vec::new();
                for number in 0.. {
                    let name = format!("user-{thread_number}-{number}");
                    let body = json!({"username": name, "role": "User"});
                    let call = service.post("/api/v1/users").bearer(token).json(&body);
                    // The process is killed during some of the requests.
                    match call.try_send() {
                        Some(response) => {
                            response.expect(201);
                            created.push(name);
                        }
                        None => break,
                    }
                    if created.len() * THREADS >= ACCOUNTS {
                        has_enough.store(true, Ordering::Relaxed);
                    }
                }
                created
            }
        };
        let threads: Vec<_> = (0..THREADS)
            .map(|thread_number| scope.spawn(create(thread_number)))
            .collect();
        while !has_enough.load(Ordering::Relaxed) {
            thread::sleep(std::time::Duration::from_millis(5));
        }
        signal(service.pid(), "-KILL");
        let created = threads
            .into_iter()
            .map(|thread_number| thread_number.join().unwrap());
        created.flatten().collect()
    });
    assert!(!service.wait_for_exit().success());
    assert!(is_alive(postmaster), "the cluster keeps running");

    let mut service = ServiceProcess::start(&dir.private_cluster_settings());
    assert_eq!(
        dir.postmaster_pid(),
        Some(postmaster),
        "the running cluster is reused"
    );
    let token = service.token("admin", &password);
    let mut stored = std::collections::HashSet::new();
    let mut path = "/api/v1/users?limit=200".to_owned();
    loop {
        let response = service.get(&path).bearer(&token).send().expect(200);
        let names = response.data().as_array().unwrap().iter();
        stored.extend(names.map(|user| user["username"].as_str().unwrap().to_owned()));
        match &response.body["page"]["next"] {
            Value::String(next) => path = format!("/api/v1/users?limit=200&cursor={next}"),
            _ => break,
        }
    }
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|name| !stored.contains(*name))
        .collect();
    assert!(acknowledged.len() >= ACCOUNTS / 2, "{}", acknowledged.len());
    assert!(lost.is_empty(), "{lost:?}");
    service.signal("-TERM");
    assert!(service.wait_for_exit().success());
    assert!(!is_alive(postmaster));
}
