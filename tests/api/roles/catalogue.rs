//! Reading roles, and keeping the catalogue of permissions.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const PERMISSIONS: &str = "/api/v1/permissions";

fn names(list: &Value) -> Vec<String> {
    let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn the_built_in_roles_and_the_catalogue_are_those_of_the_contract() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let roles = app.get("/api/v1/roles").by(&admin).send().expect(200);
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
    assert_eq!(roles.body["page"], json!({"next": null, "limit": 200}));
    let catalogue = app.get(PERMISSIONS).by(&admin).send().expect(200);
    let mut own = vec![
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
    own.sort_unstable();
    assert_eq!(names(catalogue.data()), own);
    assert_eq!(
        roles.data()[0]["permissions"],
        json!(own),
        "SuperAdmin holds every permission"
    );
    own.retain(|name| !["roles.manage", "clients.manage", "webhooks.manage"].contains(name));
    assert_eq!(roles.data()[1]["permissions"], json!(own));
    assert_eq!(roles.data()[2]["permissions"], json!([]));
}

#[test]
fn a_role_is_shown_by_its_name_with_a_tag() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let get = |name: &str| app.get(&format!("/api/v1/roles/{name}")).by(&admin);
    let shown = get("Admin").send().expect(200);
    assert_eq!(shown.data()["name"], "Admin");
    assert!(shown.header("etag").starts_with("\"1-"));
    let same = get("Admin")
        .header("If-None-Match", shown.header("etag"))
        .send()
        .expect(304);
    assert_eq!(
        (same.text.as_str(), same.header("etag")),
        ("", shown.header("etag"))
    );
    for name in ["Nobody", "admin", "%41dmin%20", "Admin%2F"] {
        get(name).send().expect_problem(404, "not_found");
    }
    get("%41dmin").send().expect(200);
}

#[test]
fn an_app_registers_its_permissions_and_takes_them_out_again() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let register = |body: &Value| app.post(PERMISSIONS).by(&admin).json(body).send();
    let remove = |name: &str| {
        app.delete(&format!("{PERMISSIONS}/{name}"))
            .by(&admin)
            .send()
    };
    let body = json!({"name": "assets.read", "description": "See assets"});
    let made = register(&body).expect(201);
    assert_eq!(made.header("location"), "/api/v1/permissions/assets.read");
    assert_eq!(
        (&made.data()["description"], &made.data()["isBuiltIn"]),
        (&json!("See assets"), &json!(false))
    );
    register(&body).expect_problem(409, "permission_name_conflict");
    for wrong in [
        "assets",
        "Assets.read",
        "assets.*",
        "assets.",
        "assets.re ad",
        "",
        " assets.read",
        "a.Read",
    ] {
        register(&json!({ "name": wrong })).expect_fault("/name", "invalid_format");
    }
    register(&json!({"name": format!("a.{}", "b".repeat(98))})).expect(201);
    register(&json!({"name": format!("a.{}", "b".repeat(99))}))
        .expect_fault("/name", "invalid_format");
    register(&json!({"name": "a.b", "description": "x".repeat(501)}))
        .expect_fault("/description", "too_long");
    register(&json!({"name": "a.b", "rank": 1})).expect_fault("/rank", "unknown_field");
    remove("assets.read").expect(204);
    remove("assets.read").expect_problem(404, "not_found");
    remove("users.read").expect_problem(403, "permission_built_in");
    assert!(
        !app.get(PERMISSIONS)
            .by(&admin)
            .send()
            .text
            .contains("assets.read")
    );
}

#[test]
fn a_permission_that_somebody_has_stays_in_the_catalogue() {
    let app = TestApp::start();
    let admin = app.super_admin();
    app.post(PERMISSIONS)
        .by(&admin)
        .json(&json!({"name": "assets.read"}))
        .send()
        .expect(201);
    let remove = || {
        app.delete(&format!("{PERMISSIONS}/assets.read"))
            .by(&admin)
            .send()
    };
    let in_use = |answer: Answer| {
        let answer = answer.expect_problem(409, "permission_in_use");
        assert_eq!(answer.body["count"], 1, "{}", answer.text);
    };
    let user = app.user("ada", "User", &["assets.read"]);
    in_use(remove());
    app.delete(&user.at("")).by(&admin).send().expect(204);
    in_use(remove());
    app.delete(&user.at("?purge=true"))
        .by(&admin)
        .send()
        .expect(204);
    app.role("Librarian", 1, &["assets.read"]);
    in_use(remove());
    app.execute("DELETE FROM roles WHERE name = 'Librarian'");
    remove().expect(204);
}

#[test]
fn a_super_admin_holds_what_is_registered_later_at_once() {
    let app = TestApp::start();
    let (own, admin) = app.someone("SuperAdmin", &[]);
    let effective = || {
        let shown = app.get(&own.at("")).by(&admin).send().expect(200);
        shown.data()["effectivePermissions"]
            .as_array()
            .unwrap()
            .contains(&json!("assets.read"))
    };
    assert!(!effective());
    app.post(PERMISSIONS)
        .by(&admin)
        .json(&json!({"name": "assets.read"}))
        .send()
        .expect(201);
    assert!(effective());
    app.delete(&format!("{PERMISSIONS}/assets.read"))
        .by(&admin)
        .send()
        .expect(204);
    assert!(!effective());
}

#[test]
fn settings_register_permissions_at_the_start() {
    let app = TestApp::with(&[("ROSTERD_PERMISSIONS", "assets.read,assets.write,users.read")]);
    let admin = app.super_admin();
    let catalogue = app.get(PERMISSIONS).by(&admin).send().expect(200);
    assert_eq!(
        names(catalogue.data())
            .iter()
            .filter(|name| name.starts_with("assets."))
            .count(),
        2
    );
    drop(app.replica());
    assert_eq!(
        app.number("SELECT count(*) FROM audit_events WHERE action = 'permission.register'"),
        2
    );
}
