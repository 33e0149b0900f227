//! Its database goes away and comes back: cut off, silent, restarted, without writes.

use std::process::Command;
use std::thread;

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use serde_json::json;

use crate::support::binary::{Folder, Service, is_alive, signal};
use crate::support::wire::{Way, Wire};
use crate::support::{Answer, PASSWORD, TestApp, eventually};

/// More than there are connections.
const MANY: usize = 30;

/// A service whose way to the database is ours, and the token of somebody in it.
struct Scene {
    // Dropped in this order: the service leaves the database before its schema goes.
    service: Service,
    wire: Wire,
    token: String,
    app: TestApp,
}

impl Scene {
    fn new() -> Self {
        let app = TestApp::start();
        let token = app.super_admin();
        let mut settings = app.settings_for_the_binary();
        let wire = Wire::to(&settings[0].1);
        settings.extend(
            [
                ("DATABASE_URL", wire.url()),
                ("ROSTERD_PUBLIC_URL", "https://id.example.org"),
                ("ROSTERD_DB_ACQUIRE_MS", "500"),
                ("ROSTERD_DB_POOL_SIZE", "4"),
                ("ROSTERD_DRAIN_SECONDS", "1"),
            ]
            .map(|(name, text)| (name.to_owned(), text.to_owned())),
        );
        let service = Service::start(&settings);
        Self {
            service,
            wire,
            token,
            app,
        }
    }

    /// What many callers are answered at once, of every kind that needs the database.
    fn answers(&self) -> Vec<Answer> {
        // Another name each time: a guess at one name would in the end be one too many.
        let login = || json!({"username": format!("nobody-{}", uuid::Uuid::now_v7()), "password": PASSWORD});
        let call = |number: usize| match number % 3 {
            0 => self.service.get("/readyz").send(),
            1 => self.service.get("/api/v1/auth/me").by(&self.token).send(),
            _ => self
                .service
                .post("/api/v1/auth/login")
                .json(&login())
                .send(),
        };
        thread::scope(|scope| {
            let calls: Vec<_> = (0..MANY)
                .map(|number| scope.spawn(move || call(number)))
                .collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        })
    }

    #[track_caller]
    fn is_unavailable(&self) {
        for answer in self.answers() {
            let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
            assert!(
                ["database_unavailable", "overloaded"].contains(&&*code),
                "{}",
                answer.text
            );
            let answer = answer.expect_problem(503, &code);
            assert_eq!(answer.header("retry-after"), "1");
        }
        self.service.get("/livez").send().expect(200);
    }

    #[track_caller]
    fn recovers(&self) {
        eventually(|| self.service.get("/readyz").send().status == 200);
        for answer in self.answers() {
            assert!([200, 401].contains(&answer.status), "{}", answer.text);
        }
    }
}

#[test]
fn while_the_database_is_cut_off_everything_is_503_and_then_it_recovers() {
    let scene = Scene::new();
    scene.recovers();
    for _ in 0..2 {
        scene.wire.turn(Way::Cut);
        eventually(|| scene.service.get("/readyz").send().status == 503);
        scene.is_unavailable();
        scene.wire.turn(Way::Open);
        scene.recovers();
    }
}

#[test]
fn while_the_database_says_nothing_everything_is_503_and_then_it_recovers() {
    let scene = Scene::new();
    scene.recovers();
    for _ in 0..2 {
        scene.wire.turn(Way::Silent);
        eventually(|| scene.service.get("/readyz").send().status == 503);
        scene.is_unavailable();
        scene.is_unavailable();
        scene.wire.turn(Way::Open);
        scene.recovers();
    }
}

#[test]
fn a_database_that_says_nothing_does_not_hold_the_end_up() {
    let mut scene = Scene::new();
    scene.wire.turn(Way::Silent);
    scene.is_unavailable();
    scene.service.signal("-TERM");
    assert!(scene.service.ended().success());
}

