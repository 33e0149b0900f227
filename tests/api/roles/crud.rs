//! Creating, reading, changing and deleting custom roles.

use serde_json::{Value, json};

use super::{create_role, editor, update_role};
use crate::support::{TestApp, wait_until};

#[test]
fn role_can_be_created_read_changed_renamed_and_deleted() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let created = create_role(&app, &admin, &editor()).expect(201);
    assert_eq!(created.header("location"), "/api/v1/roles/Editor");
    assert_eq!(created.data()["permissions"], json!(["users.read"]));
    assert_eq!(created.data()["isBuiltIn"], false);
    let shown = app
        .get("/api/v1/roles/Editor")
        .bearer(&admin)
        .send()
        .expect(200);
    assert_eq!(shown.body, created.body);
    assert_eq!(shown.header("etag"), created.header("etag"));

    let patch = json!({"rank": 30, "permissions": ["users.update", "users.read", "users.read"], "description": null});
    let changed = update_role(&app, &admin, "Editor", &patch).expect(200);
    assert_eq!(changed.data()["rank"], 30);
    assert_eq!(
        changed.data()["permissions"],
        json!(["users.read", "users.update"])
    );
    assert_eq!(changed.data()["description"], Value::Null);
    let renamed = update_role(&app, &admin, "Editor", &json!({"name": "Writer"})).expect(200);
    assert_eq!(renamed.data()["name"], "Writer");
    app.get("/api/v1/roles/Editor")
        .bearer(&admin)
        .send()
        .expect_problem(404, "not_found");

    app.delete("/api/v1/roles/Writer")
        .bearer(&admin)
        .send()
        .expect(204);
    app.delete("/api/v1/roles/Writer")
        .bearer(&admin)
        .send()
        .expect_problem(404, "not_found");
    let rows = |action: &str| {
        app.query_number(&format!(
            "SELECT count(*) FROM audit_events WHERE action = '{action}' AND outcome = 'done' AND subject_kind = 'role'"
        ))
    };
    assert_eq!(
        (
            rows("role.create"),
            rows("role.update"),
            rows("role.delete")
        ),
        (1, 2, 1)
    );
    let audit_rows = app.query_number(
        "SELECT count(*) FROM audit_events WHERE before = '{\"name\": \"Editor\"}' AND after = '{\"name\": \"Writer\"}'",
    );
    assert_eq!(audit_rows, 1);
}

#[test]
fn role_change_applies_to_the_next_request_of_its_holders() {
    let app = TestApp::start();
    let other = app.start_replica();
    let admin = app.super_admin_token();
    create_role(&app, &admin, &editor()).expect(201);
    let (_, token) = app.create_signed_in_user("Editor", &[]);
    let list_users = |app: &TestApp| app.get("/api/v1/users").bearer(&token).send();
    for _ in 0..20 {
        list_users(&app).expect(200);
        wait_until(|| list_users(&other).status == 200);
        let no_permissions = json!({"permissions": []});
        update_role(&app, &admin, "Editor", &no_permissions).expect(200);
        list_users(&app).expect_problem(403, "permission_required");
        wait_until(|| list_users(&other).status == 403);
        update_role(
            &app,
            &admin,
            "Editor",
            &json!({"permissions": ["users.read"]}),
        )
        .expect(200);
    }
}

#[test]
fn moving_accounts_to_another_role_applies_to_their_next_request() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for round in 0..20 {
        create_role(&app, &admin, &editor()).expect(201);
        let (_, token) = app.create_signed_in_user("Editor", &[]);
        let list_users = || app.get("/api/v1/users").bearer(&token).send();
        list_users().expect(200);
        if round % 2 == 0 {
            let path = "/api/v1/roles/Editor?moveTo=User";
            app.delete(path).bearer(&admin).send().expect(204);
        } else {
            let path = "/api/v1/roles/Editor?moveTo=Other";
            create_role(&app, &admin, &json!({"name": "Other", "rank": 1})).expect(201);
            app.delete(path).bearer(&admin).send().expect(204);
        }
        list_users().expect_problem(403, "permission_required");
        app.execute("UPDATE users SET role = 'User' WHERE role = 'Other'; DELETE FROM roles WHERE name = 'Other'");
    }
}

