//! Outages of the database: closed and stalled connections, restarts, and read-only operation.

use std::process::Command;
use std::thread;

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use serde_json::json;

use crate::support::binary::{ServiceProcess, TempDir, is_alive, signal};
use crate::support::database_proxy::{DatabaseProxy, ProxyMode};
use crate::support::{PASSWORD, Response, TestApp, wait_until};

/// More concurrent requests than there are connections in the pool.
const REQUESTS: usize = 30;

/// A service that reaches its database through a proxy, and the token of a `SuperAdmin`.
struct ProxiedService {
    // Fields are dropped in this order: the service must disconnect before the schema is dropped.
    service: ServiceProcess,
    proxy: DatabaseProxy,
    token: String,
    app: TestApp,
}

impl ProxiedService {
    fn new() -> Self {
        let app = TestApp::start();
        let token = app.super_admin_token();
        let mut settings = app.binary_settings();
        let proxy = DatabaseProxy::start(&settings[0].1);
        settings.extend(
            [
                ("DATABASE_URL", proxy.url()),
                ("ROSTERD_PUBLIC_URL", "https://id.example.org"),
                ("ROSTERD_DB_ACQUIRE_MS", "500"),
                ("ROSTERD_DB_POOL_SIZE", "4"),
                ("ROSTERD_DRAIN_SECONDS", "1"),
            ]
            .map(|(name, text)| (name.to_owned(), text.to_owned())),
        );
        let service = ServiceProcess::start(&settings);
        Self {
            service,
            proxy,
            token,
            app,
        }
    }

    /// The responses to many concurrent requests of three kinds that need the database.
    fn concurrent_responses(&self) -> Vec<Response> {
        // A new username each time, so that no rate limit is reached.
        let login = || json!({"username": format!("nobody-{}", uuid::Uuid::now_v7()), "password": PASSWORD});
        let call = |number: usize| match number % 3 {
            0 => self.service.get("/readyz").send(),
            1 => self
                .service
                .get("/api/v1/auth/me")
                .bearer(&self.token)
                .send(),
            _ => self
                .service
                .post("/api/v1/auth/login")
                .json(&login())
                .send(),
        };
        thread::scope(|scope| {
            let calls: Vec<_> = (0..REQUESTS)
                .map(|number| scope.spawn(move || call(number)))
                .collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        })
    }

    #[track_caller]
    fn expect_unavailable(&self) {
        for response in self.concurrent_responses() {
            let code = response.body["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(
                ["database_unavailable", "overloaded"].contains(&&*code),
                "{}",
                response.text
            );
            let response = response.expect_problem(503, &code);
            assert_eq!(response.header("retry-after"), "1");
        }
        self.service.get("/livez").send().expect(200);
    }

    #[track_caller]
    fn expect_recovery(&self) {
        wait_until(|| self.service.get("/readyz").send().status == 200);
        for response in self.concurrent_responses() {
            assert!([200, 401].contains(&response.status), "{}", response.text);
        }
    }
}

#[test]
fn closed_database_connections_give_503_until_they_are_restored() {
    let fixture = ProxiedService::new();
    fixture.expect_recovery();
    for _ in 0..2 {
        fixture.proxy.set_mode(ProxyMode::Disconnect);
        wait_until(|| fixture.service.get("/readyz").send().status == 503);
        fixture.expect_unavailable();
        fixture.proxy.set_mode(ProxyMode::Forward);
        fixture.expect_recovery();
    }
}

#[test]
fn stalled_database_connections_give_503_until_they_are_restored() {
    let fixture = ProxiedService::new();
    fixture.expect_recovery();
    for _ in 0..2 {
        fixture.proxy.set_mode(ProxyMode::Stall);
        wait_until(|| fixture.service.get("/readyz").send().status == 503);
        fixture.expect_unavailable();
        fixture.expect_unavailable();
        fixture.proxy.set_mode(ProxyMode::Forward);
        fixture.expect_recovery();
    }
}

#[test]
fn stalled_database_does_not_delay_the_shutdown() {
    let mut fixture = ProxiedService::new();
    fixture.proxy.set_mode(ProxyMode::Stall);
    fixture.expect_unavailable();
    fixture.service.signal("-TERM");
    assert!(fixture.service.wait_for_exit().success());
}

