//! How often a password may be guessed: by one, by many at once, through one replica or several.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{self, Answer, PASSWORD, TestApp, User};

const BEHIND_PROXY: &[(&str, &str)] = &[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")];
const NEW_PASSWORD: &str = "nine purple umbrellas in june";

fn try_from(app: &TestApp, source: &str, name: &str, password: &str) -> Answer {
    app.post("/api/v1/auth/login")
        .header("X-Forwarded-For", source)
        .json(&json!({"username": name, "password": password}))
        .send()
}

fn fail_from(app: &TestApp, source: &str, name: &str) -> Answer {
    try_from(app, source, name, "not the password of anybody")
}

/// What a browser is known by on which somebody signs in.
fn device_cookie(app: &TestApp, source: &str, name: &str) -> String {
    let body = json!({"username": name, "password": PASSWORD, "transport": "cookie"});
    let call = app.post("/api/v1/auth/login");
    let answer = call.header("X-Forwarded-For", source).json(&body).send();
    let cookies = answer.headers.get_all("set-cookie").iter();
    let cookies: Vec<&str> = cookies.map(|cookie| cookie.to_str().unwrap()).collect();
    let device = cookies
        .iter()
        .find(|cookie| cookie.starts_with("__Host-rosterd-device="));
    let device = device.unwrap_or_else(|| panic!("{cookies:?}"));
    for word in [
        "; Path=/",
        "; Max-Age=2592000",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Strict",
    ] {
        assert!(device.contains(word), "{word} in {device}");
    }
    device.split(';').next().unwrap().to_owned()
}

fn from_device(app: &TestApp, device: &str, source: &str, name: &str, password: &str) -> Answer {
    app.post("/api/v1/auth/login")
        .header("Cookie", device)
        .header("X-Forwarded-For", source)
        .json(&json!({"username": name, "password": password}))
        .send()
}

fn fail_times(app: &TestApp, times: usize, source: &str, name: &str) {
    for _ in 0..times {
        fail_from(app, source, name).expect_problem(401, "auth_invalid_credentials");
    }
}

/// How many answers had which status.
fn at_once(count: usize, call: impl Fn(usize) -> u16 + Sync) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for status in support::at_once(count, call) {
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

/// Lets every wait that has an end be over.
fn let_time_pass(app: &TestApp) {
    app.execute(
        "UPDATE throttle_tallies SET blocked_until = now() WHERE blocked_until < '9999-01-01'",
    );
}

fn tallies(app: &TestApp, user: &User, column: &str) -> i64 {
    let id = &user.id;
    app.number(&format!(
        "SELECT coalesce(sum({column}), 0) FROM throttle_tallies WHERE target = '{id}'"
    ))
}

fn has_seconds(value: &str, seconds: std::ops::RangeInclusive<u64>) -> bool {
    value.parse().is_ok_and(|told| seconds.contains(&told))
}

#[test]
fn d03_a_burst_from_everywhere_is_looked_at_ten_times() {
    let app = TestApp::with(BEHIND_PROXY);
    let ada = app.user("ada", "User", &[]);
    let statuses = at_once(120, |number| {
        fail_from(&app, &format!("203.0.113.{number}"), "ada").status
    });
    assert_eq!(statuses, BTreeMap::from([(401, 10), (429, 110)]));
    assert_eq!(tallies(&app, &ada, "failures"), 10);
    assert_eq!(tallies(&app, &ada, "cardinality(begun)"), 0);
}

#[test]
fn d03_after_a_hundred_failures_in_all_a_password_is_good_for_nothing_until_it_is_set_anew() {
    let app = TestApp::with(BEHIND_PROXY);
    let admin = app.super_admin();
    let ada = app.user("ada", "User", &[]);
    let token = try_from(&app, "192.0.2.1", "ada", PASSWORD)
        .expect(200)
        .data()["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let device = device_cookie(&app, "192.0.2.1", "ada");
    let mut looked_at = 0;
    for number in 0..160 {
        let source = format!("203.0.113.{number}");
        let wrong =
            json!({"currentPassword": "not the password of anybody", "newPassword": NEW_PASSWORD});
        let answer = match number % 4 {
            0 => app
                .post("/api/v1/auth/change-password")
                .by(&token)
                .json(&wrong)
                .send(),
            1 => fail_from(&app, "192.0.2.1", "ada"),
            2 => from_device(&app, &device, &source, "ada", "not the password of anybody"),
            _ => fail_from(&app, &source, "ada"),
        };
        looked_at += usize::from(answer.status == 401);
        let_time_pass(&app);
    }
    for number in 0..80 {
        looked_at +=
            usize::from(fail_from(&app, &format!("198.51.100.{number}"), "ada").status == 401);
        let_time_pass(&app);
    }
    assert_eq!(looked_at, 100);
    for source in ["192.0.2.1", "203.0.113.1"] {
        let answer = try_from(&app, source, "ada", PASSWORD).expect_problem(429, "rate_limited");
        assert_eq!(answer.header("retry-after"), "3600");
    }
    app.get("/api/v1/auth/me").by(&token).send().expect(200);
    app.post(&format!("/api/v1/users/{}/reset-password", ada.id))
        .by(&admin)
        .json(&json!({"newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
    try_from(&app, "203.0.113.1", "ada", NEW_PASSWORD).expect(200);
}

#[test]
fn d04_every_way_to_write_an_account_is_one_account() {
    let app = TestApp::with(BEHIND_PROXY);
    let ada = app.user("ada", "User", &[]);
    app.execute("UPDATE users SET email = 'Ada@Example.org', email_confirmed = true");
    let spellings = [
        "ada",
        "ADA",
        " Ada ",
        "\tada\n",
        "ada@example.org",
        "ADA@EXAMPLE.ORG",
        " Ada@Example.org ",
    ];
    for number in 0..10 {
        fail_times(&app, 1, "203.0.113.1", spellings[number % spellings.len()]);
    }
    for name in spellings {
        fail_from(&app, "203.0.113.2", name).expect_problem(429, "rate_limited");
    }
    assert_eq!(tallies(&app, &ada, "1"), 1);
    for name in ["no-such-name", "NO-such-name", " no-such-NAME "] {
        fail_times(&app, 3, "203.0.113.1", name);
    }
    fail_from(&app, "203.0.113.1", "No-Such-Name").expect(401);
    fail_from(&app, "203.0.113.1", "no-such-name").expect(429);
    // What is another address is nobody's, and is never right.
    fail_from(&app, "203.0.113.2", "ada+tag@example.org").expect(401);
}

#[test]
fn an_unknown_name_is_throttled_as_a_known_one_and_kept_nowhere() {
    let app = TestApp::with(BEHIND_PROXY);
    app.user("ada", "User", &[]);
    let story = |name: &str| {
        let mut story = Vec::new();
        for _ in 0..14 {
            let answer = fail_from(&app, "203.0.113.1", name);
            let mut body = answer.body.clone();
            body["traceId"].take();
            // How many seconds are left depends on how long this took.
            let told = ["retry-after", "ratelimit", "ratelimit-policy"].map(|name| {
                answer
                    .header(name)
                    .replace(|c: char| c.is_ascii_digit(), "#")
            });
            let tally = app.number(
                "SELECT failures * 10000 + extract(epoch FROM date_trunc('minute', blocked_until - touched_at)) \
                 FROM throttle_tallies ORDER BY touched_at DESC LIMIT 1",
            );
            story.push((answer.status, body, told, tally));
            if story.len() > 11 {
                let_time_pass(&app);
            }
        }
        story
    };
    let known = story("ada");
    assert_eq!(known, story("my secret passphrase"));
    let statuses: Vec<u16> = known.iter().map(|(status, ..)| *status).collect();
    let expected = [[401; 10].as_slice(), &[429, 429, 401, 401]].concat();
    assert_eq!(statuses, expected);
    let dump = app.number("SELECT count(*) FROM throttle_tallies t WHERE t::text LIKE '%secret%'");
    assert_eq!(dump, 0);
}

#[test]
fn d06_strangers_lock_nobody_out_of_where_they_signed_in() {
    let app = TestApp::with(BEHIND_PROXY);
    let ada = app.user("ada", "User", &[]);
    let session = try_from(&app, "192.0.2.1", "ada", PASSWORD).expect(200);
    let token = session.data()["accessToken"].as_str().unwrap();
    fail_times(&app, 10, "203.0.113.1", "ada");
    for number in 0..50 {
        fail_from(&app, &format!("203.0.113.{number}"), "ada").expect_problem(429, "rate_limited");
    }
    assert_eq!(tallies(&app, &ada, "failures"), 10);
    app.get("/api/v1/auth/me").by(token).send().expect(200);
    let refresh = json!({"refreshToken": session.data()["refreshToken"]});
    app.post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .expect(200);
    // A session of the account, wherever it is now.
    app.post("/api/v1/auth/change-password")
        .by(token)
        .header("X-Forwarded-For", "198.51.100.7")
        .json(&json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
    fail_times(&app, 10, "203.0.113.1", "ada");
    fail_from(&app, "203.0.113.1", "ada").expect(429);
    // A success forgets what strangers did, too: the failures before it were not in a row.
    try_from(&app, "192.0.2.1", "ada", NEW_PASSWORD).expect(200);
    assert_eq!(tallies(&app, &ada, "failures"), 0);
    fail_from(&app, "203.0.113.1", "ada").expect(401);
}

/// A stranger at the owner's own address, as behind the router of an office.
#[test]
fn d06_a_browser_on_which_somebody_signed_in_is_shut_out_by_nobody_at_the_same_address() {
    let app = TestApp::with(BEHIND_PROXY);
    app.user("ada", "User", &[]);
    app.user("grace", "User", &[]);
    let (ada, grace) = (
        device_cookie(&app, "192.0.2.1", "ada"),
        device_cookie(&app, "192.0.2.1", "grace"),
    );
    let here = "192.0.2.1";
    fail_times(&app, 10, here, "ada");
    app.execute("UPDATE throttle_sources SET used = 300");
    let with = |device: &str, password| from_device(&app, device, here, "ada", password);
    try_from(&app, here, "ada", PASSWORD).expect_problem(429, "rate_limited");
    let forged = format!("{}x", ada.replace("device=", "device=A"));
    for device in [
        &grace,
        &forged,
        "__Host-rosterd-device=",
        "__Host-rosterd-refresh=x",
    ] {
        with(device, PASSWORD).expect_problem(429, "rate_limited");
    }
    with(&ada, PASSWORD).expect(200);
    assert_eq!(
        app.number("SELECT used FROM throttle_sources"),
        300,
        "it has no part in that"
    );
    // Its success forgets what the stranger did; its own failures are few, and then it counts for nothing.
    app.execute("UPDATE throttle_sources SET used = 0");
    fail_times(&app, 10, here, "ada");
    for _ in 0..10 {
        with(&ada, "not the password of anybody").expect_problem(401, "auth_invalid_credentials");
    }
    with(&ada, PASSWORD).expect_problem(429, "rate_limited");
    let_time_pass(&app);
    with(&ada, "not the password of anybody").expect(401);
    with(&ada, PASSWORD).expect_problem(429, "rate_limited");
    let_time_pass(&app);
    with(&ada, PASSWORD).expect(200);
    assert_eq!(app.number("SELECT sum(failures) FROM throttle_tallies"), 0);
    // At once, too, no more than may fail.
    let statuses = at_once(30, |_| with(&ada, "not the password of anybody").status);
    assert_eq!(
        statuses[&401], 20,
        "ten of the device, ten of the place: {statuses:?}"
    );
}

#[test]
fn d07_headers_of_a_stranger_make_no_other_stranger() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let long = "1.1.1.1,".repeat(4000);
    let lies = [
        ("X-Forwarded-For", "203.0.113.1"),
        ("X-Forwarded-For", "a"),
        ("X-Forwarded-For", "fe80::1%eth0"),
        ("X-Forwarded-For", &long),
        ("Forwarded", "for=203.0.113.2"),
        ("Forwarded", "for=\"[2001:db8::1]:80\";proto=https"),
        ("X-Real-IP", "203.0.113.3"),
        ("CF-Connecting-IP", "203.0.113.4"),
        ("True-Client-IP", "203.0.113.5"),
        ("X-Client-IP", "127.0.0.1"),
    ];
    for (name, value) in lies {
        app.post("/api/v1/auth/login")
            .header(name, value)
            .json(&json!({"username": "ada", "password": "wrong"}))
            .send()
            .expect(401);
    }
    for (name, value) in lies {
        app.post("/api/v1/auth/login")
            .header(name, value)
            .json(&json!({"username": "ada", "password": "wrong"}))
            .send()
            .expect(429);
    }
    assert_eq!(app.number("SELECT count(*) FROM throttle_sources"), 1);
    assert_eq!(
        app.number("SELECT used FROM throttle_sources WHERE source = '127.0.0.1'"),
        10
    );
}

#[test]
fn d07_behind_a_trusted_proxy_the_nearest_stranger_counts_whatever_came_before() {
    let app = TestApp::with(BEHIND_PROXY);
    for number in 0..3 {
        let chain = format!("10.9.8.{number}, 2001:db8:1:2::{number}");
        fail_from(&app, &chain, "nobody-known").expect(401);
    }
    assert_eq!(
        app.number("SELECT used FROM throttle_sources WHERE source = '2001:db8:1:2::/64'"),
        3
    );
}

#[test]
fn d08_the_machine_itself_is_not_exempt() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    app.sign_in("ada");
    app.execute("UPDATE throttle_sources SET used = 300 WHERE source = '127.0.0.1'");
    let body = json!({"username": "ada", "password": PASSWORD});
    let answer = app
        .post("/api/v1/auth/login")
        .json(&body)
        .send()
        .expect_problem(429, "rate_limited");
    assert_eq!(answer.header("ratelimit-policy"), r#""source";q=300;w=600"#);
    assert!(has_seconds(answer.header("retry-after"), 1..=600));
    app.execute("UPDATE throttle_sources SET ends_at = now()");
    app.sign_in("ada");
}

#[test]
fn d10_a_right_password_is_turned_away_like_a_wrong_one() {
    let app = TestApp::with(BEHIND_PROXY);
    let ada = app.user("ada", "User", &[]);
    fail_times(&app, 10, "203.0.113.1", "ada");
    let answers = [
        try_from(&app, "203.0.113.1", "ada", PASSWORD),
        fail_from(&app, "203.0.113.1", "ada"),
    ]
    .map(|answer| {
        assert!(has_seconds(answer.header("retry-after"), 10..=30));
        let seconds = answer.header("retry-after");
        let limit = format!("\"account\";r=0;t={seconds}");
        assert_eq!(answer.header("ratelimit"), limit);
        let policy = format!("\"account\";q=1;w={seconds}");
        assert_eq!(answer.header("ratelimit-policy"), policy);
        let names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        let mut body = answer.expect_problem(429, "rate_limited").body;
        body["traceId"].take();
        (names, body)
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].1["violated-policies"], json!(["account"]));
    // Being turned away neither counts nor makes the wait longer; after it, the right password is right.
    assert_eq!(tallies(&app, &ada, "failures"), 10);
    let_time_pass(&app);
    try_from(&app, "203.0.113.1", "ada", PASSWORD).expect(200);
    assert_eq!(tallies(&app, &ada, "failures"), 0);
}

#[test]
fn after_a_wait_there_is_one_attempt_however_many_come_at_once() {
    let app = TestApp::with(BEHIND_PROXY);
    let ada = app.user("ada", "User", &[]);
    fail_times(&app, 10, "203.0.113.1", "ada");
    let_time_pass(&app);
    let statuses = at_once(20, |_| fail_from(&app, "203.0.113.1", "ada").status);
    assert_eq!(statuses, BTreeMap::from([(401, 1), (429, 19)]));
    assert_eq!(tallies(&app, &ada, "failures"), 11);
}

#[test]
fn two_hundred_right_logins_of_one_account_at_once_are_all_served() {
    let app = TestApp::start();
    let ada = app.user("ada", "User", &[]);
    let body = json!({"username": "ada", "password": PASSWORD});
    let statuses = at_once(200, |_| {
        app.post("/api/v1/auth/login").json(&body).send().status
    });
    assert_eq!(statuses, BTreeMap::from([(200, 200)]));
    assert_eq!(tallies(&app, &ada, "failures + cardinality(begun)"), 0);
    assert_eq!(app.number("SELECT sum(used) FROM throttle_sources"), 0);
}

#[test]
fn d12_a_flood_is_answered_at_once_and_the_rest_of_the_service_with_it() {
    let app = TestApp::with(&[
        ("ROSTERD_HASH_QUEUE_MS", "200"),
        ("ROSTERD_HASH_THREADS", "2"),
    ]);
    let (_, token) = app.someone("User", &[]);
    let statuses = at_once(250, |number| {
        if number % 5 == 0 {
            return app.get("/api/v1/auth/me").by(&token).send().status;
        }
        let body = json!({"username": format!("name-{number}"), "password": "wrong"});
        let answer = app.post("/api/v1/auth/login").json(&body).send();
        let must_wait = matches!(answer.status, 429 | 503);
        assert_eq!(must_wait, !answer.header("retry-after").is_empty());
        answer.status
    });
    assert_eq!(statuses[&200], 50, "{statuses:?}");
    assert!(statuses[&503] > 50, "{statuses:?}");
    assert!(
        statuses
            .keys()
            .all(|status| [200, 401, 429, 503].contains(status)),
        "{statuses:?}"
    );
    // Whoever was not looked at has not failed, and nobody is taken to be under way.
    let failed = i64::try_from(statuses[&401]).unwrap();
    assert_eq!(
        app.number("SELECT sum(failures) FROM throttle_tallies WHERE failures > 0"),
        failed
    );
    assert_eq!(
        app.number("SELECT sum(cardinality(begun)) FROM throttle_tallies"),
        0
    );
    assert_eq!(app.number("SELECT used FROM throttle_sources"), failed);
}

#[test]
fn k06_replicas_share_the_budget_of_an_account() {
    let app = TestApp::with(BEHIND_PROXY);
    let replicas = [app.replica(), app.replica()];
    app.user("ada", "User", &[]);
    let of = |number: usize| [&app, &replicas[0], &replicas[1]][number % 3];
    let statuses = at_once(90, |number| {
        fail_from(of(number), &format!("203.0.113.{number}"), "ada").status
    });
    assert_eq!(statuses, BTreeMap::from([(401, 10), (429, 80)]));
    let statuses = at_once(90, |number| {
        fail_from(of(number), &format!("203.0.113.{number}"), "no-such-name").status
    });
    assert_eq!(statuses, BTreeMap::from([(401, 10), (429, 80)]));
}

#[test]
fn k06_replicas_share_the_budget_of_a_source() {
    let app = TestApp::with(BEHIND_PROXY);
    let replicas = [app.replica(), app.replica()];
    fail_from(&app, "203.0.113.1", "name-0").expect(401);
    app.execute("UPDATE throttle_sources SET used = 280");
    let of = |number: usize| [&app, &replicas[0], &replicas[1]][number % 3];
    let statuses = at_once(90, |number| {
        fail_from(of(number), "203.0.113.1", &format!("name-{number}")).status
    });
    assert_eq!(statuses, BTreeMap::from([(401, 20), (429, 70)]));
    assert_eq!(app.number("SELECT used FROM throttle_sources"), 300);
    assert_eq!(
        app.number("SELECT sum(cardinality(begun)) FROM throttle_tallies"),
        0
    );
}

#[test]
fn an_attempt_that_was_cut_off_counts_as_failed() {
    let app = TestApp::with(BEHIND_PROXY);
    let ada = app.user("ada", "User", &[]);
    fail_from(&app, "203.0.113.1", "ada").expect(401);
    let ten = "SELECT array_agg(now() - interval '61 s') FROM generate_series(1, 9)";
    app.execute(&format!("UPDATE throttle_tallies SET begun = ({ten})"));
    fail_from(&app, "203.0.113.1", "ada").expect_problem(429, "rate_limited");
    assert_eq!(tallies(&app, &ada, "failures"), 10);
}

#[test]
fn a_purge_leaves_nothing_of_an_account_behind() {
    let app = TestApp::with(BEHIND_PROXY);
    let admin = app.super_admin();
    let ada = app.user("ada", "User", &[]);
    try_from(&app, "203.0.113.1", "ada", PASSWORD).expect(200);
    fail_from(&app, "203.0.113.2", "ada").expect(401);
    let rows = "SELECT (SELECT count(*) FROM throttle_tallies) * 10 + (SELECT count(*) FROM throttle_places)";
    let others = app.number(rows);
    app.delete(&format!("/api/v1/users/{}?purge=true", ada.id))
        .by(&admin)
        .send()
        .expect(204);
    assert_eq!(app.number(rows), others - 11);
}

#[test]
fn housekeeping_forgets_what_says_nothing_and_keeps_the_failures_of_accounts() {
    let app = TestApp::with(BEHIND_PROXY);
    app.user("ada", "User", &[]);
    app.user("grace", "User", &[]);
    try_from(&app, "203.0.113.1", "grace", PASSWORD).expect(200);
    fail_from(&app, "203.0.113.2", "ada").expect(401);
    fail_from(&app, "203.0.113.3", "nobody-known").expect(401);
    let rows = || {
        ["tallies", "sources", "places"]
            .map(|table| app.number(&format!("SELECT count(*) FROM throttle_{table}")))
    };
    let after_days = |days: i32| {
        app.execute(&format!(
            "UPDATE throttle_tallies SET touched_at = now() - interval '{days} days' - interval '1 s'; \
             UPDATE throttle_places SET seen_at = now() - interval '{days} days' - interval '1 s'; \
             UPDATE throttle_sources SET ends_at = now() - interval '{days} days' + interval '10 min'"
        ));
        app.db()
            .write_now(|tx| Ok(rosterd::access::rate_limit::service::forget_old(tx)?))
            .unwrap();
        rows()
    };
    assert_eq!(rows(), [3, 3, 1]);
    assert_eq!(after_days(0), [3, 3, 1]);
    assert_eq!(after_days(1), [2, 0, 1]);
    assert_eq!(after_days(29), [2, 0, 1]);
    assert_eq!(after_days(30), [1, 0, 0]);
    assert_eq!(app.number("SELECT sum(failures) FROM throttle_tallies"), 1);
}

#[test]
fn the_audit_log_hears_of_throttling_once_a_minute() {
    let app = TestApp::with(BEHIND_PROXY);
    app.user("ada", "User", &[]);
    fail_times(&app, 10, "203.0.113.1", "ada");
    let told = "SELECT count(*) FROM audit_events WHERE code = 'rate_limited' AND action = 'session.create'";
    for _ in 0..5 {
        fail_from(&app, "203.0.113.1", "ada").expect(429);
    }
    assert_eq!(app.number(told), 1);
    app.execute("UPDATE throttle_tallies SET told_at = told_at - interval '60 s'");
    fail_from(&app, "203.0.113.1", "ada").expect(429);
    assert_eq!(app.number(told), 2);
}
