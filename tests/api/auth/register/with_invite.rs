//! Registration with an invite.

use serde_json::json;

use crate::support::{TestApp, run_concurrently};

use super::{create_invite, register, registration_body, user_count, with_member};

pub fn start_with_invites() -> TestApp {
    TestApp::start_with(&[("ROSTERD_REGISTRATION", "invite")])
}

#[test]
fn invite_grants_its_role_and_permissions_up_to_max_uses() {
    let app = start_with_invites();
    let admin = app.super_admin_token();
    register(&app, &registration_body("ada")).expect_problem(403, "invite_invalid");
    let invite_body = json!({"role": "Admin", "permissions": ["webhooks.manage"], "maxUses": 2});
    let token = create_invite(&app, &admin, &invite_body);
    for name in ["ada", "bob"] {
        let created = register(
            &app,
            &with_member(registration_body(name), "inviteToken", token.clone()),
        )
        .expect(201);
        assert_eq!(created.data()["role"], "Admin");
        assert_eq!(created.data()["permissions"], json!(["webhooks.manage"]));
        let token = app.token(name);
        app.get("/api/v1/users").bearer(&token).send().expect(200);
    }
    let third_user = with_member(registration_body("cy"), "inviteToken", token.clone());
    register(&app, &with_member(third_user, "username", "cyd"))
        .expect_problem(403, "invite_exhausted");
    let invite = app
        .get(&format!("/api/v1/invites/{token}"))
        .bearer(&admin)
        .send()
        .expect(200);
    assert_eq!(invite.data()["uses"], 2);
    let audit_rows = "SELECT count(*) FROM audit_events JOIN invites ON after ->> 'invite' = invites.id::text WHERE action = 'user.register'";
    assert_eq!(app.query_number(audit_rows), 2);
    let refused =
        "SELECT count(*) FROM audit_events WHERE action = 'user.register' AND outcome = 'refused'";
    assert_eq!(app.query_number(refused), 2);
}

#[test]
fn expired_or_revoked_invite_is_refused() {
    let app = start_with_invites();
    let admin = app.super_admin_token();
    let token = create_invite(&app, &admin, &json!({}));
    app.execute("UPDATE invites SET expires_at = now()");
    register(
        &app,
        &with_member(registration_body("ada"), "inviteToken", token.clone()),
    )
    .expect_problem(403, "invite_expired");
    app.execute("UPDATE invites SET expires_at = now() + interval '1 hour'");
    app.delete(&format!("/api/v1/invites/{token}"))
        .bearer(&admin)
        .send()
        .expect(204);
    register(
        &app,
        &with_member(registration_body("ada"), "inviteToken", token),
    )
    .expect_problem(403, "invite_invalid");
    assert_eq!(user_count(&app), 1);
}

#[test]
fn failed_registration_does_not_consume_an_invite() {
    let app = start_with_invites();
    let admin = app.super_admin_token();
    app.create_user("taken", "User", &[]);
    let token = create_invite(&app, &admin, &json!({}));
    let body = with_member(registration_body("taken"), "inviteToken", token.clone());
    register(&app, &body).expect_problem(409, "user_username_conflict");
    let weak_password = with_member(body, "password", "short");
    register(&app, &weak_password).expect_field_error("/password", "too_short");
    assert_eq!(app.query_number("SELECT uses FROM invites"), 0);
    register(
        &app,
        &with_member(registration_body("ada"), "inviteToken", token),
    )
    .expect(201);
}

