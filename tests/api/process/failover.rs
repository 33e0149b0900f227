//! Failover to another PostgreSQL server while the previous primary is frozen, and its return. The servers replicate
//! asynchronously, and the tests decide when the standby is promoted.

use std::thread;
use std::time::Duration;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::Bool;
use serde_json::json;

use crate::support::binary::ServiceProcess;
use crate::support::postgres_server::PostgresServer;
use crate::support::{PASSWORD, Response, SECRET_KEY, wait_until};

/// A service on a primary with a standby.
struct Servers {
    // Fields are dropped in this order: the service must disconnect first.
    service: ServiceProcess,
    /// The access token of `admin`.
    token: String,
    first: PostgresServer,
    second: PostgresServer,
}

fn start_service(servers: &[&PostgresServer], acquire_ms: &str) -> ServiceProcess {
    let settings = [
        ("DATABASE_URL", &*PostgresServer::url_of_all(servers)),
        ("ROSTERD_SECRET_KEY", SECRET_KEY),
        ("ROSTERD_DB_ACQUIRE_MS", acquire_ms),
        ("ROSTERD_HASH_QUEUE_MS", "30000"),
        ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", "admin"),
        ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", PASSWORD),
    ];
    ServiceProcess::start(&settings.map(|(name, text)| (name.to_owned(), text.to_owned())))
}

fn is_true(connection: &mut PgConnection, expression: &str) -> bool {
    let row = diesel::select(sql::<Bool>(expression)).get_result(connection);
    row.unwrap()
}

/// Disables the account, which revokes its tokens.
fn disable(service: &ServiceProcess, token: &str, id: &str) -> bool {
    let call = service.post(&format!("/api/v1/users/{id}/status"));
    let body = json!({"isActive": false});
    call.bearer(token).json(&body).send().status == 200
}

impl Servers {
    /// `None` if PostgreSQL is not installed.
    fn start(acquire_ms: &str) -> Option<Self> {
        let first = PostgresServer::start(&[], &[])?;
        let second = first.start_standby();
        let service = start_service(&[&first, &second], acquire_ms);
        let token = service.token("admin", PASSWORD);
        let servers = Self {
            service,
            token,
            first,
            second,
        };
        servers.read_concurrently(|response| {
            response.expect(200);
        });
        Some(servers)
    }

    /// Creates an account with a password, and returns its id.
    fn create_user(&self, name: &str) -> Option<String> {
        let body = json!({"username": name, "role": "User", "password": PASSWORD});
        let call = self.service.post("/api/v1/users").bearer(&self.token);
        let response = call.json(&body).send();
        let is_created = response.status == 201;
        assert!(is_created || response.status == 503, "{}", response.text);
        is_created.then(|| response.data()["id"].as_str().unwrap().to_owned())
    }

    /// Lists the accounts with more requests than there are connections, so that all connections are used.
    fn read_concurrently(&self, check: impl Fn(Response) + Sync) {
        const REQUESTS: usize = 30;
        thread::scope(|scope| {
            for _ in 0..REQUESTS {
                scope.spawn(|| {
                    let call = self.service.get("/api/v1/users").bearer(&self.token);
                    check(call.send());
                });
            }
        });
    }

    fn is_accepted(&self, token: &str) -> bool {
        let response = self.service.get("/api/v1/auth/me").bearer(token).send();
        let is_expected = [200, 401, 503].contains(&response.status);
        assert!(is_expected, "{}", response.text);
        response.status == 200
    }

    fn wait_until_replicated(&self) {
        let mut standby = self.second.connect();
        let mut primary = self.first.connect();
        let written = diesel::select(sql::<diesel::sql_types::Text>("pg_current_wal_lsn()::text"));
        let position: String = written.get_result(&mut primary).unwrap();
        let is_replayed = format!("pg_last_wal_replay_lsn() >= '{position}'::pg_lsn");
        wait_until(|| is_true(&mut standby, &is_replayed));
    }

    fn promote_second(&self) {
        let mut standby = self.second.connect();
        assert!(is_true(&mut standby, "pg_promote(true, 60)"));
    }
}

