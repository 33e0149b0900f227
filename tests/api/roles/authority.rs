//! Who may change roles: permissions, ranks and permissions held.

use serde_json::json;

use super::{create_lead, create_role, editor, update_role};
use crate::support::TestApp;

// SECURITY: C03
#[test]
fn roles_cannot_get_permissions_or_a_rank_beyond_those_of_the_caller() {
    let app = TestApp::start();
    let lead = create_lead(&app);
    create_role(
        &app,
        &app.super_admin_token(),
        &json!({"name": "Peer", "rank": 50}),
    )
    .expect(201);
    create_role(
        &app,
        &app.super_admin_token(),
        &json!({"name": "Boss", "rank": 60}),
    )
    .expect(201);
    create_role(&app, &lead, &editor()).expect(201);
    let before = app
        .query_number("SELECT sum(version) + sum(rank) + sum(cardinality(permissions)) FROM roles");

    let role_with = |permission: &str| json!({"name": "More", "rank": 1, "permissions": ["users.read", permission]});
    create_role(&app, &lead, &role_with("users.delete")).expect_problem(403, "permission_not_held");
    for wildcard in ["*", "users.*", "*.*", "users."] {
        create_role(&app, &lead, &role_with(wildcard)).expect_problem(400, "permission_unknown");
    }
    for rank in [50, 51, 999] {
        create_role(&app, &lead, &json!({"name": "More", "rank": rank}))
            .expect_problem(403, "role_manage_forbidden");
        update_role(&app, &lead, "Editor", &json!({"rank": rank}))
            .expect_problem(403, "role_manage_forbidden");
    }
    let grant = json!({"permissions": ["users.read", "users.delete"]});
    update_role(&app, &lead, "Editor", &grant).expect_problem(403, "permission_not_held");
    for own in [
        json!({"permissions": ["users.read"]}),
        json!({"rank": 40}),
        json!({"description": "mine"}),
    ] {
        update_role(&app, &lead, "Lead", &own)
            .expect_problem(403, "user_self_permissions_forbidden");
    }
    for role in ["Peer", "Boss", "Admin", "User"] {
        for patch in [
            json!({"permissions": []}),
            json!({"permissions": ["users.read"]}),
            json!({"rank": 1}),
        ] {
            let response = update_role(&app, &lead, role, &patch).expect(403);
            assert!(
                response.body["code"] == "role_manage_forbidden"
                    || response.body["code"] == "role_built_in"
            );
        }
        app.delete(&format!("/api/v1/roles/{role}"))
            .bearer(&lead)
            .send()
            .expect(403);
    }
    app.delete("/api/v1/roles/Lead")
        .bearer(&lead)
        .send()
        .expect_problem(403, "user_self_permissions_forbidden");
    let after = app
        .query_number("SELECT sum(version) + sum(rank) + sum(cardinality(permissions)) FROM roles");
    assert_eq!(after, before);
    let refused = app.query_number(
        "SELECT count(*) FROM audit_events WHERE action LIKE 'role.%' AND outcome = 'refused'",
    );
    assert_eq!(refused, 1 + 6 + 1 + 3 + 16 + 1);

    // Permissions that the role has and the caller lacks may stay or be removed.
    app.execute("UPDATE roles SET permissions = '{audit.read,users.delete,users.read}' WHERE name = 'Editor'");
    update_role(
        &app,
        &lead,
        "Editor",
        &json!({"permissions": ["users.delete", "users.update"]}),
    )
    .expect(200);
    update_role(
        &app,
        &lead,
        "Editor",
        &json!({"permissions": ["users.delete", "users.update", "audit.read"]}),
    )
    .expect_problem(403, "permission_not_held");
}

#[test]
fn roles_manage_is_required_to_change_roles() {
    let app = TestApp::start();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    create_role(&app, &admin, &editor()).expect_problem(403, "permission_required");
    update_role(&app, &admin, "User", &json!({})).expect_problem(403, "permission_required");
    app.delete("/api/v1/roles/User")
        .bearer(&admin)
        .send()
        .expect_problem(403, "permission_required");
    app.post("/api/v1/roles")
        .json(&editor())
        .send()
        .expect_problem(401, "auth_required");
    // Rank 0 outranks no role.
    let (_, rank_zero) = app.create_signed_in_user("User", &["roles.manage"]);
    create_role(&app, &rank_zero, &json!({"name": "Editor", "rank": 0}))
        .expect_problem(403, "role_manage_forbidden");
}

#[test]
fn moving_accounts_follows_the_rules_for_assigning_the_role_to_each() {
    let app = TestApp::start();
    let root = app.super_admin_token();
    let lead = create_lead(&app);
    create_role(&app, &root, &editor()).expect(201);
    create_role(&app, &root, &json!({"name": "Peer", "rank": 50})).expect(201);
    create_role(
        &app,
        &root,
        &json!({"name": "Deleter", "rank": 10, "permissions": ["users.delete"]}),
    )
    .expect(201);
    app.create_user("ada", "Editor", &[]);
    for (to, code) in [
        ("SuperAdmin", "user_super_admin_forbidden"),
        ("Admin", "user_manage_forbidden"),
        ("Peer", "user_manage_forbidden"),
        ("Lead", "user_manage_forbidden"),
        ("Deleter", "permission_not_held"),
    ] {
        let path = format!("/api/v1/roles/Editor?moveTo={to}");
        app.delete(&path)
            .bearer(&lead)
            .send()
            .expect_problem(403, code);
        app.patch(&path)
            .bearer(&lead)
            .json(&json!({"name": "Author"}))
            .send()
            .expect_problem(403, code);
    }
    assert_eq!(
        app.query_number("SELECT count(*) FROM users WHERE role = 'Editor'"),
        1
    );
    assert_eq!(
        app.query_number("SELECT count(*) FROM roles WHERE name = 'Editor'"),
        1
    );

    let (_, without_users_update) = app.create_signed_in_user("Lead", &[]);
    app.execute("UPDATE roles SET permissions = '{roles.manage,users.read}' WHERE name = 'Lead'");
    app.delete("/api/v1/roles/Editor?moveTo=User")
        .bearer(&without_users_update)
        .send()
        .expect_problem(403, "permission_required");
    app.execute("UPDATE roles SET permissions = '{roles.manage,users.read,users.update}' WHERE name = 'Lead'");
    app.delete("/api/v1/roles/Editor?moveTo=User")
        .bearer(&without_users_update)
        .send()
        .expect(204);
}
