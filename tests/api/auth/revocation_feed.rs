//! The feed of what access tokens outlive.

use diesel::connection::SimpleConnection;
use rosterd::access::revocation_feed::service;
use serde_json::{Value, json};

use crate::support::{Answer, OwnRole, TestApp, User, at_once, eventually};

const FEED: &str = "/api/v1/auth/revocations";

/// Somebody who follows the feed.
struct Follower<'a> {
    app: &'a TestApp,
    token: String,
    next: Option<String>,
}

impl<'a> Follower<'a> {
    fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            token: app.super_admin(),
            next: None,
        }
    }

    fn ask(&self) -> Answer {
        let after = self.next.as_ref().map(|next| format!("?after={next}"));
        let path = format!("{FEED}{}", after.unwrap_or_default());
        self.app.get(&path).by(&self.token).send().expect(200)
    }

    /// What there is since the last time.
    fn news(&mut self) -> Vec<Value> {
        let answer = self.ask();
        self.next = Some(answer.body["page"]["next"].as_str().unwrap().to_owned());
        answer.data().as_array().unwrap().clone()
    }

    /// Holds if these values of this claim are what is told next, by and by: transactions of other tests may be under way.
    #[track_caller]
    fn expect(&mut self, claim: &str, values: &[&str]) {
        let mut told = Vec::new();
        eventually(|| {
            told.extend(self.told(claim));
            told.len() >= values.len()
        });
        assert_eq!(told, values);
    }

    /// The values of this claim in the news.
    fn told(&mut self, claim: &str) -> Vec<String> {
        let values = self.news().into_iter();
        values
            .filter_map(|line| line[claim].as_str().map(str::to_owned))
            .collect()
    }
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

fn sid(session: &Value) -> String {
    text(&session["session"], "id")
}

/// What ends the session of this sign-in.
type End<'a> = &'a dyn Fn(&Value);

