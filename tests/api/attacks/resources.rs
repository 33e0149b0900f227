//! Attacks on what the service has to live on: memory, files, connections, the framing of requests, and its own panics.

use std::io::Write;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use rosterd::platform::error::AppError;
use serde_json::json;

use crate::support::binary::{self, Service};
use crate::support::proxy::{Program, free_port};
use crate::support::{Call, Footprint, Schema, TestApp, at_once, eventually, to_the_end};

const ME: &str = "/api/v1/auth/me";
const PASSWORD: &str = "seven green lanterns at noon";

/// The real program with an administrator who has signed in, after it has done a little of everything.
fn started(schema: &Schema) -> (Service, String) {
    let service = Service::start(&settings(schema));
    let token = service.token("admin", PASSWORD);
    at_once(40, |_| {
        service.get("/api/v1/users").by(&token).send().expect(200)
    });
    at_once(4, |_| service.token("admin", PASSWORD));
    (service, token)
}

/// On this schema, with two of each kind of thread and an administrator.
fn settings(schema: &Schema) -> Vec<(String, String)> {
    let mut settings = binary::on(schema);
    for (name, value) in [
        ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", "admin"),
        ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", PASSWORD),
        ("ROSTERD_LOG", "warn"),
        ("ROSTERD_WORKERS", "2"),
        ("ROSTERD_HASH_THREADS", "2"),
    ] {
        settings.push((name.to_owned(), value.to_owned()));
    }
    settings
}

fn alive(service: &Service, token: &str) {
    service.get(ME).by(token).send().expect(200);
}

#[test]
fn h01_bodies_take_no_more_memory_than_they_may() {
    let schema = Schema::new();
    let (service, token) = started(&schema);
    let begin = Footprint::of(service.pid());
    let deep = "[".repeat(1_000_000);
    let wide = format!("{{{}\"k\":1}}", "\"k\":1,".repeat(150_000));
    let large = format!("{{\"username\":\"{}\"}}", "a".repeat(1_000_000));
    for _ in 0..5 {
        at_once(12, |number| {
            let body = [&deep, &wide, &large][number % 3].clone();
            let call = service.post("/api/v1/users").by(&token);
            call.body("application/json", body)
                .send()
                .harmless()
                .expect(400);
        });
    }
    // A password of a megabyte is none long before it is hashed.
    at_once(8, |_| {
        let body = json!({"username": "admin", "password": "p".repeat(1_000_000)});
        let answer = service
            .post("/api/v1/auth/login")
            .json(&body)
            .send()
            .harmless();
        assert!(
            [400, 401, 429].contains(&answer.status),
            "{}",
            answer.status
        );
    });
    at_once(4, |_| {
        let mut socket = TcpStream::connect(service.addr()).unwrap();
        let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        socket.write_all(head.as_bytes()).unwrap();
        let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
        // A gigabyte, or until it does not listen any more.
        for _ in 0..1000 {
            if socket.write_all(chunk.as_bytes()).is_err() {
                break;
            }
        }
        drop(to_the_end(&mut socket));
    });
    alive(&service, &token);
    begin.comes_back(service.pid(), 32);
}

/// RUSTSEC-2024-0365 and its like: what does not fit into 31 or 32 bits.
#[test]
fn h14_a_length_that_nobody_can_mean_is_turned_away_before_it_is_read() {
    let app = TestApp::start();
    let token = app.super_admin();
    for (length, statuses) in [
        ("1048577", &["413"][..]),
        ("2147483647", &["413"]),
        ("2147483648", &["413"]),
        ("4294967296", &["413"]),
        ("4294967306", &["413"]),
        ("9223372036854775808", &["400", "413"]),
        ("18446744073709551615", &["400", "413"]),
        ("18446744073709551616", &["400"]),
        ("99999999999999999999999999", &["400"]),
    ] {
        let answer = app.raw(
            format!(
                "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{{}}"
            )
            .as_bytes(),
        );
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(statuses.contains(&status), "{length}: {answer}");
    }
    for size in [
        "80000000",
        "ffffffff",
        "100000000",
        "7fffffffffffffff",
        "ffffffffffffffff",
        "10000000000000000",
    ] {
        let answer = app.raw(
            format!(
                "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{size}\r\n{}",
                " ".repeat(1_100_000)
            )
            .as_bytes(),
        );
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["", "400", "413"].contains(&status), "{size}: {answer}");
    }
    app.get(ME).by(&token).send().expect(200);
}

