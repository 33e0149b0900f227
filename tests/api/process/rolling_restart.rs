//! Restarting replicas with other settings, and migrating the schema, under load.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use serde_json::json;

use crate::support::binary::ServiceProcess;
use crate::support::programs::{ExternalProgram, free_port, guide_code_block};
use crate::support::{PASSWORD, TestApp, wait_until};

// SECURITY: K04
#[test]
fn replicas_restart_with_other_settings_without_a_failed_request() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("User", &[]);
    app.create_user("ada", "User", &[]);
    let ports = [free_port(), free_port()];
    let settings = |port: u16, pool: &str| {
        let mut settings = app.binary_settings();
        for (name, text) in [
            ("ROSTERD_ADDR", format!("127.0.0.1:{port}")),
            ("ROSTERD_PUBLIC_URL", "https://id.example.org".to_owned()),
            ("ROSTERD_DRAIN_DELAY_SECONDS", "1".to_owned()),
            ("ROSTERD_DB_POOL_SIZE", pool.to_owned()),
        ] {
            settings.push((name.to_owned(), text));
        }
        settings
    };
    let mut replicas = ports.map(|port| ServiceProcess::start(&settings(port, "3")));
    let proxy_port = free_port();
    let upstream = guide_code_block("operate.md", "Several replicas", "nginx")
        .replace("192.0.2.11:8080", &format!("127.0.0.1:{}", ports[0]))
        .replace("192.0.2.12:8080", &format!("127.0.0.1:{}", ports[1]));
    assert_eq!(upstream.matches("127.0.0.1:").count(), 2, "{upstream}");
    let server = format!(
        "{upstream}\nserver {{ listen 127.0.0.1:{proxy_port}; location / {{ proxy_pass http://rosterd; }} }}"
    );
    let Some(_nginx) = ExternalProgram::nginx(&server, proxy_port) else {
        return;
    };
    let proxy = format!("http://127.0.0.1:{proxy_port}");
    let login = || {
        let body = json!({"username": "ada", "password": "not the password at all"});
        app.request_via(&proxy, "POST", "/api/v1/auth/login")
            .json(&body)
            .send()
            .status
    };
    for _ in 0..10 {
        assert_eq!(login(), 401);
    }
    assert_eq!(login(), 429);

    let (is_done, request_count) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    app.request_via(&proxy, "GET", "/api/v1/auth/me")
                        .bearer(&token)
                        .send()
                        .expect(200);
                    request_count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for (replica, port) in replicas.iter_mut().zip(ports) {
            replica.signal("-TERM");
            assert!(replica.wait_for_exit().success());
            *replica = ServiceProcess::start(&settings(port, "4"));
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert!(request_count.load(Ordering::Relaxed) > 100);
    assert_eq!(login(), 429, "failed sign-ins are still counted");
    let body = json!({"username": "ada", "password": PASSWORD});
    let correct = app.request_via(&proxy, "POST", "/api/v1/auth/login");
    correct
        .json(&body)
        .send()
        .expect_problem(429, "rate_limited");
}

/// Simulates the migration of a later release: a column, a table, an index and a row in the migrations table. Running
/// replicas and a new one must serve requests.
// SECURITY: K02
#[test]
fn newer_schema_is_served_without_a_failed_request() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let mut settings = app.binary_settings();
    settings.push((
        "ROSTERD_PUBLIC_URL".to_owned(),
        "https://id.example.org".to_owned(),
    ));
    let old = ServiceProcess::start(&settings);
    let (is_done, request_count) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for writer in 0..3 {
            let (admin, old, is_done, request_count) = (&admin, &old, &is_done, &request_count);
            scope.spawn(move || {
                for number in 0.. {
                    if is_done.load(Ordering::Relaxed) {
                        break;
                    }
                    let body = json!({"username": format!("w{writer}-{number}"), "role": "User"});
                    let created = old.post("/api/v1/users").bearer(admin).json(&body);
                    let created = created.send().expect(201);
                    let id = created.data()["id"].as_str().unwrap();
                    let path = format!("/api/v1/users/{id}");
                    old.get(&path).bearer(admin).send().expect(200);
                    old.call("DELETE", &path).bearer(admin).send().expect(204);
                    request_count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let completed = || request_count.load(Ordering::Relaxed);
        wait_until(|| completed() > 10);
        app.execute(
            "ALTER TABLE users ADD COLUMN later text; CREATE TABLE laters (id uuid PRIMARY KEY); \
             INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')",
        );
        app.execute("CREATE INDEX CONCURRENTLY users_later_idx ON users (later)");
        let migrated_at = completed();
        let new = ServiceProcess::start(&settings);
        new.get("/readyz").send().expect(200);
        old.get("/readyz").send().expect(200);
        new.get("/api/v1/users").bearer(&admin).send().expect(200);
        wait_until(|| completed() > migrated_at + 10);
        is_done.store(true, Ordering::Relaxed);
    });
}
