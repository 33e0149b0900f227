//! Built-in roles, and the permission catalogue.

use serde_json::{Value, json};

use crate::support::{Response, TestApp};

const PERMISSIONS: &str = "/api/v1/permissions";

fn names(list: &Value) -> Vec<String> {
    let name = |item: &Value| item["name"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn built_in_roles_and_permissions_match_the_contract() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let roles = app.get("/api/v1/roles").bearer(&admin).send().expect(200);
    let shape: Vec<_> = roles
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|role| {
            (
                role["name"].clone(),
                role["rank"].clone(),
                role["isBuiltIn"].clone(),
            )
        })
        .collect();
    assert_eq!(
        json!(shape),
        json!([
            ["SuperAdmin", 1000, true],
            ["Admin", 100, true],
            ["User", 0, true]
        ])
    );
    assert_eq!(roles.body["page"], json!({"next": null, "limit": 50}));
    let catalogue = app.get(PERMISSIONS).bearer(&admin).send().expect(200);
    let mut expected = vec![
        "users.read",
        "users.create",
        "users.update",
        "users.disable",
        "users.delete",
        "users.managePermissions",
        "users.resetPassword",
        "sessions.read",
        "sessions.revoke",
        "roles.read",
        "roles.manage",
        "invites.read",
        "invites.manage",
        "clients.read",
        "clients.manage",
        "tokens.read",
        "tokens.manage",
        "audit.read",
        "events.read",
        "webhooks.manage",
    ];
    expected.sort_unstable();
    assert_eq!(names(catalogue.data()), expected);
    assert_eq!(
        roles.data()[0]["permissions"],
        json!(expected),
        "SuperAdmin holds every permission"
    );
    expected.retain(|name| !["roles.manage", "clients.manage", "webhooks.manage"].contains(name));
    assert_eq!(roles.data()[1]["permissions"], json!(expected));
    assert_eq!(roles.data()[2]["permissions"], json!([]));
}

#[test]
fn role_is_read_by_its_name_with_an_etag() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let get = |name: &str| app.get(&format!("/api/v1/roles/{name}")).bearer(&admin);
    let role = get("Admin").send().expect(200);
    assert_eq!(role.data()["name"], "Admin");
    assert!(role.header("etag").starts_with("\"1-"));
    let not_modified = get("Admin")
        .header("If-None-Match", role.header("etag"))
        .send()
        .expect(304);
    assert_eq!(
        (not_modified.text.as_str(), not_modified.header("etag")),
        ("", role.header("etag"))
    );
    for name in ["Nobody", "%41dmin%20", "Admin%2F"] {
        get(name).send().expect_problem(404, "not_found");
    }
    get("%41dmin").send().expect(200);
}

#[test]
fn permissions_can_be_registered_and_unregistered() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let register = |body: &Value| app.post(PERMISSIONS).bearer(&admin).json(body).send();
    let remove = |name: &str| {
        app.delete(&format!("{PERMISSIONS}/{name}"))
            .bearer(&admin)
            .send()
    };
    let body = json!({"name": "assets.read", "description": "See assets"});
    let created = register(&body).expect(201);
    assert_eq!(
        created.header("location"),
        "/api/v1/permissions/assets.read"
    );
    assert_eq!(
        (&created.data()["description"], &created.data()["isBuiltIn"]),
        (&json!("See assets"), &json!(false))
    );
    register(&body).expect_problem(409, "permission_name_conflict");
    register(&json!({"name": " assets.read "})).expect_problem(409, "permission_name_conflict");
    for invalid in [
        "assets",
        "Assets.read",
        "assets.*",
        "assets.",
        "assets.re ad",
        "",
        "a.Read",
    ] {
        register(&json!({ "name": invalid })).expect_field_error("/name", "invalid_format");
    }
    register(&json!({"name": format!("a.{}", "b".repeat(98))})).expect(201);
    register(&json!({"name": format!("a.{}", "b".repeat(99))}))
        .expect_field_error("/name", "invalid_format");
    register(&json!({"name": "a.b", "description": "x".repeat(501)}))
        .expect_field_error("/description", "too_long");
    register(&json!({"name": "a.b", "rank": 1})).expect_field_error("/rank", "unknown_field");
    remove("assets.read").expect(204);
    remove("assets.read").expect_problem(404, "not_found");
    remove("users.read").expect_problem(403, "permission_built_in");
    assert!(
        !app.get(PERMISSIONS)
            .bearer(&admin)
            .send()
            .text
            .contains("assets.read")
    );
}