#[test]
fn h16_what_callers_call_themselves_is_remembered_nowhere() {
    let schema = Schema::new();
    let (service, token) = started(&schema);
    let begin = Footprint::of(service.pid());
    at_once(8, |side| {
        for number in 0..400 {
            let name = format!("{side}-{number}-{}", "x".repeat(8_000));
            let call = service.get(ME).by(&token);
            call.header("User-Agent", &name)
                .header("Accept-Language", &name)
                .send()
                .expect(200);
        }
    });
    // 51 MB of names.
    begin.comes_back(service.pid(), 24);
}

#[test]
fn h22_a_flood_of_connections_keeps_nobody_out_for_long() {
    let schema = Schema::new();
    let (service, token) = started(&schema);
    let begin = Footprint::of(service.pid());
    for head in ["", "GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let flood: Vec<TcpStream> = (0..700)
            .filter_map(|_| {
                let mut socket = TcpStream::connect(service.addr()).ok()?;
                socket.write_all(head.as_bytes()).ok()?;
                Some(socket)
            })
            .collect();
        assert!(flood.len() > 600);
        // Others are answered while it lasts.
        at_once(20, |_| alive(&service, &token));
        drop(flood);
    }
    // And at last it has let go of all of them.
    begin.comes_back(service.pid(), 32);
    alive(&service, &token);
}

#[test]
fn h24_a_panic_on_the_way_to_the_database_leaks_no_connection_and_no_lock() {
    let app = TestApp::start();
    let db = app.db();
    let take_the_lock = "SELECT pg_advisory_xact_lock(4711)";
    for _ in 0..10 {
        let panics = AssertUnwindSafe(|| {
            db.write_now(|tx| -> rosterd::platform::error::TxResult<()> {
                use diesel::connection::SimpleConnection;
                tx.conn.batch_execute(take_the_lock).unwrap();
                panic!("as if something were wrong");
            })
        });
        assert!(catch_unwind(panics).is_err());
        let panics =
            AssertUnwindSafe(|| db.read_now(|_| -> Result<(), AppError> { panic!("here too") }));
        assert!(catch_unwind(panics).is_err());
    }
    // The pool has two, and whoever waits for the lock gets it.
    at_once(4, |_| {
        use diesel::connection::SimpleConnection;
        db.write_now(|tx| {
            tx.conn.batch_execute(take_the_lock).unwrap();
            Ok(())
        })
        .unwrap();
    });
    eventually(|| db.load().0 == db.load().1);
    assert!(db.load().0 <= 2);
}

/// The request that is hidden: that it was done shows in the token.
fn sign_out(token: &str) -> String {
    format!(
        "POST /api/v1/auth/logout HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Requests that hold another one for whoever reads their framing otherwise.
fn smugglers(hidden: &str) -> Vec<String> {
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
        .map(|(framing, body)| framed(&framing, &body))
        .collect()
}

/// To us these end where they say, and what follows is a request; a proxy might think otherwise.
fn plain_to_us(hidden: &str) -> Vec<String> {
    let mut plain = vec![framed("Content_Length: 0", hidden)];
    for end in [
        "0;x=\"\r\n\r\n",
        "00000000000000000\r\n\r\n",
        "0\r\nContent-Length: 9\r\n\r\n",
    ] {
        plain.push(framed(
            "Transfer-Encoding: chunked",
            &format!("{end}{hidden}"),
        ));
    }
    plain
}

fn framed(framing: &str, body: &str) -> String {
    format!(
        "POST /api/v1/auth/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{body}"
    )
}

/// Behind nginx, which turns the hidden request away, so that it is done only if the two disagree where a request ends.
#[test]
fn h08_no_framing_smuggles_a_request_past_nginx() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    for buffering in ["on", "off"] {
        let port = free_port();
        let server = format!(
            "upstream app {{ server {}; keepalive 8; }}\nserver {{ listen 127.0.0.1:{port}; location = /api/v1/auth/logout {{ return 403; }}\n\
             keepalive_timeout 1s; client_header_timeout 1s; client_body_timeout 1s; lingering_close off; \
             location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
             proxy_request_buffering {buffering}; }} }}",
            app.addr
        );
        let Some(_nginx) = Program::nginx(&server, port) else {
            return;
        };
        let send = |request: &str| {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let _ = socket.write_all(request.as_bytes());
            to_the_end(&mut socket)
        };
        assert!(send(&sign_out("x")).starts_with("HTTP/1.1 403"));
        at_once(12, |side| {
            let token = app.token("ada");
            let hidden = sign_out(&token);
            let all = smugglers(&hidden).into_iter().chain(plain_to_us(&hidden));
            for request in all.skip(side).step_by(12) {
                send(&request);
                // Whoever comes next on a connection to the service gets their own answer.
                let next = send("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                assert!(next.starts_with("HTTP/1.1 200"), "{request}\n{next}");
                assert_eq!(app.get(ME).by(&token).send().status, 200, "{request}");
            }
        });
    }
}

