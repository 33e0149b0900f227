//! What service clients do with their secret: tokens, asking about tokens, revoking them. What they are refused, in the
//! forms of RFC 6749, 7009 and 7662.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, at_once, eventually};

const FORM: &str = "application/x-www-form-urlencoded";
const TOKEN: &str = "/api/v1/oauth/token";
const INTROSPECT: &str = "/api/v1/oauth/introspect";
const REVOKE: &str = "/api/v1/oauth/revoke";
const VERIFY: &str = "/api/v1/auth/verify";

/// A service client and its secret.
struct Client {
    id: String,
    secret: String,
}

impl Client {
    /// Makes one.
    fn make(app: &TestApp, by: &str, permissions: &[&str], rank: i32) -> Self {
        let name = format!("client {}", uuid::Uuid::now_v7());
        let body = json!({"name": name, "permissions": permissions, "rank": rank});
        let made = app
            .post("/api/v1/clients")
            .by(by)
            .json(&body)
            .send()
            .expect(201);
        Self {
            id: made.data()["clientId"].as_str().unwrap().to_owned(),
            secret: made.data()["clientSecret"].as_str().unwrap().to_owned(),
        }
    }

    fn at(&self, below: &str) -> String {
        format!("/api/v1/clients/{}{below}", self.id)
    }

    /// What it says of itself in a form.
    fn form(&self) -> String {
        format!("client_id={}&client_secret={}", self.id, self.secret)
    }

    fn basic(&self) -> String {
        basic(&self.id, &self.secret)
    }

    fn ask(&self, app: &TestApp, more: &str) -> Answer {
        let form = format!("grant_type=client_credentials{more}&{}", self.form());
        app.post(TOKEN).body(FORM, form).send()
    }

    /// An access token for all that it may.
    fn token(&self, app: &TestApp) -> String {
        let answer = self.ask(app, "").expect(200);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    fn introspect(&self, app: &TestApp, token: &str, more: &str) -> Answer {
        let form = format!("token={token}&{}{more}", self.form());
        app.post(INTROSPECT).body(FORM, form).send().expect(200)
    }

    fn revoke(&self, app: &TestApp, token: &str) -> Answer {
        let form = format!("token={token}&{}", self.form());
        app.post(REVOKE).body(FORM, form).send()
    }
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// Holds if this is a refusal of the form of RFC 6749, section 5.2.
#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (status, &json!(error)),
        "{}",
        answer.text
    );
    assert!(answer.body["error_description"].is_string());
    assert_eq!(answer.body.as_object().unwrap().len(), 2);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    let challenge = answer.header("www-authenticate");
    assert_eq!(
        challenge.starts_with("Basic realm="),
        status == 401,
        "{challenge}"
    );
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

fn is_good(app: &TestApp, token: &str) -> bool {
    app.get(VERIFY).by(token).send().status == 200
}

#[test]
fn a_client_gets_a_token_for_what_it_may_and_acts_with_it() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let client = Client::make(&app, &admin, &["users.read", "roles.read"], 0);
    let answer = app
        .post(TOKEN)
        .header("Authorization", &client.basic())
        .body(FORM, "grant_type=client_credentials&scope=users.read")
        .send()
        .expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["scope"], "users.read");
    assert_eq!(
        answer.body.get("refresh_token"),
        None,
        "RFC 6749, section 4.4.3"
    );
    let lasts = answer.body["expires_in"].as_i64().unwrap();
    assert!((1..=900).contains(&lasts), "{lasts}");
    let token = answer.body["access_token"].as_str().unwrap();
    let said = claims(token);
    assert_eq!(said["sub"], format!("client:{}", client.id));
    assert_eq!(said["client_id"], client.id.as_str());
    assert_eq!(
        (&said["iss"], &said["aud"]),
        (&json!("https://id.example.org"), &json!("rosterd"))
    );
    assert_eq!(
        (&said["scope"], &said["permissions"]),
        (&json!("users.read"), &json!(["users.read"]))
    );
    assert_eq!(said.get("role"), None);
    for member in ["iat", "exp"] {
        assert!(said[member].is_i64());
    }
    for member in ["jti", "sid"] {
        assert!(said[member].is_string());
    }

    app.get("/api/v1/users").by(token).send().expect(200);
    app.get("/api/v1/roles")
        .by(token)
        .send()
        .expect_problem(403, "permission_required");
    let seen = app.get(VERIFY).by(token).send().expect(200);
    let name = format!("client:{}", client.id);
    assert_eq!(seen.header("x-roster-user-id"), name);
    assert_eq!(seen.header("x-roster-username"), name);
    assert_eq!(seen.header("x-roster-role"), "");
    assert_eq!(seen.header("x-roster-permissions"), "users.read");

    let all = client.ask(&app, "").expect(200);
    assert_eq!(all.body["scope"], "roles.read users.read");
    let all = all.body["access_token"].as_str().unwrap();
    app.get("/api/v1/roles").by(all).send().expect(200);
    eventually(|| {
        let shown = app.get(&client.at("")).by(&admin).send().expect(200);
        shown.data()["lastUsedAtUtc"].is_string()
    });
    let acts = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'client.grant' AND actor_kind = 'client' AND actor_id = '{}'",
        client.id
    );
    assert_eq!(app.number(&acts), 2);
}

