//! Attacks on who may do what: members that nobody gave leave to set, accounts above one's own, and what answers give away.

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp};

const USERS: &str = "/api/v1/users";
const NEW: &str = "nine purple umbrellas in june";

/// Members that no caller sets, or not here, with the values that an attacker would like.
fn coveted() -> Value {
    json!({
        "id": uuid::Uuid::nil(), "permissions": ["users.read"], "effectivePermissions": ["users.read"], "roles": ["SuperAdmin"],
        "rank": 1000, "isSuperAdmin": true, "is_superadmin": true, "admin": true, "is_active": true, "status": "active",
        "email_verified": true, "emailVerified": true, "mfaEnabled": true, "mfa_enabled": false, "hasPassword": true,
        "password": "nine purple umbrellas in june", "newPassword": "nine purple umbrellas in june", "passwordHash": "$argon2id$x",
        "password_hash": "$argon2id$x", "passwordVersion": 0, "createdAtUtc": "2001-01-01T00:00:00Z", "created_at": "2001-01-01T00:00:00Z",
        "updatedAtUtc": "2001-01-01T00:00:00Z", "lastLoginAtUtc": null, "deletedAtUtc": null, "version": 99, "tenant_id": 1,
        "user": {"role": "SuperAdmin"}, "data": {"role": "SuperAdmin"}, "constructor": {}, "ROLE": "SuperAdmin", "role ": "SuperAdmin",
    })
}

fn unknown_field(answer: Answer, name: &str) {
    let answer = answer.harmless().expect_problem(400, "request_invalid");
    assert_eq!(
        answer.body["errors"][0]["code"], "unknown_field",
        "{name} {}",
        answer.text
    );
}

#[test]
fn c01_no_member_is_set_that_is_not_the_calls_own() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (user, token) = app.someone("User", &["users.update"]);
    let state = || {
        app.text(&format!(
            "SELECT u::text FROM users u WHERE id = '{}'",
            user.id
        ))
    };
    let before = state();
    let coveted = coveted();
    let everything = app.state();
    for (name, value) in coveted.as_object().unwrap() {
        for by in [&token, &admin] {
            let alone = json!({ name.as_str(): value });
            unknown_field(app.patch(&user.at("")).by(by).json(&alone).send(), name);
            let mixed = json!({"displayName": "x", name.as_str(): value});
            unknown_field(app.patch(&user.at("")).by(by).json(&mixed).send(), name);
        }
        if !["permissions", "password"].contains(&name.as_str()) {
            let body = json!({"username": "made", "role": "User", name.as_str(): value});
            unknown_field(app.post(USERS).by(&admin).json(&body).send(), name);
        }
    }
    unknown_field(
        app.patch(&user.at("")).by(&token).json(&coveted).send(),
        "all of them",
    );
    let operations = json!([{"op": "replace", "path": "/role", "value": "SuperAdmin"}]);
    app.patch(&user.at(""))
        .by(&token)
        .json(&operations)
        .send()
        .expect_fault("", "invalid_type");
    app.patch(&user.at(""))
        .by(&token)
        .body("application/json-patch+json", operations.to_string())
        .send()
        .expect_problem(415, "unsupported_media_type");
    assert_eq!(app.state(), everything);
    // The members that there are, by somebody who may not: their own role, and the state without its permission.
    app.patch(&user.at(""))
        .by(&token)
        .json(&json!({"role": "SuperAdmin"}))
        .send()
        .expect_problem(403, "user_self_role_change_forbidden");
    app.patch(&user.at(""))
        .by(&token)
        .json(&json!({"isActive": false}))
        .send()
        .expect_problem(403, "permission_required");
    let (_, plain) = app.someone("User", &[]);
    app.patch(&user.at(""))
        .by(&plain)
        .json(&json!({"displayName": "x"}))
        .send()
        .expect_problem(403, "permission_required");
    assert_eq!(state(), before);
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE username = 'made'"),
        0
    );
}

