//! `GET /api/v1/auth/revocations`: the feed of revoked access tokens.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use diesel::connection::SimpleConnection;
use rosterd::access::revocation_feed::{FeedPosition, service};
use serde_json::{Value, json};

use crate::support::{Response, RestrictedRole, TestApp, TestUser, run_concurrently, wait_until};

const FEED: &str = "/api/v1/auth/revocations";

/// A client that polls the feed.
struct Follower<'a> {
    app: &'a TestApp,
    token: String,
    next: Option<String>,
    /// The entries so far. Open transactions of other tests can make the feed repeat an entry.
    known: Vec<Value>,
}

impl<'a> Follower<'a> {
    fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            token: app.super_admin_token(),
            next: None,
            known: Vec::new(),
        }
    }

    fn poll(&self) -> Response {
        let after = self.next.as_ref().map(|next| format!("?after={next}"));
        let path = format!("{FEED}{}", after.unwrap_or_default());
        self.app.get(&path).bearer(&self.token).send().expect(200)
    }

    /// The new entries since the last call.
    fn new_entries(&mut self) -> Vec<Value> {
        let response = self.poll();
        self.next = Some(response.body["page"]["next"].as_str().unwrap().to_owned());
        let mut new = response.data().as_array().unwrap().clone();
        new.retain(|entry| !self.known.iter().any(|known| is_same(known, entry)));
        self.known.extend(new.clone());
        new
    }

    /// Waits until the next entries have these values of this claim.
    #[track_caller]
    fn expect(&mut self, claim: &str, values: &[&str]) {
        let mut new_values = Vec::new();
        wait_until(|| {
            new_values.extend(self.new_values(claim));
            new_values.len() >= values.len()
        });
        assert_eq!(new_values, values);
    }

    /// The values of this claim in the new entries.
    fn new_values(&mut self, claim: &str) -> Vec<String> {
        let values = self.new_entries().into_iter();
        values
            .filter_map(|entry| entry[claim].as_str().map(str::to_owned))
            .collect()
    }
}