/// Without a proxy, too: the hidden request is what a body holds, and is never done.
#[test]
fn h08_no_body_is_taken_for_a_request() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let mut bad = Vec::new();
    for index in 0..smugglers("").len() {
        let token = app.token("ada");
        let request = smugglers(&sign_out(&token)).swap_remove(index);
        let mut socket = TcpStream::connect(app.addr).unwrap();
        let _ = socket.write_all(request.as_bytes());
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let answer = to_the_end(&mut socket);
        if app.get(ME).by(&token).send().status != 200 {
            bad.push(format!(
                "{:?} {answer}",
                request.split("POST /api/v1/auth/logout").next()
            ));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    // What follows an honest body is a request of its own.
    let token = app.token("ada");
    let honest = format!(
        "POST /api/v1/auth/check HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n{}",
        sign_out(&token)
    );
    app.raw(
        &[
            honest.as_bytes(),
            b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        ]
        .concat(),
    );
    app.get(ME).by(&token).send().expect(401);
}

/// One replica after the other is replaced while accounts are made and read through nginx: the service fails nobody, and what
/// was acknowledged is there. A connection that the system took for a listener in the moment of its end is cut off, and
/// nginx does not say a POST twice: for that there is the idempotency key.
#[test]
#[ignore = "takes half a minute; run by make test-long"]
fn k02_replacing_the_replicas_one_by_one_is_not_seen() {
    let schema = Schema::new();
    let ports = [free_port(), free_port()];
    let start = |port: u16| {
        let mut settings = settings(&schema);
        for (name, value) in [
            ("ROSTERD_ADDR", format!("127.0.0.1:{port}")),
            ("ROSTERD_PUBLIC_URL", "https://id.example.org".to_owned()),
            ("ROSTERD_DRAIN_DELAY_SECONDS", "1".to_owned()),
        ] {
            settings.push((name.to_owned(), value));
        }
        Service::start(&settings)
    };
    let mut replicas = ports.map(|port| Some(start(port)));
    let token = replicas[0].as_ref().unwrap().token("admin", PASSWORD);
    let port = free_port();
    let server = format!(
        "upstream app {{ server 127.0.0.1:{} max_fails=0; server 127.0.0.1:{} max_fails=0; }}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; proxy_connect_timeout 1s; }} }}",
        ports[0], ports[1]
    );
    let Some(_nginx) = Program::nginx(&server, port) else {
        return;
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let base = format!("http://127.0.0.1:{port}");
    let is_over = AtomicBool::new(false);
    let made: Vec<String> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let (agent, base, token, is_over) = (&agent, &base, &token, &is_over);
                scope.spawn(move || {
                    let mut made = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        let name = format!("caller-{caller}-{}", made.len());
                        let body = json!({"username": name, "role": "User"});
                        let users = format!("{base}/api/v1/users");
                        let create = || {
                            let call = Call::new(agent, "POST", &users).by(token).json(&body);
                            call.header("Idempotency-Key", &name).send()
                        };
                        let mut answer = create();
                        while answer.status == 502 {
                            assert!(answer.text.contains("nginx"), "{}", answer.text);
                            answer = create();
                        }
                        answer.expect(201);
                        let me = format!("{base}{ME}");
                        Call::new(agent, "GET", &me).by(token).send().expect(200);
                        made.push(name);
                    }
                    made
                })
            })
            .collect();
        for round in 0..4 {
            let replica = &mut replicas[round % 2];
            let mut old = replica.take().unwrap();
            old.signal("-TERM");
            assert!(old.ended().success());
            *replica = Some(start(ports[round % 2]));
        }
        is_over.store(true, Ordering::Relaxed);
        callers
            .into_iter()
            .flat_map(|caller| caller.join().unwrap())
            .collect()
    });
    assert!(made.len() > 20);
    let service = replicas[0].as_ref().unwrap();
    for name in &made {
        let found = service
            .get(&format!("/api/v1/users?username={name}"))
            .by(&token)
            .send();
        assert_eq!(found.expect(200).data()[0]["username"], json!(name));
    }
}
