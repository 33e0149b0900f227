//! What several do at the same moment: the rules hold in every order in which it can happen, and nobody gets a 500.

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use rosterd::access::passwords::PasswordHash;
use rosterd::accounts::users::{Username, service};
use rosterd::platform::db::{Db, DbOptions};
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Schema, TestApp, User, at_once, eventually};

const USERS: &str = "/api/v1/users";
const ME: &str = "/api/v1/auth/me";
const REFRESH: &str = "/api/v1/auth/refresh";
const NEW: &str = "nine purple umbrellas in june";

fn count(answers: &[Answer], status: u16) -> usize {
    answers
        .iter()
        .filter(|answer| answer.status == status)
        .count()
}

fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    app.post("/api/v1/auth/login")
        .json(&json!({"username": name, "password": password}))
        .send()
}

fn refresh(app: &TestApp, token: &Value) -> Answer {
    app.post(REFRESH)
        .json(&json!({ "refreshToken": token }))
        .send()
}

fn access(session: &Value) -> String {
    session["accessToken"].as_str().unwrap().to_owned()
}

fn set_active(app: &TestApp, by: &str, user: &User, active: bool) -> Answer {
    app.post(&user.at("/status"))
        .by(by)
        .json(&json!({ "isActive": active }))
        .send()
}

fn permit(app: &TestApp, by: &str, user: &User, names: &Value) -> Answer {
    app.patch(&user.at("/permissions"))
        .by(by)
        .json(&json!({ "permissions": names }))
        .send()
}

#[test]
fn a_username_wanted_from_eight_sides_goes_to_one() {
    let one = TestApp::start();
    let other = one.replica();
    let admin = one.super_admin();
    for round in 0..20 {
        let answers = at_once(8, |side| {
            let app = if side % 2 == 0 { &one } else { &other };
            let name = if side % 3 == 0 {
                format!(" Name-{round}")
            } else {
                format!("name-{round}")
            };
            app.post(USERS)
                .by(&admin)
                .json(&json!({"username": name, "role": "User"}))
                .send()
        });
        assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 7));
        for answer in answers.into_iter().filter(|answer| answer.status == 409) {
            answer.expect_problem(409, "user_username_conflict");
        }
    }
    // Taken by a change of name just as well.
    let users: Vec<User> = (0..8)
        .map(|index| one.user(&format!("other-{index}"), "User", &[]))
        .collect();
    for round in 0..20 {
        let answers = at_once(8, |side| {
            one.patch(&users[side].at(""))
                .by(&admin)
                .json(&json!({"username": format!("wanted-{round}")}))
                .send()
        });
        assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 7));
    }
}

#[test]
fn d24_a_hundred_who_want_one_address_or_name_get_one_account() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for what in ["email", "username"] {
        let answers = at_once(100, |side| {
            let cased: String = "same.name"
                .chars()
                .enumerate()
                .map(|(index, letter)| {
                    if side >> index & 1 == 1 {
                        letter.to_ascii_uppercase()
                    } else {
                        letter
                    }
                })
                .collect();
            let body = match what {
                "email" => {
                    json!({"username": format!("user-{side}"), "role": "User", "email": format!("{cased}@example.org")})
                }
                _ => json!({"username": cased, "role": "User"}),
            };
            app.post(USERS).by(&admin).json(&body).send()
        });
        assert_eq!(
            (count(&answers, 201), count(&answers, 409)),
            (1, 99),
            "{what}"
        );
        let code = format!("user_{what}_conflict");
        assert!(
            answers
                .iter()
                .all(|answer| answer.status == 201 || answer.body["code"] == code)
        );
    }
}

