//! Limits per account and per known device.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{PASSWORD, Response, TestApp};

use super::{
    BEHIND_PROXY, count_statuses, counter_sum, fail_login_from, fail_logins, is_within, login_from,
};

const NEW_PASSWORD: &str = "nine purple umbrellas in june";

/// Signs in and returns the device cookie.
fn device_cookie(app: &TestApp, source: &str, name: &str) -> String {
    let body = json!({"username": name, "password": PASSWORD, "transport": "cookie"});
    let call = app.post("/api/v1/auth/login");
    let response = call.header("X-Forwarded-For", source).json(&body).send();
    let cookies = response.headers.get_all("set-cookie").iter();
    let cookies: Vec<&str> = cookies.map(|cookie| cookie.to_str().unwrap()).collect();
    let device = cookies
        .iter()
        .find(|cookie| cookie.starts_with("__Host-rosterd-device="));
    let device = device.unwrap_or_else(|| panic!("{cookies:?}"));
    for attribute in [
        "; Path=/",
        "; Max-Age=2592000",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Strict",
    ] {
        assert!(device.contains(attribute), "{attribute} in {device}");
    }
    device.split(';').next().unwrap().to_owned()
}

fn login_from_device(
    app: &TestApp,
    device: &str,
    source: &str,
    name: &str,
    password: &str,
) -> Response {
    app.post("/api/v1/auth/login")
        .header("Cookie", device)
        .header("X-Forwarded-For", source)
        .json(&json!({"username": name, "password": password}))
        .send()
}

/// Ends every temporary block.
fn end_blocks(app: &TestApp) {
    app.execute(
        "UPDATE rate_limit_counters SET blocked_until = now() WHERE blocked_until < '9999-01-01'",
    );
}

// SECURITY: D03
#[test]
fn concurrent_failures_are_verified_at_most_ten_times() {
    let app = TestApp::start_with(BEHIND_PROXY);
    for round in 0..20 {
        let name = format!("ada{round}");
        let user = app.create_user(&name, "User", &[]);
        let statuses = count_statuses(120, |number| {
            fail_login_from(&app, &format!("203.0.113.{number}"), &name).status
        });
        assert_eq!(statuses, BTreeMap::from([(401, 10), (429, 110)]));
        assert_eq!(counter_sum(&app, &user, "failures"), 10);
        assert_eq!(
            counter_sum(&app, &user, "cardinality(attempts_in_flight)"),
            0
        );
    }
}