#[test]
fn whatever_ends_a_session_is_told_of_once() {
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    assert_eq!(follower.news(), Vec::<Value>::new());
    let user = app.user("ada", "User", &[]);
    let admin = follower.token.clone();
    let ends: [(&str, End<'_>); 6] = [
        ("signed out", &|session| {
            let token = text(session, "accessToken");
            app.post("/api/v1/auth/logout").by(token).send().expect(204);
        }),
        ("ended by somebody else", &|session| {
            let path = format!("/api/v1/sessions/{}", sid(session));
            app.delete(&path).by(&admin).send().expect(204);
        }),
        ("given up", &|session| {
            let form = format!("client_id=rosterd&token={}", text(session, "refreshToken"));
            let call = app.post("/api/v1/oauth/revoke");
            call.body("application/x-www-form-urlencoded", form)
                .send()
                .expect(200);
        }),
        ("another password", &|_| {
            let body = json!({"newPassword": "nine purple umbrellas in june"});
            app.post(&user.at("/reset-password"))
                .by(&admin)
                .json(&body)
                .send()
                .expect(204);
            let body = json!({"newPassword": crate::support::PASSWORD});
            app.post(&user.at("/reset-password"))
                .by(&admin)
                .json(&body)
                .send()
                .expect(204);
        }),
        ("by psql", &|session| {
            app.execute(&format!(
                "UPDATE sessions SET ended_at = now() WHERE id = '{}'",
                sid(session)
            ));
        }),
        ("purged", &|_| {
            app.delete(&user.at("?purge=true"))
                .by(&admin)
                .send()
                .expect(204);
        }),
    ];
    for (how, end) in ends {
        let session = app.sign_in("ada");
        assert_eq!(follower.told("sid"), Vec::<String>::new(), "{how}");
        end(&session);
        follower.expect("sid", &[&sid(&session)]);
        assert_eq!(follower.news(), Vec::<Value>::new(), "{how}");
    }
}

#[test]
fn a_line_says_which_tokens_it_is_about() {
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    app.user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let token = text(&session, "accessToken");
    app.post("/api/v1/auth/logout").by(token).send().expect(204);
    let mut news = Vec::new();
    eventually(|| {
        news.extend(follower.news());
        !news.is_empty()
    });
    let [line] = news.as_slice() else {
        panic!("{news:?}");
    };
    assert_eq!((&line["sub"], &line["role"]), (&Value::Null, &Value::Null));
    let at = chrono::DateTime::parse_from_rfc3339(line["revokedAtUtc"].as_str().unwrap()).unwrap();
    assert_eq!(line["notBefore"], at.timestamp() + 1);
}

#[test]
fn what_changes_what_somebody_may_is_told_of() {
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    let admin = follower.token.clone();
    let user = app.user("ada", "User", &[]);
    app.role("Editor", 10, &[]);
    let change = |user: &User, below: &str, body: Value| {
        app.patch(&user.at(below))
            .by(&admin)
            .json(&body)
            .send()
            .expect(200);
    };
    follower.news();
    change(&user, "", json!({"displayName": "Ada"}));
    assert_eq!(
        follower.news(),
        Vec::<Value>::new(),
        "that is in no token's way"
    );
    change(
        &user,
        "/permissions",
        json!({"permissions": ["users.read"]}),
    );
    change(&user, "", json!({"role": "Editor"}));
    change(&user, "", json!({"isActive": false}));
    follower.expect("sub", &[&user.id, &user.id, &user.id]);
    let role = app.patch("/api/v1/roles/Editor").by(&admin);
    role.json(&json!({"permissions": ["users.read"]}))
        .send()
        .expect(200);
    follower.expect("role", &["Editor"]);

    let body = json!({"name": "media", "permissions": ["users.read"]});
    let client = app
        .post("/api/v1/clients")
        .by(&admin)
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
    app.patch(&path).by(&admin).json(&body).send().expect(200);
    follower.expect("sub", &[&format!("client:{id}")]);
    let grant = app.text("SELECT id FROM client_grants");
    app.delete(&path).by(&admin).send().expect(204);
    follower.expect("sid", &[&grant]);
}

#[test]
fn what_commits_late_is_not_skipped() {
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    for name in ["early", "late", "other"] {
        app.user(name, "User", &[]);
    }
    let (early, late, other) = (
        app.sign_in("early"),
        app.sign_in("late"),
        app.sign_in("other"),
    );
    let end = |session: &Value| {
        format!(
            "UPDATE sessions SET ended_at = now() WHERE id = '{}'",
            sid(session)
        )
    };
    app.execute(&end(&early));
    // One transaction begins before another one, and ends after it.
    let mut slow = app.sql();
    slow.batch_execute("BEGIN").unwrap();
    slow.batch_execute(&end(&late)).unwrap();
    app.execute(&end(&other));
    // Nothing that something may still come before.
    follower.expect("sid", &[&sid(&early)]);
    assert_eq!(follower.told("sid"), Vec::<String>::new());
    slow.batch_execute("COMMIT").unwrap();
    follower.expect("sid", &[&sid(&late), &sid(&other)]);
    assert_eq!(follower.news(), Vec::<Value>::new());
}

#[test]
fn of_many_that_end_at_once_none_is_missed_or_told_twice() {
    const EACH: usize = 25;
    let app = TestApp::start();
    let mut follower = Follower::new(&app);
    app.user("ada", "User", &[]);
    app.execute(
        "INSERT INTO sessions (id, user_id, created_at, last_seen_at, idle_seconds, expires_at, ip, rotated_at) \
         SELECT gen_random_uuid(), (SELECT id FROM users WHERE username = 'ada'), now(), now(), 86400, now() + interval '1 day', \
         '', now() FROM generate_series(1, 100)",
    );
    let mut told = Vec::new();
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| {
            at_once(4, |worker| {
                for step in 0..EACH {
                    let which = worker * EACH + step;
                    app.execute(&format!(
                        "UPDATE sessions SET ended_at = now() WHERE id = \
                         (SELECT id FROM sessions WHERE ip = '' ORDER BY id OFFSET {which} LIMIT 1)"
                    ));
                }
            });
        });
        while !ending.is_finished() {
            told.extend(follower.told("sid"));
        }
        ending.join().unwrap();
    });
    eventually(|| {
        told.extend(follower.told("sid"));
        told.len() >= 100
    });
    told.sort();
    let mut once = told.clone();
    once.dedup();
    assert_eq!((told.len(), once.len()), (100, 100));
}