/// Two hundred rounds of two `SuperAdmin`s, each unmaking the other in one of seven ways, over two replicas.
#[test]
fn c04_of_two_super_admins_who_unmake_each_other_one_always_remains() {
    let main = TestApp::start();
    let apps = [&main, &main.replica()];
    let (first, one) = apps[0].someone("SuperAdmin", &[]);
    let (second, other) = apps[0].someone("SuperAdmin", &[]);
    let (users, tokens) = ([first, second], [one, other]);
    let ways: [(&str, &str, &str); 7] = [
        ("PATCH", "", r#"{"role": "Admin"}"#),
        ("PATCH", "", r#"{"role": "User"}"#),
        ("POST", "/status", r#"{"isActive": false}"#),
        ("PATCH", "", r#"{"isActive": false, "displayName": "x"}"#),
        ("PATCH", "", r#"{"expiresAtUtc": "2999-01-01T00:00:00Z"}"#),
        ("DELETE", "/password", "{}"),
        ("DELETE", "", "{}"),
    ];
    let lasting = "SELECT count(*) FROM users WHERE role = 'SuperAdmin' AND is_active AND deleted_at IS NULL \
        AND expires_at IS NULL AND password_hash IS NOT NULL";
    apps[0].execute("CREATE TABLE kept AS SELECT id, password_hash FROM users");
    let mut unmade = 0;
    for round in 0..200 {
        let answers = at_once(2, |side| {
            let (method, below, body) = ways[if side == 0 { round } else { round / 7 + round } % 7];
            apps[side]
                .call(method, &users[1 - side].at(below))
                .by(&tokens[side])
                .body("application/json", body)
                .send()
        });
        let left = apps[0].number(lasting);
        assert!(left >= 1, "nobody is left after round {round}: {answers:?}");
        let done = answers.iter().filter(|answer| answer.status < 300).count();
        assert!(done >= 1, "round {round}: {answers:?}");
        unmade += done;
        for answer in &answers {
            assert!(
                [200, 204, 401, 403, 409].contains(&answer.status),
                "round {round}: {answer:?}"
            );
        }
        apps[0].execute(
            "UPDATE users u SET role = 'SuperAdmin', is_active = true, deleted_at = NULL, expires_at = NULL,
                 password_hash = kept.password_hash, version = version + 1 FROM kept WHERE kept.id = u.id;
             UPDATE sessions SET ended_at = NULL, ended_reason = NULL;",
        );
        // So that each round begins with two whose replicas know them as such.
        for side in [0, 1] {
            let known = format!("{USERS}?limit=1");
            eventually(|| apps[side].get(&known).by(&tokens[side]).send().status == 200);
        }
    }
    assert!(unmade >= 200);
}

#[test]
fn c18_of_twenty_first_super_admins_made_at_once_there_is_one() {
    let schema = Schema::new();
    let db = Db::connect(&DbOptions {
        url: schema.url(),
        size: 20,
        acquire: std::time::Duration::from_secs(20),
        statement: std::time::Duration::from_secs(20),
    })
    .unwrap();
    let make = |name: &str| {
        let username = Username::parse(name).unwrap();
        let hash = PasswordHash::from_stored("$argon2id$no".to_owned());
        db.write_now(|tx| service::create_first_super_admin(tx, &username, &hash))
            .unwrap()
            .is_some()
    };
    for _ in 0..20 {
        let firsts = at_once(20, |side| make(&format!("first-{side}")));
        assert_eq!(firsts.into_iter().filter(|first| *first).count(), 1);
        assert!(!make("later"));
        diesel::sql_query("DELETE FROM users")
            .execute(&mut schema.connect())
            .unwrap();
    }
}

#[test]
fn h18_of_fifty_edits_under_one_tag_exactly_one_is_made() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    for round in 0..20 {
        let tag = app
            .get(&user.at(""))
            .by(&admin)
            .send()
            .expect(200)
            .header("etag")
            .to_owned();
        let answers = at_once(50, |side| {
            app.patch(&user.at(""))
                .by(&admin)
                .header("If-Match", &tag)
                .json(&json!({"displayName": format!("{round}-{side}")}))
                .send()
        });
        assert_eq!((count(&answers, 200), count(&answers, 412)), (1, 49));
        let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
        assert_eq!(app.get(&user.at("")).by(&admin).send().body, winner.body);
    }
}

#[test]
fn no_edit_of_another_member_is_lost() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    for round in 0..20 {
        let answers = at_once(8, |side| match side % 2 {
            0 => app
                .put(&user.at(&format!("/tags/t{side}")))
                .by(&admin)
                .send(),
            _ => app
                .patch(&user.at(""))
                .by(&admin)
                .json(&json!({"attributes": {format!("a{side}"): round}}))
                .send(),
        });
        assert_eq!(count(&answers, 200), 8);
        let shown = app.get(&user.at("")).by(&admin).send().expect(200);
        assert_eq!(shown.data()["tags"], json!(["t0", "t2", "t4", "t6"]));
        assert_eq!(
            shown.data()["attributes"],
            json!({"a1": round, "a3": round, "a5": round, "a7": round})
        );
        app.execute("UPDATE users SET tags = '{}', attributes = '{}', version = version + 1");
    }
}

#[test]
fn one_idempotency_key_from_eight_sides_makes_one_account() {
    let one = TestApp::start();
    let other = one.replica();
    let admin = one.super_admin();
    for round in 0..20 {
        let answers = at_once(8, |side| {
            let app = if side % 2 == 0 { &one } else { &other };
            app.post(USERS)
                .by(&admin)
                .header("Idempotency-Key", &format!("key-{round}"))
                .json(&json!({"username": format!("made-{round}"), "role": "User"}))
                .send()
        });
        assert_eq!(count(&answers, 201), 8);
        let replayed = answers
            .iter()
            .filter(|answer| answer.header("idempotency-replayed") == "true")
            .count();
        assert_eq!(replayed, 7);
        assert!(answers.iter().all(|answer| answer.text == answers[0].text));
    }
}

#[test]
fn one_idempotency_key_with_eight_bodies_makes_one_account() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for round in 0..20 {
        let answers = at_once(8, |side| {
            app.post(USERS)
                .by(&admin)
                .header("Idempotency-Key", &format!("key-{round}"))
                .json(&json!({"username": format!("made-{round}-{side}"), "role": "User"}))
                .send()
        });
        assert_eq!((count(&answers, 201), count(&answers, 422)), (1, 7));
    }
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE username LIKE 'made-%'"),
        20
    );
}

#[test]
fn a06_thirty_two_refreshes_of_one_token_have_one_successor_and_sign_nobody_out() {
    let one = TestApp::start();
    let other = one.replica();
    one.user("ada", "User", &[]);
    for _ in 0..20 {
        let session = one.sign_in("ada");
        let answers = at_once(32, |side| {
            let app = if side % 2 == 0 { &one } else { &other };
            refresh(app, &session["refreshToken"])
        });
        assert_eq!(count(&answers, 200), 32);
        let successor = &answers[0].data()["refreshToken"];
        assert!(
            answers
                .iter()
                .all(|answer| answer.data()["refreshToken"] == *successor)
        );
        let id = session["session"]["id"].as_str().unwrap();
        assert_eq!(
            one.number(&format!(
                "SELECT count(*) FROM refresh_tokens WHERE session_id = '{id}'"
            )),
            2
        );
        one.get(ME).by(access(&session)).send().expect(200);
        one.get(ME)
            .by(access(answers[31].data()))
            .send()
            .expect(200);
        refresh(&other, successor).expect(200);
    }
}

/// Whatever a sign-in or a refresh that races a disabling gets, it is dead, also once the account is enabled again.
#[test]
fn a_refresh_or_a_sign_in_that_races_a_disabling_leaves_nothing_alive() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let mut got = 0;
    for round in 0..30 {
        let session = app.sign_in("ada");
        let answers = at_once(3, |side| match side {
            0 => refresh(&app, &session["refreshToken"]),
            1 => login(&app, "ada", PASSWORD),
            _ => {
                // A login is slow: it is to be met in the middle.
                std::thread::sleep(std::time::Duration::from_millis(round % 3 * 12));
                set_active(&app, &admin, &user, false)
            }
        });
        assert_eq!(answers[2].status, 200);
        assert!(
            [200, 401].contains(&answers[0].status) && [200, 403].contains(&answers[1].status),
            "{answers:?}"
        );
        set_active(&app, &admin, &user, true).expect(200);
        for answer in answers.iter().take(2).filter(|answer| answer.status == 200) {
            got += 1;
            app.get(ME)
                .by(access(answer.data()))
                .send()
                .expect_problem(401, "auth_token_invalid");
            refresh(&app, &answer.data()["refreshToken"])
                .expect_problem(401, "auth_refresh_token_invalid");
        }
        app.get(ME)
            .by(access(&session))
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    assert!(got > 0, "no round was a race");
}

#[test]
fn an_old_password_never_wins_against_a_reset() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    app.execute("CREATE TABLE kept AS SELECT password_hash FROM users WHERE username = 'ada'");
    let mut lost = 0;
    for round in 0..25 {
        let session = app.sign_in("ada");
        let answers = at_once(3, |side| {
            match side {
            0 => app.post("/api/v1/auth/change-password").by(access(&session))
                .json(&json!({"currentPassword": PASSWORD, "newPassword": "eleven silver kettles by the sea"})).send(),
            1 => login(&app, "ada", PASSWORD),
            _ => {
                std::thread::sleep(std::time::Duration::from_millis(round % 5 * 8));
                app.post(&user.at("/reset-password")).by(&admin).json(&json!({"newPassword": NEW})).send()
            }
        }
        });
        assert_eq!(answers[2].status, 204, "{answers:?}");
        assert!(
            [204, 401].contains(&answers[0].status) && [200, 401].contains(&answers[1].status),
            "{answers:?}"
        );
        lost += usize::from(answers[0].status == 401);
        login(&app, "ada", NEW).expect(200);
        login(&app, "ada", "eleven silver kettles by the sea")
            .expect_problem(401, "auth_invalid_credentials");
        app.get(ME).by(access(&session)).send().expect(401);
        if answers[1].status == 200 {
            app.get(ME).by(access(answers[1].data())).send().expect(401);
        }
        app.execute("UPDATE users u SET password_hash = kept.password_hash FROM kept WHERE username = 'ada'");
    }
    assert!(lost > 0, "no round was a race");
}