#[test]
fn registered_permission_is_read_at_its_location_until_it_is_removed() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let get = |path: &str| app.get(path).bearer(&admin).send();
    let body = json!({"name": "assets.read", "description": "See assets"});
    let created = app
        .post(PERMISSIONS)
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(201);
    let location = created.header("location");
    let read = get(location).expect(200);
    assert_eq!(read.data(), created.data());
    let built_in = get(&format!("{PERMISSIONS}/users.read")).expect(200);
    assert_eq!(
        (&built_in.data()["name"], &built_in.data()["isBuiltIn"]),
        (&json!("users.read"), &json!(true))
    );
    for name in ["nothing.read", "Users.read", "users.read%20", "users"] {
        get(&format!("{PERMISSIONS}/{name}")).expect_problem(404, "not_found");
    }
    app.delete(location).bearer(&admin).send().expect(204);
    get(location).expect_problem(404, "not_found");
}

#[test]
fn permission_in_use_cannot_be_unregistered() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    app.post(PERMISSIONS)
        .bearer(&admin)
        .json(&json!({"name": "assets.read"}))
        .send()
        .expect(201);
    let remove = || {
        app.delete(&format!("{PERMISSIONS}/assets.read"))
            .bearer(&admin)
            .send()
    };
    let expect_in_use = |response: Response| {
        let response = response.expect_problem(409, "permission_in_use");
        assert_eq!(response.body["count"], 1, "{}", response.text);
    };
    let user = app.create_user("ada", "User", &["assets.read"]);
    expect_in_use(remove());
    app.delete(&user.path("")).bearer(&admin).send().expect(204);
    expect_in_use(remove());
    app.delete(&user.path("?purge=true"))
        .bearer(&admin)
        .send()
        .expect(204);
    app.create_role("Librarian", 1, &["assets.read"]);
    expect_in_use(remove());
    app.execute("DELETE FROM roles WHERE name = 'Librarian'");
    remove().expect(204);
}

#[test]
fn newly_registered_permission_is_held_by_super_admins_at_once() {
    let app = TestApp::start();
    let (own, admin) = app.create_signed_in_user("SuperAdmin", &[]);
    let is_effective = || {
        let response = app.get(&own.path("")).bearer(&admin).send().expect(200);
        response.data()["effectivePermissions"]
            .as_array()
            .unwrap()
            .contains(&json!("assets.read"))
    };
    assert!(!is_effective());
    app.post(PERMISSIONS)
        .bearer(&admin)
        .json(&json!({"name": "assets.read"}))
        .send()
        .expect(201);
    assert!(is_effective());
    app.delete(&format!("{PERMISSIONS}/assets.read"))
        .bearer(&admin)
        .send()
        .expect(204);
    assert!(!is_effective());
}

#[test]
fn permissions_of_the_settings_are_registered_at_the_start() {
    let app =
        TestApp::start_with(&[("ROSTERD_PERMISSIONS", "assets.read,assets.write,users.read")]);
    let admin = app.super_admin_token();
    let catalogue = app.get(PERMISSIONS).bearer(&admin).send().expect(200);
    assert_eq!(
        names(catalogue.data())
            .iter()
            .filter(|name| name.starts_with("assets."))
            .count(),
        2
    );
    drop(app.start_replica());
    assert_eq!(
        app.query_number("SELECT count(*) FROM audit_events WHERE action = 'permission.register'"),
        2
    );
}

#[test]
fn catalogue_has_at_most_2000_permissions() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let count = || app.query_number("SELECT count(*) FROM permissions");
    let fill = format!(
        "INSERT INTO permissions (name) SELECT 'assets.read' || n FROM generate_series(1, {}) n",
        1_999 - count()
    );
    app.execute(&fill);
    let register = |name: &str| {
        let request = app.post(PERMISSIONS).bearer(&admin);
        request.json(&json!({"name": name})).send()
    };
    register("media.read").expect(201);
    register("media.write").expect_problem(409, "permission_limit_reached");
    register("media.read").expect_problem(409, "permission_name_conflict");
    assert_eq!(count(), 2_000);
}