/// Whether both are the same entry, which may have been read at different times.
fn is_same(one: &Value, other: &Value) -> bool {
    ["sid", "sub", "role", "kid", "revokedAtUtc"]
        .iter()
        .all(|member| one[member] == other[member])
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

fn sid(session: &Value) -> String {
    text(&session["session"], "id")
}

/// Ends the session of this login response.
type EndSession<'a> = &'a dyn Fn(&Value);

#[test]
fn every_session_end_is_listed_once() {
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    assert_eq!(follower.new_entries(), Vec::<Value>::new());
    let user = app.create_user("ada", "User", &[]);
    let admin = follower.token.clone();
    let endings: [(&str, EndSession<'_>); 6] = [
        ("logged out", &|session| {
            let token = text(session, "accessToken");
            app.post("/api/v1/auth/logout")
                .bearer(token)
                .send()
                .expect(204);
        }),
        ("ended by an administrator", &|session| {
            let path = format!("/api/v1/sessions/{}", sid(session));
            app.delete(&path).bearer(&admin).send().expect(204);
        }),
        ("revoked over OAuth", &|session| {
            let form = format!("client_id=rosterd&token={}", text(session, "refreshToken"));
            let call = app.post("/api/v1/oauth/revoke");
            call.body("application/x-www-form-urlencoded", form)
                .send()
                .expect(200);
        }),
        ("password reset", &|_| {
            let body = json!({"newPassword": "nine purple umbrellas in june"});
            app.post(&user.path("/reset-password"))
                .bearer(&admin)
                .json(&body)
                .send()
                .expect(204);
            let body = json!({"newPassword": crate::support::PASSWORD});
            app.post(&user.path("/reset-password"))
                .bearer(&admin)
                .json(&body)
                .send()
                .expect(204);
        }),
        ("ended with SQL", &|session| {
            app.execute(&format!(
                "UPDATE sessions SET ended_at = now() WHERE id = '{}'",
                sid(session)
            ));
        }),
        ("purged", &|_| {
            app.delete(&user.path("?purge=true"))
                .bearer(&admin)
                .send()
                .expect(204);
        }),
    ];
    for (label, end_sql) in endings {
        let session = app.sign_in("ada");
        assert_eq!(follower.new_values("sid"), Vec::<String>::new(), "{label}");
        end_sql(&session);
        follower.expect("sid", &[&sid(&session)]);
        assert_eq!(follower.new_entries(), Vec::<Value>::new(), "{label}");
    }
}

#[test]
fn entry_identifies_the_affected_tokens() {
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let token = text(&session, "accessToken");
    app.post("/api/v1/auth/logout")
        .bearer(token)
        .send()
        .expect(204);
    let mut new_entries = Vec::new();
    wait_until(|| {
        new_entries.extend(follower.new_entries());
        !new_entries.is_empty()
    });
    let [entry] = new_entries.as_slice() else {
        panic!("{new_entries:?}");
    };
    assert_eq!(
        (&entry["sub"], &entry["role"]),
        (&Value::Null, &Value::Null)
    );
    let revoked_at =
        chrono::DateTime::parse_from_rfc3339(entry["revokedAtUtc"].as_str().unwrap()).unwrap();
    assert!(entry["notBefore"].as_i64().unwrap() > revoked_at.timestamp());
    let service = app.db();
    service
        .write_now(|tx| Ok(service::record_commits(tx)?))
        .unwrap();
    let read = || service.read_now(|tx| service::list_after(tx, FeedPosition::default(), 10));
    let not_before = read().unwrap().entries[0].not_before;
    assert!(not_before <= app.query_number("SELECT extract(epoch FROM now()) + 1"));
    app.execute("SELECT pg_sleep(1.1)");
    assert_eq!(read().unwrap().entries[0].not_before, not_before);
}

/// A refresh that does not see the change yet issues a token with the old permissions.
#[test]
fn token_issued_before_the_commit_of_a_change_is_revoked() {
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    let user = app.create_user("ada", "User", &["users.read"]);
    let mut change = app.sql();
    let sql = format!(
        "BEGIN; UPDATE users SET permissions = '{{}}' WHERE id = '{}'; SELECT pg_sleep(2.1)",
        user.id
    );
    let refresh_token = json!({"refreshToken": app.sign_in("ada")["refreshToken"]});
    change.batch_execute(&sql).unwrap();
    let refresh = app.post("/api/v1/auth/refresh").json(&refresh_token);
    let token = text(refresh.send().expect(200).data(), "accessToken");
    change.batch_execute("COMMIT").unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(claims["permissions"], json!(["users.read"]));
    let entry = follower.new_entries().remove(0);
    assert_eq!(entry["sub"], user.id);
    assert!(claims["iat"].as_i64().unwrap() < entry["notBefore"].as_i64().unwrap());
}

#[test]
fn permission_changes_are_listed() {
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    let admin = follower.token.clone();
    let user = app.create_user("ada", "User", &[]);
    app.create_role("Editor", 10, &[]);
    let update_user = |user: &TestUser, suffix: &str, body: Value| {
        app.patch(&user.path(suffix))
            .bearer(&admin)
            .json(&body)
            .send()
            .expect(200);
    };
    follower.new_entries();
    update_user(&user, "", json!({"displayName": "Ada"}));
    assert_eq!(
        follower.new_entries(),
        Vec::<Value>::new(),
        "a display name does not affect tokens"
    );
    update_user(
        &user,
        "/permissions",
        json!({"permissions": ["users.read"]}),
    );
    update_user(&user, "", json!({"role": "Editor"}));
    update_user(&user, "", json!({"isActive": false}));
    follower.expect("sub", &[&user.id, &user.id, &user.id]);
    let role = app.patch("/api/v1/roles/Editor").bearer(&admin);
    role.json(&json!({"permissions": ["users.read"]}))
        .send()
        .expect(200);
    follower.expect("role", &["Editor"]);

    let body = json!({"name": "media", "permissions": ["users.read"]});
    let client = app
        .post("/api/v1/clients")
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(201);
    let (id, secret) = (
        text(client.data(), "id"),
        text(client.data(), "clientSecret"),
    );
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let call = app.post("/api/v1/oauth/token");
    call.body("application/x-www-form-urlencoded", form)
        .send()
        .expect(200);
    let path = format!("/api/v1/clients/{id}");
    let body = json!({"permissions": []});
    app.patch(&path)
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(200);
    follower.expect("sub", &[&format!("client:{id}")]);
    let grant = app.query_text("SELECT id FROM client_access_tokens");
    app.delete(&path).bearer(&admin).send().expect(204);
    follower.expect("sid", &[&grant]);
}

#[test]
fn late_commit_is_not_skipped() {
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    for name in ["early", "late", "other"] {
        app.create_user(name, "User", &[]);
    }
    let (early, late, other) = (
        app.sign_in("early"),
        app.sign_in("late"),
        app.sign_in("other"),
    );
    let end_sql = |session: &Value| {
        format!(
            "UPDATE sessions SET ended_at = now() WHERE id = '{}'",
            sid(session)
        )
    };
    app.execute(&end_sql(&early));
    // One transaction begins before another one and commits after it.
    let mut open_transaction = app.sql();
    open_transaction.batch_execute("BEGIN").unwrap();
    open_transaction.batch_execute(&end_sql(&late)).unwrap();
    app.execute(&end_sql(&other));
    // An open transaction delays no entry.
    assert_eq!(follower.new_values("sid"), [sid(&early), sid(&other)]);
    let repeated = follower.poll();
    let repeated = repeated.data().as_array().unwrap();
    let is_other = |entry: &Value| entry["sid"] == sid(&other);
    assert!(repeated.iter().any(is_other), "an earlier entry may appear");
    open_transaction.batch_execute("COMMIT").unwrap();
    assert_eq!(follower.new_values("sid"), [sid(&late)]);
    wait_until(|| {
        follower.new_entries();
        follower.poll().data() == &json!([])
    });
}

#[test]
fn feed_says_until_when_it_is_complete_and_refuses_to_answer_when_it_lags() {
    let app = TestApp::start();
    let follower = Follower::new(&app);
    let complete_until = |query: &str| {
        let path = format!("{FEED}?{query}");
        let response = app.get(&path).bearer(&follower.token).send().expect(200);
        let text = text(&response.body["page"], "completeUntilUtc");
        chrono::DateTime::parse_from_rfc3339(&text)
            .unwrap()
            .timestamp()
    };
    let now = || app.query_number("SELECT floor(extract(epoch FROM clock_timestamp()))");
    let before = now();
    assert!((before..=now()).contains(&complete_until("")));

    let mut open_transaction = app.sql();
    let sql = "BEGIN; SELECT pg_current_xact_id()";
    open_transaction.batch_execute(sql).unwrap();
    app.execute(
        "INSERT INTO revocations (role, at) VALUES ('A', now() - interval '8 seconds'), ('B', now() - interval '7 seconds')",
    );
    let before = now();
    assert!(
        complete_until("limit=2") >= before,
        "all entries were delivered"
    );
    let lag = now() - complete_until("limit=1");
    assert!(lag >= 7, "the second entry was not delivered: {lag}");
    app.execute("UPDATE revocations SET at = at - interval '5 seconds'");
    let path = format!("{FEED}?limit=1");
    let response = app.get(&path).bearer(&follower.token).send();
    response.expect_problem(503, "overloaded");
    assert!(complete_until("limit=2") >= before);
    open_transaction.batch_execute("ROLLBACK").unwrap();
    wait_until(|| app.get(&path).bearer(&follower.token).send().status == 200);
}

#[test]
fn entry_that_is_committed_while_the_feed_is_read_is_after_its_completeness() {
    let app = TestApp::start();
    let follower = Follower::new(&app);
    // Each statement on the feed lasts long enough for a commit after its snapshot.
    app.execute(
        "ALTER TABLE revocations RENAME TO revocation_rows;
         CREATE VIEW revocations AS
         WITH pause AS MATERIALIZED (SELECT pg_sleep(1)) SELECT r.* FROM revocation_rows r, pause",
    );
    let insert =
        |role: &str| format!("INSERT INTO revocation_rows (role, at) VALUES ('{role}', now())");
    let mut early = app.sql();
    early.batch_execute("BEGIN").unwrap();
    early.batch_execute(&insert("Early")).unwrap();
    app.execute(&insert("Late"));
    let (response, before_commit) = std::thread::scope(|scope| {
        let poll = scope.spawn(|| follower.poll());
        let sleeping = "SELECT count(*) FROM pg_stat_activity \
                        WHERE wait_event = 'PgSleep' AND query LIKE '%ORDER BY%revocations%'";
        wait_until(|| app.query_number(sleeping) > 0);
        let before_commit =
            app.query_number("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)");
        early.batch_execute("COMMIT").unwrap();
        (poll.join().unwrap(), before_commit)
    });
    let entries = response.data().as_array().unwrap();
    let has = |role: &str| entries.iter().any(|entry| entry["role"] == role);
    assert!(has("Late") && !has("Early"), "{entries:?}");
    let complete = text(&response.body["page"], "completeUntilUtc");
    let complete = chrono::DateTime::parse_from_rfc3339(&complete).unwrap();
    assert!(complete.timestamp_millis() <= before_commit);
}

#[test]
fn truncating_a_table_writes_the_feed() {
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    app.execute("DELETE FROM revocations; TRUNCATE users CASCADE");
    let rows = format!(
        "SELECT count(*) FROM revocations WHERE sid = '{}'",
        sid(&session)
    );
    assert_eq!(app.query_number(&rows), 1);
    follower.token = app.super_admin_token();
    assert!(follower.new_values("sid").contains(&sid(&session)));
}

#[test]
fn concurrent_revocations_are_each_listed_once() {
    const EACH: usize = 25;
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    app.create_user("ada", "User", &[]);
    app.execute(
        "INSERT INTO sessions (id, user_id, created_at, last_seen_at, idle_timeout_seconds, expires_at, ip, rotated_at) \
         SELECT gen_random_uuid(), (SELECT id FROM users WHERE username = 'ada'), now(), now(), 86400, now() + interval '1 day', \
         '', now() FROM generate_series(1, 100)",
    );
    let mut new_values = Vec::new();
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| {
            run_concurrently(4, |worker| {
                for step in 0..EACH {
                    let offset = worker * EACH + step;
                    app.execute(&format!(
                        "UPDATE sessions SET ended_at = now() WHERE id = \
                         (SELECT id FROM sessions WHERE ip = '' ORDER BY id OFFSET {offset} LIMIT 1)"
                    ));
                }
            });
        });
        while !ending.is_finished() {
            new_values.extend(follower.new_values("sid"));
        }
        ending.join().unwrap();
    });
    wait_until(|| {
        new_values.extend(follower.new_values("sid"));
        new_values.len() >= 100
    });
    new_values.sort();
    let mut distinct = new_values.clone();
    distinct.dedup();
    assert_eq!((new_values.len(), distinct.len()), (100, 100));
}