// SECURITY: D03
#[test]
fn password_is_disabled_after_a_hundred_failures() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let admin = app.super_admin_token();
    let ada = app.create_user("ada", "User", &[]);
    let token = login_from(&app, "192.0.2.1", "ada", PASSWORD)
        .expect(200)
        .data()["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let device = device_cookie(&app, "192.0.2.1", "ada");
    let mut verified = 0;
    for number in 0..160 {
        let source = format!("203.0.113.{number}");
        let body = json!({"currentPassword": "not the password", "newPassword": NEW_PASSWORD});
        let response = match number % 4 {
            0 => app
                .post("/api/v1/auth/change-password")
                .bearer(&token)
                .json(&body)
                .send(),
            1 => fail_login_from(&app, "192.0.2.1", "ada"),
            2 => login_from_device(&app, &device, &source, "ada", "not the password"),
            _ => fail_login_from(&app, &source, "ada"),
        };
        // 403: a wrong current password.
        verified += usize::from([401, 403].contains(&response.status));
        end_blocks(&app);
    }
    for number in 0..80 {
        verified += usize::from(
            fail_login_from(&app, &format!("198.51.100.{number}"), "ada").status == 401,
        );
        end_blocks(&app);
    }
    assert_eq!(verified, 100);
    for source in ["192.0.2.1", "203.0.113.1"] {
        let response =
            login_from(&app, source, "ada", PASSWORD).expect_problem(429, "rate_limited");
        assert_eq!(response.header("retry-after"), "3600");
    }
    app.get("/api/v1/auth/me").bearer(&token).send().expect(200);
    app.post(&format!("/api/v1/users/{}/reset-password", ada.id))
        .bearer(&admin)
        .json(&json!({"newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
    login_from(&app, "203.0.113.1", "ada", NEW_PASSWORD).expect(200);
}

// SECURITY: D04
#[test]
fn all_spellings_of_an_account_name_share_one_counter() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let ada = app.create_user("ada", "User", &[]);
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
        fail_logins(&app, 1, "203.0.113.1", spellings[number % spellings.len()]);
    }
    for name in spellings {
        fail_login_from(&app, "203.0.113.2", name).expect_problem(429, "rate_limited");
    }
    assert_eq!(counter_sum(&app, &ada, "1"), 1);
    for name in ["no-such-name", "NO-such-name", " no-such-NAME "] {
        fail_logins(&app, 3, "203.0.113.1", name);
    }
    fail_login_from(&app, "203.0.113.1", "No-Such-Name").expect(401);
    fail_login_from(&app, "203.0.113.1", "no-such-name").expect(429);
    // A subaddress is a different address and belongs to no account.
    fail_login_from(&app, "203.0.113.2", "ada+tag@example.org").expect(401);
}

#[test]
fn unknown_username_is_throttled_like_a_known_one_and_not_stored() {
    let app = TestApp::start_with(BEHIND_PROXY);
    app.create_user("ada", "User", &[]);
    let attempt_history = |name: &str| {
        let mut history = Vec::new();
        for _ in 0..14 {
            let response = fail_login_from(&app, "203.0.113.1", name);
            let mut body = response.body.clone();
            body["traceId"].take();
            // The remaining seconds depend on the duration of the test.
            let seconds_left = ["retry-after", "ratelimit", "ratelimit-policy"].map(|name| {
                response
                    .header(name)
                    .replace(|c: char| c.is_ascii_digit(), "#")
            });
            let tally = app.query_number(
                "SELECT failures * 10000 + extract(epoch FROM date_trunc('minute', blocked_until - last_attempt_at)) \
                 FROM rate_limit_counters ORDER BY last_attempt_at DESC LIMIT 1",
            );
            history.push((response.status, body, seconds_left, tally));
            if history.len() > 11 {
                end_blocks(&app);
            }
        }
        history
    };
    let known = attempt_history("ada");
    assert_eq!(known, attempt_history("my secret passphrase"));
    let statuses: Vec<u16> = known.iter().map(|(status, ..)| *status).collect();
    let expected = [[401; 10].as_slice(), &[429, 429, 401, 401]].concat();
    assert_eq!(statuses, expected);
    let stored_names = app
        .query_number("SELECT count(*) FROM rate_limit_counters t WHERE t::text LIKE '%secret%'");
    assert_eq!(stored_names, 0);
}

// SECURITY: D06
#[test]
fn strangers_cannot_lock_out_a_known_address() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let ada = app.create_user("ada", "User", &[]);
    let session = login_from(&app, "192.0.2.1", "ada", PASSWORD).expect(200);
    let token = session.data()["accessToken"].as_str().unwrap();
    fail_logins(&app, 10, "203.0.113.1", "ada");
    for number in 0..50 {
        fail_login_from(&app, &format!("203.0.113.{number}"), "ada")
            .expect_problem(429, "rate_limited");
    }
    assert_eq!(counter_sum(&app, &ada, "failures"), 10);
    app.get("/api/v1/auth/me").bearer(token).send().expect(200);
    let refresh = json!({"refreshToken": session.data()["refreshToken"]});
    app.post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .expect(200);
    // A session of the account is not limited by its address.
    app.post("/api/v1/auth/change-password")
        .bearer(token)
        .header("X-Forwarded-For", "198.51.100.7")
        .json(&json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
    fail_logins(&app, 10, "203.0.113.1", "ada");
    fail_login_from(&app, "203.0.113.1", "ada").expect(429);
    // A successful sign-in also clears the failures from other addresses: only consecutive failures of the account
    // count.
    login_from(&app, "192.0.2.1", "ada", NEW_PASSWORD).expect(200);
    assert_eq!(counter_sum(&app, &ada, "failures"), 0);
    fail_login_from(&app, "203.0.113.1", "ada").expect(401);
}

/// The stranger shares the owner's address, for example behind an office router.
// SECURITY: D06
#[test]
fn strangers_at_the_same_address_cannot_lock_out_a_known_device() {
    let app = TestApp::start_with(BEHIND_PROXY);
    app.create_user("ada", "User", &[]);
    app.create_user("grace", "User", &[]);
    let (ada, grace) = (
        device_cookie(&app, "192.0.2.1", "ada"),
        device_cookie(&app, "192.0.2.1", "grace"),
    );
    let shared_address = "192.0.2.1";
    fail_logins(&app, 10, shared_address, "ada");
    app.execute("UPDATE rate_limit_sources SET quota_used = 300");
    let login_with =
        |device: &str, password| login_from_device(&app, device, shared_address, "ada", password);
    login_from(&app, shared_address, "ada", PASSWORD).expect_problem(429, "rate_limited");
    let forged_cookie = format!("{}x", ada.replace("device=", "device=A"));
    for device in [
        &grace,
        &forged_cookie,
        "__Host-rosterd-device=",
        "__Host-rosterd-refresh=x",
    ] {
        login_with(device, PASSWORD).expect_problem(429, "rate_limited");
    }
    login_with(&ada, PASSWORD).expect(200);
    assert_eq!(
        app.query_number("SELECT quota_used FROM rate_limit_sources WHERE source = '192.0.2.1'"),
        300,
        "the device does not use the source limit"
    );
    // A success on the device resets the failures of the stranger. The device has its own limit of ten failures.
    app.execute("UPDATE rate_limit_sources SET quota_used = 0");
    fail_logins(&app, 10, shared_address, "ada");
    for _ in 0..10 {
        login_with(&ada, "not the password").expect_problem(401, "auth_invalid_credentials");
    }
    login_with(&ada, PASSWORD).expect_problem(429, "rate_limited");
    end_blocks(&app);
    login_with(&ada, "not the password").expect(401);
    login_with(&ada, PASSWORD).expect_problem(429, "rate_limited");
    end_blocks(&app);
    login_with(&ada, PASSWORD).expect(200);
    assert_eq!(
        app.query_number("SELECT sum(failures) FROM rate_limit_counters"),
        0
    );
    // The limits also hold for concurrent attempts.
    for _ in 0..20 {
        let statuses = count_statuses(30, |_| login_with(&ada, "not the password").status);
        assert_eq!(
            statuses[&401], 20,
            "ten for the device and ten for the known address: {statuses:?}"
        );
        end_blocks(&app);
        app.execute("UPDATE rate_limit_sources SET quota_used = 0");
        login_with(&ada, PASSWORD).expect(200);
    }
}

// SECURITY: D10
#[test]
fn correct_password_is_throttled_like_a_wrong_one() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let ada = app.create_user("ada", "User", &[]);
    fail_logins(&app, 10, "203.0.113.1", "ada");
    let responses = [
        login_from(&app, "203.0.113.1", "ada", PASSWORD),
        fail_login_from(&app, "203.0.113.1", "ada"),
    ]
    .map(|response| {
        assert!(is_within(response.header("retry-after"), 10..=30));
        let seconds = response.header("retry-after");
        let limit = format!("\"account\";r=0;t={seconds}");
        assert_eq!(response.header("ratelimit"), limit);
        let policy = format!("\"account\";q=1;w={seconds}");
        assert_eq!(response.header("ratelimit-policy"), policy);
        let names: Vec<String> = response.headers.keys().map(ToString::to_string).collect();
        let mut body = response.expect_problem(429, "rate_limited").body;
        body["traceId"].take();
        (names, body)
    });
    assert_eq!(responses[0], responses[1]);
    assert_eq!(responses[0].1["violated-policies"], json!(["account"]));
    // A throttled attempt does not count and does not extend the block. After the block the correct password is accepted.
    assert_eq!(counter_sum(&app, &ada, "failures"), 10);
    end_blocks(&app);
    login_from(&app, "203.0.113.1", "ada", PASSWORD).expect(200);
    assert_eq!(counter_sum(&app, &ada, "failures"), 0);
}

