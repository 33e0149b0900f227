//! `POST /api/v1/invites`.

use serde_json::{Value, json};

use crate::support::{TestApp, run_concurrently};

use super::{INVITES, create_invite, text};

#[test]
fn invite_has_safe_defaults_and_shows_its_token_once() {
    let app = TestApp::start();
    let (admin, token) = app.create_signed_in_user("Admin", &[]);
    let created = create_invite(&app, &token, &json!({})).expect(201);
    let invite = created.data();
    let secret = text(invite, "token");
    assert!(
        secret.starts_with("rst_inv_") && secret.len() == 8 + 43,
        "{secret}"
    );
    assert_eq!(
        text(invite, "url"),
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
        assert_eq!(invite[member], value, "{member}");
    }
    let days =
        app.query_number("SELECT extract(epoch FROM expires_at - created_at) / 86400 FROM invites");
    assert_eq!(days, 7);

    let id = text(invite, "id");
    assert_eq!(created.header("location"), format!("{INVITES}/{id}"));
    for name in [id, secret] {
        let invite_response = app
            .get(&format!("{INVITES}/{name}"))
            .bearer(&token)
            .send()
            .expect(200);
        assert_eq!(invite_response.data()["id"], *id);
        assert!(
            !invite_response.text.contains(secret),
            "{}",
            invite_response.text
        );
        let conditional = app.get(&format!("{INVITES}/{name}")).bearer(&token);
        conditional
            .header("If-None-Match", invite_response.header("etag"))
            .send()
            .expect(304);
    }
    let listed = app.get(INVITES).bearer(&token).send().expect(200);
    assert_eq!(listed.body["data"][0]["id"], *id);
    assert!(!listed.text.contains(secret));
    let stored = app.query_number(&format!(
        "SELECT count(*) FROM invites WHERE invites::text LIKE '%{secret}%'"
    ));
    let audited = app.query_number(&format!(
        "SELECT count(*) FROM audit_events WHERE audit_events::text LIKE '%{secret}%'"
    ));
    assert_eq!((stored, audited), (0, 0));
}

#[test]
fn requested_invite_settings_are_stored() {
    let app =
        TestApp::start_with(&[("ROSTERD_INVITE_URL", "https://app.example.org/join#{token}")]);
    let admin = app.super_admin_token();
    let invite_body = json!({
        "expiresAtUtc": "2999-01-01T00:00:00Z", "maxUses": 25, "role": "Admin",
        "permissions": ["webhooks.manage", "roles.manage", "roles.manage"], "email": " Ada@Example.org "
    });
    let created = create_invite(&app, &admin, &invite_body).expect(201);
    let invite = created.data();
    assert_eq!(
        text(invite, "url"),
        format!("https://app.example.org/join#{}", text(invite, "token"))
    );
    assert_eq!(invite["expiresAtUtc"], "2999-01-01T00:00:00Z");
    assert_eq!(invite["maxUses"], 25);
    assert_eq!(invite["role"], "Admin");
    assert_eq!(
        invite["permissions"],
        json!(["roles.manage", "webhooks.manage"])
    );
    assert_eq!(invite["email"], "Ada@Example.org");
    assert_eq!(
        app.query_number("SELECT count(*) FROM audit_events WHERE action = 'invite.create'"),
        1
    );
}

// SECURITY: F05
#[test]
fn invite_link_ignores_request_headers() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for header in [
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "Forwarded",
        "X-Original-URL",
    ] {
        let created = app
            .post(INVITES)
            .bearer(&admin)
            .header(header, "host=evil.example.net")
            .json(&json!({}))
            .send()
            .expect(201);
        assert!(text(created.data(), "url").starts_with("https://id.example.org/register?"));
    }
}