/// As the one before, by whoever must change the password and so has no session that the reset would end.
#[test]
fn a_forced_change_never_wins_against_a_reset() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    app.execute("CREATE TABLE kept AS SELECT password_hash FROM users WHERE username = 'ada'");
    let mut lost = 0;
    for round in 0..25 {
        app.execute(
            "UPDATE users u SET password_hash = kept.password_hash, must_change_password = true FROM kept WHERE username = 'ada'",
        );
        let token = login(&app, "ada", PASSWORD).expect(403).body["changeToken"]
            .as_str()
            .unwrap()
            .to_owned();
        let answers = at_once(2, |side| {
            if side == 0 {
                let body = json!({"currentPassword": PASSWORD, "newPassword": "eleven silver kettles by the sea"});
                return app
                    .post("/api/v1/auth/change-password")
                    .by(&token)
                    .json(&body)
                    .send();
            }
            std::thread::sleep(std::time::Duration::from_millis(round % 5 * 8));
            app.post(&user.at("/reset-password"))
                .by(&admin)
                .json(&json!({"newPassword": NEW}))
                .send()
        });
        assert_eq!(answers[1].status, 204, "{answers:?}");
        assert!([204, 401].contains(&answers[0].status), "{answers:?}");
        lost += usize::from(answers[0].status == 401);
        let after = login(&app, "ada", NEW);
        assert!([200, 403].contains(&after.status), "{}", after.text);
    }
    assert!(lost > 0, "no round was a race");
}

