//! Who may do what to whom: each rule of the contract, with its code, on every path that leads to it, and the order in
//! which the answers come.

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, User};

const USERS: &str = "/api/v1/users";

/// Every call that manages an account, with a body that is in order.
const MANAGING: [(&str, &str, &str); 12] = [
    ("PATCH", "", r#"{"displayName": "x"}"#),
    ("PATCH", "", r#"{"email": "x@example.org"}"#),
    (
        "PATCH",
        "/permissions",
        r#"{"permissions": ["users.read"]}"#,
    ),
    ("POST", "/status", r#"{"isActive": false}"#),
    (
        "POST",
        "/reset-password",
        r#"{"newPassword": "nine purple umbrellas in june"}"#,
    ),
    ("DELETE", "/password", ""),
    ("DELETE", "/mfa", ""),
    ("DELETE", "", ""),
    ("POST", "/restore", ""),
    ("DELETE", "/sessions", ""),
    ("PUT", "/tags/x", ""),
    ("DELETE", "/tags/x", ""),
];

const ALL_OF_ADMIN: [&str; 3] = ["roles.manage", "clients.manage", "webhooks.manage"];

fn call(app: &TestApp, by: &str, method: &str, path: &str, body: &str) -> Answer {
    let call = app.call(method, path).by(by);
    if body.is_empty() {
        call.send()
    } else {
        call.body("application/json", body).send()
    }
}

fn patch(app: &TestApp, by: &str, user: &User, change: &Value) -> Answer {
    app.patch(&user.at("")).by(by).json(change).send()
}

fn permissions(app: &TestApp, by: &str, user: &User, names: &[&str]) -> Answer {
    let body = json!({"permissions": names});
    app.patch(&user.at("/permissions"))
        .by(by)
        .json(&body)
        .send()
}

/// What a refused write must leave as it was: everything but the audit log.
fn state(app: &TestApp) -> i64 {
    app.number(
        "SELECT hashtextextended(
            (SELECT string_agg(u::text, ';' ORDER BY id) FROM users u) ||
            (SELECT string_agg(r::text, ';' ORDER BY name) FROM roles r) ||
            (SELECT string_agg(p::text, ';' ORDER BY name) FROM permissions p) ||
            (SELECT string_agg(concat(id, ended_at, generation), ';' ORDER BY id) FROM sessions s), 0)",
    )
}

#[test]
fn whoever_manages_an_account_ranks_strictly_above_it() {
    let app = TestApp::start();
    app.role("Chief", 500, &["users.read"]);
    app.role("Senior", 100, &[]);
    let (_, admin) = app.someone("Admin", &ALL_OF_ADMIN);
    for role in ["Admin", "Senior", "Chief"] {
        let user = app.user(&format!("target-{}", role.to_lowercase()), role, &[]);
        app.sign_in(&user.username);
        let before = state(&app);
        for (method, below, body) in MANAGING {
            call(&app, &admin, method, &user.at(below), body)
                .expect_problem(403, "user_manage_forbidden");
        }
        assert_eq!(state(&app), before, "{role}");
    }
    // Somebody of rank 0 is managed by any holder of the permission, of rank 0 too.
    let (_, helper) = app.someone("User", &["users.update", "users.resetPassword"]);
    let user = app.user("target", "User", &[]);
    patch(
        &app,
        &helper,
        &user,
        &json!({"displayName": "x", "email": "x@example.org"}),
    )
    .expect(200);
    // And a SuperAdmin manages all, another SuperAdmin too.
    let (_, first) = app.someone("SuperAdmin", &[]);
    let second = app.user("second", "SuperAdmin", &[]);
    patch(
        &app,
        &first,
        &second,
        &json!({"displayName": "x", "email": "y@example.org"}),
    )
    .expect(200);
    call(&app, &first, "DELETE", &second.at("/sessions"), "").expect(204);
}

#[test]
fn rank_holds_after_the_change_too() {
    let app = TestApp::start();
    app.role("Senior", 100, &[]);
    app.role("Junior", 99, &[]);
    let (_, admin) = app.someone("Admin", &[]);
    let user = app.user("target", "User", &[]);
    for role in ["Admin", "Senior"] {
        patch(&app, &admin, &user, &json!({ "role": role }))
            .expect_problem(403, "user_manage_forbidden");
        let body = json!({"username": "made", "role": role});
        app.post(USERS)
            .by(&admin)
            .json(&body)
            .send()
            .expect_problem(403, "user_manage_forbidden");
    }
    patch(&app, &admin, &user, &json!({"role": "Junior"})).expect(200);
    app.post(USERS)
        .by(&admin)
        .json(&json!({"username": "made", "role": "Junior"}))
        .send()
        .expect(201);
}

#[test]
fn nobody_grants_what_they_do_not_hold() {
    let app = TestApp::start();
    app.role("Publisher", 0, &["webhooks.manage"]);
    let (_, admin) = app.someone("Admin", &[]);
    let user = app.user("target", "User", &["roles.manage"]);
    let before = state(&app);
    let refused = permissions(&app, &admin, &user, &["roles.manage", "clients.manage"])
        .expect_problem(403, "permission_not_held");
    assert!(
        refused.text.contains("clients.manage") && !refused.text.contains("roles.manage"),
        "{}",
        refused.text
    );
    patch(&app, &admin, &user, &json!({"role": "Publisher"}))
        .expect_problem(403, "permission_not_held");
    for body in [
        json!({"username": "made", "role": "User", "permissions": ["roles.manage"]}),
        json!({"username": "made", "role": "Publisher"}),
    ] {
        app.post(USERS)
            .by(&admin)
            .json(&body)
            .send()
            .expect_problem(403, "permission_not_held");
    }
    assert_eq!(state(&app), before);
    // What the account has already stays, and what is not held may be taken away.
    permissions(&app, &admin, &user, &["roles.manage", "users.read"]).expect(200);
    permissions(&app, &admin, &user, &["users.read"]).expect(200);
    permissions(&app, &admin, &user, &["roles.manage", "users.read"])
        .expect_problem(403, "permission_not_held");
}

#[test]
fn what_hands_an_account_over_needs_every_permission_that_it_has() {
    let app = TestApp::start();
    let (_, admin) = app.someone("Admin", &[]);
    for role in ["User", "Fixer"] {
        if role == "Fixer" {
            app.role("Fixer", 10, &["roles.manage"]);
        }
        let direct: &[&str] = if role == "User" {
            &["roles.manage"]
        } else {
            &[]
        };
        let user = app.user(&format!("t-{}", role.to_lowercase()), role, direct);
        app.execute(&format!(
            "UPDATE users SET email = username || '@example.org' WHERE id = '{}'",
            user.id
        ));
        for change in [
            json!({"email": "evil@example.org"}),
            json!({"email": null}),
            json!({"emailConfirmed": true}),
            json!({"authProvider": "evil"}),
            json!({"authId": "evil"}),
            json!({"displayName": "x", "authId": "evil"}),
        ] {
            patch(&app, &admin, &user, &change).expect_problem(403, "user_manage_forbidden");
        }
        let reset = json!({"newPassword": "nine purple umbrellas in june"});
        app.post(&user.at("/reset-password"))
            .by(&admin)
            .json(&reset)
            .send()
            .expect_problem(403, "user_manage_forbidden");
        // What hands nothing over needs rank alone.
        patch(
            &app,
            &admin,
            &user,
            &json!({"displayName": "x", "emailConfirmed": false}),
        )
        .expect(200);
        call(&app, &admin, "DELETE", &user.at("/sessions"), "").expect(204);
        call(&app, &admin, "DELETE", &user.at("/password"), "").expect(204);
    }
}

#[test]
fn nobody_changes_their_own_role_permissions_or_state_or_deletes_themselves() {
    let app = TestApp::start();
    app.user("another", "SuperAdmin", &[]);
    let (own, token) = app.someone("SuperAdmin", &[]);
    let before = state(&app);
    let refused = |method: &str, below: &str, body: &str, code: &str| {
        call(&app, &token, method, &own.at(below), body).expect_problem(403, code);
    };
    refused(
        "PATCH",
        "",
        r#"{"role": "Admin"}"#,
        "user_self_role_change_forbidden",
    );
    refused(
        "PATCH",
        "/permissions",
        r#"{"permissions": ["users.read"]}"#,
        "user_self_permissions_forbidden",
    );
    refused(
        "PATCH",
        "/permissions",
        r#"{"permissions": []}"#,
        "user_self_permissions_forbidden",
    );
    refused(
        "POST",
        "/status",
        r#"{"isActive": false}"#,
        "user_self_disable_forbidden",
    );
    refused(
        "PATCH",
        "",
        r#"{"isActive": false}"#,
        "user_self_disable_forbidden",
    );
    refused(
        "PATCH",
        "",
        r#"{"expiresAtUtc": "2999-01-01T00:00:00Z"}"#,
        "user_self_disable_forbidden",
    );
    refused("DELETE", "", "", "user_self_delete_forbidden");
    refused("DELETE", "?purge=true", "", "user_self_delete_forbidden");
    assert_eq!(state(&app), before);
    // Of an administrator too, although rank would refuse as well: self comes first.
    let (own, token) = app.someone("Admin", &ALL_OF_ADMIN);
    for (method, below, body, code) in [
        (
            "PATCH",
            "",
            r#"{"role": "User"}"#,
            "user_self_role_change_forbidden",
        ),
        (
            "PATCH",
            "",
            r#"{"role": "SuperAdmin"}"#,
            "user_self_role_change_forbidden",
        ),
        (
            "PATCH",
            "/permissions",
            r#"{"permissions": ["roles.manage"]}"#,
            "user_self_permissions_forbidden",
        ),
        (
            "POST",
            "/status",
            r#"{"isActive": false}"#,
            "user_self_disable_forbidden",
        ),
        ("DELETE", "", "", "user_self_delete_forbidden"),
    ] {
        call(&app, &token, method, &own.at(below), body).expect_problem(403, code);
    }
}

#[test]
fn only_a_super_admin_makes_or_unmakes_one() {
    let app = TestApp::start();
    app.role("Chief", 999, &[]);
    app.user("another", "SuperAdmin", &[]);
    let boss = app.user("boss", "SuperAdmin", &[]);
    let user = app.user("target", "User", &[]);
    for (role, more) in [
        ("Admin", &ALL_OF_ADMIN[..]),
        (
            "Chief",
            &[
                "users.create",
                "users.update",
                "users.disable",
                "users.delete",
                "users.resetPassword",
                "users.managePermissions",
            ][..],
        ),
    ] {
        let (_, token) = app.someone(role, more);
        let before = state(&app);
        for (method, path, body) in [
            (
                "POST",
                USERS.to_owned(),
                r#"{"username": "made", "role": "SuperAdmin"}"#,
            ),
            ("PATCH", user.at(""), r#"{"role": "SuperAdmin"}"#),
            ("PATCH", boss.at(""), r#"{"role": "User"}"#),
            ("PATCH", boss.at(""), r#"{"isActive": false}"#),
            (
                "PATCH",
                boss.at(""),
                r#"{"expiresAtUtc": "2999-01-01T00:00:00Z"}"#,
            ),
            ("POST", boss.at("/status"), r#"{"isActive": false}"#),
            ("POST", boss.at("/restore"), ""),
            ("DELETE", boss.at("/password"), ""),
            ("DELETE", boss.at(""), ""),
            ("DELETE", boss.at("?purge=true"), ""),
        ] {
            call(&app, &token, method, &path, body)
                .expect_problem(403, "user_super_admin_forbidden");
        }
        for (method, below, body) in [
            ("PATCH", "", r#"{"displayName": "x"}"#),
            ("PATCH", "", r#"{"email": "x@example.org"}"#),
            ("PATCH", "/permissions", r#"{"permissions": []}"#),
            (
                "POST",
                "/reset-password",
                r#"{"newPassword": "nine purple umbrellas in june"}"#,
            ),
        ] {
            call(&app, &token, method, &boss.at(below), body)
                .expect_problem(403, "user_manage_forbidden");
        }
        assert_eq!(state(&app), before);
    }
    let (_, super_admin) = app.someone("SuperAdmin", &[]);
    patch(&app, &super_admin, &user, &json!({"role": "SuperAdmin"})).expect(200);
    patch(&app, &super_admin, &user, &json!({"role": "User"})).expect(200);
}

/// Whatever else there is: a SuperAdmin that is disabled, deleted, about to end or without a password does not count.
#[test]
fn the_last_super_admin_is_not_unmade_by_anyone() {
    let app = TestApp::start();
    let last = app.user("last", "SuperAdmin", &[]);
    let (other, token) = app.someone("SuperAdmin", &[]);
    for (what, without) in [
        ("expires", "expires_at = now() + interval '1 hour'"),
        ("has no password", "password_hash = NULL"),
    ] {
        app.execute(&format!(
            "UPDATE users SET {without} WHERE id = '{}'",
            other.id
        ));
        let before = state(&app);
        for (method, below, body) in [
            ("PATCH", "", r#"{"role": "Admin"}"#),
            ("PATCH", "", r#"{"isActive": false}"#),
            ("PATCH", "", r#"{"expiresAtUtc": "2999-01-01T00:00:00Z"}"#),
            ("PATCH", "", r#"{"displayName": "x", "role": "User"}"#),
            ("POST", "/status", r#"{"isActive": false}"#),
            ("DELETE", "/password", ""),
            ("DELETE", "", ""),
            ("DELETE", "?purge=true", ""),
        ] {
            call(&app, &token, method, &last.at(below), body)
                .expect_problem(409, "last_super_admin");
        }
        assert_eq!(state(&app), before, "the other one {what}");
        patch(
            &app,
            &token,
            &last,
            &json!({"displayName": "still manageable"}),
        )
        .expect(200);
        call(
            &app,
            &token,
            "POST",
            &last.at("/status"),
            r#"{"isActive": true}"#,
        )
        .expect(200);
        app.execute(&format!(
            "UPDATE users SET expires_at = NULL, password_hash = (SELECT password_hash FROM users WHERE id = '{}') WHERE id = '{}'",
            last.id, other.id
        ));
    }
    // Not by itself either.
    app.execute(&format!(
        "UPDATE users SET expires_at = now() + interval '1 hour' WHERE id = '{}'",
        other.id
    ));
    let own = app.token("last");
    call(&app, &own, "DELETE", &last.at("/password"), "").expect_problem(409, "last_super_admin");
    // A third one that is disabled or deleted does not help; an active one does.
    let third = app.user("third", "SuperAdmin", &[]);
    call(&app, &own, "DELETE", &third.at(""), "").expect(204);
    call(&app, &token, "DELETE", &last.at(""), "").expect_problem(409, "last_super_admin");
    call(&app, &own, "POST", &third.at("/restore"), "").expect(200);
    call(
        &app,
        &own,
        "POST",
        &third.at("/status"),
        r#"{"isActive": false}"#,
    )
    .expect(200);
    call(&app, &token, "DELETE", &last.at(""), "").expect_problem(409, "last_super_admin");
    call(
        &app,
        &own,
        "POST",
        &third.at("/status"),
        r#"{"isActive": true}"#,
    )
    .expect(200);
    call(&app, &token, "DELETE", &last.at(""), "").expect(204);
}

#[test]
fn each_call_needs_its_permission_and_no_other() {
    let app = TestApp::start();
    let user = app.user("target", "User", &[]);
    let own: Vec<String> = app
        .get("/api/v1/permissions")
        .by(app.super_admin())
        .send()
        .expect(200)
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|permission| permission["name"].as_str().unwrap().to_owned())
        .collect();
    let (_, nobody) = app.someone("User", &[]);
    for (need, method, path, body) in [
        (
            "users.create",
            "POST",
            USERS.to_owned(),
            r#"{"username": "x", "role": "User"}"#,
        ),
        ("users.read", "GET", USERS.to_owned(), ""),
        ("users.read", "GET", user.at(""), ""),
        ("users.update", "PATCH", user.at(""), "{}"),
        ("users.update", "PUT", user.at("/tags/x"), ""),
        ("users.update", "DELETE", user.at("/tags/x"), ""),
        (
            "users.managePermissions",
            "PATCH",
            user.at("/permissions"),
            r#"{"permissions": []}"#,
        ),
        (
            "users.disable",
            "POST",
            user.at("/status"),
            r#"{"isActive": true}"#,
        ),
        (
            "users.resetPassword",
            "POST",
            user.at("/reset-password"),
            r#"{"newPassword": "x"}"#,
        ),
        ("sessions.revoke", "DELETE", user.at("/sessions"), ""),
        ("users.resetPassword", "DELETE", user.at("/password"), ""),
        ("users.delete", "POST", user.at("/restore"), ""),
        ("users.delete", "DELETE", user.at(""), ""),
        ("roles.read", "GET", "/api/v1/roles".to_owned(), ""),
        ("roles.read", "GET", "/api/v1/roles/Admin".to_owned(), ""),
        ("roles.read", "GET", "/api/v1/permissions".to_owned(), ""),
        (
            "roles.manage",
            "POST",
            "/api/v1/permissions".to_owned(),
            r#"{"name": "x"}"#,
        ),
        (
            "roles.manage",
            "DELETE",
            "/api/v1/permissions/a.b".to_owned(),
            "",
        ),
    ] {
        let plain = app
            .call(method, &path)
            .body("application/json", body)
            .send();
        assert_eq!(
            plain.header("www-authenticate"),
            r#"Bearer realm="rosterd""#
        );
        plain.expect_problem(401, "auth_required");
        let bad = call(&app, "x.y.z", method, &path, body);
        assert!(bad.header("www-authenticate").contains("invalid_token"));
        bad.expect_problem(401, "auth_token_invalid");
        call(&app, &nobody, method, &path, body).expect_problem(403, "permission_required");
        let others: Vec<&str> = own
            .iter()
            .map(String::as_str)
            .filter(|name| *name != need)
            .collect();
        let (_, all_but_one) = app.someone("User", &others);
        let refused = call(&app, &all_but_one, method, &path, body)
            .expect_problem(403, "permission_required");
        assert!(
            refused
                .header("www-authenticate")
                .contains("insufficient_scope"),
            "{method} {path}"
        );
        let (_, only) = app.someone("User", &[need]);
        let answer = call(&app, &only, method, &path, body);
        assert!(
            ![401, 403, 500].contains(&answer.status),
            "{method} {path} {}",
            answer.text
        );
    }
}

#[test]
fn some_members_need_a_permission_of_their_own() {
    let app = TestApp::start();
    let (_, token) = app.someone("User", &["users.create", "users.update", "users.read"]);
    let user = app.user("target", "User", &[]);
    let body = json!({"username": "made", "role": "User", "permissions": ["users.read"]});
    app.post(USERS)
        .by(&token)
        .json(&body)
        .send()
        .expect_problem(403, "permission_required");
    app.post(USERS)
        .by(&token)
        .json(&json!({"username": "made", "role": "User", "permissions": []}))
        .send()
        .expect(201);
    for change in [
        json!({"isActive": false}),
        json!({"isActive": true}),
        json!({"isActive": false, "displayName": "x"}),
    ] {
        patch(&app, &token, &user, &change).expect_problem(403, "permission_required");
    }
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE display_name IS NOT NULL OR NOT is_active"),
        0
    );
    let (_, token) = app.someone("User", &["users.update", "users.disable"]);
    patch(&app, &token, &user, &json!({"isActive": false})).expect(200);
}

/// 401, 403 by permission, 400, 404, 403 by rule (self, SuperAdmin, rank, not held), 412, 409: of two things that are
/// wrong, the earlier one is told.
#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one order, told from its first answer to its last"
)]
fn answers_come_in_one_order() {
    let app = TestApp::start();
    app.role("Fixer", 10, &["roles.manage"]);
    let nowhere = format!("{USERS}/{}", uuid::Uuid::now_v7());
    let (own, admin) = app.someone("Admin", &[]);
    let (boss, boss_token) = app.someone("SuperAdmin", &[]);
    let user = app.user("target", "User", &["clients.manage"]);
    let peer = app.user("peer", "Admin", &[]);
    let (_, updater) = app.someone("User", &["users.update", "users.create"]);
    let nobody = app.token("target");
    let send = |by: &str, method: &str, path: &str, body: &str, if_match: &str| {
        let mut call = app.call(method, path).by(by);
        if !if_match.is_empty() {
            call = call.header("If-Match", if_match);
        }
        call.body("application/json", body).send()
    };
    let stale = "\"99-0000000000000000\"";
    // 401 and 403 by permission before anything is read of the body.
    app.patch(&nowhere)
        .body("application/json", "{")
        .send()
        .expect_problem(401, "auth_required");
    app.patch(&nowhere)
        .body("text/plain", vec![b'x'; 2 << 20])
        .send()
        .expect_problem(401, "auth_required");
    send("bad", "PATCH", &nowhere, "{", "").expect_problem(401, "auth_token_invalid");
    send(&nobody, "PATCH", &nowhere, "{", "").expect_problem(403, "permission_required");
    // By a member's own permission before the names in the body, and those before the account.
    send(
        &updater,
        "PATCH",
        &nowhere,
        r#"{"isActive": false, "role": "Nobody"}"#,
        "",
    )
    .expect_problem(403, "permission_required");
    send(
        &updater,
        "POST",
        USERS,
        r#"{"username": "made", "role": "Nobody", "permissions": ["no.where"]}"#,
        "",
    )
    .expect_problem(403, "permission_required");
    // 400, 413, 415 before 404.
    send(&admin, "PATCH", &nowhere, "{", "").expect_problem(400, "request_invalid");
    send(&admin, "PATCH", &nowhere, r#"{"role": "Nobody"}"#, "")
        .expect_fault("/role", "role_unknown");
    send(
        &admin,
        "PATCH",
        &format!("{nowhere}/permissions"),
        r#"{"permissions": ["no.where"]}"#,
        "",
    )
    .expect_problem(400, "permission_unknown");
    send(
        &admin,
        "POST",
        &format!("{nowhere}/reset-password"),
        r#"{"newPassword": "short"}"#,
        "",
    )
    .expect_fault("/newPassword", "too_short");
    send(&admin, "PUT", &format!("{nowhere}/tags/a%20b"), "", "")
        .expect_problem(400, "request_invalid");
    send(&admin, "DELETE", &format!("{nowhere}?x=1"), "", "")
        .expect_fault("?x", "unknown_parameter");
    app.patch(&nowhere)
        .by(&admin)
        .body("text/plain", "{}")
        .send()
        .expect_problem(415, "unsupported_media_type");
    app.patch(&nowhere)
        .by(&admin)
        .body("application/json", vec![b' '; (1 << 20) + 1])
        .send()
        .expect_problem(413, "payload_too_large");
    // 404 before 412.
    send(&admin, "PATCH", &nowhere, "{}", stale).expect_problem(404, "not_found");
    // 400 before 403 by rule.
    send(&admin, "PATCH", &own.at(""), r#"{"role": "Nobody"}"#, "")
        .expect_fault("/role", "role_unknown");
    send(
        &admin,
        "PATCH",
        &boss.at("/permissions"),
        r#"{"permissions": ["no.where"]}"#,
        "",
    )
    .expect_problem(400, "permission_unknown");
    // Among the rules: self, then SuperAdmin, then rank, then what is not held.
    send(
        &admin,
        "PATCH",
        &own.at(""),
        r#"{"role": "SuperAdmin"}"#,
        stale,
    )
    .expect_problem(403, "user_self_role_change_forbidden");
    send(
        &admin,
        "PATCH",
        &peer.at(""),
        r#"{"role": "SuperAdmin"}"#,
        stale,
    )
    .expect_problem(403, "user_super_admin_forbidden");
    send(&admin, "PATCH", &peer.at(""), r#"{"role": "Fixer"}"#, stale)
        .expect_problem(403, "user_manage_forbidden");
    send(
        &admin,
        "PATCH",
        &user.at(""),
        r#"{"role": "Fixer", "email": "x@example.org"}"#,
        stale,
    )
    .expect_problem(403, "user_manage_forbidden");
    send(&admin, "PATCH", &user.at(""), r#"{"role": "Fixer"}"#, stale)
        .expect_problem(403, "permission_not_held");
    // 403 before 412, and 412 before 409.
    send(
        &admin,
        "PATCH",
        &peer.at(""),
        r#"{"displayName": "x"}"#,
        stale,
    )
    .expect_problem(403, "user_manage_forbidden");
    send(
        &admin,
        "PATCH",
        &user.at(""),
        r#"{"username": "peer"}"#,
        stale,
    )
    .expect_problem(412, "precondition_failed");
    send(&admin, "PATCH", &user.at(""), r#"{"username": "peer"}"#, "")
        .expect_problem(409, "user_username_conflict");
    send(&boss_token, "DELETE", &boss.at("/password"), "", stale)
        .expect_problem(412, "precondition_failed");
    send(&boss_token, "DELETE", &boss.at("/password"), "", "")
        .expect_problem(409, "last_super_admin");
}

#[test]
fn every_refusal_by_a_rule_leaves_one_row_in_the_audit_log() {
    let app = TestApp::start();
    let (own, admin) = app.someone("Admin", &[]);
    let user = app.user("target", "User", &[]);
    let peer = app.user("peer", "Admin", &[]);
    let boss = app.user("boss", "SuperAdmin", &[]);
    let refusals = "SELECT count(*) FROM audit_events WHERE outcome = 'refused'";
    let mut known = 0;
    for (method, path, body, code, subject) in [
        (
            "PATCH",
            own.at(""),
            r#"{"role": "User"}"#,
            "user_self_role_change_forbidden",
            Some(&own),
        ),
        (
            "POST",
            boss.at("/status"),
            r#"{"isActive": false}"#,
            "user_super_admin_forbidden",
            Some(&boss),
        ),
        (
            "DELETE",
            peer.at(""),
            "",
            "user_manage_forbidden",
            Some(&peer),
        ),
        (
            "PATCH",
            user.at("/permissions"),
            r#"{"permissions": ["roles.manage"]}"#,
            "permission_not_held",
            Some(&user),
        ),
        (
            "POST",
            USERS.to_owned(),
            r#"{"username": "made", "role": "SuperAdmin"}"#,
            "user_super_admin_forbidden",
            None,
        ),
    ] {
        call(&app, &admin, method, &path, body).expect_problem(403, code);
        known += 1;
        assert_eq!(app.number(refusals), known, "{code}");
        let told = format!(
            "SELECT count(*) FROM audit_events WHERE outcome = 'refused' AND code = '{code}' AND actor_id = '{}' AND subject_id IS NOT DISTINCT FROM {}",
            own.id,
            subject.map_or("NULL".to_owned(), |user| format!("'{}'", user.id))
        );
        assert_eq!(app.number(&told), 1, "{code}");
    }
    // An act that is done leaves one too, and neither of them says a password or a hash.
    let reset = json!({"newPassword": "nine purple umbrellas in june"});
    app.post(&user.at("/reset-password"))
        .by(&admin)
        .json(&reset)
        .send()
        .expect(204);
    let secrets = format!(
        "SELECT (SELECT count(*) FROM audit_events e WHERE e::text ~ 'umbrella|argon2|{PASSWORD}') + (SELECT count(*) FROM audit_people p WHERE p::text ~ 'umbrella|argon2|{PASSWORD}')"
    );
    assert_eq!(app.number(&secrets), 0);
    assert_eq!(app.number("SELECT count(*) FROM audit_events WHERE action = 'user.password.reset' AND outcome = 'done'"), 1);
}
