//! Sessions as their owners see and end them, and as those do who look after accounts.

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, User};

const ME: &str = "/api/v1/auth/me";
const OWN: &str = "/api/v1/auth/sessions";

fn access(tokens: &Value) -> &str {
    tokens["accessToken"].as_str().unwrap()
}

fn session_id(tokens: &Value) -> &str {
    tokens["session"]["id"].as_str().unwrap()
}

fn is_signed_in(app: &TestApp, tokens: &Value) -> bool {
    let is_known = app.get(ME).by(access(tokens)).send().status == 200;
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    let is_renewed = app
        .post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .status
        == 200;
    assert_eq!(is_known, is_renewed, "both tokens live and die together");
    is_known
}

fn ids(answer: &Answer) -> Vec<String> {
    let data = answer.data().as_array().unwrap();
    data.iter()
        .map(|session| session["id"].as_str().unwrap().to_owned())
        .collect()
}

fn sessions_of(user: &User) -> String {
    format!("/api/v1/sessions?userId={}", user.id)
}

#[test]
fn everybody_sees_their_own_sessions_and_no_others() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    app.someone("User", &[]);
    let (first, second) = (app.sign_in("ada"), app.sign_in("ada"));
    let seen = app
        .get(&format!("{OWN}?count=true"))
        .by(access(&first))
        .send()
        .expect(200);
    assert_eq!(ids(&seen), [session_id(&second), session_id(&first)]);
    assert_eq!(seen.body["page"]["total"], 2);
    let marks: Vec<&Value> = seen
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|session| &session["isCurrent"])
        .collect();
    assert_eq!(marks, [&json!(false), &json!(true)]);
    let page = app
        .get(&format!("{OWN}?limit=1"))
        .by(access(&first))
        .send()
        .expect(200);
    assert_eq!(ids(&page), [session_id(&second)]);
    let next = page.body["page"]["next"].as_str().unwrap();
    let rest = app
        .get(&format!("{OWN}?limit=1&cursor={next}"))
        .by(access(&first))
        .send()
        .expect(200);
    assert_eq!(ids(&rest), [session_id(&first)]);
    assert_eq!(rest.body["page"]["next"], Value::Null);
}

#[test]
fn one_session_is_ended_and_the_others_live() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let (first, second) = (app.sign_in("ada"), app.sign_in("ada"));
    let (_, stranger) = app.someone("User", &[]);
    let path = format!("{OWN}/{}", session_id(&second));
    app.delete(&path)
        .by(&stranger)
        .send()
        .expect_problem(404, "not_found");
    app.delete(&path)
        .by(access(&first))
        .header("If-Match", "\"2-0011223344556677\"")
        .send()
        .expect_problem(412, "precondition_failed");
    assert!(is_signed_in(&app, &second));
    app.delete(&path).by(access(&first)).send().expect(204);
    assert!(!is_signed_in(&app, &second));
    assert!(is_signed_in(&app, &first));
    app.delete(&path)
        .by(access(&first))
        .send()
        .expect_problem(404, "not_found");
    let ended =
        "SELECT count(*) FROM audit_events WHERE action = 'session.end' AND outcome = 'done'";
    assert_eq!(app.number(ended), 1);
}

#[test]
fn all_sessions_but_the_current_one_are_ended_at_once() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let kept = app.sign_in("ada");
    let others = [app.sign_in("ada"), app.sign_in("ada")];
    let (_, stranger) = app.someone("User", &[]);
    app.delete(OWN).by(access(&kept)).send().expect(204);
    assert!(is_signed_in(&app, &kept));
    assert!(others.iter().all(|session| !is_signed_in(&app, session)));
    app.get(ME).by(&stranger).send().expect(200);
}

