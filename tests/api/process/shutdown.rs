//! How it ends: told to, in a hurry, and killed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::binary::{Folder, Service, is_alive, on, signal};
use crate::support::{PASSWORD, Schema};

/// A request whose body has begun to arrive.
struct InFlight {
    stream: TcpStream,
    rest: String,
}

impl InFlight {
    fn begin(service: &Service) -> Self {
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

    /// The answer, up to the end of the connection.
    fn finish(mut self) -> String {
        let _ = self.stream.write_all(self.rest.as_bytes());
        self.until_it_is_closed()
    }

    fn until_it_is_closed(&mut self) -> String {
        let mut answer = Vec::new();
        // A connection that is cut off may be reset.
        let _ = self.stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }
}

/// A connection that has been answered once and is kept for more.
fn kept_connection(service: &Service) -> TcpStream {
    let mut stream = TcpStream::connect(service.addr()).unwrap();
    write!(stream, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    stream
}

fn ends_in_order(name: &str) {
    let folder = Folder::new();
    let mut service = Service::start(&folder.settings());
    let postmaster = folder.postmaster().unwrap();
    let kept: Vec<TcpStream> = (0..50).map(|_| kept_connection(&service)).collect();
    let in_flight = InFlight::begin(&service);
    // Answered after it, so that it has arrived.
    service.get("/livez").send().expect(200);
    service.signal(name);
    service.until_it_says("ending: what is in flight may finish");
    let answer = in_flight.finish();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"));
    assert!(service.ended().success());
    assert!(!is_alive(postmaster));
    assert_eq!(folder.postmaster(), None);
    drop(kept);
}

#[test]
fn sigterm_lets_what_is_in_flight_finish_and_stops_the_private_cluster() {
    ends_in_order("-TERM");
}

#[test]
fn sigint_does_so_too() {
    ends_in_order("-INT");
}

#[test]
fn after_sigterm_it_says_that_it_is_not_ready_before_it_stops_listening() {
    let schema = Schema::new();
    let mut settings = on(&schema);
    settings.push(("ROSTERD_DRAIN_DELAY_SECONDS".into(), "3600".into()));
    let mut service = Service::start(&settings);
    service.get("/readyz").send().expect(200);
    service.signal("-TERM");
    service.until_it_says("ending: what is in flight may finish");
    let answer = service
        .get("/readyz")
        .send()
        .expect_problem(503, "overloaded");
    assert_eq!(answer.header("retry-after"), "1");
    let answer = service.get("/livez").send().expect(200);
    assert_eq!(answer.header("connection"), "close");
    service.signal("-TERM");
    assert!(service.ended().success());
}

#[test]
fn what_takes_longer_than_the_drain_is_cut_off() {
    let schema = Schema::new();
    let mut settings = on(&schema);
    settings.push(("ROSTERD_DRAIN_SECONDS".into(), "1".into()));
    let mut service = Service::start(&settings);
    let mut in_flight = InFlight::begin(&service);
    service.get("/livez").send().expect(200);
    service.signal("-TERM");
    assert_eq!(in_flight.until_it_is_closed(), "");
    assert!(service.ended().success());
}

#[test]
fn a_second_signal_cuts_off_what_is_in_flight() {
    let schema = Schema::new();
    let mut settings = on(&schema);
    settings.push(("ROSTERD_DRAIN_SECONDS".into(), "3600".into()));
    let mut service = Service::start(&settings);
    let mut in_flight = InFlight::begin(&service);
    service.get("/livez").send().expect(200);
    service.signal("-TERM");
    service.until_it_says("ending: what is in flight may finish");
    service.signal("-TERM");
    service.until_it_says("is cut off");
    assert!(service.ended().success());
    assert_eq!(in_flight.until_it_is_closed(), "");
}

#[test]
fn a_server_that_is_killed_loses_nothing_that_was_acknowledged() {
    const ACCOUNTS: usize = 1000;
    const CALLERS: usize = 8;
    let folder = Folder::new();
    let mut service = Service::start(&folder.settings());
    let postmaster = folder.postmaster().unwrap();
    let password = service.first_password();
    let token = service.token("admin", &password);
    let is_enough = AtomicBool::new(false);
    let acknowledged: Vec<String> = thread::scope(|scope| {
        let create = |caller: usize| {
            let (service, token, is_enough) = (&service, &token, &is_enough);
            move || {
                let mut made = Vec::new();
                for number in 0.. {
                    let name = format!("user-{caller}-{number}");
                    let body = json!({"username": name, "role": "User"});
                    let call = service.post("/api/v1/users").by(token).json(&body);
                    // The process is killed while calls are under way.
                    match call.try_send() {
                        Some(answer) => {
                            answer.expect(201);
                            made.push(name);
                        }
                        None => break,
                    }
                    if made.len() * CALLERS >= ACCOUNTS {
                        is_enough.store(true, Ordering::Relaxed);
                    }
                }
                made
            }
        };
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| scope.spawn(create(caller)))
            .collect();
        while !is_enough.load(Ordering::Relaxed) {
            thread::sleep(std::time::Duration::from_millis(5));
        }
        signal(service.pid(), "-KILL");
        let made = callers.into_iter().map(|caller| caller.join().unwrap());
        made.flatten().collect()
    });
    assert!(!service.ended().success());
    assert!(is_alive(postmaster), "the cluster outlives it");

    let mut service = Service::start(&folder.settings());
    assert_eq!(folder.postmaster(), Some(postmaster), "it is taken over");
    let token = service.token("admin", &password);
    let mut found = std::collections::HashSet::new();
    let mut path = "/api/v1/users?limit=200".to_owned();
    loop {
        let answer = service.get(&path).by(&token).send().expect(200);
        let names = answer.data().as_array().unwrap().iter();
        found.extend(names.map(|user| user["username"].as_str().unwrap().to_owned()));
        match &answer.body["page"]["next"] {
            Value::String(next) => path = format!("/api/v1/users?limit=200&cursor={next}"),
            _ => break,
        }
    }
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|name| !found.contains(*name))
        .collect();
    assert!(acknowledged.len() >= ACCOUNTS / 2, "{}", acknowledged.len());
    assert!(lost.is_empty(), "{lost:?}");
    service.signal("-TERM");
    assert!(service.ended().success());
    assert!(!is_alive(postmaster));
}
