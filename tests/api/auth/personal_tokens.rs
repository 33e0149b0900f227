//! Personal access tokens: what programs act with for an account.

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, User, eventually};

const ME: &str = "/api/v1/auth/me";
const OWN: &str = "/api/v1/auth/tokens";

/// Makes a token of the caller's own: the whole `data` of the answer.
fn make(app: &TestApp, by: &str, permissions: &[&str]) -> Value {
    let body = json!({"name": "nightly export", "permissions": permissions});
    let answer = app.post(OWN).by(by).json(&body).send().expect(201);
    answer.data().clone()
}

fn text(made: &Value) -> &str {
    made["token"].as_str().unwrap()
}

fn of(user: &User) -> String {
    format!("/api/v1/users/{}/tokens", user.id)
}

fn is_good(app: &TestApp, token: &str) -> bool {
    app.get(ME).by(token).send().status == 200
}

#[test]
fn a_token_is_shown_once_and_acts_for_its_account() {
    let app = TestApp::start();
    let (user, session) = app.someone("User", &["users.read", "roles.read"]);
    let body = json!({"name": " nightly export ", "permissions": ["users.read"], "expiresAtUtc": "2099-01-01T00:00:00Z"});
    let made = app.post(OWN).by(&session).json(&body).send().expect(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let token = text(made.data());
    assert!(token.starts_with("rst_pat_") && token.len() == 57);
    assert_eq!(made.data()["name"], "nightly export");
    assert_eq!(made.data()["userId"], user.id.as_str());
    assert_eq!(made.data()["lastUsedAtUtc"], Value::Null);

    let me = app.get(ME).by(token).send().expect(200);
    assert_eq!(me.data()["id"], user.id.as_str());
    app.get("/api/v1/users").by(token).send().expect(200);
    app.get("/api/v1/roles")
        .by(token)
        .send()
        .expect_problem(403, "permission_required");

    let path = made.header("location");
    assert_eq!(
        path,
        format!("{OWN}/{}", made.data()["id"].as_str().unwrap())
    );
    eventually(|| {
        let shown = app.get(path).by(&session).send().expect(200);
        assert_eq!(shown.data().get("token"), None);
        shown.data()["lastUsedAtUtc"].is_string()
    });
    let all = app.get(OWN).by(&session).send().expect(200);
    assert_eq!(all.data().as_array().unwrap().len(), 1);
    assert!(!all.text.contains("rst_pat_"));
    let kept = "SELECT count(*) FROM personal_tokens t WHERE t::text LIKE '%rst_pat_%'";
    assert_eq!(app.number(kept), 0);
    let stats = app
        .get(&format!("/api/v1/users/{}?expand=stats", user.id))
        .by(token)
        .send()
        .expect(200);
    assert_eq!(stats.data()["stats"], json!({"sessions": 1, "tokens": 1}));
    app.get(&format!("/api/v1/users/{}?expand=all", user.id))
        .by(token)
        .send()
        .expect_fault("?expand", "invalid_value");
}

#[test]
fn what_is_wrong_with_a_new_token_is_told() {
    let app = TestApp::start();
    let (user, session) = app.someone("User", &["users.read"]);
    let make = |body: Value| app.post(OWN).by(&session).json(&body).send();
    make(json!({"name": " ", "permissions": []})).expect_fault("/name", "too_short");
    make(json!({"name": "x", "permissions": [], "expiresAtUtc": "2001-01-01T00:00:00Z"}))
        .expect_fault("/expiresAtUtc", "in_the_past");
    let unknown = make(json!({"name": "x", "permissions": ["no.such"]}))
        .expect_problem(400, "permission_unknown");
    assert_eq!(unknown.body["errors"][0]["pointer"], "/permissions/0");
    make(json!({"name": "x", "permissions": ["roles.read"]}))
        .expect_problem(403, "permission_not_held");
    // C08: whose token it is, is not the caller's to say.
    let other = app.user("ada", "User", &[]);
    make(json!({"name": "x", "permissions": [], "userId": other.id}))
        .expect_fault("/userId", "unknown_field");
    assert_eq!(app.number("SELECT count(*) FROM personal_tokens"), 0);
    let refused = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'token.create' AND outcome = 'refused' AND subject_id = '{}'",
        user.id
    );
    assert_eq!(app.number(&refused), 1);
}