#[test]
fn a_client_says_who_it_is_in_one_way_and_once() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let client = Client::make(&app, &admin, &[], 0);
    let grant = "grant_type=client_credentials";
    let send = |authorization: &[&str], form: &str| {
        let call = authorization.iter().fold(app.post(TOKEN), |call, line| {
            call.header("Authorization", line)
        });
        call.body(FORM, form).send()
    };
    let (own, line) = (client.form(), client.basic());
    send(&[&line], grant).expect(200);
    send(&[&line.replace("Basic", "bAsIc")], grant).expect(200);
    send(&[&line], &format!("{grant}&client_id={}", client.id)).expect(200);
    send(&[], &format!("{grant}&{own}")).expect(200);
    send(&[], &format!("{grant}&{own}&unknown=1&scope=")).expect(200);

    let twice = [
        send(&[&line], &format!("{grant}&{own}")),
        send(&[&line], &format!("{grant}&client_id=another")),
        send(&[&line, &line], grant),
        send(&[], &format!("{grant}&{own}&client_secret=x")),
        send(&[], &format!("{grant}&{grant}&{own}")),
        send(&[], &own),
        send(&[], ""),
        app.post(&format!("{TOKEN}?{own}")).body(FORM, grant).send(),
        app.post(TOKEN)
            .json(&json!({"grant_type": "client_credentials"}))
            .send(),
        app.post(TOKEN).body(FORM, "grant_type=%zz").send(),
    ];
    for answer in &twice {
        refused(answer, 400, "invalid_request");
    }
    let stranger = Client {
        id: uuid::Uuid::now_v7().to_string(),
        secret: client.secret.clone(),
    };
    let wrong = [
        send(&[], grant),
        send(&[], &format!("{grant}&client_id={}", client.id)),
        send(
            &[],
            &format!("{grant}&client_id={}&client_secret=", client.id),
        ),
        send(
            &[],
            &format!("{grant}&client_id={}&client_secret=wrong", client.id),
        ),
        send(
            &[],
            &format!("{grant}&client_id=rosterd&client_secret=")
                .replace("client_secret=", "client_secret=x"),
        ),
        send(&[], &format!("{grant}&{}", stranger.form())),
        send(&[&stranger.basic()], grant),
        send(&["Basic"], grant),
        send(&["Basic !!!"], grant),
        send(&[&format!("Bearer {admin}")], grant),
        send(&[&basic(&client.id, "")], grant),
        send(
            &[&basic(
                &client.id.to_uppercase(),
                &client.secret.to_uppercase(),
            )],
            grant,
        ),
    ];
    for answer in &wrong {
        refused(answer, 401, "invalid_client");
    }
    refused(
        &send(&[], "grant_type=client_credentials&client_id=rosterd"),
        400,
        "unauthorized_client",
    );
    for other in ["password", "authorization_code", "CLIENT_CREDENTIALS"] {
        let answer = send(&[], &format!("grant_type={other}&{own}"));
        refused(&answer, 400, "unsupported_grant_type");
    }
    let large = "x".repeat(1024 * 1024 + 1);
    let answer = send(&[], &large);
    refused(&answer, 413, "invalid_request");
    app.get(TOKEN)
        .send()
        .expect_problem(405, "method_not_allowed");
}

#[test]
fn a_scope_is_part_of_what_the_client_may() {
    let app = TestApp::start();
    let client = Client::make(&app, &app.super_admin(), &["users.read", "roles.read"], 0);
    let scope = |text: &str| client.ask(&app, &format!("&scope={text}"));
    let given = |text: &str| scope(text).expect(200).body["scope"].clone();
    assert_eq!(given("roles.read"), "roles.read");
    assert_eq!(given("users.read+roles.read"), "roles.read users.read");
    assert_eq!(given("users.read%20users.read"), "users.read");
    for wrong in [
        "users.delete",
        "users.read+users.delete",
        "no.such",
        "*",
        "users.*",
        "%22%5C%0A",
    ] {
        refused(&scope(wrong), 400, "invalid_scope");
    }
    let refusals = "SELECT count(*) FROM audit_events WHERE action = 'client.grant' AND outcome = 'refused' AND code = 'permission_not_held'";
    assert_eq!(app.number(refusals), 6);
}