#[test]
fn what_is_granted_stays_in_the_catalogue() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let stray = "SELECT count(*) FROM users u, unnest(u.permissions) name WHERE name NOT IN (SELECT name FROM permissions)";
    for round in 0..40 {
        let register = json!({"name": "assets.read"});
        let registered = app
            .post("/api/v1/permissions")
            .by(&admin)
            .json(&register)
            .send()
            .status;
        assert!([201, 409].contains(&registered));
        let answers = at_once(3, |side| {
            match side {
            0 => permit(&app, &admin, &user, &json!(["assets.read"])),
            1 => app.post(USERS).by(&admin)
                .json(&json!({"username": format!("made-{round}"), "role": "User", "permissions": ["assets.read"]})).send(),
            _ => app.delete("/api/v1/permissions/assets.read").by(&admin).send(),
        }
        });
        assert_eq!(app.number(stray), 0, "round {round}: {answers:?}");
        let removed = answers[2].status == 204;
        assert!(
            [200, 400].contains(&answers[0].status) && [201, 400].contains(&answers[1].status),
            "{answers:?}"
        );
        assert_eq!(
            removed,
            answers[0].status == 400 && answers[1].status == 400,
            "{answers:?}"
        );
        app.execute("UPDATE users SET permissions = '{}', version = version + 1");
    }
}

