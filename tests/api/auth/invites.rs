//! Invites over HTTP: making, listing, showing and revoking them. Using one is in `registration.rs`.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const INVITES: &str = "/api/v1/invites";

fn make(app: &TestApp, by: &str, invite: &Value) -> Answer {
    app.post(INVITES).by(by).json(invite).send()
}

fn text<'a>(data: &'a Value, member: &str) -> &'a str {
    data[member].as_str().unwrap()
}

#[test]
fn an_invite_is_made_with_careful_defaults_and_its_token_is_shown_once() {
    let app = TestApp::start();
    let (admin, token) = app.someone("Admin", &[]);
    let made = make(&app, &token, &json!({})).expect(201);
    let fresh = made.data();
    let secret = text(fresh, "token");
    assert!(
        secret.starts_with("rst_inv_") && secret.len() == 8 + 43,
        "{secret}"
    );
    assert_eq!(
        text(fresh, "url"),
        format!("https://id.example.org/register?invite={secret}")
    );
    for (member, value) in [
        ("role", json!("User")),
        ("permissions", json!([])),
        ("email", Value::Null),
        ("maxUses", json!(1)),
        ("uses", json!(0)),
        ("state", json!("open")),
        ("revokedAtUtc", Value::Null),
        (
            "madeBy",
            json!({"id": admin.id, "username": admin.username}),
        ),
    ] {
        assert_eq!(fresh[member], value, "{member}");
    }
    let days =
        app.number("SELECT extract(epoch FROM expires_at - created_at) / 86400 FROM invites");
    assert_eq!(days, 7);

    let id = text(fresh, "id");
    assert_eq!(made.header("location"), format!("{INVITES}/{id}"));
    for name in [id, secret] {
        let shown = app
            .get(&format!("{INVITES}/{name}"))
            .by(&token)
            .send()
            .expect(200);
        assert_eq!(shown.data()["id"], *id);
        assert!(!shown.text.contains(secret), "{}", shown.text);
        let known = app.get(&format!("{INVITES}/{name}")).by(&token);
        known
            .header("If-None-Match", shown.header("etag"))
            .send()
            .expect(304);
    }
    let listed = app.get(INVITES).by(&token).send().expect(200);
    assert_eq!(listed.body["data"][0]["id"], *id);
    assert!(!listed.text.contains(secret));
    let stored = app.number(&format!(
        "SELECT count(*) FROM invites WHERE invites::text LIKE '%{secret}%'"
    ));
    let told = app.number(&format!(
        "SELECT count(*) FROM audit_events WHERE audit_events::text LIKE '%{secret}%'"
    ));
    assert_eq!((stored, told), (0, 0));
}

#[test]
fn what_is_said_is_kept() {
    let app = TestApp::with(&[("ROSTERD_INVITE_URL", "https://app.example.org/join#{token}")]);
    let admin = app.super_admin();
    let asked = json!({
        "expiresAtUtc": "2999-01-01T00:00:00Z", "maxUses": 25, "role": "Admin",
        "permissions": ["webhooks.manage", "roles.manage", "roles.manage"], "email": " Ada@Example.org "
    });
    let made = make(&app, &admin, &asked).expect(201);
    let fresh = made.data();
    assert_eq!(
        text(fresh, "url"),
        format!("https://app.example.org/join#{}", text(fresh, "token"))
    );
    assert_eq!(fresh["expiresAtUtc"], "2999-01-01T00:00:00Z");
    assert_eq!(fresh["maxUses"], 25);
    assert_eq!(fresh["role"], "Admin");
    assert_eq!(
        fresh["permissions"],
        json!(["roles.manage", "webhooks.manage"])
    );
    assert_eq!(fresh["email"], "Ada@Example.org");
    assert_eq!(
        app.number("SELECT count(*) FROM audit_events WHERE action = 'invite.create'"),
        1
    );
}

#[test]
fn f05_the_link_leads_where_the_settings_say_whatever_the_request_claims() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for header in [
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "Forwarded",
        "X-Original-URL",
    ] {
        let made = app
            .post(INVITES)
            .by(&admin)
            .header(header, "host=evil.example.net")
            .json(&json!({}))
            .send()
            .expect(201);
        assert!(text(made.data(), "url").starts_with("https://id.example.org/register?"));
    }
}