#[test]
fn g02_a_clients_token_ends_with_what_it_stands_on() {
    let app = TestApp::start();
    let elsewhere = app.replica();
    let admin = app.super_admin();
    let dies = |client: &Client, end: &dyn Fn()| {
        let token = client.token(&app);
        assert!(is_good(&app, &token) && is_good(&elsewhere, &token));
        end();
        app.get(VERIFY)
            .by(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
        eventually(|| !is_good(&elsewhere, &token));
        token
    };
    let patch = |client: &Client, body: Value| {
        app.patch(&client.at(""))
            .by(&admin)
            .json(&body)
            .send()
            .expect(200);
    };
    // Switched off; on again, what was ended stays ended.
    let client = Client::make(&app, &admin, &[], 0);
    let token = dies(&client, &|| patch(&client, json!({"isActive": false})));
    refused(&client.ask(&app, ""), 401, "invalid_client");
    patch(&client, json!({"isActive": true}));
    assert!(!is_good(&app, &token));
    assert!(is_good(&app, &client.token(&app)));
    // Another secret: the old one dies, and what was had with it.
    let mut fresh = String::new();
    dies(&client, &|| {
        app.post(&client.at("/rotate-secret"))
            .by(&admin)
            .send()
            .expect(200);
    });
    refused(&client.ask(&app, ""), 401, "invalid_client");
    let rotated = app
        .post(&client.at("/rotate-secret"))
        .by(&admin)
        .send()
        .expect(200);
    fresh.push_str(rotated.data()["clientSecret"].as_str().unwrap());
    let client = Client {
        id: client.id,
        secret: fresh,
    };
    // Given back by itself.
    let token = client.token(&app);
    let other = client.token(&app);
    client.revoke(&app, &token).expect(200);
    assert!(!is_good(&app, &token) && is_good(&app, &other));
    // Run out, also from memory.
    app.execute(
        "UPDATE client_grants SET expires_at = clock_timestamp() + interval '100 milliseconds'",
    );
    eventually(|| !is_good(&app, &other));
    // Deleted, by psql too.
    dies(&client, &|| {
        app.delete(&client.at("")).by(&admin).send().expect(204);
    });
    refused(&client.ask(&app, ""), 401, "invalid_client");
    let client = Client::make(&app, &admin, &[], 0);
    let token = client.token(&app);
    assert!(is_good(&app, &token));
    app.execute("DELETE FROM service_clients");
    eventually(|| !is_good(&app, &token));
}

#[test]
fn g02_b11_what_is_taken_from_a_client_is_gone_at_its_next_request() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let client = Client::make(&app, &admin, &["users.read", "users.create"], 0);
    let narrow = client.ask(&app, "&scope=users.read").expect(200);
    let narrow = narrow.body["access_token"].as_str().unwrap().to_owned();
    let token = client.token(&app);
    let list = |token: &str| app.get("/api/v1/users").by(token).send();
    let set = |permissions: Value| {
        let body = json!({"permissions": permissions});
        app.patch(&client.at(""))
            .by(&admin)
            .json(&body)
            .send()
            .expect(200);
    };
    list(&token).expect(200);
    set(json!(["roles.read"]));
    list(&token).expect_problem(403, "permission_required");
    // What is added is nothing that this token was given.
    app.get("/api/v1/roles")
        .by(&token)
        .send()
        .expect_problem(403, "permission_required");
    set(json!(["users.read", "users.create"]));
    list(&token).expect(200);
    // A narrow token stays narrow.
    list(&narrow).expect(200);
    let body = json!({"username": "eve", "role": "User"});
    app.post("/api/v1/users")
        .by(&narrow)
        .json(&body)
        .send()
        .expect_problem(403, "permission_required");
    app.post("/api/v1/users")
        .by(&token)
        .json(&body)
        .send()
        .expect(201);
}

#[test]
fn g02_a_secret_that_was_replaced_meanwhile_gets_no_token() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for _ in 0..20 {
        let client = Client::make(&app, &admin, &[], 0);
        let answers = at_once(4, |index| {
            if index == 0 {
                app.post(&client.at("/rotate-secret"))
                    .by(&admin)
                    .send()
                    .expect(200);
                None
            } else {
                let answer = client.ask(&app, "");
                answer.body["access_token"].as_str().map(str::to_owned)
            }
        });
        for token in answers.into_iter().flatten() {
            assert!(!is_good(&app, &token), "it was had with the old secret");
        }
    }
}