#[test]
fn g02_a_token_ends_with_what_it_stands_on() {
    let app = TestApp::start();
    let elsewhere = app.replica();
    let admin = app.super_admin();
    let set_status = |user: &User, active: bool| {
        app.post(&format!("/api/v1/users/{}/status", user.id))
            .by(&admin)
            .json(&json!({"isActive": active}))
            .send()
            .expect(200)
    };
    // Revoked by its owner, and by who looks after accounts.
    let (user, session) = app.someone("User", &[]);
    for path in [OWN.to_owned(), of(&user)] {
        let made = make(&app, &session, &[]);
        assert!(is_good(&app, text(&made)) && is_good(&elsewhere, text(&made)));
        let by = if path == OWN { &session } else { &admin };
        let path = format!("{path}/{}", made["id"].as_str().unwrap());
        app.delete(&path)
            .by(by)
            .header("If-Match", "\"2-0011223344556677\"")
            .send()
            .expect_problem(412, "precondition_failed");
        app.delete(&path).by(by).send().expect(204);
        app.get(ME)
            .by(text(&made))
            .send()
            .expect_problem(401, "auth_token_invalid");
        eventually(|| !is_good(&elsewhere, text(&made)));
        app.delete(&path)
            .by(by)
            .send()
            .expect_problem(404, "not_found");
    }
    // Expired, also from memory.
    let soon = make(&app, &session, &[]);
    assert!(is_good(&app, text(&soon)));
    app.execute(
        "UPDATE personal_tokens SET expires_at = clock_timestamp() + interval '100 milliseconds'",
    );
    eventually(|| !is_good(&app, text(&soon)));
    // Switched off, and on again: what was ended stays ended.
    let made = make(&app, &session, &[]);
    assert!(is_good(&app, text(&made)));
    set_status(&user, false);
    assert!(!is_good(&app, text(&made)));
    set_status(&user, true);
    assert!(!is_good(&app, text(&made)));
    // Deleted and restored.
    let (user, session) = app.someone("User", &[]);
    let made = make(&app, &session, &[]);
    let path = format!("/api/v1/users/{}", user.id);
    app.delete(&path).by(&admin).send().expect(204);
    assert!(!is_good(&app, text(&made)));
    app.post(&format!("{path}/restore"))
        .by(&admin)
        .send()
        .expect(200);
    assert!(!is_good(&app, text(&made)));
    // Expired, and given more time.
    let (user, session) = app.someone("User", &[]);
    let made = make(&app, &session, &[]);
    let path = format!("/api/v1/users/{}", user.id);
    for end in ["2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
        app.patch(&path)
            .by(&admin)
            .json(&json!({"expiresAtUtc": end}))
            .send()
            .expect(200);
        assert!(!is_good(&app, text(&made)));
    }
}

#[test]
fn g02_a_token_never_gives_more_than_its_account_holds() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (user, session) = app.someone("User", &["users.read", "roles.read"]);
    let made = make(&app, &session, &["users.read"]);
    let list = || app.get("/api/v1/users").by(text(&made)).send();
    let grant = |permissions: Value| {
        app.patch(&format!("/api/v1/users/{}/permissions", user.id))
            .by(&admin)
            .json(&json!({"permissions": permissions}))
            .send()
            .expect(200)
    };
    list().expect(200);
    grant(json!(["roles.read"]));
    list().expect_problem(403, "permission_required");
    grant(json!(["users.read"]));
    list().expect(200);
    // Nor more than its own list, whatever the account is.
    app.patch(&format!("/api/v1/users/{}", user.id))
        .by(&admin)
        .json(&json!({"role": "SuperAdmin"}))
        .send()
        .expect(200);
    list().expect(200);
    app.get("/api/v1/roles")
        .by(text(&made))
        .send()
        .expect_problem(403, "permission_required");
}