// SECURITY: K08
#[test]
fn after_a_failover_nothing_is_read_from_the_previous_primary() {
    let Some(servers) = Servers::start("30000") else {
        return;
    };
    let id = servers.create_user("ada").unwrap();
    let revoked = servers.service.token("ada", PASSWORD);
    assert!(servers.is_accepted(&revoked));
    servers.wait_until_replicated();
    // These connections reach the first server even while it is frozen, because they are open.
    let mut first = servers.first.connect();

    servers.first.freeze();
    thread::scope(|scope| {
        // These requests block threads.
        scope.spawn(|| servers.read_concurrently(drop));
        servers.promote_second();
        wait_until(|| servers.create_user("grace").is_some());
        wait_until(|| disable(&servers.service, &servers.token, &id));
        assert!(!servers.is_accepted(&revoked));
    });

    let mut thawed_at = 0;
    for round in 0..300 {
        if round == 20 {
            servers.first.thaw();
            assert!(
                is_true(&mut first, "NOT pg_is_in_recovery()"),
                "the previous primary accepts writes"
            );
            thawed_at = round;
        }
        assert!(
            !servers.is_accepted(&revoked),
            "{round}, thawed at {thawed_at}"
        );
    }
    first
        .batch_execute("UPDATE users SET is_active = true")
        .unwrap();
    servers.read_concurrently(|response| {
        let response = response.expect(200);
        assert!(response.text.contains("grace"), "{}", response.text);
    });
    assert!(!servers.is_accepted(&revoked));
    for number in 0..20 {
        servers.create_user(&format!("user-{number}")).unwrap();
    }
    let mut second = servers.second.connect();
    let are_there = "(SELECT count(*) = 20 FROM users WHERE username LIKE 'user-%')";
    assert!(is_true(&mut second, are_there));
    let none_there = "NOT EXISTS (SELECT FROM users WHERE username IN ('grace', 'user-0'))";
    assert!(is_true(&mut first, none_there));
}

#[test]
fn replica_that_was_stopped_together_with_the_primary_asks_the_other_hosts_first() {
    let Some(servers) = Servers::start("30000") else {
        return;
    };
    let other_replica = start_service(&[&servers.first, &servers.second], "30000");
    let id = servers.create_user("ada").unwrap();
    let revoked = servers.service.token("ada", PASSWORD);
    assert!(servers.is_accepted(&revoked));
    servers.wait_until_replicated();

    servers.service.signal("-STOP");
    servers.first.freeze();
    servers.promote_second();
    wait_until(|| disable(&other_replica, &servers.token, &id));
    // Longer than the silence that is allowed.
    thread::sleep(Duration::from_secs(2));
    servers.first.thaw();
    thread::scope(|scope| {
        for _ in 0..20 {
            // These requests wait for the process, which finds the previous primary ready to answer.
            scope.spawn(|| assert!(!servers.is_accepted(&revoked)));
        }
        thread::sleep(Duration::from_millis(100));
        servers.service.signal("-CONT");
    });
    for _ in 0..100 {
        assert!(!servers.is_accepted(&revoked));
    }
}

#[test]
fn requests_are_refused_while_the_primary_is_frozen_and_answered_when_it_continues() {
    let Some(servers) = Servers::start("1500") else {
        return;
    };
    for round in 0..3 {
        servers.first.freeze();
        servers.read_concurrently(|response| {
            assert_eq!(response.status, 503, "{}", response.text);
            assert_eq!(response.header("retry-after"), "1");
        });
        // The standby answers, but it is not the primary.
        assert!(servers.create_user(&format!("frozen-{round}")).is_none());
        servers.first.thaw();
        wait_until(|| servers.create_user(&format!("user-{round}")).is_some());
    }
}

#[test]
fn service_starts_with_the_primary_wherever_it_is_in_the_list_of_hosts() {
    let Some(first) = PostgresServer::start(&[], &[]) else {
        return;
    };
    let second = first.start_standby();
    let service = start_service(&[&second, &first], "30000");
    assert!(!service.token("admin", PASSWORD).is_empty());
}