#[test]
fn g04_a_client_does_not_manage_itself_and_is_nobody_in_person() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let all: Vec<String> = app
        .get("/api/v1/permissions")
        .by(&admin)
        .send()
        .expect(200)
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|permission| permission["name"].as_str().unwrap().to_owned())
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let client = Client::make(&app, &admin, &all, 999);
    let token = client.token(&app);
    for (method, below) in [("PATCH", ""), ("DELETE", ""), ("POST", "/rotate-secret")] {
        app.call(method, &client.at(below))
            .by(&token)
            .json(&json!({"rank": 0}))
            .send()
            .expect_problem(403, "client_manage_forbidden");
    }
    let long = "nine purple umbrellas in june";
    for (method, path, body) in [
        ("GET", "/api/v1/auth/me", Value::Null),
        (
            "POST",
            "/api/v1/auth/tokens",
            json!({"name": "x", "permissions": []}),
        ),
        ("GET", "/api/v1/auth/sessions", Value::Null),
        ("POST", "/api/v1/auth/logout", Value::Null),
        (
            "POST",
            "/api/v1/auth/change-password",
            json!({"currentPassword": long, "newPassword": long}),
        ),
        ("POST", "/api/v1/invites", json!({})),
    ] {
        let call = app.call(method, path).by(&token);
        let call = if body.is_null() {
            call
        } else {
            call.json(&body)
        };
        call.send().expect_problem(403, "auth_session_required");
    }
    // It is no SuperAdmin, whatever it holds.
    let chief = app.user("chief", "SuperAdmin", &[]);
    let body = json!({"isActive": false});
    app.post(&chief.at("/status"))
        .by(&token)
        .json(&body)
        .send()
        .expect_problem(403, "user_super_admin_forbidden");
    let body = json!({"username": "eve", "role": "SuperAdmin"});
    app.post("/api/v1/users")
        .by(&token)
        .json(&body)
        .send()
        .expect_problem(403, "user_super_admin_forbidden");
    // By its rank it manages those below, and makes clients below.
    let user = app.user("ada", "Admin", &[]);
    app.post(&user.at("/status"))
        .by(&token)
        .json(&json!({"isActive": false}))
        .send()
        .expect(200);
    let equal = json!({"name": "equal", "rank": 999});
    app.post("/api/v1/clients")
        .by(&token)
        .json(&equal)
        .send()
        .expect_problem(403, "client_manage_forbidden");
    let below = json!({"name": "below", "rank": 998, "permissions": ["users.read"]});
    app.post("/api/v1/clients")
        .by(&token)
        .json(&below)
        .send()
        .expect(201);
}

#[test]
fn c02_a_client_of_low_rank_takes_over_nobody_above_it() {
    let app = TestApp::start();
    let powers = [
        "users.resetPassword",
        "users.update",
        "tokens.manage",
        "users.disable",
    ];
    let client = Client::make(&app, &app.super_admin(), &powers, 50);
    let token = client.token(&app);
    let admin = app.user("boss", "Admin", &[]);
    let long = json!({"newPassword": "nine purple umbrellas in june"});
    for (path, body) in [
        (admin.at("/reset-password"), long.clone()),
        (admin.at("/password-reset-link"), json!({})),
        (admin.at("/tokens"), json!({"name": "x", "permissions": []})),
        (admin.at("/status"), json!({"isActive": false})),
    ] {
        app.post(&path)
            .by(&token)
            .json(&body)
            .send()
            .expect_problem(403, "user_manage_forbidden");
    }
    let user = app.user("ada", "User", &[]);
    app.post(&user.at("/reset-password"))
        .by(&token)
        .json(&long)
        .send()
        .expect(204);
    // Nor whoever holds what it does not hold.
    let rich = app.user("rich", "User", &["webhooks.manage"]);
    app.post(&rich.at("/reset-password"))
        .by(&token)
        .json(&long)
        .send()
        .expect_problem(403, "user_manage_forbidden");
}