/// Holds the lock that changes of authority take, lets `request` run into it, runs `sql`, and lets go.
fn while_it_waits<T: Send>(app: &TestApp, request: impl FnOnce() -> T + Send, sql: &str) -> T {
    let mut holder = app.sql();
    holder
        .batch_execute(
            "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ':authority', 0))",
        )
        .unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND \
        (classid::bigint << 32 | objid::bigint) = hashtextextended(current_schema() || ':authority', 0)";
    std::thread::scope(|scope| {
        let waiter = scope.spawn(request);
        eventually(|| app.number(waiting) == 1);
        holder.batch_execute(&format!("{sql}; COMMIT")).unwrap();
        waiter.join().unwrap()
    })
}

/// Whoever loses the session, the account, the permission or the rank while a request waits does not use it any more.
#[test]
fn an_actor_who_is_stopped_while_the_request_waits_does_nothing() {
    let app = TestApp::start();
    app.role("Idle", 100, &[]);
    let user = app.user("target", "User", &[]);
    let calls = [
        (
            "POST",
            USERS.to_owned(),
            r#"{"username": "made", "role": "User"}"#,
        ),
        ("PATCH", user.at(""), r#"{"displayName": "x"}"#),
        (
            "PATCH",
            user.at("/permissions"),
            r#"{"permissions": ["users.read"]}"#,
        ),
        ("POST", user.at("/status"), r#"{"isActive": false}"#),
        (
            "POST",
            user.at("/reset-password"),
            r#"{"newPassword": "nine purple umbrellas in june"}"#,
        ),
        ("DELETE", user.at("/password"), "{}"),
        ("DELETE", user.at("/sessions"), "{}"),
        ("PUT", user.at("/tags/x"), "{}"),
        ("DELETE", user.at("/tags/x"), "{}"),
        ("DELETE", user.at(""), "{}"),
        ("DELETE", user.at("?purge=true"), "{}"),
        ("POST", user.at("/restore"), "{}"),
        (
            "POST",
            "/api/v1/permissions".to_owned(),
            r#"{"name": "assets.read"}"#,
        ),
        ("DELETE", "/api/v1/permissions/assets.none".to_owned(), "{}"),
    ];
    let state = "SELECT count(*) FROM users WHERE version <> 1 OR username = 'made'";
    for (stop, status, code) in [
        (
            "UPDATE users SET is_active = false WHERE id = '{}'",
            401,
            "auth_token_invalid",
        ),
        (
            "UPDATE users SET deleted_at = now() WHERE id = '{}'",
            401,
            "auth_token_invalid",
        ),
        (
            "UPDATE sessions SET ended_at = now() WHERE user_id = '{}'",
            401,
            "auth_token_invalid",
        ),
        (
            "DELETE FROM users WHERE id = '{}'",
            401,
            "auth_token_invalid",
        ),
        (
            "UPDATE users SET role = 'Idle', permissions = '{{}}' WHERE id = '{}'",
            403,
            "permission_required",
        ),
    ] {
        for (method, path, body) in &calls {
            let (actor, token) = app.someone("Admin", &["roles.manage"]);
            let stop = stop
                .replace("'{}'", &format!("'{}'", actor.id))
                .replace("{{}}", "{}");
            let answer = while_it_waits(
                &app,
                || {
                    app.call(method, path)
                        .by(&token)
                        .body("application/json", *body)
                        .send()
                },
                &stop,
            );
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (status, &json!(code)),
                "{method} {path} {stop} {}",
                answer.text
            );
            assert_eq!(app.number(state), 0, "{method} {path} {stop}");
        }
    }
}

#[test]
fn a_change_of_password_that_waited_for_a_disabling_is_refused() {
    let app = TestApp::start();
    let user = app.user("ada", "User", &[]);
    for stop in [
        "UPDATE users SET is_active = false",
        "UPDATE sessions SET ended_at = now()",
        "UPDATE users SET deleted_at = now(), is_active = true",
    ] {
        app.execute("UPDATE users SET deleted_at = NULL, is_active = true");
        let token = access(&app.sign_in("ada"));
        let mut holder = app.sql();
        holder
            .batch_execute(&format!(
                "BEGIN; SELECT 1 FROM users WHERE id = '{}' FOR UPDATE",
                user.id
            ))
            .unwrap();
        let answer = std::thread::scope(|scope| {
            let change = scope.spawn(|| {
                app.post("/api/v1/auth/change-password")
                    .by(&token)
                    .json(&json!({"currentPassword": PASSWORD, "newPassword": NEW}))
                    .send()
            });
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%users%' \
                AND cardinality(pg_blocking_pids(pid)) > 0 AND application_name = 'rosterd'";
            eventually(|| app.number(waiting) >= 1);
            holder.batch_execute(&format!("{stop}; COMMIT")).unwrap();
            change.join().unwrap()
        });
        answer.expect_problem(401, "auth_token_invalid");
        app.execute("UPDATE users SET deleted_at = NULL, is_active = true");
        login(&app, "ada", PASSWORD).expect(200);
    }
}

#[test]
fn a_retry_waits_for_the_first_one_and_gets_its_answer() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let create = || {
        app.post(USERS)
            .by(&admin)
            .header("Idempotency-Key", "one")
            .json(&json!({"username": "made", "role": "User"}))
            .send()
    };
    let (first, second) = while_it_waits(
        &app,
        || {
            std::thread::scope(|scope| {
                let first = scope.spawn(create);
                let in_flight =
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
                eventually(|| app.number(in_flight) >= 1);
                let second = scope.spawn(create);
                (first.join().unwrap(), second.join().unwrap())
            })
        },
        "SELECT pg_sleep(0.3)",
    );
    let replayed = [&first, &second].map(|answer| answer.header("idempotency-replayed").to_owned());
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.text, second.text);
    assert_eq!(
        replayed.iter().filter(|header| *header == "true").count(),
        1
    );
}