#[test]
fn a_slow_statement_is_waited_for_as_long_as_the_database_answers_others() {
    let scene = Scene::new();
    scene.app.user("ada", "User", &[]);
    // A sign-in reads the account, and this view of it takes three times as long as the silence that is borne.
    let slow = "ALTER TABLE users RENAME TO kept; \
        CREATE VIEW users AS SELECT kept.* FROM kept, pg_sleep(1.5)";
    scene.app.execute(slow);
    let login = json!({"username": "ada", "password": "not the password"});
    let call = scene.service.post("/api/v1/auth/login").json(&login);
    call.send().expect(401);
    scene
        .app
        .execute("DROP VIEW users; ALTER TABLE kept RENAME TO users");
}

/// A service on a cluster that only it uses.
fn alone() -> (Folder, Service, String) {
    let folder = Folder::new();
    let mut first = Service::start(&folder.settings());
    let password = first.first_password();
    first.signal("-TERM");
    assert!(first.ended().success());
    let mut settings = folder.settings();
    settings.push(("DATABASE_URL".to_owned(), folder.cluster_url()));
    let key = std::fs::read_to_string(folder.data().join("secret-key")).unwrap();
    settings.push(("ROSTERD_SECRET_KEY".to_owned(), key));
    let service = Service::start(&settings);
    let token = service.token("admin", &password);
    (folder, service, token)
}

fn create(service: &Service, token: &str, name: &str) -> Answer {
    let body = json!({"username": name, "role": "User"});
    let call = service.post("/api/v1/users").by(token).json(&body);
    call.send()
}

/// Opens as many connections as there may be.
fn warm(service: &Service) {
    thread::scope(|scope| {
        for _ in 0..MANY {
            scope.spawn(|| service.get("/readyz").send().expect(200));
        }
    });
}

#[test]
fn a_restart_of_the_server_is_not_seen_by_those_who_call_after_it() {
    let (folder, service, token) = alone();
    for round in 0..3 {
        warm(&service);
        let postmaster = folder.postmaster().unwrap();
        signal(postmaster, "-INT");
        eventually(|| !is_alive(postmaster));
        let _cluster = folder.cluster();
        for number in 0..MANY {
            let answer = create(&service, &token, &format!("user-{round}-{number}"));
            answer.expect(201);
        }
    }
}

#[test]
fn k08_a_connection_that_takes_no_writes_is_not_used_again() {
    let (folder, service, token) = alone();
    warm(&service);
    let mut operator = PgConnection::establish(&folder.cluster_url()).unwrap();
    let mut run = |sql: &str| operator.batch_execute(sql).unwrap();
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE usename = current_user AND pid <> pg_backend_pid()";
    run("ALTER ROLE rosterd SET default_transaction_read_only = on");
    run(end_all);
    let answer = create(&service, &token, "ada").expect_problem(503, "database_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    let me = service.get("/api/v1/auth/me").by(&token);
    me.send().expect(200);
    run("ALTER ROLE rosterd RESET default_transaction_read_only");
    for number in 0..MANY {
        create(&service, &token, &format!("user-{number}")).expect(201);
    }
}

#[test]
fn sessions_that_are_stopped_leave_nobody_waiting() {
    let (folder, service, token) = alone();
    warm(&service);
    let postmaster = folder.postmaster().unwrap().to_string();
    let children = Command::new("pgrep").args(["-P", &postmaster]).output();
    let children = String::from_utf8(children.unwrap().stdout).unwrap();
    let children: Vec<u32> = children.lines().map(|pid| pid.parse().unwrap()).collect();
    assert!(children.len() > 4);
    for child in &children {
        signal(*child, "-STOP");
    }
    let answers: Vec<Answer> = thread::scope(|scope| {
        let call = || service.get("/api/v1/auth/me").by(&token).send();
        let calls: Vec<_> = (0..MANY).map(|_| scope.spawn(call)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    for answer in &answers {
        let waits = answer.status == 503 && answer.header("retry-after") == "1";
        assert!(answer.status == 200 || waits, "{}", answer.text);
    }
    assert!(answers.iter().any(|answer| answer.status == 503));
    for child in &children {
        signal(*child, "-CONT");
    }
    eventually(|| service.get("/readyz").send().status == 200);
    for number in 0..MANY {
        create(&service, &token, &format!("user-{number}")).expect(201);
    }
}