#[test]
fn a_session_is_refreshed_in_oauths_words() {
    let app = TestApp::start();
    app.user("ada", "User", &["users.read"]);
    let first = app.sign_in("ada");
    let refresh = |token: &str, more: &str| {
        let form =
            format!("grant_type=refresh_token&refresh_token={token}&client_id=rosterd{more}");
        app.post(TOKEN).body(FORM, form).send()
    };
    let old = first["refreshToken"].as_str().unwrap();
    refused(
        &refresh(old, "&scope=users.read+users.delete"),
        400,
        "invalid_scope",
    );
    let answer = refresh(old, "&scope=users.read").expect(200);
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["scope"], "users.read");
    let access = answer.body["access_token"].as_str().unwrap();
    assert_eq!(claims(access)["sid"], first["session"]["id"]);
    assert_eq!(claims(access)["client_id"], "rosterd");
    assert!(is_good(&app, access));
    let new = answer.body["refresh_token"].as_str().unwrap();
    assert_ne!(new, old);
    // A SuperAdmin's is the whole catalogue, in whatever order.
    app.user("chief", "SuperAdmin", &[]);
    let chief = app.sign_in("chief");
    let all = chief["user"]["effectivePermissions"].as_array().unwrap();
    let all: Vec<&str> = all
        .iter()
        .rev()
        .map(|name| name.as_str().unwrap())
        .collect();
    let all = all.join("+");
    refresh(&text(&chief, "refreshToken"), &format!("&scope={all}")).expect(200);
    // The same service function: a lost answer is given again, a reuse ends the session.
    assert_eq!(refresh(old, "").expect(200).body["refresh_token"], new);
    let body = json!({"refreshToken": new});
    let next = app
        .post("/api/v1/auth/refresh")
        .json(&body)
        .send()
        .expect(200);
    refused(&refresh(old, ""), 400, "invalid_grant");
    assert!(!is_good(&app, access));
    let next = next.data()["refreshToken"].as_str().unwrap();
    refused(&refresh(next, ""), 400, "invalid_grant");
    refused(&refresh("rst_rt_unknown", ""), 400, "invalid_grant");
    refused(&refresh("", ""), 400, "invalid_request");
    let missing = app
        .post(TOKEN)
        .body(FORM, "grant_type=refresh_token&client_id=rosterd")
        .send();
    refused(&missing, 400, "invalid_request");
}

#[test]
fn a10_a_refresh_token_is_good_only_through_the_client_that_it_was_issued_to() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let client = Client::make(&app, &admin, &["sessions.read"], 0);
    app.user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let refresh = session["refreshToken"].as_str().unwrap();
    let grant = format!("grant_type=refresh_token&refresh_token={refresh}");
    refused(
        &app.post(TOKEN)
            .body(FORM, format!("{grant}&{}", client.form()))
            .send(),
        400,
        "invalid_grant",
    );
    let by_basic = app.post(TOKEN).header("Authorization", &client.basic());
    refused(
        &by_basic.body(FORM, grant.as_str()).send(),
        400,
        "invalid_grant",
    );
    // With somebody else's access token beside it, and with no client at all.
    let beside = app.post(TOKEN).by(&admin);
    refused(
        &beside
            .body(FORM, format!("{grant}&client_id=rosterd"))
            .send(),
        401,
        "invalid_client",
    );
    refused(
        &app.post(TOKEN).body(FORM, grant.as_str()).send(),
        401,
        "invalid_client",
    );
    let stranger = format!("{grant}&client_id={}", uuid::Uuid::now_v7());
    refused(
        &app.post(TOKEN).body(FORM, stranger).send(),
        401,
        "invalid_client",
    );
    // None of that used it up.
    app.post(TOKEN)
        .body(FORM, format!("{grant}&client_id=rosterd"))
        .send()
        .expect(200);
}

#[test]
fn b18_o08_a_client_is_told_of_tokens_what_it_may_know() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let client = Client::make(&app, &admin, &[], 0);
    let user = app.user("ada", "User", &["users.read", "roles.read"]);
    let session = app.sign_in("ada");
    let access = session["accessToken"].as_str().unwrap();
    let answer = client.introspect(&app, access, "");
    assert_eq!(answer.header("cache-control"), "no-store");
    let said = claims(access);
    assert_eq!(
        answer.body,
        json!({
            "active": true, "scope": "roles.read users.read", "client_id": "rosterd", "username": "ada",
            "role": "User", "token_type": "Bearer", "exp": said["exp"], "iat": said["iat"], "sub": user.id,
            "aud": "rosterd", "iss": "https://id.example.org", "jti": said["jti"], "sid": said["sid"],
        })
    );
    // What it gives now, and not what it gave when it was made.
    let path = user.at("/permissions");
    app.patch(&path)
        .by(&admin)
        .json(&json!({"permissions": ["roles.read"]}))
        .send()
        .expect(200);
    assert_eq!(
        client.introspect(&app, access, "").body["scope"],
        "roles.read"
    );

    let token = json!({"name": "export", "permissions": ["roles.read"], "expiresAtUtc": "2099-01-01T00:00:00Z"});
    let made = app
        .post("/api/v1/auth/tokens")
        .by(access)
        .json(&token)
        .send()
        .expect(201);
    let personal = client
        .introspect(&app, made.data()["token"].as_str().unwrap(), "")
        .body;
    assert_eq!(
        (&personal["active"], &personal["sub"]),
        (&json!(true), &json!(user.id))
    );
    assert_eq!(
        (&personal["scope"], &personal["jti"]),
        (&json!("roles.read"), &made.data()["id"])
    );
    assert_eq!(personal["exp"], 4_070_908_800_i64);

    let own = client.token(&app);
    let own = client.introspect(&app, &own, "").body;
    assert_eq!(own["sub"], format!("client:{}", client.id));
    assert_eq!(own["client_id"], client.id.as_str());
    assert_eq!((own.get("username"), own.get("role")), (None, None));
}