#[test]
fn what_is_no_invite_is_refused_with_pointers() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for uses in [0, -1, 100_001] {
        make(&app, &admin, &json!({"maxUses": uses})).expect_fault("/maxUses", "out_of_range");
    }
    let past = json!({"expiresAtUtc": "2020-01-01T00:00:00Z"});
    make(&app, &admin, &past).expect_fault("/expiresAtUtc", "in_the_past");
    let never = json!({"expiresAtUtc": "+262142-12-31T23:59:59Z"});
    make(&app, &admin, &never).expect_fault("/expiresAtUtc", "out_of_range");
    make(&app, &admin, &json!({"email": "nobody"})).expect_fault("/email", "invalid_email");
    make(&app, &admin, &json!({"role": "Nobody"})).expect_fault("/role", "role_unknown");
    make(&app, &admin, &json!({"token": "mine"})).expect_fault("/token", "unknown_field");
    let unknown = json!({"permissions": ["users.fly"]});
    make(&app, &admin, &unknown).expect_problem(400, "permission_unknown");
    for name in [
        "x",
        "00000000-0000-0000-0000-000000000000",
        "rst_inv_x",
        "a%00b",
    ] {
        let path = format!("{INVITES}/{name}");
        app.get(&path)
            .by(&admin)
            .send()
            .expect_problem(404, "not_found");
        app.delete(&path)
            .by(&admin)
            .send()
            .expect_problem(404, "not_found");
    }
    assert_eq!(app.number("SELECT count(*) FROM invites"), 0);
}

#[test]
fn c03_nobody_invites_to_what_they_could_not_give() {
    let app = TestApp::start();
    app.execute("INSERT INTO roles (name, rank, permissions) VALUES ('Clerk', 5, '{users.delete}'), ('Peer', 100, '{}')");
    let (_, host) = app.someone("User", &["invites.manage", "invites.read", "users.read"]);
    let (_, admin) = app.someone("Admin", &[]);
    make(&app, &host, &json!({})).expect(201);
    for (by, asked, code) in [
        (
            &host,
            json!({"permissions": ["users.read"]}),
            "permission_required",
        ),
        (&host, json!({"role": "Clerk"}), "user_manage_forbidden"),
        (&host, json!({"role": "Admin"}), "user_manage_forbidden"),
        (
            &host,
            json!({"role": "SuperAdmin"}),
            "user_super_admin_forbidden",
        ),
        (
            &admin,
            json!({"role": "SuperAdmin"}),
            "user_super_admin_forbidden",
        ),
        (&admin, json!({"role": "Admin"}), "user_manage_forbidden"),
        (&admin, json!({"role": "Peer"}), "user_manage_forbidden"),
        (
            &admin,
            json!({"permissions": ["roles.manage"]}),
            "permission_not_held",
        ),
    ] {
        make(&app, by, &asked).expect_problem(403, code);
    }
    app.execute("UPDATE roles SET permissions = '{webhooks.manage}' WHERE name = 'Clerk'");
    make(&app, &admin, &json!({"role": "Clerk"})).expect_problem(403, "permission_not_held");
    assert_eq!(app.number("SELECT count(*) FROM invites"), 1);
    let refused = app.number(
        "SELECT count(*) FROM audit_events WHERE action = 'invite.create' AND outcome = 'refused'",
    );
    assert_eq!(refused, 9);
}

#[test]
fn each_call_needs_its_permission() {
    let app = TestApp::start();
    let (_, plain) = app.someone("User", &["users.create"]);
    let (_, reader) = app.someone("User", &["invites.read"]);
    let (_, host) = app.someone("User", &["invites.manage"]);
    let made = make(&app, &host, &json!({})).expect(201);
    let path = format!("{INVITES}/{}", text(made.data(), "id"));
    for by in [&plain, &reader] {
        make(&app, by, &json!({})).expect_problem(403, "permission_required");
        app.delete(&path)
            .by(by)
            .send()
            .expect_problem(403, "permission_required");
    }
    for by in [&plain, &host] {
        app.get(INVITES)
            .by(by)
            .send()
            .expect_problem(403, "permission_required");
        app.get(&path)
            .by(by)
            .send()
            .expect_problem(403, "permission_required");
    }
    app.get(INVITES).by(&reader).send().expect(200);
    app.post(INVITES)
        .json(&json!({}))
        .send()
        .expect_problem(401, "auth_required");
    app.get(INVITES).send().expect_problem(401, "auth_required");
}

