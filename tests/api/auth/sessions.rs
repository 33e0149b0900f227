//! `/api/v1/auth/sessions` (own sessions) and `/api/v1/sessions` (sessions of other accounts).

use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp, TestUser, run_concurrently};

const ME: &str = "/api/v1/auth/me";
const OWN_SESSIONS: &str = "/api/v1/auth/sessions";

fn access(tokens: &Value) -> &str {
    tokens["accessToken"].as_str().unwrap()
}

fn session_id(tokens: &Value) -> &str {
    tokens["session"]["id"].as_str().unwrap()
}

fn is_signed_in(app: &TestApp, tokens: &Value) -> bool {
    let is_known = app.get(ME).bearer(access(tokens)).send().status == 200;
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    let is_renewed = app
        .post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .status
        == 200;
    assert_eq!(
        is_known, is_renewed,
        "both tokens are valid or both are invalid"
    );
    is_known
}

fn ids(response: &Response) -> Vec<String> {
    let data = response.data().as_array().unwrap();
    data.iter()
        .map(|session| session["id"].as_str().unwrap().to_owned())
        .collect()
}

fn sessions_of(user: &TestUser) -> String {
    format!("/api/v1/sessions?userId={}", user.id)
}

#[test]
fn user_sees_only_own_sessions() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    app.create_signed_in_user("User", &[]);
    let (first, second) = (app.sign_in("ada"), app.sign_in("ada"));
    let page = app
        .get(&format!("{OWN_SESSIONS}?count=true"))
        .bearer(access(&first))
        .send()
        .expect(200);
    assert_eq!(ids(&page), [session_id(&second), session_id(&first)]);
    assert_eq!(page.body["page"]["total"], 2);
    let is_current_flags: Vec<&Value> = page
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|session| &session["isCurrent"])
        .collect();
    assert_eq!(is_current_flags, [&json!(false), &json!(true)]);
    let page = app
        .get(&format!("{OWN_SESSIONS}?limit=1"))
        .bearer(access(&first))
        .send()
        .expect(200);
    assert_eq!(ids(&page), [session_id(&second)]);
    let next = page.body["page"]["next"].as_str().unwrap();
    let second_page = app
        .get(&format!("{OWN_SESSIONS}?limit=1&cursor={next}"))
        .bearer(access(&first))
        .send()
        .expect(200);
    assert_eq!(ids(&second_page), [session_id(&first)]);
    assert_eq!(second_page.body["page"]["next"], Value::Null);
}

#[test]
fn user_can_end_one_own_session() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let (first, second) = (app.sign_in("ada"), app.sign_in("ada"));
    let (_, stranger) = app.create_signed_in_user("User", &[]);
    let path = format!("{OWN_SESSIONS}/{}", session_id(&second));
    app.delete(&path)
        .bearer(&stranger)
        .send()
        .expect_problem(404, "not_found");
    app.delete(&path)
        .bearer(access(&first))
        .header("If-Match", "\"2-0011223344556677\"")
        .send()
        .expect_problem(412, "precondition_failed");
    assert!(is_signed_in(&app, &second));
    app.delete(&path).bearer(access(&first)).send().expect(204);
    assert!(!is_signed_in(&app, &second));
    assert!(is_signed_in(&app, &first));
    app.delete(&path)
        .bearer(access(&first))
        .send()
        .expect_problem(404, "not_found");
    let end_events =
        "SELECT count(*) FROM audit_events WHERE action = 'session.end' AND outcome = 'done'";
    assert_eq!(app.query_number(end_events), 1);
}

#[test]
fn user_can_end_all_other_sessions() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let current = app.sign_in("ada");
    let others = [app.sign_in("ada"), app.sign_in("ada")];
    let (_, stranger) = app.create_signed_in_user("User", &[]);
    app.delete(OWN_SESSIONS)
        .bearer(access(&current))
        .send()
        .expect(204);
    assert!(is_signed_in(&app, &current));
    assert!(others.iter().all(|session| !is_signed_in(&app, session)));
    app.get(ME).bearer(&stranger).send().expect(200);
}