#[test]
fn b18_o08_of_any_other_token_nothing_is_said_but_that_it_is_not_active() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let client = Client::make(&app, &admin, &[], 0);
    app.user("ada", "User", &[]);
    let nothing = json!({"active": false});
    let is_nothing = |token: &str, more: &str| {
        let answer = client.introspect(&app, token, more);
        assert_eq!(answer.body, nothing, "{token} {more}");
        assert_eq!(answer.header("cache-control"), "no-store");
    };
    // Unknown, malformed, meant for others, and what is no access token at all.
    for token in ["x", "a.b.c", "rst_pat_x", "rst_rt_x", "%22", "...."] {
        is_nothing(token, "");
    }
    let foreign = TestApp::with(&[("ROSTERD_AUDIENCE", "other")]);
    is_nothing(&foreign.super_admin(), "");
    is_nothing(&client.secret, "");
    let session = app.sign_in("ada");
    let refresh = session["refreshToken"].as_str().unwrap();
    for hint in [
        "",
        "&token_type_hint=refresh_token",
        "&token_type_hint=other",
    ] {
        is_nothing(refresh, hint);
    }
    // Ended.
    let access = session["accessToken"].as_str().unwrap();
    assert_eq!(
        client
            .introspect(&app, access, "&token_type_hint=refresh_token")
            .body["active"],
        true
    );
    app.post("/api/v1/auth/logout")
        .by(access)
        .send()
        .expect(204);
    is_nothing(access, "");
    // Expired.
    app.user("eve", "User", &[]);
    let access = app.token("eve");
    app.execute("UPDATE users SET expires_at = now() WHERE username = 'eve'");
    eventually(|| client.introspect(&app, &access, "").body == nothing);

    // Who asks must be known, and is a service client.
    let ask = |form: &str| app.post(INTROSPECT).body(FORM, form).send();
    refused(&ask(&format!("token={admin}")), 401, "invalid_client");
    refused(
        &ask(&format!("token={admin}&client_id=rosterd")),
        401,
        "invalid_client",
    );
    let by_token = app
        .post(INTROSPECT)
        .by(&admin)
        .body(FORM, format!("token={admin}"));
    refused(&by_token.send(), 401, "invalid_client");
    refused(&ask(&client.form()), 400, "invalid_request");
    refused(
        &app.post(INTROSPECT)
            .header("Authorization", &client.basic())
            .json(&json!({"token": "x"}))
            .send(),
        400,
        "invalid_request",
    );
    app.get(INTROSPECT)
        .send()
        .expect_problem(405, "method_not_allowed");
}

#[test]
fn a_refresh_token_is_told_of_to_those_who_may_see_sessions_and_say_that_they_mean_one() {
    let app = TestApp::start();
    let client = Client::make(&app, &app.super_admin(), &["sessions.read"], 0);
    let user = app.user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let old = session["refreshToken"].as_str().unwrap();
    let ask = |token: &str| {
        client
            .introspect(&app, token, "&token_type_hint=refresh_token")
            .body
    };
    let said = ask(old);
    assert_eq!(
        (&said["active"], &said["token_type"]),
        (&json!(true), &json!("refresh_token"))
    );
    assert_eq!(
        (&said["sub"], &said["sid"]),
        (&json!(user.id), &session["session"]["id"])
    );
    assert_eq!(said.get("scope"), None);
    assert_eq!(
        client.introspect(&app, old, "").body,
        json!({"active": false})
    );
    let body = json!({"refreshToken": old});
    let new = app
        .post("/api/v1/auth/refresh")
        .json(&body)
        .send()
        .expect(200);
    let new = new.data()["refreshToken"].as_str().unwrap();
    app.execute("UPDATE sessions SET rotated_at = now() - interval '31 seconds'");
    assert_eq!(ask(old), json!({"active": false}));
    assert_eq!(ask(new)["active"], true);
    app.execute("UPDATE users SET is_active = false");
    assert_eq!(ask(new), json!({"active": false}));
}

