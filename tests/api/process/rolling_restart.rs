//! Replicas that are started anew with other settings, and a schema that gets ahead of them, while requests come in.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use serde_json::json;

use crate::support::binary::Service;
use crate::support::proxy::{Program, free_port};
use crate::support::{PASSWORD, TestApp, eventually};

#[test]
fn k04_settings_change_under_load_without_a_failed_request() {
    let app = TestApp::start();
    let (_, token) = app.someone("User", &[]);
    app.user("ada", "User", &[]);
    let ports = [free_port(), free_port()];
    let settings = |port: u16, pool: &str| {
        let mut settings = app.settings_for_the_binary();
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
    let mut replicas = ports.map(|port| Service::start(&settings(port, "3")));
    let front = free_port();
    let server = format!(
        "upstream replicas {{ server 127.0.0.1:{} max_fails=0; server 127.0.0.1:{} max_fails=0; }}\n\
         server {{ listen 127.0.0.1:{front}; location / {{ proxy_pass http://replicas; }} }}",
        ports[0], ports[1]
    );
    let Some(_nginx) = Program::nginx(&server, front) else {
        return;
    };
    let proxy = format!("http://127.0.0.1:{front}");
    let login = || {
        let body = json!({"username": "ada", "password": "not the password at all"});
        app.call_at(&proxy, "POST", "/api/v1/auth/login")
            .json(&body)
            .send()
            .status
    };
    for _ in 0..10 {
        assert_eq!(login(), 401);
    }
    assert_eq!(login(), 429);

    let (over, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    app.call_at(&proxy, "GET", "/api/v1/auth/me")
                        .by(&token)
                        .send()
                        .expect(200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for (replica, port) in replicas.iter_mut().zip(ports) {
            replica.signal("-TERM");
            assert!(replica.ended().success());
            *replica = Service::start(&settings(port, "4"));
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(answered.load(Ordering::Relaxed) > 100);
    assert_eq!(login(), 429, "what was counted is counted still");
    let body = json!({"username": "ada", "password": PASSWORD});
    let right = app.call_at(&proxy, "POST", "/api/v1/auth/login");
    right.json(&body).send().expect_problem(429, "rate_limited");
}

/// As far as a release can show it by itself: what the next one brings (a column, a table, an index, the note that it was
/// migrated) troubles neither replicas that run nor one that starts.
#[test]
fn k02_a_schema_that_is_newer_is_served_without_a_failed_request() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let mut settings = app.settings_for_the_binary();
    settings.push((
        "ROSTERD_PUBLIC_URL".to_owned(),
        "https://id.example.org".to_owned(),
    ));
    let old = Service::start(&settings);
    let (over, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for writer in 0..3 {
            let (admin, old, over, answered) = (&admin, &old, &over, &answered);
            scope.spawn(move || {
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let body = json!({"username": format!("w{writer}-{number}"), "role": "User"});
                    let made = old.post("/api/v1/users").by(admin).json(&body);
                    let made = made.send().expect(201);
                    let id = made.data()["id"].as_str().unwrap();
                    let path = format!("/api/v1/users/{id}");
                    old.get(&path).by(admin).send().expect(200);
                    old.call("DELETE", &path).by(admin).send().expect(204);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let later = || answered.load(Ordering::Relaxed);
        eventually(|| later() > 10);
        app.execute(
            "ALTER TABLE users ADD COLUMN later text; CREATE TABLE laters (id uuid PRIMARY KEY); \
             INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')",
        );
        app.execute("CREATE INDEX CONCURRENTLY users_later_idx ON users (later)");
        let migrated_at = later();
        let new = Service::start(&settings);
        new.get("/readyz").send().expect(200);
        old.get("/readyz").send().expect(200);
        new.get("/api/v1/users").by(&admin).send().expect(200);
        eventually(|| later() > migrated_at + 10);
        over.store(true, Ordering::Relaxed);
    });
}