#[test]
fn one_attempt_is_allowed_after_each_wait() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let ada = app.create_user("ada", "User", &[]);
    fail_logins(&app, 10, "203.0.113.1", "ada");
    for round in 1..=20 {
        end_blocks(&app);
        let statuses = count_statuses(20, |_| fail_login_from(&app, "203.0.113.1", "ada").status);
        assert_eq!(statuses, BTreeMap::from([(401, 1), (429, 19)]));
        assert_eq!(counter_sum(&app, &ada, "failures"), 10 + round);
    }
}

#[test]
fn concurrent_successful_logins_are_all_served() {
    let app = TestApp::start();
    let ada = app.create_user("ada", "User", &[]);
    let body = json!({"username": "ada", "password": PASSWORD});
    let statuses = count_statuses(200, |_| {
        app.post("/api/v1/auth/login").json(&body).send().status
    });
    assert_eq!(statuses, BTreeMap::from([(200, 200)]));
    assert_eq!(
        counter_sum(&app, &ada, "failures + cardinality(attempts_in_flight)"),
        0
    );
    let charged = "SELECT coalesce(string_agg(source || ' ' || quota_used, ', '), '') FROM rate_limit_sources WHERE quota_used > 0 AND source NOT LIKE 'notice %' AND source NOT LIKE 'signin %'";
    assert_eq!(app.query_text(charged), "");
}

// SECURITY: K06
#[test]
fn replicas_share_the_account_limit() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let replicas = [app.start_replica(), app.start_replica()];
    let replica_for = |number: usize| [&app, &replicas[0], &replicas[1]][number % 3];
    for round in 0..20 {
        let known = format!("ada{round}");
        app.create_user(&known, "User", &[]);
        for name in [known, format!("no-such-name-{round}")] {
            let statuses = count_statuses(90, |number| {
                let source = format!("203.0.113.{number}");
                fail_login_from(replica_for(number), &source, &name).status
            });
            assert_eq!(statuses, BTreeMap::from([(401, 10), (429, 80)]));
            app.execute("UPDATE rate_limit_sources SET quota_used = 0");
        }
    }
}