#[test]
fn invalid_invite_is_refused_with_the_field_that_is_wrong() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for uses in [0, -1, 100_001] {
        create_invite(&app, &admin, &json!({"maxUses": uses}))
            .expect_field_error("/maxUses", "out_of_range");
    }
    let in_the_past = json!({"expiresAtUtc": "2020-01-01T00:00:00Z"});
    create_invite(&app, &admin, &in_the_past).expect_field_error("/expiresAtUtc", "in_the_past");
    let too_late = json!({"expiresAtUtc": "+262142-12-31T23:59:59Z"});
    create_invite(&app, &admin, &too_late).expect_field_error("/expiresAtUtc", "out_of_range");
    create_invite(&app, &admin, &json!({"email": "no-address"}))
        .expect_field_error("/email", "invalid_email");
    create_invite(&app, &admin, &json!({"role": "NoSuchRole"}))
        .expect_field_error("/role", "role_unknown");
    create_invite(&app, &admin, &json!({"token": "mine"}))
        .expect_field_error("/token", "unknown_field");
    let unknown = json!({"permissions": ["users.fly"]});
    create_invite(&app, &admin, &unknown).expect_problem(400, "permission_unknown");
    for name in [
        "x",
        "00000000-0000-0000-0000-000000000000",
        "rst_inv_x",
        "a%00b",
    ] {
        let path = format!("{INVITES}/{name}");
        app.get(&path)
            .bearer(&admin)
            .send()
            .expect_problem(404, "not_found");
        app.delete(&path)
            .bearer(&admin)
            .send()
            .expect_problem(404, "not_found");
    }
    assert_eq!(app.query_number("SELECT count(*) FROM invites"), 0);
}

// SECURITY: C03
#[test]
fn invite_cannot_grant_more_than_its_creator_may_give() {
    let app = TestApp::start();
    app.execute("INSERT INTO roles (name, rank, permissions) VALUES ('Clerk', 5, '{users.delete}'), ('Peer', 100, '{}')");
    let (_, inviter) =
        app.create_signed_in_user("User", &["invites.manage", "invites.read", "users.read"]);
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    create_invite(&app, &inviter, &json!({})).expect(201);
    for (token, invite_body, code) in [
        (
            &inviter,
            json!({"permissions": ["users.read"]}),
            "permission_required",
        ),
        (&inviter, json!({"role": "Clerk"}), "user_manage_forbidden"),
        (&inviter, json!({"role": "Admin"}), "user_manage_forbidden"),
        (
            &inviter,
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
        create_invite(&app, token, &invite_body).expect_problem(403, code);
    }
    app.execute("UPDATE roles SET permissions = '{webhooks.manage}' WHERE name = 'Clerk'");
    create_invite(&app, &admin, &json!({"role": "Clerk"}))
        .expect_problem(403, "permission_not_held");
    assert_eq!(app.query_number("SELECT count(*) FROM invites"), 1);
    let refused = app.query_number(
        "SELECT count(*) FROM audit_events WHERE action = 'invite.create' AND outcome = 'refused'",
    );
    assert_eq!(refused, 9);
}

#[test]
fn repeated_create_returns_the_same_invite() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let create = |body: &Value| {
        app.post(INVITES)
            .bearer(&admin)
            .header("Idempotency-Key", "k")
            .json(body)
            .send()
    };
    let created = create(&json!({"maxUses": 3})).expect(201);
    let repeated = create(&json!({"maxUses": 3})).expect(201);
    assert_eq!(repeated.header("idempotency-replayed"), "true");
    assert_eq!(repeated.body, created.body);
    create(&json!({"maxUses": 4})).expect_problem(422, "idempotency_key_reused");
    assert_eq!(app.query_number("SELECT count(*) FROM invites"), 1);
}

// SECURITY: G08
#[test]
fn open_invites_of_one_creator_are_limited_even_when_raced() {
    let app = TestApp::start();
    let (creator, admin) = app.create_signed_in_user("Admin", &[]);
    app.execute(&format!(
        "INSERT INTO invites (id, digest, created_by, role, max_uses, created_at, expires_at) \
         SELECT gen_random_uuid(), sha256(n::text::bytea), '{}', 'User', 1, now(), now() + interval '1 day' \
           FROM generate_series(1, 998) n",
        creator.id
    ));
    let created = run_concurrently(8, |_| create_invite(&app, &admin, &json!({})));
    let open = created
        .iter()
        .filter(|response| response.status == 201)
        .count();
    assert_eq!(open, 2);
    create_invite(&app, &admin, &json!({})).expect_problem(409, "invite_limit_reached");
    // Others are not affected, and invites that cannot be used do not count.
    create_invite(&app, &app.super_admin_token(), &json!({})).expect(201);
    app.execute("UPDATE invites SET revoked_at = now() WHERE digest = sha256('1')");
    create_invite(&app, &admin, &json!({})).expect(201);
}