#[test]
fn c02_an_administrator_gets_no_hold_of_a_super_admin() {
    let app = TestApp::start();
    app.user("second", "SuperAdmin", &[]);
    let boss = app.user("boss", "SuperAdmin", &[]);
    let session = app.sign_in("boss");
    let (own, admin) = app.someone(
        "Admin",
        &["roles.manage", "clients.manage", "webhooks.manage"],
    );
    let before = app.text("SELECT users::text FROM users WHERE username = 'boss'");
    let mut refused = 0;
    for (method, below, body) in [
        ("POST", "/reset-password", json!({"newPassword": NEW})),
        ("POST", "/password-reset-link", json!({})),
        ("PATCH", "", json!({"email": "evil@example.org"})),
        (
            "PATCH",
            "",
            json!({"email": "evil@example.org", "emailConfirmed": true}),
        ),
        ("PATCH", "", json!({"username": "bossy"})),
        ("PATCH", "", json!({"authProvider": "evil", "authId": "1"})),
        ("PATCH", "", json!({"mustChangePassword": true})),
        ("PATCH", "/permissions", json!({"permissions": []})),
        ("DELETE", "/password", json!({})),
        ("DELETE", "/sessions", json!({})),
        ("POST", "/status", json!({"isActive": false})),
        ("PUT", "/tags/x", json!({})),
        ("DELETE", "", json!({})),
        ("DELETE", "?purge=true", json!({})),
        ("POST", "/restore", json!({})),
        ("POST", "/tokens", json!({"name": "x", "permissions": []})),
        ("DELETE", "/password-reset-link", json!({})),
    ] {
        let call = || {
            app.call(method, &boss.at(below))
                .by(&admin)
                .json(&body)
                .send()
        };
        app.withstand(1, call).harmless().expect(403);
        refused += 1;
        let told = format!(
            "SELECT count(*) FROM audit_events WHERE outcome = 'refused' AND actor_id = '{}' AND subject_id = '{}'",
            own.id, boss.id
        );
        assert_eq!(app.number(&told), refused, "{method} {below}");
    }
    assert_eq!(
        app.text("SELECT users::text FROM users WHERE username = 'boss'"),
        before
    );
    app.get("/api/v1/auth/me")
        .by(session["accessToken"].as_str().unwrap())
        .send()
        .expect(200);
}

#[test]
fn c03_no_way_of_granting_gives_more_than_the_grantor_holds() {
    let app = TestApp::start();
    app.role("Publisher", 50, &["webhooks.manage"]);
    let (own, admin) = app.someone("Admin", &[]);
    let user = app.user("ada", "User", &[]);
    for names in [
        json!(["users.*"]),
        json!(["*"]),
        json!([""]),
        json!(["users"]),
        json!(["Users.read"]),
        json!(["users.read "]),
    ] {
        let body = json!({ "permissions": names });
        let call = || {
            app.patch(&user.at("/permissions"))
                .by(&admin)
                .json(&body)
                .send()
        };
        app.withstand(0, call)
            .harmless()
            .expect_problem(400, "permission_unknown");
    }
    for (path, body, code) in [
        (
            user.at("/permissions"),
            json!({"permissions": ["roles.manage"]}),
            "permission_not_held",
        ),
        (
            user.at("/permissions"),
            json!({"permissions": ["users.read", "clients.manage"]}),
            "permission_not_held",
        ),
        (
            user.at(""),
            json!({"role": "Publisher"}),
            "permission_not_held",
        ),
        (
            user.at(""),
            json!({"role": "SuperAdmin"}),
            "user_super_admin_forbidden",
        ),
        (
            own.at("/permissions"),
            json!({"permissions": ["users.read"]}),
            "user_self_permissions_forbidden",
        ),
        (
            own.at(""),
            json!({"role": "Publisher"}),
            "user_self_role_change_forbidden",
        ),
    ] {
        let call = || app.patch(&path).by(&admin).json(&body).send();
        app.withstand(1, call).harmless().expect_problem(403, code);
    }
    // An accomplice made for the purpose gives nothing more, and can't give it back.
    let accomplice = json!({"username": "eve", "role": "User", "password": PASSWORD, "permissions": ["users.managePermissions", "users.update"]});
    app.post(USERS)
        .by(&admin)
        .json(&accomplice)
        .send()
        .expect(201);
    let eve = app.token("eve");
    app.patch(&own.at("/permissions"))
        .by(&eve)
        .json(&json!({"permissions": ["users.read"]}))
        .send()
        .expect_problem(403, "user_manage_forbidden");
    app.patch(&user.at("/permissions"))
        .by(&eve)
        .json(&json!({"permissions": ["users.read"]}))
        .send()
        .expect_problem(403, "permission_not_held");
    app.patch(&user.at(""))
        .by(&eve)
        .json(&json!({"role": "Publisher"}))
        .send()
        .expect_problem(403, "user_manage_forbidden");
    assert_eq!(app.number("SELECT count(*) FROM users WHERE permissions && '{roles.manage,clients.manage,webhooks.manage}' OR role = 'Publisher'"), 0);
}