#[test]
fn whoever_looks_after_accounts_finds_sessions_by_account_and_address() {
    let app = TestApp::with(&[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")]);
    let admin = app.super_admin();
    let ada = app.user("ada", "User", &[]);
    app.user("bob", "User", &[]);
    let from = |name: &str, ip: &str| {
        let body = json!({"username": name, "password": PASSWORD});
        let answer = app
            .post("/api/v1/auth/login")
            .header("X-Forwarded-For", ip)
            .header("User-Agent", "curl/8")
            .json(&body)
            .send()
            .expect(200);
        session_id(answer.data()).to_owned()
    };
    let (first, second) = (from("ada", "203.0.113.7"), from("ada", "2001:db8::7"));
    let other = from("bob", "203.0.113.7");
    let get = |path: &str| app.get(path).by(&admin).send().expect(200);
    assert_eq!(ids(&get(&sessions_of(&ada))), [second.as_str(), &first]);
    assert_eq!(
        ids(&get("/api/v1/sessions?ip=203.0.113.7")),
        [other.as_str(), &first]
    );
    assert_eq!(
        ids(&get("/api/v1/sessions?ip=2001:DB8:0::7")),
        [second.as_str()]
    );
    let mut seen = Vec::new();
    let mut path = "/api/v1/sessions?limit=1&count=true".to_owned();
    loop {
        let page = get(&path);
        assert_eq!(page.body["page"]["total"], 4);
        seen.extend(ids(&page));
        let Some(next) = page.body["page"]["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/sessions?limit=1&count=true&cursor={next}");
    }
    assert_eq!(seen[..3], [other, second, first.clone()]);
    assert_eq!(seen.len(), 4);
    let shown = get(&format!("/api/v1/sessions/{first}"));
    assert_eq!(shown.data()["userId"], ada.id.as_str());
    assert_eq!(shown.data()["ip"], "203.0.113.7");
    assert_eq!(shown.data()["userAgent"], "curl/8");
    assert_eq!(shown.data()["isCurrent"], false);
    app.get(&format!("/api/v1/sessions/{first}"))
        .by(&admin)
        .header("If-None-Match", shown.header("etag"))
        .send()
        .expect(304);
    for (path, pointer) in [
        ("/api/v1/sessions?userId=ada", "?userId"),
        ("/api/v1/sessions?ip=x", "?ip"),
    ] {
        app.get(path)
            .by(&admin)
            .send()
            .expect_fault(pointer, "invalid_value");
    }
    let nobody = "/api/v1/sessions?userId=01890a5d-ac96-774b-bcce-b302099a8057";
    assert!(ids(&get(nobody)).is_empty());
}

#[test]
fn a18_of_two_sessions_only_the_one_that_was_ended_dies() {
    let app = TestApp::start();
    let (_, helper) = app.someone("User", &["sessions.read", "sessions.revoke"]);
    app.user("ada", "User", &[]);
    let (first, second) = (app.sign_in("ada"), app.sign_in("ada"));
    let path = format!("/api/v1/sessions/{}", session_id(&first));
    let (_, powerless) = app.someone("User", &["sessions.read"]);
    app.delete(&path)
        .by(&powerless)
        .send()
        .expect_problem(403, "permission_required");
    app.delete(&path).by(&helper).send().expect(204);
    assert!(!is_signed_in(&app, &first));
    assert!(is_signed_in(&app, &second));
    for gone in [path.as_str(), "/api/v1/sessions/nonsense"] {
        app.get(gone)
            .by(&helper)
            .send()
            .expect_problem(404, "not_found");
        app.delete(gone)
            .by(&helper)
            .send()
            .expect_problem(404, "not_found");
    }
}

#[test]
fn c02_nobody_sees_or_ends_the_sessions_of_whom_they_do_not_rank_above() {
    let app = TestApp::start();
    let (chief, _) = app.someone("SuperAdmin", &[]);
    let (peer, _) = app.someone("Admin", &[]);
    let (user, _) = app.someone("User", &[]);
    let (me, admin) = app.someone("Admin", &[]);
    let above = app.sign_in(&chief.username);
    let refused = "SELECT count(*) FROM audit_events WHERE outcome = 'refused' AND code = 'user_manage_forbidden'";
    for target in [&chief, &peer] {
        app.get(&sessions_of(target))
            .by(&admin)
            .send()
            .expect_problem(403, "user_manage_forbidden");
    }
    let path = format!("/api/v1/sessions/{}", session_id(&above));
    app.get(&path)
        .by(&admin)
        .send()
        .expect_problem(403, "user_manage_forbidden");
    app.delete(&path)
        .by(&admin)
        .header("If-Match", "\"9-0011223344556677\"")
        .send()
        .expect_problem(403, "user_manage_forbidden");
    assert_eq!(app.number(refused), 4);
    assert!(is_signed_in(&app, &above));

    let all = app
        .get("/api/v1/sessions?count=true")
        .by(&admin)
        .send()
        .expect(200);
    let owners: Vec<&str> = all
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["userId"].as_str().unwrap())
        .collect();
    assert_eq!(owners, [me.id.as_str(), &user.id]);
    assert_eq!(all.body["page"]["total"], 2);
    let mine = app.get(&sessions_of(&me)).by(&admin).send().expect(200);
    let [own] = &ids(&mine)[..] else {
        panic!("{}", mine.text)
    };
    app.delete(&format!("/api/v1/sessions/{own}"))
        .by(&admin)
        .send()
        .expect(204);
    app.get(ME).by(&admin).send().expect(401);
}

#[test]
fn the_oldest_session_makes_room_also_when_many_sign_in_at_once() {
    let app = TestApp::with(&[("ROSTERD_MAX_SESSIONS", "3")]);
    let ada = app.user("ada", "User", &[]);
    let first = app.sign_in("ada");
    let (second, third) = (app.sign_in("ada"), app.sign_in("ada"));
    let fourth = app.sign_in("ada");
    assert!(!is_signed_in(&app, &first));
    assert!(
        [&second, &third, &fourth]
            .iter()
            .all(|session| is_signed_in(&app, session))
    );
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| app.sign_in("ada"));
        }
    });
    let of = |condition: &str| {
        app.number(&format!(
            "SELECT count(*) FROM sessions WHERE user_id = '{}' AND {condition}",
            ada.id
        ))
    };
    assert_eq!(of("ended_at IS NULL"), 3);
    assert_eq!(of("ended_reason = 'tooMany'"), 9);
}