#[test]
fn manager_can_filter_sessions_by_account_and_address() {
    let app = TestApp::start_with(&[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")]);
    let admin = app.super_admin_token();
    let ada = app.create_user("ada", "User", &[]);
    app.create_user("bob", "User", &[]);
    let login_from = |name: &str, ip: &str| {
        let body = json!({"username": name, "password": PASSWORD});
        let response = app
            .post("/api/v1/auth/login")
            .header("X-Forwarded-For", ip)
            .header("User-Agent", "curl/8")
            .json(&body)
            .send()
            .expect(200);
        session_id(response.data()).to_owned()
    };
    let (first, second) = (
        login_from("ada", "203.0.113.7"),
        login_from("ada", "2001:db8::7"),
    );
    let bob_session = login_from("bob", "203.0.113.7");
    let get = |path: &str| app.get(path).bearer(&admin).send().expect(200);
    assert_eq!(ids(&get(&sessions_of(&ada))), [second.as_str(), &first]);
    assert_eq!(
        ids(&get("/api/v1/sessions?ip=203.0.113.7")),
        [bob_session.as_str(), &first]
    );
    assert_eq!(
        ids(&get("/api/v1/sessions?ip=2001:DB8:0::7")),
        [second.as_str()]
    );
    let mut all_ids = Vec::new();
    let mut path = "/api/v1/sessions?limit=1&count=true".to_owned();
    loop {
        let page = get(&path);
        assert_eq!(page.body["page"]["total"], 4);
        all_ids.extend(ids(&page));
        let Some(next) = page.body["page"]["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/sessions?limit=1&count=true&cursor={next}");
    }
    assert_eq!(all_ids[..3], [bob_session, second, first.clone()]);
    assert_eq!(all_ids.len(), 4);
    let session_response = get(&format!("/api/v1/sessions/{first}"));
    assert_eq!(session_response.data()["userId"], ada.id.as_str());
    assert_eq!(session_response.data()["ip"], "203.0.113.7");
    assert_eq!(session_response.data()["userAgent"], "curl/8");
    assert_eq!(session_response.data()["isCurrent"], false);
    app.get(&format!("/api/v1/sessions/{first}"))
        .bearer(&admin)
        .header("If-None-Match", session_response.header("etag"))
        .send()
        .expect(304);
    for (path, pointer) in [
        ("/api/v1/sessions?userId=ada", "?userId"),
        ("/api/v1/sessions?ip=x", "?ip"),
    ] {
        app.get(path)
            .bearer(&admin)
            .send()
            .expect_field_error(pointer, "invalid_value");
    }
    let unknown_user = "/api/v1/sessions?userId=01890a5d-ac96-774b-bcce-b302099a8057";
    assert!(ids(&get(unknown_user)).is_empty());
}

// SECURITY: A18
#[test]
fn manager_can_end_one_session_of_a_user() {
    let app = TestApp::start();
    let (_, helper) = app.create_signed_in_user("User", &["sessions.read", "sessions.revoke"]);
    app.create_user("ada", "User", &[]);
    let (first, second) = (app.sign_in("ada"), app.sign_in("ada"));
    let path = format!("/api/v1/sessions/{}", session_id(&first));
    let (_, powerless) = app.create_signed_in_user("User", &["sessions.read"]);
    app.delete(&path)
        .bearer(&powerless)
        .send()
        .expect_problem(403, "permission_required");
    app.delete(&path).bearer(&helper).send().expect(204);
    assert!(!is_signed_in(&app, &first));
    assert!(is_signed_in(&app, &second));
    for path in [path.as_str(), "/api/v1/sessions/nonsense"] {
        app.get(path)
            .bearer(&helper)
            .send()
            .expect_problem(404, "not_found");
        app.delete(path)
            .bearer(&helper)
            .send()
            .expect_problem(404, "not_found");
    }
}

// SECURITY: C02
#[test]
fn manager_cannot_access_sessions_of_equal_or_higher_rank() {
    let app = TestApp::start();
    let (super_admin, _) = app.create_signed_in_user("SuperAdmin", &[]);
    let (peer, _) = app.create_signed_in_user("Admin", &[]);
    let (user, _) = app.create_signed_in_user("User", &[]);
    let (admin_user, admin) = app.create_signed_in_user("Admin", &[]);
    let super_admin_session = app.sign_in(&super_admin.username);
    let refused_events = "SELECT count(*) FROM audit_events WHERE outcome = 'refused' AND code = 'user_manage_forbidden'";
    for target in [&super_admin, &peer] {
        app.get(&sessions_of(target))
            .bearer(&admin)
            .send()
            .expect_problem(403, "user_manage_forbidden");
    }
    let path = format!("/api/v1/sessions/{}", session_id(&super_admin_session));
    app.get(&path)
        .bearer(&admin)
        .send()
        .expect_problem(403, "user_manage_forbidden");
    app.delete(&path)
        .bearer(&admin)
        .header("If-Match", "\"9-0011223344556677\"")
        .send()
        .expect_problem(403, "user_manage_forbidden");
    assert_eq!(app.query_number(refused_events), 4);
    assert!(is_signed_in(&app, &super_admin_session));

    let all = app
        .get("/api/v1/sessions?count=true")
        .bearer(&admin)
        .send()
        .expect(200);
    let owners: Vec<&str> = all
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["userId"].as_str().unwrap())
        .collect();
    assert_eq!(owners, [admin_user.id.as_str(), &user.id]);
    assert_eq!(all.body["page"]["total"], 2);
    let own_sessions = app
        .get(&sessions_of(&admin_user))
        .bearer(&admin)
        .send()
        .expect(200);
    let [session] = &ids(&own_sessions)[..] else {
        panic!("{}", own_sessions.text)
    };
    app.delete(&format!("/api/v1/sessions/{session}"))
        .bearer(&admin)
        .send()
        .expect(204);
    app.get(ME).bearer(&admin).send().expect(401);
}

#[test]
fn least_recently_used_session_is_ended_when_the_limit_is_exceeded() {
    let app = TestApp::start_with(&[("ROSTERD_MAX_SESSIONS", "2")]);
    app.create_user("ada", "User", &[]);
    let (first, second) = (app.sign_in("ada"), app.sign_in("ada"));
    app.execute(&format!(
        "UPDATE sessions SET last_seen_at = now() - interval '1 hour' WHERE id = '{}'",
        session_id(&second)
    ));
    let third = app.sign_in("ada");
    assert!(!is_signed_in(&app, &second));
    assert!(is_signed_in(&app, &first) && is_signed_in(&app, &third));
}

#[test]
fn oldest_session_is_ended_when_the_limit_is_exceeded() {
    let app = TestApp::start_with(&[("ROSTERD_MAX_SESSIONS", "3")]);
    let ada = app.create_user("ada", "User", &[]);
    let first = app.sign_in("ada");
    let (second, third) = (app.sign_in("ada"), app.sign_in("ada"));
    let fourth = app.sign_in("ada");
    assert!(!is_signed_in(&app, &first));
    assert!(
        [&second, &third, &fourth]
            .iter()
            .all(|session| is_signed_in(&app, session))
    );
    let session_count = |condition: &str| {
        app.query_number(&format!(
            "SELECT count(*) FROM sessions WHERE user_id = '{}' AND {condition}",
            ada.id
        ))
    };
    for round in 1..=20 {
        run_concurrently(8, |_| app.sign_in("ada"));
        assert_eq!(session_count("ended_at IS NULL"), 3);
        assert_eq!(session_count("ended_reason = 'tooMany'"), 1 + 8 * round);
    }
}