#[test]
fn c08_the_address_and_the_token_say_whom_it_is_about() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (user, token) = app.someone("User", &[]);
    let other = app.user("other", "User", &[]);
    let before = app.state();
    for (method, path, by, mut body) in [
        (
            "POST",
            "/api/v1/auth/tokens".to_owned(),
            &token,
            json!({"name": "x", "permissions": []}),
        ),
        (
            "POST",
            other.at("/tokens"),
            &admin,
            json!({"name": "x", "permissions": []}),
        ),
        (
            "PATCH",
            "/api/v1/auth/me".to_owned(),
            &token,
            json!({"displayName": "x"}),
        ),
        ("PATCH", user.at(""), &admin, json!({"displayName": "x"})),
        (
            "PATCH",
            user.at("/permissions"),
            &admin,
            json!({"permissions": []}),
        ),
        (
            "POST",
            user.at("/status"),
            &admin,
            json!({"isActive": false}),
        ),
        (
            "POST",
            user.at("/reset-password"),
            &admin,
            json!({"newPassword": NEW}),
        ),
        (
            "POST",
            "/api/v1/auth/change-password".to_owned(),
            &token,
            json!({"currentPassword": PASSWORD, "newPassword": NEW}),
        ),
    ] {
        for name in ["id", "userId", "user_id", "sub", "username_"] {
            body[name] = json!(other.id);
            unknown_field(app.call(method, &path).by(by).json(&body).send(), name);
            body.as_object_mut().unwrap().remove(name);
        }
    }
    assert_eq!(app.state(), before);
}

#[test]
fn c10_no_spelling_of_an_address_gets_around_its_permission() {
    let app = TestApp::start();
    let (user, token) = app.someone("User", &[]);
    let id = &user.id;
    let before = app.state();
    for path in [
        "//api/v1/users".to_owned(),
        "/api//v1/users".to_owned(),
        "/api/v1/users/".to_owned(),
        "/api/v1/users/.".to_owned(),
        "/api/v1/./users".to_owned(),
        "/api/v1/auth/../users".to_owned(),
        "/api/v1/auth/%2e%2e/users".to_owned(),
        "/api/v1/auth/me/..%2f..%2fusers".to_owned(),
        "/api/v1/Users".to_owned(),
        "/API/v1/users".to_owned(),
        "/api/v1/users;x=1".to_owned(),
        "/api/v1/users%00".to_owned(),
        "/api/v1/users%20".to_owned(),
        "/api/v1/users%2f".to_owned(),
        "/api/v1/users%c0%af".to_owned(),
        "/api/v1/%75sers".to_owned(),
        "/api/v1/use%72s".to_owned(),
        format!("/api/v1/users/{id}%2f"),
        format!("/api/v1/users/{id}/"),
        format!("/api/v1/users/{id};"),
        format!("/api/v1/users/{id}%00"),
        format!("/api/v1/users/%7b{id}%7d"),
        "/api/v1/roles/..%2fusers".to_owned(),
        "/api/v1/users?x=/auth/me".to_owned(),
        "/api/v1/users#/auth/me".to_owned(),
    ] {
        for method in ["GET", "HEAD", "POST", "PATCH", "DELETE"] {
            let anonymous = app.call(method, &path).send();
            assert!(
                [401, 404, 405].contains(&anonymous.status),
                "{method} {path} {}",
                anonymous.status
            );
            let powerless = app.call(method, &path).by(&token).send();
            assert!(
                [403, 404, 405].contains(&powerless.status),
                "{method} {path} {}",
                powerless.status
            );
        }
    }
    assert_eq!(app.state(), before);
    for header in [
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Prefix",
    ] {
        let value = if header == "X-HTTP-Method-Override" {
            "DELETE"
        } else {
            "/api/v1/users"
        };
        app.get(&user.at(""))
            .by(&token)
            .header(header, value)
            .send()
            .expect_problem(403, "permission_required");
        app.get("/nowhere")
            .by(&token)
            .header(header, value)
            .send()
            .expect_problem(404, "not_found");
    }
}

