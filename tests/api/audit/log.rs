//! Reading the audit log: who did what, from where, what changed; and who tried to sign in.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, User};

const EVENTS: &str = "/api/v1/audit/events";
const LOGINS: &str = "/api/v1/audit/logins";

/// What this list has, asked for so.
fn lines(app: &TestApp, token: &str, list: &str, query: &str) -> Vec<Value> {
    let answer = app.get(&format!("{list}?{query}")).by(token).send();
    answer.expect(200).data().as_array().unwrap().clone()
}

/// The one event of this action.
#[track_caller]
fn event(app: &TestApp, token: &str, action: &str) -> Value {
    let found = lines(app, token, EVENTS, &format!("action={action}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

fn log_in(app: &TestApp, name: &str, password: &str) -> Answer {
    app.post("/api/v1/auth/login")
        .header("User-Agent", "curl/8.0")
        .json(&json!({"username": name, "password": password}))
        .send()
}

/// A reader of the log who did nothing but sign in.
fn reader(app: &TestApp) -> (User, String) {
    app.someone("User", &["audit.read"])
}

#[test]
fn an_event_tells_who_did_what_to_whom_from_where_and_what_changed() {
    let app = TestApp::start();
    let (admin, token) = app.someone("Admin", &[]);
    let user = app.user("ada", "User", &[]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    app.patch(&user.at(""))
        .by(&token)
        .header("User-Agent", "curl/8.0")
        .header("traceparent", &format!("00-{trace}-b7ad6b7169203331-01"))
        .json(&json!({"displayName": "Ada Lovelace", "mustChangePassword": true}))
        .send()
        .expect(200);
    let event = event(&app, &token, "user.update");
    assert_eq!(
        (&event["outcome"], &event["code"]),
        (&json!("done"), &Value::Null)
    );
    assert_eq!(event["actor"]["kind"], "user");
    assert_eq!(event["actor"]["id"], admin.id);
    assert_eq!(event["actor"]["name"], admin.username);
    assert!(event["actor"]["sessionId"].is_string());
    assert_eq!(event["subject"]["kind"], "user");
    assert_eq!(event["subject"]["id"], user.id);
    assert_eq!(event["subject"]["username"], "ada");
    assert_eq!(
        (&event["ip"], &event["userAgent"]),
        (&json!("127.0.0.1"), &json!("curl/8.0"))
    );
    assert_eq!(
        event["before"],
        json!({"displayName": null, "mustChangePassword": false})
    );
    assert_eq!(
        event["after"],
        json!({"displayName": "Ada Lovelace", "mustChangePassword": true})
    );
    assert_eq!(event["traceId"], trace);
    assert!(event["atUtc"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn an_act_that_was_refused_is_told_with_its_code() {
    let app = TestApp::start();
    let (_, token) = app.someone("Admin", &[]);
    let (chief, _) = app.someone("SuperAdmin", &[]);
    app.delete(&chief.at("")).by(&token).send().expect(403);
    let event = event(&app, &token, "user.delete");
    assert_eq!(event["outcome"], "refused");
    assert_eq!(event["code"], "user_super_admin_forbidden");
    assert_eq!(event["subject"]["id"], chief.id);
    let refused = lines(&app, &token, EVENTS, "outcome=refused");
    assert_eq!(refused, vec![event]);
    let done = "outcome=done&action=session.*";
    assert_eq!(lines(&app, &token, EVENTS, done).len(), 2);
}

#[test]
fn the_operator_is_told_with_the_name_that_the_system_knows_them_by() {
    let app = TestApp::start();
    let (_, token) = reader(&app);
    app.user("ada", "User", &[]);
    let mut settings = app.settings_for_the_binary();
    settings.push(("LOGNAME".to_owned(), "operator-on-duty".to_owned()));
    let input = "nine purple umbrellas in june\n";
    let output =
        crate::support::binary::run(&["passwd", "ada", "--password-stdin"], &settings, input);
    assert!(output.status.success());
    let event = event(&app, &token, "user.password.reset");
    assert_eq!(event["actor"]["kind"], "cli");
    assert_eq!(event["actor"]["name"], "operator-on-duty");
    assert_eq!(
        (&event["actor"]["id"], &event["ip"]),
        (&Value::Null, &Value::Null)
    );
    for actor in ["cli", "operator-on-duty", "cli:operator-on-duty"] {
        let found = lines(&app, &token, EVENTS, &format!("actor={actor}"));
        assert_eq!(found, vec![event.clone()], "{actor}");
    }
}

#[test]
fn what_a_token_did_is_found_by_the_token_and_by_its_owner() {
    let app = TestApp::start();
    let (owner, session) = app.someone("Admin", &[]);
    let body = json!({"name": "export", "permissions": ["users.update"]});
    let made = app
        .post("/api/v1/auth/tokens")
        .by(&session)
        .json(&body)
        .send()
        .expect(201);
    let token = made.data()["token"].as_str().unwrap();
    let user = app.user("ada", "User", &[]);
    app.put(&user.at("/tags/staff"))
        .by(token)
        .send()
        .expect(200);
    let event = event(&app, &session, "user.tag");
    assert_eq!(event["actor"]["kind"], "token");
    assert_eq!(event["actor"]["id"], made.data()["id"]);
    assert_eq!(event["actor"]["ownerId"], owner.id);
    assert_eq!(event["actor"]["name"], owner.username);
    let id = made.data()["id"].as_str().unwrap();
    assert_eq!(
        lines(&app, &session, EVENTS, &format!("actor={id}")),
        vec![event.clone()]
    );
    let by_owner = lines(
        &app,
        &session,
        EVENTS,
        &format!("actor={}&action=user.*", owner.id),
    );
    assert_eq!(by_owner, vec![event]);
    let of_ada = lines(&app, &session, EVENTS, &format!("user={}", user.id));
    assert_eq!(of_ada.len(), 1);
    let made = lines(
        &app,
        &session,
        EVENTS,
        &format!("user={}&action=token.create", owner.username),
    );
    assert_eq!(made[0]["after"]["permissions"], json!(["users.update"]));
}

#[test]
fn each_filter_lets_through_what_it_names() {
    let app = TestApp::with(&[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")]);
    let (_, token) = app.someone("Admin", &[]);
    let ada = app.user("ada", "User", &[]);
    let tag = |tag: &str, source: &str| {
        let call = app.put(&ada.at(&format!("/tags/{tag}"))).by(&token);
        call.header("X-Forwarded-For", source).send().expect(200);
    };
    tag("staff", "203.0.113.1");
    tag("night", "2001:db8::1");
    let count = |query: &str| lines(&app, &token, EVENTS, query).len();
    assert_eq!(count("ip=203.0.113.1"), 1);
    assert_eq!(count("ip=::ffff:203.0.113.1"), 1);
    assert_eq!(count("ip=2001:db8:0:0::1&user=ada"), 1);
    assert_eq!(count("ip=203.0.113.2"), 0);
    assert_eq!(count("user=ada"), 2);
    assert_eq!(count(&format!("user={}&actor=user", ada.id)), 2);
    assert_eq!(count("user=ada&actor=system"), 0);
    assert_eq!(count("action=user.tag"), 2);
    assert_eq!(count("action=user.*"), 2);
    assert_eq!(count("action=user_*"), 0);
    assert_eq!(count("action=user"), 0);
    assert_eq!(
        count("since=2020-01-01T00:00:00Z&until=2120-01-01T00:00:00Z&user=ada"),
        2
    );
    assert_eq!(count("until=2020-01-01T00:00:00Z"), 0);
    let newest = &lines(&app, &token, EVENTS, "user=ada")[0];
    assert_eq!(newest["after"]["tags"], json!(["night", "staff"]));
    let at = newest["atUtc"].as_str().unwrap();
    assert_eq!(
        count(&format!("user=ada&since={at}")),
        1,
        "not before: with it"
    );
    assert_eq!(
        count(&format!("user=ada&until={at}")),
        1,
        "before: without it"
    );
    for (query, at, code) in [
        ("ip=somewhere", "?ip", "invalid_value"),
        ("outcome=success", "?outcome", "invalid_value"),
        ("since=yesterday", "?since", "invalid_format"),
        ("limit=201", "?limit", "out_of_range"),
        ("cursor=x", "?cursor", "invalid_cursor"),
        ("reason=x", "?reason", "unknown_parameter"),
    ] {
        let answer = app.get(&format!("{EVENTS}?{query}")).by(&token).send();
        answer.expect_fault(at, code);
    }
}

/// What is rare is looked for in another way than what is frequent.
#[test]
fn an_address_is_found_however_often_it_is_there() {
    let app = TestApp::start();
    let (_, token) = reader(&app);
    app.execute(
        "WITH event AS (INSERT INTO audit_events (id, at, actor_kind, action, outcome) \
           SELECT gen_random_uuid(), now(), 'cli', 'test.often', 'done' FROM generate_series(1, 1200) RETURNING id) \
         INSERT INTO audit_people (event_id, part, words) \
         SELECT id, 'actor', '{\"ip\": \"203.0.113.9\", \"name\": \"robot\"}' FROM event",
    );
    for (query, total) in [
        ("ip=203.0.113.9", 1200),
        ("actor=robot", 1200),
        ("actor=robot&ip=203.0.113.9", 1200),
        ("ip=127.0.0.1", 1),
        ("actor=robot&ip=127.0.0.1", 0),
        ("actor=nobody", 0),
    ] {
        let path = format!("{EVENTS}?count=true&limit=1&{query}");
        let answer = app.get(&path).by(&token).send().expect(200);
        assert_eq!(answer.body["page"]["total"], total, "{query}");
        assert_eq!(
            answer.data().as_array().unwrap().len(),
            total.min(1),
            "{query}"
        );
    }
}

#[test]
fn pages_follow_one_another_and_say_how_many_there_are() {
    let app = TestApp::start();
    let (_, token) = app.someone("Admin", &[]);
    let ada = app.user("ada", "User", &[]);
    for number in 0..7 {
        app.put(&ada.at(&format!("/tags/tag{number}")))
            .by(&token)
            .send()
            .expect(200);
    }
    // Written in one instant.
    app.execute("UPDATE audit_events SET at = '2026-01-01' WHERE action = 'user.tag'");
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{EVENTS}?user=ada&limit=3&count=true{cursor}");
        let answer = app.get(&path).by(&token).send().expect(200);
        assert_eq!(answer.body["page"]["total"], 7);
        seen.extend(
            answer
                .data()
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line["id"].to_string()),
        );
        match answer.body["page"]["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (7, 7));
    let other = format!("{EVENTS}?user=grace&limit=3{cursor}");
    app.get(&other)
        .by(&token)
        .send()
        .expect_fault("?cursor", "invalid_cursor");
    let other = format!("{LOGINS}?user=ada&limit=3{cursor}");
    app.get(&other)
        .by(&token)
        .send()
        .expect_fault("?cursor", "invalid_cursor");
}

#[test]
fn a_purge_leaves_the_lines_and_takes_every_name_and_address() {
    let app = TestApp::start();
    let (_, admin) = app.someone("SuperAdmin", &[]);
    let body = json!({"username": "ada-lovelace", "email": "ada@example.org", "displayName": "Ada", "role": "User"});
    let made = app
        .post("/api/v1/users")
        .by(&admin)
        .json(&body)
        .send()
        .expect(201);
    let id = made.data()["id"].as_str().unwrap();
    let path = format!("/api/v1/users/{id}");
    app.patch(&path)
        .by(&admin)
        .json(&json!({"email": "countess@example.org"}))
        .send()
        .expect(200);
    log_in(&app, "ada-lovelace", "not the password of anybody").expect(401);
    let of_ada = || lines(&app, &admin, EVENTS, &format!("user={id}"));
    let before = of_ada();
    assert_eq!(before[2]["after"]["username"], "ada-lovelace");
    assert_eq!(before[1]["before"]["email"], "ada@example.org");
    assert_eq!(before[0]["ip"], "127.0.0.1");
    app.delete(&format!("{path}?purge=true"))
        .by(&admin)
        .send()
        .expect(204);

    let after = of_ada();
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[0]["action"], "user.purge");
    assert_eq!(after[0]["before"]["role"], "User");
    assert_eq!(
        after[3]["after"],
        json!({"role": "User", "permissions": [], "isActive": true})
    );
    assert_eq!(
        (&after[1]["ip"], &after[1]["userAgent"]),
        (&Value::Null, &Value::Null)
    );
    let told = json!(after).to_string();
    for word in ["ada-lovelace", "countess", "ada@", "\"Ada\""] {
        assert!(!told.contains(word), "{word}");
    }
    let rows =
        "SELECT count(*) FROM audit_events e WHERE e::text ~* 'lovelace|example.org|countess'";
    assert_eq!(
        app.number(rows),
        0,
        "rows carry ids only, before a purge too"
    );
}

#[test]
fn every_attempt_to_sign_in_is_listed_with_its_reason() {
    let app = TestApp::start();
    let (_, token) = reader(&app);
    for (name, change) in [
        ("ada", "display_name = NULL"),
        ("deleted", "deleted_at = now()"),
        ("disabled", "is_active = false"),
        ("expired", "expires_at = now()"),
        ("forced", "must_change_password = true"),
        ("invited", "password_hash = NULL"),
    ] {
        app.user(name, "User", &[]);
        app.execute(&format!(
            "UPDATE users SET {change} WHERE username = '{name}'"
        ));
    }
    for (name, password, status, reason) in [
        ("ada", PASSWORD, 200, None),
        (
            "ada",
            "not the password of anybody",
            401,
            Some("wrong_password"),
        ),
        ("deleted", PASSWORD, 401, Some("account_deleted")),
        ("disabled", PASSWORD, 403, Some("account_disabled")),
        (
            "disabled",
            "not the password of anybody",
            401,
            Some("wrong_password"),
        ),
        ("expired", PASSWORD, 403, Some("account_expired")),
        ("forced", PASSWORD, 403, Some("password_change_required")),
        ("invited", PASSWORD, 401, Some("no_password")),
        ("nobody-known", PASSWORD, 401, Some("unknown_name")),
    ] {
        log_in(&app, name, password).expect(status);
        let line = &lines(&app, &token, LOGINS, "limit=1")[0];
        assert_eq!(line["reason"].as_str(), reason, "{name}");
        let outcome = if reason.is_none() {
            "success"
        } else {
            "failure"
        };
        assert_eq!(line["outcome"], outcome);
        assert_eq!(
            (&line["ip"], &line["userAgent"]),
            (&json!("127.0.0.1"), &json!("curl/8.0"))
        );
        assert_eq!(line["sessionId"].is_string(), reason.is_none());
        if name == "nobody-known" {
            assert_eq!(
                (&line["userId"], &line["username"]),
                (&Value::Null, &Value::Null)
            );
            assert!(line["unknownNameId"].is_string());
        } else {
            assert_eq!(line["username"], name);
            assert_eq!(line["unknownNameId"], Value::Null);
        }
    }
    let count = |query: &str| lines(&app, &token, LOGINS, query).len();
    assert_eq!(count("outcome=failure"), 8);
    assert_eq!(count("outcome=success"), 2);
    assert_eq!(count("user=ada"), 2);
    assert_eq!(count("user=ada&outcome=success"), 1);
    assert_eq!(count("user=Nobody-Known"), 1);
    assert_eq!(count("action=user.*"), 0);
    assert_eq!(count("ip=127.0.0.1&actor=anonymous"), 8);
}

#[test]
fn a_password_in_the_field_for_the_name_is_found_by_whoever_knows_it_and_by_nobody_else() {
    let app = TestApp::start();
    let (_, token) = reader(&app);
    log_in(&app, "Correct Horse Battery", "x").expect(401);
    log_in(&app, "correct horse battery", "y").expect(401);
    let found = lines(&app, &token, LOGINS, "user=correct+horse+battery");
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["unknownNameId"], found[1]["unknownNameId"]);
    let dump = "SELECT (SELECT count(*) FROM audit_events t WHERE t::text ~* 'horse') \
                + (SELECT count(*) FROM audit_people t WHERE t::text ~* 'horse')";
    assert_eq!(app.number(dump), 0);
    assert!(!json!(found).to_string().contains("orse"));
}

#[test]
fn attempts_that_are_turned_away_are_listed_once_a_minute() {
    let app = TestApp::start();
    let (_, token) = reader(&app);
    app.user("ada", "User", &[]);
    for _ in 0..10 {
        log_in(&app, "ada", "not the password of anybody").expect(401);
    }
    for _ in 0..3 {
        log_in(&app, "ada", PASSWORD).expect(429);
    }
    let found = lines(&app, &token, LOGINS, "user=ada");
    assert_eq!(found.len(), 11);
    assert_eq!(found[0]["reason"], "rate_limited");
}

/// 1,000 rows a second, in transactions that commit late and out of order.
#[test]
fn j06_pages_have_no_gap_and_no_duplicate_while_rows_are_written() {
    let app = TestApp::start();
    let (_, token) = reader(&app);
    let write = |conn: &mut diesel::pg::PgConnection, kind: &str, rows: u32| {
        let sql = format!(
            "BEGIN; INSERT INTO audit_events (id, at, actor_kind, action, outcome) \
             SELECT gen_random_uuid(), clock_timestamp() - interval '10 ms' * random(), 'system', '{kind}', 'done' \
             FROM generate_series(1, {rows}); SELECT pg_sleep(0.02 * random()); COMMIT"
        );
        conn.batch_execute(&sql).unwrap();
    };
    write(&mut app.sql(), "test.before", 3000);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut conn = app.sql();
                while !is_over.load(Ordering::Relaxed) {
                    write(&mut conn, "test.meanwhile", 15);
                }
            });
        }
        for _ in 0..3 {
            let mut seen: Vec<Value> = Vec::new();
            let mut next = Some(String::new());
            while let Some(cursor) = next {
                let answer = app
                    .get(&format!("{EVENTS}?limit=200{cursor}"))
                    .by(&token)
                    .send();
                let answer = answer.expect(200);
                seen.extend(answer.data().as_array().unwrap().iter().cloned());
                next = answer.body["page"]["next"]
                    .as_str()
                    .map(|next| format!("&cursor={next}"));
            }
            let times: Vec<&str> = seen
                .iter()
                .map(|line| line["atUtc"].as_str().unwrap())
                .collect();
            assert!(times.is_sorted_by(|newer, older| {
                let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
                time(newer) >= time(older)
            }));
            let distinct: BTreeSet<&str> = seen
                .iter()
                .map(|line| line["id"].as_str().unwrap())
                .collect();
            assert_eq!(distinct.len(), seen.len(), "no line comes twice");
            let before = seen
                .iter()
                .filter(|line| line["action"] == "test.before")
                .count();
            assert_eq!(before, 3000, "all that was there when the walk began");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(app.number("SELECT count(*) FROM audit_events WHERE action = 'test.meanwhile'") > 0);
    let (_, plain) = app.someone("User", &[]);
    app.get(EVENTS)
        .by(&plain)
        .send()
        .expect_problem(403, "permission_required");
}
