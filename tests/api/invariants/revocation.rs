//! What is revoked stays revoked, although callers are known from memory: at once where it was revoked, soon elsewhere, and
//! also when the news do not come through.

use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::sql_types::{Array, Integer};
use serde_json::json;
use uuid::Uuid;

use crate::support::proxy::{Program, free_port};
use crate::support::{Call, TestApp, eventually};

const ME: &str = "/api/v1/auth/me";

/// One account after the other is switched off while its token is in use from four sides: a request that begins after
/// the answer must be refused, whatever the others were just about to remember.
#[test]
fn a_caller_who_is_being_remembered_while_revoked_is_refused_at_once() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for _ in 0..40 {
        let (user, token) = app.someone("User", &[]);
        let status = format!("/api/v1/users/{}/status", user.id);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        app.get(ME).by(&token).send();
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(3));
            app.post(&status)
                .by(&admin)
                .json(&json!({"isActive": false}))
                .send()
                .expect(200);
            let next = app.get(ME).by(&token).send();
            let later: Vec<u16> = (0..10)
                .map(|_| app.get(ME).by(&token).send().status)
                .collect();
            over.store(true, Ordering::Relaxed);
            next.expect(401);
            assert_eq!(later, vec![401; 10]);
        });
    }
}

#[test]
fn what_is_granted_or_taken_shows_in_the_next_request() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (user, token) = app.someone("User", &["users.read"]);
    let permissions = format!("/api/v1/users/{}/permissions", user.id);
    for _ in 0..20 {
        app.get("/api/v1/users").by(&token).send().expect(200);
        app.patch(&permissions)
            .by(&admin)
            .json(&json!({"permissions": []}))
            .send()
            .expect(200);
        app.get("/api/v1/users")
            .by(&token)
            .send()
            .expect_problem(403, "permission_required");
        app.patch(&permissions)
            .by(&admin)
            .json(&json!({"permissions": ["users.read"]}))
            .send()
            .expect(200);
    }
}

#[test]
fn what_a_super_admin_holds_is_told_to_a_proxy_from_memory_and_never_out_of_date() {
    let app = TestApp::with(&[("ROSTERD_DB_STATEMENT_MS", "2000")]);
    let other = app.replica();
    let admin = app.super_admin();
    let told = |app: &TestApp| {
        let answer = app.get("/api/v1/auth/verify").by(&admin).send().expect(200);
        answer.header("x-roster-permissions").to_owned()
    };
    for round in 0..20 {
        let name = format!("assets.read{round}");
        assert!(!told(&app).contains(&name) && !told(&other).contains(&name));
        app.post("/api/v1/permissions")
            .by(&admin)
            .json(&json!({ "name": name }))
            .send()
            .expect(201);
        assert!(told(&app).contains(&name), "at once where it was made");
        eventually(|| told(&other).contains(&name));
    }
    app.delete("/api/v1/permissions/assets.read0")
        .by(&admin)
        .send()
        .expect(204);
    assert!(!told(&app).split(',').any(|name| name == "assets.read0"));
    // Nobody reads the table while it is locked; whoever is answered then is answered from memory. The news of the last
    // change may still be on their way, so there is more than one attempt.
    let mut holder = app.sql();
    let mut attempts = 0..20;
    let is_from_memory = attempts.any(|_| {
        told(&app);
        let lock = "BEGIN; LOCK TABLE permissions IN ACCESS EXCLUSIVE MODE";
        holder.batch_execute(lock).unwrap();
        let answer = app.get("/api/v1/auth/verify").by(&admin).send();
        holder.batch_execute("ROLLBACK").unwrap();
        answer
            .header("x-roster-permissions")
            .contains("assets.read1")
    });
    assert!(is_from_memory);
}

#[test]
fn a_change_made_past_the_service_is_heard_of_too() {
    let app = TestApp::start();
    let (user, token) = app.someone("User", &[]);
    app.get(ME).by(&token).send().expect(200);
    app.execute(&format!(
        "UPDATE users SET is_active = false WHERE id = '{}'",
        user.id
    ));
    eventually(|| app.get(ME).by(&token).send().status == 401);
}