#[test]
fn the_list_is_the_newest_first_and_says_what_became_of_each() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let ids: Vec<String> = (0..5)
        .map(|_| {
            text(
                make(&app, &admin, &json!({"maxUses": 2}))
                    .expect(201)
                    .data(),
                "id",
            )
            .to_owned()
        })
        .collect();
    app.delete(&format!("{INVITES}/{}", ids[0]))
        .by(&admin)
        .send()
        .expect(204);
    app.execute(&format!(
        "UPDATE invites SET expires_at = now() WHERE id = '{}'",
        ids[1]
    ));
    app.execute(&format!(
        "UPDATE invites SET uses = 2 WHERE id = '{}'",
        ids[2]
    ));
    app.execute(&format!(
        "UPDATE invites SET made_by = NULL, uses = 1 WHERE id = '{}'",
        ids[3]
    ));

    let mut seen = Vec::new();
    let mut path = format!("{INVITES}?limit=2&count=true");
    loop {
        let page = app.get(&path).by(&admin).send().expect(200);
        assert_eq!(page.body["page"]["total"], 5);
        seen.extend(page.body["data"].as_array().unwrap().clone());
        match page.body["page"]["next"].as_str() {
            Some(cursor) => path = format!("{INVITES}?limit=2&count=true&cursor={cursor}"),
            None => break,
        }
    }
    let column = |member: &str| {
        seen.iter()
            .map(|invite| invite[member].clone())
            .collect::<Vec<_>>()
    };
    let newest_first: Vec<&String> = ids.iter().rev().collect();
    assert_eq!(json!(column("id")), json!(newest_first));
    assert_eq!(
        json!(column("state")),
        json!(["open", "open", "exhausted", "expired", "revoked"])
    );
    assert_eq!(json!(column("uses")), json!([0, 1, 2, 0, 0]));
    assert_eq!(seen[1]["madeBy"], Value::Null);
    app.get(&format!("{INVITES}?cursor=x"))
        .by(&admin)
        .send()
        .expect_fault("?cursor", "invalid_cursor");
}

#[test]
fn revoking_is_conditional_and_can_be_said_twice() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let made = make(&app, &admin, &json!({"maxUses": 2})).expect(201);
    let secret = text(made.data(), "token").to_owned();
    let path = format!("{INVITES}/{}", text(made.data(), "id"));
    let tag = app.get(&path).by(&admin).send().header("etag").to_owned();
    // A use is no change that somebody has to know of before revoking.
    app.execute("UPDATE invites SET uses = 1");
    assert_ne!(app.get(&path).by(&admin).send().header("etag"), tag);
    app.delete(&path)
        .by(&admin)
        .header("If-Match", &tag)
        .send()
        .expect(204);
    let stale = app.delete(&path).by(&admin).header("If-Match", &tag).send();
    stale.expect_problem(412, "precondition_failed");
    let shown = app.get(&path).by(&admin).send().expect(200);
    assert_eq!(shown.data()["state"], "revoked");
    app.delete(&format!("{INVITES}/{secret}"))
        .by(&admin)
        .send()
        .expect(204);
    let again = app.get(&path).by(&admin).send().expect(200);
    assert_eq!(again.body, shown.body);
}

#[test]
fn a_repeated_request_makes_one_invite_and_shows_the_same_token() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let ask = |body: &Value| {
        app.post(INVITES)
            .by(&admin)
            .header("Idempotency-Key", "k")
            .json(body)
            .send()
    };
    let made = ask(&json!({"maxUses": 3})).expect(201);
    let again = ask(&json!({"maxUses": 3})).expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.body, made.body);
    ask(&json!({"maxUses": 4})).expect_problem(422, "idempotency_key_reused");
    assert_eq!(app.number("SELECT count(*) FROM invites"), 1);
}

#[test]
fn an_invite_goes_with_its_maker_its_role_and_its_address() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (maker, token) = app.someone("Admin", &[]);
    make(&app, &token, &json!({})).expect(201);
    app.delete(&format!("/api/v1/users/{}?purge=true", maker.id))
        .by(&admin)
        .send()
        .expect(204);
    assert_eq!(app.number("SELECT count(*) FROM invites"), 0);

    let role = json!({"name": "Editor", "rank": 3});
    app.post("/api/v1/roles")
        .by(&admin)
        .json(&role)
        .send()
        .expect(201);
    let made = make(&app, &admin, &json!({"role": "Editor"})).expect(201);
    let path = format!("{INVITES}/{}", text(made.data(), "id"));
    let renamed = json!({"name": "Writer"});
    app.patch("/api/v1/roles/Editor")
        .by(&admin)
        .json(&renamed)
        .send()
        .expect(200);
    assert_eq!(app.get(&path).by(&admin).send().data()["role"], "Writer");
    app.delete("/api/v1/roles/Writer")
        .by(&admin)
        .send()
        .expect(204);
    app.get(&path)
        .by(&admin)
        .send()
        .expect_problem(404, "not_found");

    let ada = app.user("ada", "User", &[]);
    app.execute("UPDATE users SET email = 'Ada@example.org' WHERE username = 'ada'");
    make(&app, &admin, &json!({"email": "ada@Example.org"})).expect(201);
    make(&app, &admin, &json!({"email": "bob@example.org"})).expect(201);
    app.delete(&format!("/api/v1/users/{}?purge=true", ada.id))
        .by(&admin)
        .send()
        .expect(204);
    assert_eq!(app.number("SELECT count(*) FROM invites"), 1);
}