#[test]
fn k12_a_storm_of_changes_breaks_nothing() {
    storm(12, 30);
}

#[test]
#[ignore = "takes minutes; run by make test-long"]
fn k12_a_long_storm_of_changes_breaks_nothing() {
    storm(64, 600);
}

/// Everything at once on a few accounts: nothing is answered 500, and no rule is broken at the end.
fn storm(sides: usize, rounds: usize) {
    let app = TestApp::start();
    let replica = app.replica();
    let bosses: Vec<(User, String)> = (0..3).map(|_| app.someone("SuperAdmin", &[])).collect();
    let users: Vec<User> = (0..4)
        .map(|index| app.user(&format!("u-{index}"), "User", &[]))
        .collect();
    let answers = at_once(sides, |side| {
        let app = if side % 2 == 0 { &app } else { &replica };
        let mut seed = u32::try_from(side).unwrap() + 1;
        let mut roll = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as usize % below
        };
        let mut bad = Vec::new();
        for round in 0..rounds {
            let by = &bosses[roll(3)].1;
            let target = if roll(4) == 0 {
                &bosses[roll(3)].0
            } else {
                &users[roll(4)]
            };
            let on = |method: &str, below: &str, body: Value| {
                app.call(method, &target.at(below))
                    .by(by)
                    .json(&body)
                    .send()
            };
            let answer = match roll(12) {
                0 => on(
                    "PATCH",
                    "",
                    json!({"role": (["User", "Admin", "SuperAdmin"][roll(3)])}),
                ),
                1 => on(
                    "PATCH",
                    "",
                    json!({"displayName": format!("{side}-{round}"), "tags": ["a"]}),
                ),
                2 => on("POST", "/status", json!({"isActive": roll(2) == 0})),
                3 => on(
                    "PATCH",
                    "/permissions",
                    json!({"permissions": ["users.read"]}),
                ),
                4 => on("DELETE", "", json!({})),
                5 => on("POST", "/restore", json!({})),
                6 => on("DELETE", "/sessions", json!({})),
                7 => on("PUT", "/tags/b", json!({})),
                8 => on(
                    "PATCH",
                    "",
                    json!({"expiresAtUtc": (["2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"][roll(2)])}),
                ),
                9 => on("PATCH", "", json!({"username": format!("n-{}", roll(5))})),
                10 => login(app, &format!("n-{}", roll(5)), PASSWORD),
                _ => on("GET", "", json!({})),
            };
            if answer.status >= 500 {
                bad.push(answer.text);
            }
        }
        bad
    });
    assert_eq!(answers.concat(), Vec::<String>::new());
    let lasting = "SELECT count(*) FROM users WHERE role = 'SuperAdmin' AND is_active AND deleted_at IS NULL AND expires_at IS NULL";
    assert!(app.number(lasting) >= 1);
    let alive = "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.ended_at IS NULL AND \
        (NOT u.is_active OR u.deleted_at IS NOT NULL OR u.expires_at < now() - interval '1 hour')";
    assert_eq!(app.number(alive), 0, "a session outlived its account");
}