/// The server process that tells one replica the news is stopped, not ended: nothing tells the replica that it is deaf.
#[test]
fn a_replica_that_is_deaf_asks_the_database() {
    let deaf = TestApp::start();
    let (_, warm) = deaf.someone("User", &[]);
    eventually(|| deaf.get(ME).by(&warm).send().status == 200);
    let ear = listeners(&deaf)[0];
    let other = deaf.replica();
    let admin = other.super_admin();
    signal(ear, "STOP");
    // Longer than memory may answer without news.
    std::thread::sleep(Duration::from_millis(150));
    for _ in 0..20 {
        let (user, token) = other.someone("User", &[]);
        deaf.get(ME).by(&token).send().expect(200);
        let status = format!("/api/v1/users/{}/status", user.id);
        other
            .post(&status)
            .by(&admin)
            .json(&json!({"isActive": false}))
            .send()
            .expect(200);
        deaf.get(ME)
            .by(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    signal(ear, "CONT");
}

#[test]
fn a_replica_whose_listener_was_cut_off_hears_again() {
    let app = TestApp::start();
    let other = app.replica();
    let admin = other.super_admin();
    for _ in 0..3 {
        let (user, token) = app.someone("User", &[]);
        app.get(ME).by(&token).send().expect(200);
        app.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rosterd listener in ' || current_schema()");
        let status = format!("/api/v1/users/{}/status", user.id);
        other
            .post(&status)
            .by(&admin)
            .json(&json!({"isActive": false}))
            .send()
            .expect(200);
        eventually(|| app.get(ME).by(&token).send().status == 401);
        for _ in 0..50 {
            app.get(ME).by(&token).send().expect(401);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A thousand revocations of five kinds, each through nginx and so through one of three replicas. Says for how long after
/// the answer any of the three still accepted what was revoked; none accepts again what it has refused.
#[test]
#[ignore = "takes minutes; run by make test-long"]
fn a_thousand_revocations_behind_nginx() {
    let fleet = Fleet::start();
    let mut delays: Vec<Duration> = (0..1000)
        .flat_map(|_| {
            let revoked = fleet.revoke();
            let delays = fleet.each(|app| revoked.accepted_for(app));
            revoked.is_refused_everywhere(&fleet);
            delays
        })
        .collect();
    delays.sort_unstable();
    let at = |share: usize| delays[(delays.len() - 1) * share / 1000];
    writeln!(
        std::io::stdout(),
        "accepted for: p50 {:?}, p99 {:?}, p99.9 {:?}",
        at(500),
        at(990),
        at(999)
    )
    .unwrap();
}

/// The same while the news do not reach one of the three: that one is never wrong at all.
#[test]
#[ignore = "takes minutes; run by make test-long"]
fn a_thousand_revocations_behind_nginx_with_a_replica_that_is_deaf() {
    let fleet = Fleet::start();
    let deaf = &fleet.replicas[2];
    let ears = listeners(deaf);
    // The one that began last is the last replica's.
    signal(ears[2], "STOP");
    std::thread::sleep(Duration::from_millis(150));
    for _ in 0..1000 {
        let revoked = fleet.revoke();
        assert_eq!(revoked.ask(deaf), revoked.refusal);
        fleet.each(|app| revoked.accepted_for(app));
        revoked.is_refused_everywhere(&fleet);
    }
    signal(ears[2], "CONT");
}

/// Three replicas on one database, and nginx that hands the requests round.
struct Fleet {
    replicas: [TestApp; 3],
    _nginx: Program,
    proxy: String,
    admin: String,
}

/// Something that was good for listing accounts until it was revoked.
struct Revoked {
    token: String,
    refusal: u16,
    answered: Instant,
}

const LIST: &str = "/api/v1/users?limit=1";

impl Fleet {
    fn start() -> Self {
        let one = TestApp::start();
        let [two, three] = [2, 3].map(|count| {
            let next = one.replica();
            eventually(|| listeners(&one).len() == count);
            next
        });
        let port = free_port();
        let server = format!(
            "upstream replicas {{ server {}; server {}; server {}; keepalive 8; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://replicas; \
             proxy_http_version 1.1; proxy_set_header Connection ''; }} }}",
            one.addr, two.addr, three.addr
        );
        let nginx = Program::nginx(&server, port).expect("this needs nginx");
        let admin = one.super_admin();
        Self {
            replicas: [one, two, three],
            _nginx: nginx,
            proxy: format!("http://127.0.0.1:{port}"),
            admin,
        }
    }

    /// A call through nginx.
    fn call(&self, method: &str, path: &str) -> Call {
        let [one, ..] = &self.replicas;
        one.call_at(&self.proxy, method, path)
    }

    fn each<T>(&self, ask: impl Fn(&TestApp) -> T) -> [T; 3] {
        let [one, two, three] = &self.replicas;
        [ask(one), ask(two), ask(three)]
    }

    /// Somebody whom all replicas remember, revoked in a way that chance chooses.
    fn revoke(&self) -> Revoked {
        let [one, ..] = &self.replicas;
        let (user, session) = one.someone("Admin", &[]);
        let way = Uuid::new_v4().as_bytes()[0] % 5;
        let path = format!("/api/v1/users/{}", user.id);
        let mut token = session.clone();
        let (call, refusal) = match way {
            0 => {
                let call = self.call("POST", &format!("{path}/status"));
                (call.json(&json!({"isActive": false})), 401)
            }
            1 => (
                self.call("PATCH", &path).json(&json!({"role": "User"})),
                403,
            ),
            2 => (self.call("DELETE", &format!("{path}/sessions")), 401),
            3 => {
                let call = self.call("POST", &format!("{path}/reset-password"));
                let new = json!({"newPassword": "nine purple umbrellas in june"});
                (call.json(&new), 401)
            }
            _ => {
                let made = one.post("/api/v1/auth/tokens").by(&session);
                let made = made.json(&json!({"name": "export", "permissions": ["users.read"]}));
                let made = made.send().expect(201);
                made.data()["token"]
                    .as_str()
                    .unwrap()
                    .clone_into(&mut token);
                let id = made.data()["id"].as_str().unwrap();
                (self.call("DELETE", &format!("{path}/tokens/{id}")), 401)
            }
        };
        self.each(|app| app.get(LIST).by(&token).send().expect(200));
        let answer = call.by(&self.admin).send();
        assert!((200..300).contains(&answer.status), "{}", answer.text);
        Revoked {
            token,
            refusal,
            answered: Instant::now(),
        }
    }
}

impl Revoked {
    fn ask(&self, app: &TestApp) -> u16 {
        app.get(LIST).by(&self.token).send().status
    }

    /// How long after the answer the last request began that this replica accepted.
    fn accepted_for(&self, app: &TestApp) -> Duration {
        let mut accepted = Duration::ZERO;
        loop {
            let begun = self.answered.elapsed();
            match self.ask(app) {
                200 => accepted = begun,
                status => {
                    assert_eq!(status, self.refusal);
                    return accepted;
                }
            }
            assert!(begun < Duration::from_secs(5), "still accepted");
        }
    }

    /// Asked again, directly and through nginx, all refuse.
    fn is_refused_everywhere(&self, fleet: &Fleet) {
        assert_eq!(fleet.each(|app| self.ask(app)), [self.refusal; 3]);
        for _ in 0..3 {
            let answer = fleet.call("GET", LIST).by(&self.token).send();
            assert_eq!(answer.status, self.refusal);
        }
    }
}

/// The server processes that tell the replicas the news, in the order in which they began.
fn listeners(app: &TestApp) -> Vec<i32> {
    let sql = "(SELECT coalesce(array_agg(pid ORDER BY backend_start), '{}') FROM pg_stat_activity \
               WHERE application_name = 'rosterd listener in ' || current_schema())";
    diesel::select(diesel::dsl::sql::<Array<Integer>>(sql))
        .get_result(&mut app.sql())
        .unwrap()
}

fn signal(process: i32, name: &str) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.to_string())
        .status()
        .unwrap();
    assert!(sent.success());
}