#[test]
fn o09_whoever_holds_a_token_of_a_session_ends_it() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let revoke = |token: &str, more: &str| {
        let form = format!("token={token}&client_id=rosterd{more}");
        app.post(REVOKE).body(FORM, form).send()
    };
    for (member, hint) in [
        ("accessToken", ""),
        ("refreshToken", "&token_type_hint=refresh_token"),
        ("refreshToken", "&token_type_hint=access_token"),
        ("accessToken", "&token_type_hint=nonsense"),
    ] {
        let session = app.sign_in("ada");
        let other = app.sign_in("ada");
        let access = session["accessToken"].as_str().unwrap();
        assert!(is_good(&app, access));
        let answer = revoke(session[member].as_str().unwrap(), hint).expect(200);
        assert_eq!(
            (answer.text.as_str(), answer.header("cache-control")),
            ("", "no-store")
        );
        assert!(!is_good(&app, access), "{member}");
        let body = json!({"refreshToken": session["refreshToken"]});
        app.post("/api/v1/auth/refresh")
            .json(&body)
            .send()
            .expect_problem(401, "auth_refresh_token_invalid");
        assert!(is_good(&app, other["accessToken"].as_str().unwrap()));
        // Once more, it is as good as revoked.
        revoke(session[member].as_str().unwrap(), hint).expect(200);
    }
    let ended = "SELECT count(*) FROM audit_events WHERE action = 'session.end'";
    assert_eq!(app.number(ended), 4);
    for unknown in ["x", "a.b.c", "rst_rt_unknown"] {
        revoke(unknown, "").expect(200);
    }
    assert_eq!(app.number(ended), 4);
    // A refresh token that was replaced: whoever has it may be a thief, and the session is better ended.
    let session = app.sign_in("ada");
    let old = session["refreshToken"].as_str().unwrap();
    let body = json!({"refreshToken": old});
    let new = app
        .post("/api/v1/auth/refresh")
        .json(&body)
        .send()
        .expect(200);
    revoke(old, "").expect(200);
    assert!(!is_good(&app, new.data()["accessToken"].as_str().unwrap()));
}

#[test]
fn o09_nobody_revokes_what_was_issued_to_another_client() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let client = Client::make(&app, &admin, &[], 0);
    let other = Client::make(&app, &admin, &[], 0);
    let (user, access) = app.someone("User", &[]);
    let token = client.token(&app);
    refused(&other.revoke(&app, &token), 400, "invalid_grant");
    let public = format!("token={token}&client_id=rosterd");
    refused(
        &app.post(REVOKE).body(FORM, public).send(),
        400,
        "invalid_grant",
    );
    assert!(is_good(&app, &token));

    refused(&client.revoke(&app, &access), 400, "invalid_grant");
    let refresh = app.sign_in(&user.username)["refreshToken"]
        .as_str()
        .unwrap()
        .to_owned();
    refused(&client.revoke(&app, &refresh), 400, "invalid_grant");
    assert!(is_good(&app, &access));

    let body = json!({"name": "x", "permissions": []});
    let personal = app
        .post("/api/v1/auth/tokens")
        .by(&access)
        .json(&body)
        .send()
        .expect(201);
    let personal = personal.data()["token"].as_str().unwrap().to_owned();
    refused(
        &client.revoke(&app, &personal),
        400,
        "unsupported_token_type",
    );
    assert!(is_good(&app, &personal));

    client.revoke(&app, "unknown").expect(200);
    client.revoke(&app, &token).expect(200);
    client.revoke(&app, &token).expect(200);
    assert!(!is_good(&app, &token));
    refused(
        &app.post(REVOKE).body(FORM, "token=x").send(),
        401,
        "invalid_client",
    );
    refused(
        &app.post(REVOKE).body(FORM, client.form()).send(),
        400,
        "invalid_request",
    );
    let given_back = "SELECT count(*) FROM audit_events WHERE action = 'client.giveBack'";
    assert_eq!(app.number(given_back), 1);
}

#[test]
fn the_metadata_says_only_what_is_true() {
    let app = TestApp::start();
    let answer = app
        .get("/.well-known/oauth-authorization-server")
        .send()
        .expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let issuer = "https://id.example.org";
    assert_eq!(answer.body["issuer"], issuer);
    for (member, method) in [
        ("token_endpoint", "POST"),
        ("introspection_endpoint", "POST"),
        ("revocation_endpoint", "POST"),
        ("jwks_uri", "GET"),
        ("service_documentation", "GET"),
    ] {
        let path = answer.body[member]
            .as_str()
            .unwrap()
            .strip_prefix(issuer)
            .unwrap();
        let status = app.call(method, path).send().status;
        assert!(status == 200 || status == 400, "{member}: {status}");
    }
    assert_eq!(answer.body["response_types_supported"], json!([]));
    let grants = json!(["client_credentials", "refresh_token"]);
    assert_eq!(answer.body["grant_types_supported"], grants);
    let methods = json!(["client_secret_basic", "client_secret_post", "none"]);
    assert_eq!(
        answer.body["token_endpoint_auth_methods_supported"],
        methods
    );
}