#[test]
fn feed_is_paginated_by_cursor() {
    let app = TestApp::start();
    let follower = Follower::new(&app);
    for name in ["ada", "bob", "eve"] {
        app.create_user(name, "User", &[]);
        let token = app.token(name);
        app.post("/api/v1/auth/logout")
            .bearer(token)
            .send()
            .expect(204);
    }
    let page = |query: &str| {
        let response = app
            .get(&format!("{FEED}?{query}"))
            .bearer(&follower.token)
            .send()
            .expect(200);
        let next = text(&response.body["page"], "next");
        (response.data().as_array().unwrap().len(), next)
    };
    // Waits until open transactions of other tests do not make the feed repeat entries.
    wait_until(|| {
        let (entries, next) = page("limit=200");
        entries == 3 && page(&format!("limit=200&after={next}")).0 == 0
    });
    let (first, next) = page("limit=2");
    let (second, next) = page(&format!("limit=2&after={next}"));
    let (third, next_at_end) = page(&format!("limit=2&after={next}"));
    assert_eq!((first, second, third), (2, 1, 0));
    assert_eq!(next_at_end, next);
    // A cursor of another list and a made-up cursor are refused.
    let clients = app
        .get("/api/v1/users?limit=1")
        .bearer(&follower.token)
        .send()
        .expect(200);
    let foreign = text(&clients.body["page"], "next");
    for cursor in [foreign.as_str(), "x", ""] {
        let path = format!("{FEED}?after={cursor}");
        app.get(&path)
            .bearer(&follower.token)
            .send()
            .expect_field_error("?after", "invalid_cursor");
    }
}