#[test]
fn role_errors_point_to_each_invalid_member() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for name in [
        "",
        "x",
        "1st",
        "a b",
        "a/b",
        "Ädmin",
        "a\u{202e}b",
        &"a".repeat(51),
    ] {
        create_role(&app, &admin, &json!({"name": name, "rank": 1}))
            .expect_field_error("/name", "invalid_format");
    }
    for rank in [-1, 1000, 1001, i64::from(i32::MAX)] {
        create_role(&app, &admin, &json!({"name": "Editor", "rank": rank}))
            .expect_field_error("/rank", "out_of_range");
    }
    create_role(&app, &admin, &json!({"name": "Editor"})).expect_field_error("/rank", "required");
    create_role(
        &app,
        &admin,
        &json!({"name": "Editor", "rank": 1, "builtIn": true}),
    )
    .expect_field_error("/builtIn", "unknown_field");
    let long = json!({"name": "Editor", "rank": 1, "description": "x".repeat(501)});
    create_role(&app, &admin, &long).expect_field_error("/description", "too_long");
    let unknown = json!({"name": "Editor", "rank": 1, "permissions": ["users.read", "users.fly"]});
    let response = create_role(&app, &admin, &unknown).expect_problem(400, "permission_unknown");
    assert_eq!(response.body["errors"][0]["pointer"], "/permissions/1");

    create_role(&app, &admin, &editor()).expect(201);
    for name in ["Editor", "EDITOR", "superadmin"] {
        create_role(&app, &admin, &json!({"name": name, "rank": 1}))
            .expect_problem(409, "role_name_conflict");
        create_role(&app, &admin, &json!({"name": "Other", "rank": 1}));
        let patch = json!({"name": name});
        update_role(&app, &admin, "Other", &patch).expect_problem(409, "role_name_conflict");
    }
    update_role(&app, &admin, "Editor", &json!({"name": null}))
        .expect_field_error("/name", "required");
    update_role(&app, &admin, "Editor", &json!({"rank": null}))
        .expect_field_error("/rank", "required");
    update_role(&app, &admin, "Editor", &json!({"rank": 1000}))
        .expect_field_error("/rank", "out_of_range");
    let unknown = json!({"permissions": ["users.fly"]});
    update_role(&app, &admin, "Nobody", &unknown).expect_problem(400, "permission_unknown");
    update_role(&app, &admin, "Nobody", &json!({})).expect_problem(404, "not_found");
    app.get("/api/v1/roles/a%00b")
        .bearer(&admin)
        .send()
        .expect_problem(404, "not_found");
    app.delete("/api/v1/roles/a%00b")
        .bearer(&admin)
        .send()
        .expect_problem(404, "not_found");
    assert_eq!(app.query_number("SELECT count(*) FROM roles"), 5);
}

#[test]
fn built_in_roles_cannot_be_deleted_and_only_a_super_admin_changes_their_permissions() {
    let app = TestApp::start();
    let root = app.super_admin_token();
    for role in ["Admin", "User"] {
        let patch = json!({"permissions": ["users.read"], "description": "Other"});
        let changed = update_role(&app, &root, role, &patch).expect(200);
        assert_eq!(changed.data()["permissions"], json!(["users.read"]));
        for patch in [json!({"rank": 3}), json!({"name": "Other"})] {
            update_role(&app, &root, role, &patch).expect_problem(403, "role_built_in");
        }
        // Setting the current name and rank is not a change.
        let rank = changed.data()["rank"].clone();
        update_role(&app, &root, role, &json!({"name": role, "rank": rank})).expect(200);
        app.delete(&format!("/api/v1/roles/{role}"))
            .bearer(&root)
            .send()
            .expect_problem(403, "role_built_in");
    }
    for patch in [
        json!({"permissions": ["users.read"]}),
        json!({"description": "x"}),
        json!({"rank": 1}),
        json!({}),
    ] {
        update_role(&app, &root, "SuperAdmin", &patch).expect_problem(403, "role_built_in");
    }
    app.delete("/api/v1/roles/SuperAdmin?moveTo=User")
        .bearer(&root)
        .send()
        .expect_problem(403, "role_built_in");
    let (_, admin) = app.create_signed_in_user("Admin", &["roles.manage"]);
    update_role(&app, &admin, "User", &json!({"permissions": []}))
        .expect_problem(403, "role_manage_forbidden");
    update_role(&app, &admin, "Admin", &json!({"permissions": []}))
        .expect_problem(403, "user_self_permissions_forbidden");
}