#[test]
fn c12_whoever_may_not_see_accounts_learns_nothing_of_them() {
    let app = TestApp::start();
    let user = app.user("ada", "User", &[]);
    let (_, token) = app.someone(
        "User",
        &[
            "users.update",
            "users.disable",
            "sessions.revoke",
            "users.delete",
        ],
    );
    let same = |path: &str| {
        let answer = app
            .get(path)
            .by(&token)
            .header("If-None-Match", "*")
            .send()
            .expect_problem(403, "permission_required");
        assert_eq!((answer.header("etag"), answer.header("location")), ("", ""));
        let mut body = answer.body.clone();
        body["traceId"] = Value::Null;
        (body, answer.header("content-length").to_owned())
    };
    let nobody = format!("{USERS}/{}", uuid::Uuid::now_v7());
    assert_eq!(same(&user.at("")), same(&nobody));
    assert_eq!(
        same(&format!("{USERS}?count=true&username=ada")),
        same(&format!("{USERS}?count=true&username=nobody"))
    );
    assert_eq!(
        same(&format!("{USERS}?cursor=x")),
        same(&format!("{USERS}?limit=900"))
    );
    // Without a token, the account and its absence look the same on every call.
    for (method, below) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/status"),
        ("PUT", "/tags/x"),
    ] {
        let anonymous = |path: String| {
            let answer = app
                .call(method, &path)
                .send()
                .expect_problem(401, "auth_required");
            answer
                .text
                .replace(answer.body["traceId"].as_str().unwrap(), "")
        };
        assert_eq!(
            anonymous(user.at(below)),
            anonymous(format!("{nobody}{below}"))
        );
    }
}

#[test]
fn c14_no_answer_holds_a_secret_of_an_account() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let body =
        json!({"username": "ada", "role": "User", "password": NEW, "email": "ada@example.org"});
    let made = app
        .post(USERS)
        .by(&admin)
        .header("Idempotency-Key", "one")
        .json(&body)
        .send()
        .expect(201);
    let path = made.header("location").to_owned();
    let again = app
        .post(USERS)
        .by(&admin)
        .header("Idempotency-Key", "one")
        .json(&body)
        .send()
        .expect(201);
    let session = app
        .post("/api/v1/auth/login")
        .json(&json!({"username": "ada", "password": NEW}))
        .send()
        .expect(200);
    let own = session.data()["accessToken"].as_str().unwrap().to_owned();
    let token = app
        .post("/api/v1/auth/tokens")
        .by(&own)
        .json(&json!({"name": "x", "permissions": []}))
        .send()
        .expect(201);
    let link = app
        .post(&format!("{path}/password-reset-link"))
        .by(&admin)
        .json(&json!({}))
        .send()
        .expect(201);
    for secret in [
        &json!(NEW),
        &json!(PASSWORD),
        &session.data()["accessToken"],
        &session.data()["refreshToken"],
        &token.data()["token"],
        &link.data()["token"],
    ] {
        app.never_stored(secret.as_str().unwrap());
    }
    let weak = json!({"username": "x", "role": "User", "password": "umbrella"});
    for answer in [
        made,
        again,
        session,
        app.get(&path).by(&admin).send().expect(200),
        app.get("/api/v1/auth/me").by(&own).send().expect(200),
        app.get(&format!("{USERS}?query=ada"))
            .by(&admin)
            .send()
            .expect(200),
        app.patch(&path)
            .by(&admin)
            .json(&json!({"displayName": "x"}))
            .send()
            .expect(200),
        app.post(&format!("{path}/status"))
            .by(&admin)
            .json(&json!({"isActive": true}))
            .send()
            .expect(200),
        app.post(USERS).by(&admin).json(&weak).send().expect(400),
        app.post("/api/v1/auth/login")
            .json(&json!({"username": "ada", "password": {"umbrella": 1}}))
            .send()
            .expect(400),
        app.post("/api/v1/auth/login")
            .json(&json!({"username": "ada", "passwort": NEW}))
            .send()
            .expect(400),
    ] {
        for secret in [
            "argon2",
            "umbrella",
            "password_hash",
            "passwordHash",
            "passwordVersion",
            "totp",
            "digest",
        ] {
            assert!(!answer.text.contains(secret), "{secret} in {}", answer.text);
        }
    }
}

