//! Rate limits of `POST /api/v1/auth/login` and of the other password checks.

mod anonymous;
mod networks;
mod per_account;
mod per_source;
mod stored_rows;

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{Response, TestApp, TestUser, run_concurrently};

const BEHIND_PROXY: &[(&str, &str)] = &[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")];

fn login_from(app: &TestApp, source: &str, name: &str, password: &str) -> Response {
    app.post("/api/v1/auth/login")
        .header("X-Forwarded-For", source)
        .json(&json!({"username": name, "password": password}))
        .send()
}

fn fail_login_from(app: &TestApp, source: &str, name: &str) -> Response {
    login_from(app, source, name, "not the password")
}

fn fail_logins(app: &TestApp, times: usize, source: &str, name: &str) {
    for _ in 0..times {
        fail_login_from(app, source, name).expect_problem(401, "auth_invalid_credentials");
    }
}

/// Runs the requests concurrently and counts the responses by status.
fn count_statuses(count: usize, call: impl Fn(usize) -> u16 + Sync) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for status in run_concurrently(count, call) {
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

fn counter_sum(app: &TestApp, user: &TestUser, column: &str) -> i64 {
    let id = &user.id;
    app.query_number(&format!(
        "SELECT coalesce(sum({column}), 0) FROM rate_limit_counters WHERE target = '{id}'"
    ))
}

fn is_within(value: &str, seconds: std::ops::RangeInclusive<u64>) -> bool {
    value
        .parse()
        .is_ok_and(|seconds_left| seconds.contains(&seconds_left))
}