#[test]
fn the_feed_goes_on_page_by_page_and_from_anywhere() {
    let app = TestApp::start();
    let follower = Follower::new(&app);
    for name in ["ada", "bob", "eve"] {
        app.user(name, "User", &[]);
        let token = app.token(name);
        app.post("/api/v1/auth/logout").by(token).send().expect(204);
    }
    let page = |query: &str| {
        let answer = app
            .get(&format!("{FEED}?{query}"))
            .by(&follower.token)
            .send()
            .expect(200);
        let next = text(&answer.body["page"], "next");
        (answer.data().as_array().unwrap().len(), next)
    };
    eventually(|| page("limit=200").0 == 3);
    let (first, next) = page("limit=2");
    let (second, next) = page(&format!("limit=2&after={next}"));
    let (third, again) = page(&format!("limit=2&after={next}"));
    assert_eq!((first, second, third), (2, 1, 0));
    assert_eq!(again, next);
    // Not with a cursor of something else, nor one of one's own making.
    let clients = app
        .get("/api/v1/users?limit=1")
        .by(&follower.token)
        .send()
        .expect(200);
    let foreign = text(&clients.body["page"], "next");
    for wrong in [foreign.as_str(), "x", ""] {
        let path = format!("{FEED}?after={wrong}");
        app.get(&path)
            .by(&follower.token)
            .send()
            .expect_fault("?after", "invalid_cursor");
    }
}

/// After a restore, transactions may be counted anew.
#[test]
fn who_was_further_than_the_database_is_begins_anew() {
    let app = TestApp::start();
    app.execute("INSERT INTO revocations (role) VALUES ('New')");
    let ahead = service::Position {
        xid: i64::MAX,
        id: 1,
    };
    let read = |from| {
        app.db()
            .read_now(|tx| service::after(tx, from, 10))
            .unwrap()
    };
    eventually(|| read(ahead).0.len() == 1);
    let (_, next) = read(ahead);
    assert_eq!(read(next).0.len(), 0);
}

#[test]
fn what_no_token_can_be_about_any_more_is_forgotten() {
    let app = TestApp::start();
    app.execute("INSERT INTO revocations (role, at) VALUES ('Old', now() - interval '61 minutes'), ('New', now() - interval '16 minutes')");
    rosterd::server::keep_house(&app.db()).unwrap();
    assert_eq!(
        app.text("SELECT string_agg(role, ' ') FROM revocations"),
        "New"
    );
}

#[test]
fn the_feed_is_written_by_a_service_that_does_not_own_its_tables() {
    let app = TestApp::start();
    let role = OwnRole::grant(&app);
    let service = app.replica_with(&[("DATABASE_URL", &role.url)]);
    let mut follower = Follower::new(&service);
    let admin = follower.token.clone();
    let user = service.user("ada", "User", &[]);
    let session = service.sign_in("ada");
    let body = json!({"permissions": ["users.read"]});
    let path = user.at("/permissions");
    service
        .patch(&path)
        .by(&admin)
        .json(&body)
        .send()
        .expect(200);
    service
        .delete(&user.at("?purge=true"))
        .by(&admin)
        .send()
        .expect(204);
    let mut told = Vec::new();
    eventually(|| {
        told.extend(follower.news());
        told.len() >= 2
    });
    assert_eq!(told[0]["sub"], user.id);
    assert_eq!(told[1]["sid"], sid(&session));
}