#[test]
fn c16_of_many_accounts_only_the_permitted_are_changed_and_each_is_told_of() {
    let app = TestApp::start();
    let (own, admin) = app.someone("Admin", &[]);
    let boss = app.user("boss", "SuperAdmin", &[]);
    app.user("second", "SuperAdmin", &[]);
    let mut ids: Vec<String> = (0..97)
        .map(|number| app.user(&format!("many-{number}"), "User", &[]).id)
        .collect();
    let forbidden = [&boss.id, &own.id, &uuid::Uuid::now_v7().to_string()].map(String::clone);
    for (place, id) in [(0, 0), (50, 1), (99, 2)] {
        ids.insert(place, forbidden[id].clone());
    }
    for (body, code) in [
        (json!({"action": "disable"}), "user_super_admin_forbidden"),
        (
            json!({"action": "setRole", "role": "Admin"}),
            "user_super_admin_forbidden",
        ),
        (json!({"action": "delete"}), "user_super_admin_forbidden"),
    ] {
        let before = app.told();
        let mut body = body;
        body["ids"] = json!(ids);
        let answer = app
            .post("/api/v1/users/bulk")
            .by(&admin)
            .json(&body)
            .send()
            .harmless();
        let items = answer.expect(200).data()["items"].clone();
        let items = items.as_array().unwrap().clone();
        assert_eq!(items.len(), 100);
        for (item, id) in items.iter().zip(&ids) {
            assert_eq!(item["id"], json!(id), "in the order that was asked for");
            let is_refused = forbidden.contains(id) || body["action"] == "setRole";
            assert_eq!(item["outcome"] == "refused", is_refused, "{item}");
            assert_eq!(item["code"].is_null(), !is_refused);
        }
        assert_eq!(items[0]["code"], code);
        assert_eq!(items[99]["code"], "not_found");
        let changed = "SELECT count(*) FROM users WHERE role <> 'User' AND (NOT is_active OR deleted_at IS NOT NULL)";
        assert_eq!(app.number(changed), 0);
        // One row for each account that there is.
        assert_eq!(app.told() - before, 99, "{}", body["action"]);
    }
    // Whoever may not do it to one does it to none, and what is wrong in itself is done to none.
    let (_, plain) = app.someone("User", &["users.read", "users.update"]);
    for (by, body, status) in [
        (&plain, json!({"action": "disable", "ids": ids}), 403),
        (
            &plain,
            json!({"action": "delete", "filter": {"role": "User"}}),
            403,
        ),
        (
            &admin,
            json!({"action": "setRole", "role": "Nobody", "ids": ids}),
            400,
        ),
        (
            &admin,
            json!({"action": "enable", "ids": vec![&boss.id; 2000]}),
            400,
        ),
        (&admin, json!({"action": "enable"}), 400),
        (&admin, json!({"action": "enable", "ids": ["x"]}), 400),
        (&admin, json!({"action": "makeSuperAdmin", "ids": ids}), 400),
    ] {
        let call = || app.post("/api/v1/users/bulk").by(by).json(&body).send();
        app.withstand(0, call).harmless().expect(status);
    }
    let dry = json!({"action": "enable", "ids": ids, "dryRun": true});
    app.withstand(0, || {
        app.post("/api/v1/users/bulk").by(&admin).json(&dry).send()
    })
    .expect(200);
}
