//! Revocation on three replicas behind nginx. The tests take minutes and run in `make test-long`.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::sql_types::{Array, Integer};
use serde_json::json;
use uuid::Uuid;

use crate::support::programs::{ExternalProgram, free_port};
use crate::support::{RequestBuilder, TestApp, wait_until};

const LIST_PATH: &str = "/api/v1/users?limit=1";

/// A thousand revocations of five kinds, each sent through nginx to one of three replicas. Prints for how long after
/// the response a replica still accepted the token. A replica that has refused a token must not accept it again.
#[test]
#[ignore = "long: run by make test-long"]
fn revocation_is_effective_on_every_replica_behind_nginx() {
    let Some(replicas) = ReplicasBehindNginx::start() else {
        return;
    };
    let mut delays: Vec<Duration> = (0..1000)
        .flat_map(|_| {
            let token = replicas.revoke_random_token();
            let delays = replicas.on_each_replica(|app| token.accepted_for(app));
            token.assert_refused_everywhere(&replicas);
            delays
        })
        .collect();
    delays.sort_unstable();
    let percentile = |per_mille: usize| delays[(delays.len() - 1) * per_mille / 1000];
    writeln!(
        std::io::stdout(),
        "accepted for: p50 {:?}, p99 {:?}, p99.9 {:?}",
        percentile(500),
        percentile(990),
        percentile(999)
    )
    .unwrap();
}

/// One of the three replicas receives no notifications. It must refuse every revoked token at once.
#[test]
#[ignore = "long: run by make test-long"]
fn isolated_replica_behind_nginx_never_accepts_a_revoked_token() {
    let Some(replicas) = ReplicasBehindNginx::start() else {
        return;
    };
    let isolated = &replicas.apps[2];
    // The newest process belongs to the last replica.
    let listener = listener_pids(isolated)[2];
    send_signal(listener, "STOP");
    // Longer than the cache may be used without a notification.
    std::thread::sleep(Duration::from_millis(150));
    for _ in 0..1000 {
        let token = replicas.revoke_random_token();
        assert_eq!(token.status_on(isolated), token.expected_status);
        replicas.on_each_replica(|app| token.accepted_for(app));
        token.assert_refused_everywhere(&replicas);
    }
    send_signal(listener, "CONT");
}

/// Three replicas on one database, and nginx that distributes requests to them.
struct ReplicasBehindNginx {
    apps: [TestApp; 3],
    _nginx: ExternalProgram,
    nginx_url: String,
    admin: String,
}

/// A token that could list accounts until it was revoked.
struct RevokedToken {
    token: String,
    /// The status expected for requests with the token once it is revoked.
    expected_status: u16,
    /// When the response to the revoking request arrived.
    revoked_at: Instant,
}

impl ReplicasBehindNginx {
    /// `None` if nginx is not installed.
    fn start() -> Option<Self> {
        let first = TestApp::start();
        let [second, third] = [2, 3].map(|count| {
            let replica = first.start_replica();
            wait_until(|| listener_pids(&first).len() == count);
            replica
        });
        let port = free_port();
        let server = format!(
            "upstream replicas {{ server {}; server {}; server {}; keepalive 8; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://replicas; \
             proxy_http_version 1.1; proxy_set_header Connection ''; }} }}",
            first.addr, second.addr, third.addr
        );
        let nginx = ExternalProgram::nginx(&server, port)?;
        let admin = first.super_admin_token();
        Some(Self {
            apps: [first, second, third],
            _nginx: nginx,
            nginx_url: format!("http://127.0.0.1:{port}"),
            admin,
        })
    }

    /// A request through nginx.
    fn call(&self, method: &str, path: &str) -> RequestBuilder {
        let [first, ..] = &self.apps;
        first.request_via(&self.nginx_url, method, path)
    }

    fn on_each_replica<T>(&self, action: impl Fn(&TestApp) -> T) -> [T; 3] {
        let [first, second, third] = &self.apps;
        [action(first), action(second), action(third)]
    }

    /// Creates a token, uses it on all replicas so that they cache the caller, and revokes it in one of five ways.
    fn revoke_random_token(&self) -> RevokedToken {
        let [first, ..] = &self.apps;
        let (user, access_token) = first.create_signed_in_user("Admin", &[]);
        let path = format!("/api/v1/users/{}", user.id);
        let mut token = access_token.clone();
        let kind = Uuid::new_v4().as_bytes()[0] % 5;
        let (request, expected_status) = match kind {
            0 => {
                let request = self.call("POST", &format!("{path}/status"));
                (request.json(&json!({"isActive": false})), 401)
            }
            1 => (
                self.call("PATCH", &path).json(&json!({"role": "User"})),
                403,
            ),
            2 => (self.call("DELETE", &format!("{path}/sessions")), 401),
            3 => {
                let request = self.call("POST", &format!("{path}/reset-password"));
                let body = json!({"newPassword": "nine purple umbrellas in june"});
                (request.json(&body), 401)
            }
            _ => {
                let body = json!({"name": "export", "permissions": ["users.read"]});
                let created = first
                    .post("/api/v1/auth/tokens")
                    .bearer(&access_token)
                    .json(&body)
                    .send()
                    .expect(201);
                created.data()["token"]
                    .as_str()
                    .unwrap()
                    .clone_into(&mut token);
                let id = created.data()["id"].as_str().unwrap();
                (self.call("DELETE", &format!("{path}/tokens/{id}")), 401)
            }
        };
        self.on_each_replica(|app| app.get(LIST_PATH).bearer(&token).send().expect(200));
        let response = request.bearer(&self.admin).send();
        assert!((200..300).contains(&response.status), "{}", response.text);
        RevokedToken {
            token,
            expected_status,
            revoked_at: Instant::now(),
        }
    }
}

impl RevokedToken {
    /// The status of a request with the token on this replica.
    fn status_on(&self, app: &TestApp) -> u16 {
        app.get(LIST_PATH).bearer(&self.token).send().status
    }

    /// The time from the revocation to the start of the last request that this replica accepted.
    fn accepted_for(&self, app: &TestApp) -> Duration {
        let mut last_accepted = Duration::ZERO;
        loop {
            let started = self.revoked_at.elapsed();
            match self.status_on(app) {
                200 => last_accepted = started,
                status => {
                    assert_eq!(status, self.expected_status);
                    return last_accepted;
                }
            }
            assert!(
                started < Duration::from_secs(5),
                "the token is still accepted"
            );
        }
    }

    /// Asserts that all replicas refuse the token, directly and through nginx.
    fn assert_refused_everywhere(&self, replicas: &ReplicasBehindNginx) {
        let statuses = replicas.on_each_replica(|app| self.status_on(app));
        assert_eq!(statuses, [self.expected_status; 3]);
        for _ in 0..3 {
            let response = replicas.call("GET", LIST_PATH).bearer(&self.token).send();
            assert_eq!(response.status, self.expected_status);
        }
    }
}

/// The PostgreSQL processes of the replicas' notification connections, in the order of their start.
pub fn listener_pids(app: &TestApp) -> Vec<i32> {
    let sql = "(SELECT coalesce(array_agg(pid ORDER BY backend_start), '{}') FROM pg_stat_activity \
               WHERE application_name = 'rosterd listener in ' || current_schema())";
    diesel::select(diesel::dsl::sql::<Array<Integer>>(sql))
        .get_result(&mut app.sql())
        .unwrap()
}

/// Sends a signal, such as `STOP`, to a process.
pub fn send_signal(pid: i32, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status()
        .unwrap();
    assert!(status.success());
}
