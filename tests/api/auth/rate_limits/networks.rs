//! Limits per network, for guesses that are spread over many addresses.

use serde_json::json;

use crate::support::{PASSWORD, TestApp};

use super::{BEHIND_PROXY, fail_login_from, login_from};

fn use_up(app: &TestApp, network: &str, quota: i32) {
    app.execute(&format!(
        "INSERT INTO rate_limit_sources (source, quota_used, window_ends_at) VALUES ('{network}', {quota}, now() + interval '10 min') \
         ON CONFLICT (source) DO UPDATE SET quota_used = {quota}"
    ));
}

fn quota_used(app: &TestApp, source: &str) -> i64 {
    app.query_number(&format!(
        "SELECT coalesce((SELECT quota_used FROM rate_limit_sources WHERE source = '{source}'), 0)"
    ))
}

#[test]
fn guesses_spread_over_an_ipv4_network_are_refused_and_recorded() {
    let app = TestApp::start_with(BEHIND_PROXY);
    for host in 1..=3 {
        fail_login_from(&app, &format!("203.0.113.{host}"), &format!("name-{host}")).expect(401);
    }
    assert_eq!(quota_used(&app, "203.0.113.0/24"), 3);
    use_up(&app, "203.0.113.0/24", 300);
    for host in 4..=9 {
        let source = format!("203.0.113.{host}");
        let response = fail_login_from(&app, &source, &format!("name-{host}"))
            .expect_problem(429, "rate_limited");
        assert_eq!(
            response.header("ratelimit-policy"),
            r#""network";q=300;w=600"#
        );
        assert_eq!(quota_used(&app, &source), 0);
    }
    fail_login_from(&app, "203.0.114.1", "name").expect(401);
    let floods = "SELECT count(*) FROM audit_events WHERE action = 'rateLimit.networkFlood' AND after->>'network' = '203.0.113.0/24'";
    assert_eq!(app.query_number(floods), 1);
    assert!(rosterd::access::rate_limit::service::network_refusals() >= 6);
}

#[test]
fn guesses_spread_over_an_ipv6_network_are_refused() {
    let app = TestApp::start_with(BEHIND_PROXY);
    fail_login_from(&app, "2001:db8:1:1201::1", "first").expect(401);
    fail_login_from(&app, "2001:db8:1:1202::1", "second").expect(401);
    fail_login_from(&app, "2001:db8:1:3400::1", "third").expect(401);
    assert_eq!(quota_used(&app, "2001:db8:1:1200::/56"), 2);
    assert_eq!(quota_used(&app, "2001:db8:1::/48"), 3);
    use_up(&app, "2001:db8:1:1200::/56", 300);
    fail_login_from(&app, "2001:db8:1:1299::1", "fourth").expect_problem(429, "rate_limited");
    fail_login_from(&app, "2001:db8:1:3401::1", "fifth").expect(401);
    use_up(&app, "2001:db8:1::/48", 600);
    fail_login_from(&app, "2001:db8:1:5600::1", "sixth").expect_problem(429, "rate_limited");
    fail_login_from(&app, "2001:db8:2::1", "seventh").expect(401);
}

#[test]
fn sources_and_devices_of_the_owner_get_through_a_flooded_network() {
    let app = TestApp::start_with(BEHIND_PROXY);
    let names: Vec<String> = (0..25).map(|number| format!("user-{number}")).collect();
    let address = |number: usize| format!("2001:db8:1:{number:x}::1");
    for (number, name) in names.iter().enumerate() {
        app.create_user(name, "User", &[]);
        login_from(&app, &address(number), name, PASSWORD).expect(200);
    }
    let body = json!({"username": "user-0", "password": PASSWORD, "transport": "cookie"});
    let signed_in = app
        .post("/api/v1/auth/login")
        .header("X-Forwarded-For", "198.51.100.1")
        .header("Origin", "https://id.example.org")
        .json(&body)
        .send()
        .expect(200);
    let cookies: Vec<_> = signed_in.headers.get_all("set-cookie").iter().collect();
    let device = cookies
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .find(|cookie| cookie.contains("device="))
        .unwrap();
    use_up(&app, "2001:db8:1::/48", 600);
    for (number, name) in names.iter().enumerate() {
        use_up(&app, &format!("2001:db8:1:{number:x}::/64"), 300);
        login_from(&app, &address(number), name, PASSWORD).expect(200);
    }
    login_from(&app, "2001:db8:1:99::1", "user-0", PASSWORD).expect_problem(429, "rate_limited");
    app.post("/api/v1/auth/login")
        .header("X-Forwarded-For", "2001:db8:1:99::1")
        .header("Cookie", device)
        .json(&json!({"username": "user-0", "password": PASSWORD}))
        .send()
        .expect(200);
}

#[test]
fn one_source_uses_up_at_most_a_third_of_its_network() {
    let app = TestApp::start_with(BEHIND_PROXY);
    use_up(&app, "203.0.113.1", 99);
    fail_login_from(&app, "203.0.113.1", "name-1").expect(401);
    fail_login_from(&app, "203.0.113.1", "name-2").expect(401);
    assert_eq!(quota_used(&app, "203.0.113.1"), 101);
    assert_eq!(quota_used(&app, "203.0.113.0/24"), 1);
}

#[test]
fn correct_password_is_not_charged_to_the_network() {
    let app = TestApp::start_with(BEHIND_PROXY);
    app.create_user("ada", "User", &[]);
    fail_login_from(&app, "2001:db8:1:1201::1", "ada").expect(401);
    login_from(&app, "2001:db8:1:1201::1", "ada", PASSWORD).expect(200);
    for source in [
        "2001:db8:1:1201::/64",
        "2001:db8:1:1200::/56",
        "2001:db8:1::/48",
    ] {
        assert_eq!(quota_used(&app, source), 1, "{source}");
    }
}
