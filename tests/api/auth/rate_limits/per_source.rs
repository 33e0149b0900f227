//! Limits per source address, and the client address behind proxies.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{PASSWORD, TestApp};

use super::{BEHIND_PROXY, count_statuses, fail_login_from, is_within};

// SECURITY: D07
#[test]
fn forwarding_headers_from_an_untrusted_peer_are_ignored() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let long_chain = "1.1.1.1,".repeat(4000);
    let spoofed_headers = [
        ("X-Forwarded-For", "203.0.113.1"),
        ("X-Forwarded-For", "a"),
        ("X-Forwarded-For", "fe80::1%eth0"),
        ("X-Forwarded-For", &long_chain),
        ("Forwarded", "for=203.0.113.2"),
        ("Forwarded", "for=\"[2001:db8::1]:80\";proto=https"),
        ("X-Real-IP", "203.0.113.3"),
        ("CF-Connecting-IP", "203.0.113.4"),
        ("True-Client-IP", "203.0.113.5"),
        ("X-Client-IP", "127.0.0.1"),
    ];
    for (name, value) in spoofed_headers {
        app.post("/api/v1/auth/login")
            .header(name, value)
            .json(&json!({"username": "ada", "password": "wrong"}))
            .send()
            .expect(401);
    }
    for (name, value) in spoofed_headers {
        app.post("/api/v1/auth/login")
            .header(name, value)
            .json(&json!({"username": "ada", "password": "wrong"}))
            .send()
            .expect(429);
    }
    assert_eq!(
        app.query_number("SELECT count(*) FROM rate_limit_sources"),
        1
    );
    assert_eq!(
        app.query_number("SELECT quota_used FROM rate_limit_sources WHERE source = '127.0.0.1'"),
        10
    );
}

// SECURITY: D07
#[test]
fn rightmost_untrusted_address_is_the_source() {
    let app = TestApp::start_with(BEHIND_PROXY);
    for number in 0..3 {
        let chain = format!("10.9.8.{number}, 2001:db8:1:2::{number}");
        fail_login_from(&app, &chain, "unknown-user").expect(401);
    }
    assert_eq!(
        app.query_number(
            "SELECT quota_used FROM rate_limit_sources WHERE source = '2001:db8:1:2::/64'"
        ),
        3
    );
}

// SECURITY: D08
#[test]
fn loopback_is_not_exempt_from_limits() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    app.sign_in("ada");
    app.execute("UPDATE rate_limit_sources SET quota_used = 600 WHERE source = '127.0.0.1'");
    let body = json!({"username": "ada", "password": PASSWORD});
    let response = app
        .post("/api/v1/auth/login")
        .json(&body)
        .send()
        .expect_problem(429, "rate_limited");
    assert_eq!(
        response.header("ratelimit-policy"),
        r#""source";q=600;w=600"#
    );
    assert!(is_within(response.header("retry-after"), 1..=600));
    app.execute("UPDATE rate_limit_sources SET window_ends_at = now()");
    app.sign_in("ada");
}

// SECURITY: D12
#[test]
fn login_flood_is_refused_and_other_requests_are_served() {
    let app = TestApp::start_with(&[
        ("ROSTERD_HASH_QUEUE_MS", "200"),
        ("ROSTERD_HASH_THREADS", "2"),
    ]);
    let (_, token) = app.create_signed_in_user("User", &[]);
    let statuses = count_statuses(250, |number| {
        if number % 5 == 0 {
            return app.get("/api/v1/auth/me").bearer(&token).send().status;
        }
        let body = json!({"username": format!("name-{number}"), "password": "wrong"});
        let response = app.post("/api/v1/auth/login").json(&body).send();
        let must_wait = matches!(response.status, 429 | 503);
        assert_eq!(must_wait, !response.header("retry-after").is_empty());
        response.status
    });
    assert_eq!(statuses[&200], 50, "{statuses:?}");
    assert!(statuses[&503] > 50, "{statuses:?}");
    assert!(
        statuses
            .keys()
            .all(|status| [200, 401, 429, 503].contains(status)),
        "{statuses:?}"
    );
    // Only attempts whose password was checked and was wrong (401) count as failures. No attempt is left in progress.
    let failures = i64::try_from(statuses[&401]).unwrap();
    assert_eq!(
        app.query_number("SELECT sum(failures) FROM rate_limit_counters WHERE failures > 0"),
        failures
    );
    assert_eq!(
        app.query_number("SELECT sum(cardinality(attempts_in_flight)) FROM rate_limit_counters"),
        0
    );
    assert_eq!(
        app.query_number(
            "SELECT quota_used FROM rate_limit_sources WHERE source NOT LIKE 'signin %'"
        ),
        failures
    );
}

// SECURITY: K06
#[test]
fn replicas_share_the_source_limit() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let replicas = [app.start_replica(), app.start_replica()];
    fail_login_from(&app, "203.0.113.1", "first").expect(401);
    let replica_for = |number: usize| [&app, &replicas[0], &replicas[1]][number % 3];
    for round in 0..20 {
        app.execute("UPDATE rate_limit_sources SET quota_used = 280 WHERE source = '203.0.113.1'");
        let statuses = count_statuses(90, |number| {
            let name = format!("name-{round}-{number}");
            fail_login_from(replica_for(number), "203.0.113.1", &name).status
        });
        assert_eq!(statuses, BTreeMap::from([(401, 20), (429, 70)]));
        assert_eq!(
            app.query_number(
                "SELECT quota_used FROM rate_limit_sources WHERE source = '203.0.113.1'"
            ),
            300
        );
        assert_eq!(
            app.query_number(
                "SELECT sum(cardinality(attempts_in_flight)) FROM rate_limit_counters"
            ),
            0
        );
    }
}
