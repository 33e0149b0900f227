//! Memory, file descriptors, connections, and panics that hold a database connection.

use std::io::Write;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rosterd::platform::error::AppError;
use serde_json::json;

use crate::support::binary::{ServiceProcess, settings_with_administrator};
use crate::support::{
    PASSWORD, ProcessUsage, Schema, TestApp, read_until_closed, run_concurrently, wait_until,
};

use super::ME;

/// Starts the real binary, signs in an administrator and sends warm-up requests.
fn start_and_warm_up(schema: &Schema) -> (ServiceProcess, String) {
    let service = ServiceProcess::start(&settings_with_administrator(schema));
    let token = service.token("admin", PASSWORD);
    run_concurrently(40, |_| {
        service
            .get("/api/v1/users")
            .bearer(&token)
            .send()
            .expect(200)
    });
    run_concurrently(4, |_| service.token("admin", PASSWORD));
    (service, token)
}

fn expect_service_responds(service: &ServiceProcess, token: &str) {
    service.get(ME).bearer(token).send().expect(200);
}

// SECURITY: H01
#[test]
fn large_bodies_do_not_increase_memory() {
    let schema = Schema::new();
    let (service, token) = start_and_warm_up(&schema);
    let baseline = ProcessUsage::of(service.pid());
    let deeply_nested = "[".repeat(1_000_000);
    let many_members = format!("{{{}\"k\":1}}", "\"k\":1,".repeat(150_000));
    let large_string = format!("{{\"username\":\"{}\"}}", "a".repeat(1_000_000));
    for _ in 0..5 {
        run_concurrently(12, |number| {
            let body = [&deeply_nested, &many_members, &large_string][number % 3].clone();
            let call = service.post("/api/v1/users").bearer(&token);
            call.body("application/json", body)
                .send()
                .expect_safe()
                .expect(400);
        });
    }
    // A password of one megabyte is refused before it is hashed.
    run_concurrently(8, |_| {
        let body = json!({"username": "admin", "password": "p".repeat(1_000_000)});
        let response = service
            .post("/api/v1/auth/login")
            .json(&body)
            .send()
            .expect_safe();
        assert!(
            [400, 401, 429].contains(&response.status),
            "{}",
            response.status
        );
    });
    run_concurrently(4, |_| {
        let mut socket = TcpStream::connect(service.addr()).unwrap();
        let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        socket.write_all(head.as_bytes()).unwrap();
        let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
        // Up to one gigabyte, until the service closes the connection.
        for _ in 0..1000 {
            if socket.write_all(chunk.as_bytes()).is_err() {
                break;
            }
        }
        drop(read_until_closed(&mut socket));
    });
    expect_service_responds(&service, &token);
    baseline.expect_return_to_baseline(service.pid(), 32);
}

/// Lengths that exceed 31, 32 or 64 bits (compare RUSTSEC-2024-0365).
// SECURITY: H14
#[test]
fn oversized_content_length_is_refused_before_the_body_is_read() {
    let app = TestApp::start();
    let token = app.super_admin_token();
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
        let response = app.send_raw(
            format!(
                "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{{}}"
            )
            .as_bytes(),
        );
        let status = response.split(' ').nth(1).unwrap_or_default();
        assert!(statuses.contains(&status), "{length}: {response}");
    }
    for size in [
        "80000000",
        "ffffffff",
        "100000000",
        "7fffffffffffffff",
        "ffffffffffffffff",
        "10000000000000000",
    ] {
        let response = app.send_raw(
            format!(
                "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{size}\r\n{}",
                " ".repeat(1_100_000)
            )
            .as_bytes(),
        );
        let status = response.split(' ').nth(1).unwrap_or_default();
        assert!(["", "400", "413"].contains(&status), "{size}: {response}");
    }
    app.get(ME).bearer(&token).send().expect(200);
}

// SECURITY: H16
#[test]
fn distinct_header_values_are_not_cached() {
    let schema = Schema::new();
    let (service, token) = start_and_warm_up(&schema);
    let baseline = ProcessUsage::of(service.pid());
    run_concurrently(8, |thread| {
        for number in 0..400 {
            let name = format!("{thread}-{number}-{}", "x".repeat(8_000));
            let call = service.get(ME).bearer(&token);
            call.header("User-Agent", &name)
                .header("Accept-Language", &name)
                .send()
                .expect(200);
        }
    });
    // The header values add up to 51 MB.
    baseline.expect_return_to_baseline(service.pid(), 24);
}

// SECURITY: H22
#[test]
fn connection_flood_does_not_block_other_callers() {
    let schema = Schema::new();
    let (service, token) = start_and_warm_up(&schema);
    let baseline = ProcessUsage::of(service.pid());
    for head in ["", "GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let flood: Vec<TcpStream> = (0..700)
            .filter_map(|_| {
                let mut socket = TcpStream::connect(service.addr()).ok()?;
                socket.write_all(head.as_bytes()).ok()?;
                Some(socket)
            })
            .collect();
        assert!(flood.len() > 600);
        // Other callers are served during the flood.
        run_concurrently(20, |_| expect_service_responds(&service, &token));
        drop(flood);
    }
    // All of its resources are released.
    baseline.expect_return_to_baseline(service.pid(), 32);
    expect_service_responds(&service, &token);
}

// SECURITY: H24
#[test]
fn panic_in_a_database_closure_leaks_no_connection_or_lock() {
    let app = TestApp::start();
    let db = app.db();
    let take_the_lock = "SELECT pg_advisory_xact_lock(4711)";
    for _ in 0..20 {
        let panics = AssertUnwindSafe(|| {
            db.write_now(|tx| -> rosterd::platform::error::TxResult<()> {
                use diesel::connection::SimpleConnection;
                tx.conn.batch_execute(take_the_lock).unwrap();
                panic!("simulated failure in a write");
            })
        });
        assert!(catch_unwind(panics).is_err());
        let panics = AssertUnwindSafe(|| {
            db.read_now(|_| -> Result<(), AppError> { panic!("simulated failure in a read") })
        });
        assert!(catch_unwind(panics).is_err());
    }
    // The pool has two connections, and the advisory lock is free.
    run_concurrently(4, |_| {
        use diesel::connection::SimpleConnection;
        db.write_now(|tx| {
            tx.conn.batch_execute(take_the_lock).unwrap();
            Ok(())
        })
        .unwrap();
    });
    wait_until(|| db.pool_status().connections == db.pool_status().idle);
    assert!(db.pool_status().connections <= 2);
}