#[test]
fn slow_statement_is_awaited_while_the_database_responds() {
    let fixture = ProxiedService::new();
    fixture.app.create_user("ada", "User", &[]);
    // A sign-in reads the account through this view, which takes three times as long as the timeout for a silent
    // connection.
    let slow = "ALTER TABLE users RENAME TO slow_users; \
        CREATE VIEW users AS SELECT slow_users.* FROM slow_users, pg_sleep(1.5)";
    fixture.app.execute(slow);
    let login = json!({"username": "ada", "password": "not the password"});
    let call = fixture.service.post("/api/v1/auth/login").json(&login);
    call.send().expect(401);
    fixture
        .app
        .execute("DROP VIEW users; ALTER TABLE slow_users RENAME TO users");
}

/// Starts a service on a cluster of its own. The tests can stop that cluster without stopping the service.
fn service_on_own_cluster() -> (TempDir, ServiceProcess, String) {
    let dir = TempDir::new();
    let mut first = ServiceProcess::start(&dir.private_cluster_settings());
    let password = first.generated_password();
    first.signal("-TERM");
    assert!(first.wait_for_exit().success());
    let mut settings = dir.private_cluster_settings();
    settings.push(("DATABASE_URL".to_owned(), dir.cluster_url()));
    let key = std::fs::read_to_string(dir.data_dir().join("secret-key")).unwrap();
    settings.push(("ROSTERD_SECRET_KEY".to_owned(), key));
    let service = ServiceProcess::start(&settings);
    let token = service.token("admin", &password);
    (dir, service, token)
}

fn create_user(service: &ServiceProcess, token: &str, name: &str) -> Response {
    let body = json!({"username": name, "role": "User"});
    let call = service.post("/api/v1/users").bearer(token).json(&body);
    call.send()
}

/// Fills the connection pool.
fn open_all_connections(service: &ServiceProcess, token: &str) {
    let list_users = || {
        service
            .get("/api/v1/users")
            .bearer(token)
            .send()
            .expect(200)
    };
    thread::scope(|scope| {
        for _ in 0..REQUESTS {
            scope.spawn(list_users);
        }
    });
}

#[test]
fn requests_after_a_database_restart_succeed() {
    let (dir, service, token) = service_on_own_cluster();
    for round in 0..3 {
        open_all_connections(&service, &token);
        let postmaster = dir.postmaster_pid().unwrap();
        signal(postmaster, "-INT");
        wait_until(|| !is_alive(postmaster));
        let _cluster = dir.open_cluster();
        for number in 0..REQUESTS {
            let response = create_user(&service, &token, &format!("user-{round}-{number}"));
            response.expect(201);
        }
    }
}

// SECURITY: K08
#[test]
fn read_only_connections_are_replaced_after_the_database_accepts_writes() {
    let (dir, service, token) = service_on_own_cluster();
    open_all_connections(&service, &token);
    let mut operator = PgConnection::establish(&dir.cluster_url()).unwrap();
    let mut run = |sql: &str| operator.batch_execute(sql).unwrap();
    let terminate_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE usename = current_user AND pid <> pg_backend_pid()";
    run("ALTER ROLE rosterd SET default_transaction_read_only = on");
    run(terminate_all);
    let response = create_user(&service, &token, "ada").expect_problem(503, "database_unavailable");
    assert_eq!(response.header("retry-after"), "1");
    let me = service.get("/api/v1/auth/me").bearer(&token);
    me.send().expect(200);
    run("ALTER ROLE rosterd RESET default_transaction_read_only");
    for number in 0..REQUESTS {
        create_user(&service, &token, &format!("user-{number}")).expect(201);
    }
}

#[test]
fn stopped_database_sessions_cause_503_instead_of_hanging_requests() {
    let (dir, service, token) = service_on_own_cluster();
    open_all_connections(&service, &token);
    let postmaster = dir.postmaster_pid().unwrap().to_string();
    let children = Command::new("pgrep").args(["-P", &postmaster]).output();
    let children = String::from_utf8(children.unwrap().stdout).unwrap();
    let children: Vec<u32> = children.lines().map(|pid| pid.parse().unwrap()).collect();
    assert!(children.len() > 4);
    for child in &children {
        signal(*child, "-STOP");
    }
    let responses: Vec<Response> = thread::scope(|scope| {
        let call = || service.get("/api/v1/auth/me").bearer(&token).send();
        let calls: Vec<_> = (0..REQUESTS).map(|_| scope.spawn(call)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    for response in &responses {
        let is_unavailable = response.status == 503 && response.header("retry-after") == "1";
        assert!(
            response.status == 200 || is_unavailable,
            "{}",
            response.text
        );
    }
    assert!(responses.iter().any(|response| response.status == 503));
    for child in &children {
        signal(*child, "-CONT");
    }
    wait_until(|| service.get("/readyz").send().status == 200);
    for number in 0..REQUESTS {
        create_user(&service, &token, &format!("user-{number}")).expect(201);
    }
}