#[test]
fn role_in_use_is_renamed_or_deleted_only_if_its_accounts_are_moved() {
    let app = TestApp::start();
    let root = app.super_admin_token();
    create_role(&app, &root, &editor()).expect(201);
    create_role(
        &app,
        &root,
        &json!({"name": "Writer", "rank": 10, "permissions": ["roles.read"]}),
    )
    .expect(201);
    let (user, token) = app.create_signed_in_user("Editor", &[]);
    let deleted = app.create_user("deleted", "Editor", &[]);
    app.execute(&format!(
        "UPDATE users SET deleted_at = now() WHERE id = '{}'",
        deleted.id
    ));

    let response = app
        .delete("/api/v1/roles/Editor")
        .bearer(&root)
        .send()
        .expect_problem(409, "role_in_use");
    assert_eq!(response.body["count"], 2);
    let response = update_role(&app, &root, "Editor", &json!({"name": "Author"}))
        .expect_problem(409, "role_in_use");
    assert_eq!(response.body["count"], 2);
    for to in ["Editor", "Nobody", ""] {
        let path = format!("/api/v1/roles/Editor?moveTo={to}");
        app.delete(&path)
            .bearer(&root)
            .send()
            .expect_field_error("?moveTo", "role_unknown");
        app.patch(&path)
            .bearer(&root)
            .json(&json!({"name": "Author"}))
            .send()
            .expect_field_error("?moveTo", "role_unknown");
    }
    let path = "/api/v1/roles/Editor?moveTo=Writer";
    app.patch(path)
        .bearer(&root)
        .json(&json!({"rank": 3}))
        .send()
        .expect_field_error("?moveTo", "invalid_value");

    // The accounts move with the role to its new name.
    let path = "/api/v1/roles/Editor?moveTo=Author";
    let renamed = app
        .patch(path)
        .bearer(&root)
        .json(&json!({"name": "Author"}))
        .send()
        .expect(200);
    assert_eq!(renamed.data()["name"], "Author");
    let shown = app
        .get(&format!("/api/v1/users/{}", user.id))
        .bearer(&root)
        .send()
        .expect(200);
    assert_eq!(shown.data()["role"], "Author");
    app.get("/api/v1/users").bearer(&token).send().expect(200);

    // The accounts move to another role, on a rename and on deletion.
    let path = "/api/v1/roles/Author?moveTo=Writer";
    app.patch(path)
        .bearer(&root)
        .json(&json!({"name": "Empty"}))
        .send()
        .expect(200);
    assert_eq!(
        app.query_number("SELECT count(*) FROM users WHERE role = 'Writer'"),
        2
    );
    app.get("/api/v1/users")
        .bearer(&token)
        .send()
        .expect_problem(403, "permission_required");
    let old_etag = shown.header("etag").to_owned();
    let shown = app
        .get(&format!("/api/v1/users/{}", user.id))
        .bearer(&root)
        .send()
        .expect(200);
    assert_ne!(shown.header("etag"), old_etag);
    app.delete("/api/v1/roles/Empty")
        .bearer(&root)
        .send()
        .expect(204);
    app.delete("/api/v1/roles/Writer?moveTo=User")
        .bearer(&root)
        .send()
        .expect(204);
    assert_eq!(
        app.query_number("SELECT count(*) FROM users WHERE role = 'User'"),
        2
    );
    let audit_rows = app.query_number(&format!(
        "SELECT count(*) FROM audit_events WHERE action = 'user.update' AND subject_id = '{}' AND after ? 'role'",
        user.id
    ));
    assert_eq!(audit_rows, 3);
}