#[test]
fn g06_who_guesses_secrets_is_slowed_down_however_they_write_it_and_nobody_beside_them() {
    let app = TestApp::with(&[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")]);
    let admin = app.super_admin();
    let client = Client::make(&app, &admin, &[], 0);
    app.user("ada", "User", &[]);
    let spellings = std::cell::Cell::new(0);
    // Each time another client, or the same one written in another way.
    let guess = || {
        let round = spellings.get();
        spellings.set(round + 1);
        let ids = [
            client.id.clone(),
            client.id.to_uppercase(),
            uuid::Uuid::now_v7().to_string(),
            format!("x{round}"),
        ];
        let call = app.post(TOKEN).header("X-Forwarded-For", "203.0.113.7");
        if usize::is_multiple_of(round, 2) {
            let line = basic(&ids[round % 4], &format!("guess{round}"));
            call.header("Authorization", &line)
                .body(FORM, "grant_type=client_credentials")
                .send()
        } else {
            let form = format!(
                "grant_type=client_credentials&client_id={}&client_secret=guess{round}",
                ids[round % 4]
            );
            call.body(FORM, form).send()
        }
    };
    refused(&guess(), 401, "invalid_client");
    app.execute("UPDATE throttle_sources SET used = 299");
    refused(&guess(), 401, "invalid_client");
    let slow = guess();
    assert_eq!(
        (slow.status, &slow.body["error"]),
        (429, &json!("temporarily_unavailable"))
    );
    assert!(slow.header("retry-after").parse::<u64>().unwrap() > 0);
    assert!(slow.header("ratelimit-policy").starts_with("\"source\""));
    guess();
    // Told once a minute.
    let told = "SELECT count(*) FROM audit_events WHERE code = 'rate_limited'";
    assert_eq!(app.number(told), 1);
    // Who is right is let in from there too, and so is who signs in.
    let form = format!("grant_type=client_credentials&{}", client.form());
    let from_there = |path: &str| app.post(path).header("X-Forwarded-For", "203.0.113.7");
    from_there(TOKEN).body(FORM, form).send().expect(200);
    let sign_in = json!({"username": "ada", "password": crate::support::PASSWORD});
    from_there("/api/v1/auth/login")
        .json(&sign_in)
        .send()
        .expect(200);
    app.execute("UPDATE throttle_sources SET ends_at = now()");
    refused(&guess(), 401, "invalid_client");
}

#[test]
fn j01_no_secret_of_a_client_is_in_the_database() {
    let app = TestApp::start();
    let client = Client::make(&app, &app.super_admin(), &[], 0);
    let token = client.token(&app);
    client.revoke(&app, &token).expect(200);
    app.post(TOKEN)
        .body(
            FORM,
            format!(
                "grant_type=client_credentials&client_id={}&client_secret=canary-guess",
                client.secret
            ),
        )
        .send();
    for canary in [client.secret.as_str(), "canary-guess", token.as_str()] {
        let tables = [
            "audit_events",
            "audit_people",
            "service_clients",
            "client_grants",
            "kept_replies",
            "throttle_sources",
            "throttle_tallies",
        ];
        for table in tables {
            let found =
                format!("SELECT count(*) FROM {table} t WHERE strpos(t::text, '{canary}') > 0");
            assert_eq!(app.number(&found), 0, "{table}");
        }
    }
}

#[test]
fn o09_a_token_that_could_not_be_revoked_is_still_good() {
    let app = TestApp::with(&[("ROSTERD_DB_STATEMENT_MS", "300")]);
    let client = Client::make(&app, &app.super_admin(), &[], 0);
    app.user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let (access, refresh) = (
        text(&session, "accessToken"),
        text(&session, "refreshToken"),
    );
    let own = client.token(&app);
    let public = |token: &str| {
        let form = format!("token={token}&client_id=rosterd");
        app.post(REVOKE).body(FORM, form).send()
    };
    let mut held = app.sql();
    held.batch_execute("BEGIN; LOCK audit_events IN EXCLUSIVE MODE")
        .unwrap();
    for answer in [
        client.revoke(&app, &own),
        public(&refresh),
        public(&access),
        client.ask(&app, ""),
    ] {
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (503, &json!("temporarily_unavailable")),
            "{}",
            answer.text
        );
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
        assert!(answer.header("www-authenticate").is_empty());
    }
    held.batch_execute("ROLLBACK").unwrap();
    assert!(is_good(&app, &own) && is_good(&app, &access));
    assert_eq!(app.number("SELECT count(*) FROM client_grants"), 1);
    client.revoke(&app, &own).expect(200);
    public(&refresh).expect(200);
    assert!(!is_good(&app, &own) && !is_good(&app, &access));
}