#[test]
fn a_super_admins_token_hands_out_only_what_is_in_its_own_list() {
    let app = TestApp::start();
    let chief = app.super_admin();
    let peer = app.user("peer", "SuperAdmin", &[]);
    let user = app.user("ada", "User", &[]);
    let powers = [
        "users.managePermissions",
        "users.create",
        "users.update",
        "users.resetPassword",
        "roles.manage",
    ];
    let token = make(&app, &chief, &powers);
    let path = format!("/api/v1/users/{}", user.id);
    let grant = |name: &str| {
        app.patch(&format!("{path}/permissions"))
            .by(text(&token))
            .json(&json!({"permissions": [name]}))
            .send()
    };
    grant("users.delete").expect_problem(403, "permission_not_held");
    grant("users.create").expect(200);
    for role in ["Admin", "SuperAdmin"] {
        app.patch(&path)
            .by(text(&token))
            .json(&json!({"role": role}))
            .send()
            .expect_problem(403, "permission_not_held");
        let body = json!({"username": "eve", "role": role});
        app.post("/api/v1/users")
            .by(text(&token))
            .json(&body)
            .send()
            .expect_problem(403, "permission_not_held");
    }
    let role = json!({"name": "Helper", "rank": 5, "permissions": ["users.delete"]});
    app.post("/api/v1/roles")
        .by(text(&token))
        .json(&role)
        .send()
        .expect_problem(403, "permission_not_held");
    app.post(&format!("/api/v1/users/{}/reset-password", peer.id))
        .by(text(&token))
        .json(&json!({"newPassword": "nine purple umbrellas in june"}))
        .send()
        .expect_problem(403, "user_manage_forbidden");
}

#[test]
fn g04_a_token_is_not_good_for_what_its_owner_does_in_person() {
    let app = TestApp::start();
    let (user, session) = app.someone("SuperAdmin", &[]);
    let everything: Vec<String> = app
        .get("/api/v1/permissions")
        .by(&session)
        .send()
        .expect(200)
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|permission| permission["name"].as_str().unwrap().to_owned())
        .collect();
    let names: Vec<&str> = everything.iter().map(String::as_str).collect();
    let made = make(&app, &session, &names);
    let own = app
        .get("/api/v1/auth/sessions")
        .by(&session)
        .send()
        .expect(200);
    let session_id = own.data()[0]["id"].as_str().unwrap().to_owned();
    let me = format!("/api/v1/users/{}", user.id);
    let id = made["id"].as_str().unwrap();
    let token = json!({"name": "x", "permissions": []});
    let password = json!({"newPassword": "nine purple umbrellas in june"});
    let change =
        json!({"currentPassword": PASSWORD, "newPassword": "nine purple umbrellas in june"});
    let calls: [(&str, String, Value); 14] = [
        ("GET", OWN.to_owned(), Value::Null),
        ("POST", OWN.to_owned(), token.clone()),
        ("DELETE", format!("{OWN}/{id}"), Value::Null),
        ("POST", of(&user), token),
        ("DELETE", format!("{}/{id}", of(&user)), Value::Null),
        ("POST", "/api/v1/auth/change-password".to_owned(), change),
        ("POST", format!("{me}/reset-password"), password),
        ("POST", format!("{me}/password-reset-link"), json!({})),
        ("DELETE", format!("{me}/password"), Value::Null),
        ("PATCH", me.clone(), json!({"email": "eve@example.org"})),
        ("GET", "/api/v1/auth/sessions".to_owned(), Value::Null),
        ("DELETE", "/api/v1/auth/sessions".to_owned(), Value::Null),
        (
            "DELETE",
            format!("/api/v1/sessions/{session_id}"),
            Value::Null,
        ),
        ("DELETE", format!("{me}/sessions"), Value::Null),
    ];
    for (method, path, body) in calls {
        let call = app.call(method, &path).by(text(&made));
        let call = if body.is_null() {
            call
        } else {
            call.json(&body)
        };
        let answer = call.send();
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!("auth_session_required")),
            "{method} {path}: {}",
            answer.text
        );
    }
    for (path, code) in [
        (
            format!("{me}/permissions"),
            "user_self_permissions_forbidden",
        ),
        (me, "user_self_role_change_forbidden"),
    ] {
        app.patch(&path)
            .by(text(&made))
            .json(&match code {
                "user_self_permissions_forbidden" => json!({"permissions": ["users.read"]}),
                _ => json!({"role": "User"}),
            })
            .send()
            .expect_problem(403, code);
    }
    assert_eq!(app.number("SELECT count(*) FROM personal_tokens"), 1);
    assert!(is_good(&app, &session));
}