#[test]
fn invite_is_limited_by_the_current_permissions_of_its_creator() {
    let app = start_with_invites();
    app.execute("INSERT INTO roles (name, rank, permissions) VALUES ('Clerk', 5, '{}')");
    let (creator, creator_token) = app.create_signed_in_user("Admin", &[]);
    let invite_body = json!({"role": "Clerk", "permissions": ["audit.read"], "maxUses": 100});
    let token = create_invite(&app, &creator_token, &invite_body);
    let super_admin = app.super_admin_token();
    let creator_id = &creator.id;
    let update_creator = |change: &str| {
        app.execute(&format!(
            "UPDATE users SET {change} WHERE id = '{creator_id}'"
        ));
    };
    let remove_from_admin_role = |permission: &str| {
        format!(
            "UPDATE roles SET permissions = array_remove(permissions, '{permission}') WHERE name = 'Admin'"
        )
    };
    let add_to_admin_role = |permission: &str| {
        format!(
            "UPDATE roles SET permissions = permissions || '{{{permission}}}' WHERE name = 'Admin'"
        )
    };
    let mut usernames = (0..).map(|number| format!("user{number}"));
    let mut attempt = |app: &TestApp| {
        let body = registration_body(&usernames.next().unwrap());
        register(app, &with_member(body, "inviteToken", token.clone()))
    };
    attempt(&app).expect(201);
    for (loss, undo) in [
        ("is_active = false", "is_active = true"),
        ("deleted_at = now()", "deleted_at = NULL"),
        ("expires_at = now()", "expires_at = NULL"),
        ("role = 'User'", "role = 'Admin'"),
        ("role = 'Clerk'", "role = 'Admin'"),
    ] {
        update_creator(loss);
        attempt(&app).expect_problem(403, "invite_invalid");
        update_creator(undo);
        attempt(&app).expect(201);
    }
    for permission in ["invites.manage", "users.managePermissions", "audit.read"] {
        app.execute(&remove_from_admin_role(permission));
        attempt(&app).expect_problem(403, "invite_invalid");
        app.execute(&add_to_admin_role(permission));
        attempt(&app).expect(201);
    }
    // After the invite was created, its role gets a rank or a permission that the creator does not have.
    for growth in ["rank = 100", "permissions = '{webhooks.manage}'"] {
        app.execute(&format!("UPDATE roles SET {growth} WHERE name = 'Clerk'"));
        attempt(&app).expect_problem(403, "invite_invalid");
        app.execute("UPDATE roles SET rank = 5, permissions = '{}' WHERE name = 'Clerk'");
        attempt(&app).expect(201);
    }
    // A permission that was deleted from the catalogue cannot be granted.
    app.execute("DELETE FROM permissions WHERE name = 'audit.read'");
    attempt(&app).expect_problem(403, "invite_invalid");
    app.execute("INSERT INTO permissions (name) VALUES ('audit.read')");
    app.delete("/api/v1/roles/Clerk?moveTo=User")
        .bearer(&super_admin)
        .send()
        .expect(204);
    attempt(&app).expect_problem(403, "invite_invalid");
}

#[test]
fn operator_invite_is_not_limited_by_a_creator() {
    let app = start_with_invites();
    let admin = app.super_admin_token();
    let token = create_invite(&app, &admin, &json!({"role": "SuperAdmin"}));
    app.execute("UPDATE invites SET created_by = NULL");
    let created = register(
        &app,
        &with_member(registration_body("ada"), "inviteToken", token),
    )
    .expect(201);
    assert_eq!(created.data()["role"], "SuperAdmin");
}

#[test]
fn invite_revoked_during_registration_is_used_before_or_not_at_all() {
    let app = start_with_invites();
    let replica = app.start_replica();
    let super_admin = app.super_admin_token();
    for round in 0..25 {
        app.clear_rate_limits();
        let (creator, creator_token) = app.create_signed_in_user("Admin", &[]);
        let token = create_invite(&app, &creator_token, &json!({"maxUses": 9}));
        let name = format!("user{round}");
        let end_invite = || {
            if round % 2 == 0 {
                let path = format!("/api/v1/invites/{token}");
                app.delete(&path).bearer(&super_admin).send().expect(204)
            } else {
                let path = format!("/api/v1/users/{}/status", creator.id);
                let body = json!({"isActive": false});
                app.post(&path)
                    .bearer(&super_admin)
                    .json(&body)
                    .send()
                    .expect(200)
            }
        };
        let body = with_member(registration_body(&name), "inviteToken", token.clone());
        let statuses = run_concurrently(2, |index| match index {
            0 => end_invite().status,
            _ => register(&replica, &body).status,
        });
        let created = app.query_number(&format!(
            "SELECT count(*) FROM users WHERE username = '{name}'"
        ));
        assert_eq!(statuses[1], if created == 1 { 201 } else { 403 });
        register(&replica, &with_member(body, "username", "later"))
            .expect_problem(403, "invite_invalid");
    }
}