/// After a restore, transaction ids may restart at a lower value.
#[test]
fn cursor_ahead_of_the_database_restarts_from_the_beginning() {
    let app = TestApp::start();
    app.execute("INSERT INTO revocations (role) VALUES ('New')");
    let ahead = FeedPosition {
        xid: i64::MAX,
        id: 1,
    };
    let read = |from| {
        app.db()
            .read_now(|tx| service::list_after(tx, from, 10))
            .unwrap()
    };
    assert_eq!(read(ahead).entries.len(), 1);
    wait_until(|| read(read(ahead).next).entries.is_empty());
}

#[test]
fn entries_older_than_any_token_are_deleted() {
    let app = TestApp::start();
    app.execute("INSERT INTO revocations (role, at) VALUES ('Old', now() - interval '61 minutes'), ('New', now() - interval '16 minutes')");
    rosterd::server::Housekeeping::of_expired_rows()
        .run(&app.db())
        .unwrap();
    assert_eq!(
        app.query_text("SELECT string_agg(role, ' ') FROM revocations"),
        "New"
    );
}

#[test]
fn feed_works_without_table_ownership() {
    let app = TestApp::start();
    let role = RestrictedRole::create(&app);
    let service = app.start_replica_with(&[("DATABASE_URL", &role.url)]);
    let mut follower = Follower::new(&service);
    let admin = follower.token.clone();
    let user = service.create_user("ada", "User", &[]);
    let session = service.sign_in("ada");
    let body = json!({"permissions": ["users.read"]});
    let path = user.path("/permissions");
    service
        .patch(&path)
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(200);
    service
        .delete(&user.path("?purge=true"))
        .bearer(&admin)
        .send()
        .expect(204);
    let mut entries = Vec::new();
    wait_until(|| {
        entries.extend(follower.new_entries());
        entries.len() >= 2
    });
    assert_eq!(entries[0]["sub"], user.id);
    assert_eq!(entries[1]["sid"], sid(&session));
}