#[test]
fn g06_however_the_header_is_spelled_it_is_one_token() {
    let app = TestApp::start();
    let (user, session) = app.someone("User", &[]);
    let made = make(&app, &session, &[]);
    let ask = |header: &str| app.get(ME).header("Authorization", header).send();
    for spelling in ["Bearer", "bearer", "BEARER"] {
        let answer = ask(&format!("{spelling} {}", text(&made))).expect(200);
        assert_eq!(answer.data()["id"], user.id.as_str());
    }
    let swapped = text(&made).replace("rst_pat_", "rst_cs_");
    let shouted = text(&made).to_uppercase();
    let escaped = text(&made).replacen('_', "%5F", 1);
    for wrong in [
        &swapped,
        &shouted,
        &escaped,
        &text(&made).chars().take(56).collect(),
    ] {
        ask(&format!("Bearer {wrong}")).expect_problem(401, "auth_token_invalid");
    }
    for wrong in ["Token", "Basic", "Bearer "] {
        ask(&format!("{wrong} {}", text(&made))).expect_problem(401, "auth_token_invalid");
    }
}

#[test]
fn g08_however_many_are_made_at_once_the_limit_holds() {
    let app = TestApp::start();
    let (user, session) = app.someone("User", &[]);
    app.execute(&format!(
        "INSERT INTO personal_tokens (id, user_id, name, digest, permissions, created_at, expires_at) \
         SELECT gen_random_uuid(), '{}', 'x', int8send(n), '{{}}', now(), CASE WHEN n > 95 THEN now() END \
         FROM generate_series(1, 105) n",
        user.id
    ));
    let body = json!({"name": "x", "permissions": []});
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let make = || {
            (0..4)
                .map(|_| app.post(OWN).by(&session).json(&body).send())
                .collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..10).map(|_| scope.spawn(make)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    let (made, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(
        made.len(),
        5,
        "95 live ones leave room for five; expired ones make room"
    );
    for answer in refused {
        answer.expect_problem(409, "token_limit_reached");
    }
    assert_eq!(app.number("SELECT count(*) FROM personal_tokens"), 100);
}

#[test]
fn who_looks_after_accounts_makes_and_ends_their_tokens() {
    let app = TestApp::start();
    let (_, admin) = app.someone("Admin", &[]);
    let user = app.user("ada", "User", &["users.read"]);
    let body = json!({"name": "x", "permissions": ["users.read"]});
    let create = || {
        app.post(&of(&user))
            .by(&admin)
            .header("Idempotency-Key", "once")
            .json(&body)
            .send()
            .expect(201)
    };
    let made = create();
    let token = text(made.data()).to_owned();
    assert!(is_good(&app, &token));
    let again = create();
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(text(again.data()), token);
    let path = made.header("location");
    let shown = app.get(path).by(&admin).send().expect(200);
    assert_eq!(shown.data()["userId"], user.id.as_str());
    app.get(path)
        .by(&admin)
        .header("If-None-Match", shown.header("etag"))
        .send()
        .expect(304);
    app.delete(path).by(&admin).send().expect(204);
    assert!(!is_good(&app, &token));
    assert_ne!(
        text(create().data()),
        token,
        "no copy of the old one is kept"
    );
    // What the account does not hold, nobody gives to its token.
    let body = json!({"name": "x", "permissions": ["users.delete"]});
    app.post(&of(&user))
        .by(&admin)
        .json(&body)
        .send()
        .expect_problem(403, "permission_not_held");
    for missing in ["01890a5d-ac96-774b-bcce-b302099a8057", "nonsense"] {
        app.get(&format!("/api/v1/users/{missing}/tokens"))
            .by(&admin)
            .send()
            .expect_problem(404, "not_found");
        app.get(&format!("{}/{missing}", of(&user)))
            .by(&admin)
            .send()
            .expect_problem(404, "not_found");
    }
}

#[test]
fn c02_nobody_makes_sees_or_ends_tokens_of_whom_they_do_not_rank_above() {
    let app = TestApp::start();
    let (_, admin) = app.someone("Admin", &[]);
    let (peer, session) = app.someone("Admin", &[]);
    let (chief, _) = app.someone("SuperAdmin", &[]);
    let rich = app.user("rich", "User", &["clients.manage"]);
    let made = make(&app, &session, &[]);
    let id = made["id"].as_str().unwrap();
    let body = json!({"name": "x", "permissions": []});
    for target in [&peer, &chief, &rich] {
        app.post(&of(target))
            .by(&admin)
            .json(&body)
            .send()
            .expect_problem(403, "user_manage_forbidden");
    }
    app.get(&of(&rich)).by(&admin).send().expect(200);
    for target in [&peer, &chief] {
        app.get(&of(target))
            .by(&admin)
            .send()
            .expect_problem(403, "user_manage_forbidden");
    }
    let path = format!("{}/{id}", of(&peer));
    app.get(&path)
        .by(&admin)
        .send()
        .expect_problem(403, "user_manage_forbidden");
    app.delete(&path)
        .by(&admin)
        .send()
        .expect_problem(403, "user_manage_forbidden");
    assert!(is_good(&app, text(&made)));
    let refused = "SELECT count(*) FROM audit_events WHERE outcome = 'refused' AND code = 'user_manage_forbidden'";
    assert_eq!(app.number(refused), 7);
}

#[test]
fn a10_a_refresh_token_is_not_renewed_in_somebody_elses_name() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let tokens = app.sign_in("ada");
    let (_, stranger) = app.someone("User", &[]);
    let own = make(&app, tokens["accessToken"].as_str().unwrap(), &[]);
    let other = app.token("ada");
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    for by in [&stranger, text(&own), &other] {
        app.post("/api/v1/auth/refresh")
            .by(by)
            .json(&refresh)
            .send()
            .expect_problem(401, "auth_refresh_token_invalid");
    }
    app.post("/api/v1/auth/refresh")
        .by(tokens["accessToken"].as_str().unwrap())
        .json(&refresh)
        .send()
        .expect(200);
}

#[test]
fn a_purge_leaves_no_copy_of_a_token() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    app.post(&of(&user))
        .by(&admin)
        .header("Idempotency-Key", "once")
        .json(&json!({"name": "x", "permissions": []}))
        .send()
        .expect(201);
    assert_eq!(app.number("SELECT count(*) FROM kept_replies"), 1);
    app.delete(&format!("/api/v1/users/{}?purge=true", user.id))
        .by(&admin)
        .send()
        .expect(204);
    assert_eq!(app.number("SELECT count(*) FROM kept_replies"), 0);
    assert_eq!(app.number("SELECT count(*) FROM personal_tokens"), 0);
}
