//! Creating accounts, and the account resource.

use serde_json::{Value, json};

use super::{OTHER_PASSWORD, USERS, login, patch};
use crate::support::{PASSWORD, Response, TestApp};

#[test]
fn account_can_be_created_granted_permissions_disabled_enabled_and_its_password_reset() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let body = json!({"username": " Ada ", "password": PASSWORD, "role": "User", "permissions": ["users.read"]});
    let created = app
        .post(USERS)
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(201);
    assert_eq!(created.data()["username"], "ada");
    let path = created.header("location").to_owned();
    let session = app.sign_in("ada");
    let token = session["accessToken"].as_str().unwrap();

    let change = json!({"permissions": ["roles.read", "audit.read"]});
    let changed = app
        .patch(&format!("{path}/permissions"))
        .bearer(&admin)
        .json(&change)
        .send()
        .expect(200);
    assert_eq!(
        changed.data()["permissions"],
        json!(["audit.read", "roles.read"])
    );

    let status = format!("{path}/status");
    let refresh = json!({"refreshToken": session["refreshToken"]});
    for active in [false, true] {
        let body = json!({"isActive": active});
        app.post(&status)
            .bearer(&admin)
            .json(&body)
            .send()
            .expect(200);
        app.get("/api/v1/auth/me")
            .bearer(token)
            .send()
            .expect_problem(401, "auth_token_invalid");
        app.post("/api/v1/auth/refresh")
            .json(&refresh)
            .send()
            .expect_problem(401, "auth_refresh_token_invalid");
    }

    let reset = json!({"newPassword": OTHER_PASSWORD});
    app.post(&format!("{path}/reset-password"))
        .bearer(&admin)
        .json(&reset)
        .send()
        .expect(204);
    login(&app, "ada", PASSWORD).expect_problem(401, "auth_invalid_credentials");
    login(&app, "ada", OTHER_PASSWORD).expect(200);
}

#[test]
fn account_response_has_every_member_with_null_for_absent_values() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let body = json!({"username": "grace", "role": "Admin"});
    let created = app
        .post(USERS)
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(201);
    let id = created.data()["id"].as_str().unwrap().to_owned();
    assert_eq!(created.header("location"), format!("{USERS}/{id}"));
    assert_eq!(created.header("cache-control"), "no-store");
    assert!(created.header("etag").starts_with("\"1-"));
    let mut members: Vec<&str> = created
        .data()
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    members.sort_unstable();
    let mut expected = [
        "id",
        "username",
        "displayName",
        "email",
        "emailConfirmed",
        "role",
        "permissions",
        "effectivePermissions",
        "isActive",
        "tags",
        "attributes",
        "mustChangePassword",
        "hasPassword",
        "authProvider",
        "authId",
        "mfaEnabled",
        "createdAtUtc",
        "updatedAtUtc",
        "lastLoginAtUtc",
        "expiresAtUtc",
        "deletedAtUtc",
    ];
    expected.sort_unstable();
    assert_eq!(members, expected);

    let user = created.data();
    for absent in [
        "displayName",
        "email",
        "authId",
        "lastLoginAtUtc",
        "expiresAtUtc",
        "deletedAtUtc",
    ] {
        assert_eq!(user[absent], Value::Null, "{absent}");
    }
    let defaults = json!({
        "isActive": true, "emailConfirmed": false, "mustChangePassword": false, "hasPassword": false,
        "authProvider": "local", "mfaEnabled": false, "permissions": [], "tags": [], "attributes": {}, "role": "Admin",
    });
    for (name, value) in defaults.as_object().unwrap() {
        assert_eq!(&user[name], value, "{name}");
    }
    assert_eq!(user["effectivePermissions"].as_array().unwrap().len(), 17);
    let created_at = user["createdAtUtc"].as_str().unwrap();
    assert!(
        created_at.ends_with('Z') && created_at.contains('T'),
        "{created_at}"
    );
    assert_eq!(user["updatedAtUtc"], created_at);
    let read = app
        .get(&format!("{USERS}/{id}"))
        .bearer(&admin)
        .send()
        .expect(200);
    assert_eq!(
        (&read.body, read.header("etag")),
        (&created.body, created.header("etag"))
    );
}

#[test]
fn every_member_of_a_create_request_is_stored() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let body = json!({
        "username": "  Grace.H-1x ", "password": PASSWORD, "role": "User", "isActive": false,
        "permissions": ["users.read", "audit.read", "users.read"], "displayName": "  Grace Hopper ",
        "email": " Grace@Example.org ", "tags": ["Staff", "navy", "staff"],
        "attributes": {"rank": {"name": "Rear admiral", "year": 1985}, "none": null}, "mustChangePassword": true,
    });
    let created = app
        .post(USERS)
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(201);
    let expected = json!({
        "username": "grace.h-1x", "role": "User", "isActive": false, "permissions": ["audit.read", "users.read"],
        "effectivePermissions": ["audit.read", "users.read"], "displayName": "Grace Hopper", "email": "Grace@Example.org",
        "emailConfirmed": false, "tags": ["navy", "staff"], "mustChangePassword": true, "hasPassword": true,
        "attributes": {"rank": {"name": "Rear admiral", "year": 1985}, "none": null},
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&created.data()[name], value, "{name}");
    }
}

#[test]
fn create_errors_point_to_each_invalid_member() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let create = |body: &Value| app.post(USERS).bearer(&admin).json(body).send();
    for (username, code) in [
        ("", "too_short"),
        ("ab", "too_short"),
        (&"a".repeat(51), "too_long"),
        ("-ada", "invalid_format"),
        ("a da", "invalid_format"),
        ("ädä", "invalid_format"),
        ("ada@example.org", "invalid_format"),
        ("system", "reserved"),
        ("admin.", "invalid_format"),
        ("ada--l", "invalid_format"),
        ("adm1n", "reserved"),
        (" NULL ", "reserved"),
    ] {
        create(&json!({"username": username, "role": "User"}))
            .expect_field_error("/username", code);
    }
    create(&json!({"role": "User"})).expect_field_error("/username", "required");
    create(&json!({"username": "ada"})).expect_field_error("/role", "required");
    create(&json!({"username": "ada", "role": "Nobody"}))
        .expect_field_error("/role", "role_unknown");
    create(&json!({"username": 7, "role": "User"})).expect_field_error("/username", "invalid_type");
    create(&json!({"username": "ada", "role": "User", "admin": true}))
        .expect_field_error("/admin", "unknown_field");
    create(&json!({"username": "ada", "role": "User", "tags": "staff"}))
        .expect_field_error("/tags", "invalid_type");
    create(&json!({"username": "ada", "role": "User", "attributes": []}))
        .expect_field_error("/attributes", "invalid_type");
    create(&json!({"username": "ada", "role": "User", "attributes": {"a": "x".repeat(17_000)}}))
        .expect_field_error("/attributes", "too_long");
    for (password, code) in [
        ("", "too_short"),
        ("fourteen chars", "too_short"),
        ("passwordpassword", "too_common"),
        ("countess.l 1815 countess.l", "contains_context"),
        (&"long words ".repeat(100), "too_long"),
    ] {
        create(&json!({"username": "countess.l", "role": "User", "password": password}))
            .expect_field_error("/password", code);
    }
    let several = create(&json!({
        "username": "x", "role": "User", "email": "nowhere", "displayName": "\u{202e}", "tags": ["fine", "not fine"],
    }));
    for (pointer, code) in [
        ("/username", "too_short"),
        ("/email", "invalid_email"),
        ("/displayName", "invalid_character"),
    ] {
        let errors = several.body["errors"].as_array().unwrap();
        assert!(
            errors
                .iter()
                .any(|error| error["pointer"] == pointer && error["code"] == code),
            "{pointer} in {}",
            several.text
        );
    }
    several.expect_field_error("/tags/1", "invalid_format");
    assert_eq!(app.query_number("SELECT count(*) FROM users"), 1);
}

/// The pointers of the errors, sorted.
fn pointers(response: &Response) -> Vec<&str> {
    let errors = response.body["errors"].as_array().unwrap();
    let pointers = errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap());
    let mut pointers: Vec<&str> = pointers.collect();
    pointers.sort_unstable();
    pointers
}

#[test]
fn all_errors_of_a_new_account_are_reported_together() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let create = |body: &Value| app.post(USERS).bearer(&admin).json(body).send();
    let refused = create(&json!({
        "username": "x", "password": "short", "role": "Nobody", "permissions": ["users.read", "users.fly"], "email": "nowhere",
    }));
    let refused = refused.expect_problem(400, "request_invalid");
    let all = [
        "/email",
        "/password",
        "/permissions/1",
        "/role",
        "/username",
    ];
    assert_eq!(pointers(&refused), all, "{}", refused.text);
    let names = create(&json!({"username": "ada", "role": "Nobody", "permissions": ["users.fly"]}));
    let names = names.expect_problem(400, "request_invalid");
    assert_eq!(pointers(&names), ["/permissions/0", "/role"]);
    let long_name = "a".repeat(201);
    let shape = create(
        &json!({"tags": "staff", "isActive": "yes", "admin": true, "displayName": long_name}),
    );
    let shape = shape.expect_problem(400, "request_invalid");
    let all = [
        "/admin",
        "/displayName",
        "/isActive",
        "/role",
        "/tags",
        "/username",
    ];
    assert_eq!(pointers(&shape), all, "{}", shape.text);
    for word in ["struct", "i32", "expected", "sequence", "NewUser"] {
        assert!(!shape.text.contains(word), "{word} in {}", shape.text);
    }
    assert!(
        shape.text.contains("mustChangePassword"),
        "the known members are listed"
    );
    assert_eq!(app.query_number("SELECT count(*) FROM users"), 1);
}

#[test]
fn null_means_absent_when_something_is_created() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let body = json!({
        "username": "ada", "role": "User", "password": null, "isActive": null, "permissions": null, "displayName": null,
        "email": null, "tags": null, "attributes": null, "mustChangePassword": null, "expiresAtUtc": null, "authProvider": null,
        "authId": null,
    });
    let created = app.post(USERS).bearer(&admin).json(&body).send();
    let created = created.expect(201);
    assert_eq!(created.data()["isActive"], true);
    assert_eq!(created.data()["tags"], json!([]));
    let body = json!({"name": "Editor", "rank": 20.0, "permissions": null, "description": null});
    let role = app.post("/api/v1/roles").bearer(&admin).json(&body).send();
    assert_eq!(role.expect(201).data()["rank"], 20);
    let required = json!({"username": null, "role": "User"});
    app.post(USERS)
        .bearer(&admin)
        .json(&required)
        .send()
        .expect_field_error("/username", "required");
}

#[test]
fn role_names_are_found_in_any_case_and_permission_names_are_trimmed() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let body = json!({"username": "ada", "role": "uSER", "permissions": [" users.read "]});
    let created = app.post(USERS).bearer(&admin).json(&body).send();
    let created = created.expect(201);
    assert_eq!(created.data()["role"], "User");
    assert_eq!(created.data()["permissions"], json!(["users.read"]));
    let path = created.header("location").to_owned();
    let role = json!({"role": "ADMIN"});
    let changed = app.patch(&path).bearer(&admin).json(&role).send();
    assert_eq!(changed.expect(200).data()["role"], "Admin");
    let found = app.get(&format!("{USERS}?role=admin")).bearer(&admin);
    assert_eq!(found.send().expect(200).data()[0]["username"], "ada");

    app.create_role("Editor", 20, &[]);
    let editor = "/api/v1/roles/eDITOR";
    let shown = app.get(editor).bearer(&admin).send().expect(200);
    assert_eq!(shown.data()["name"], "Editor");
    let rank = json!({"rank": 30});
    let changed = app.patch(editor).bearer(&admin).json(&rank).send();
    assert_eq!(changed.expect(200).data()["rank"], 30);
    let moved = json!({"name": "Author"});
    let moved = app
        .patch(&format!("{editor}?moveTo=author"))
        .bearer(&admin)
        .json(&moved);
    assert_eq!(moved.send().expect(200).data()["name"], "Author");
    let deleted = app.delete("/api/v1/roles/AUTHOR?moveTo=user");
    deleted.bearer(&admin).send().expect(204);
}

#[test]
fn unknown_permission_is_an_error_on_create_and_update() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let expect_unknown_permission = |response: Response| {
        let response = response.expect_problem(400, "permission_unknown");
        assert_eq!(
            response.body["errors"][0]["pointer"], "/permissions/1",
            "{}",
            response.text
        );
        assert_eq!(response.body["errors"].as_array().unwrap().len(), 1);
    };
    let names = json!(["users.read", "assets.read"]);
    expect_unknown_permission(
        app.post(USERS)
            .bearer(&admin)
            .json(&json!({"username": "grace", "role": "User", "permissions": names}))
            .send(),
    );
    expect_unknown_permission(
        app.patch(&user.path("/permissions"))
            .bearer(&admin)
            .json(&json!({"permissions": names}))
            .send(),
    );
    let many: Vec<String> = (0..1001).map(|index| format!("a.a{index}")).collect();
    app.patch(&user.path("/permissions"))
        .bearer(&admin)
        .json(&json!({"permissions": many}))
        .send()
        .expect_field_error("/permissions", "too_many");
    app.post("/api/v1/permissions")
        .bearer(&admin)
        .json(&json!({"name": "assets.read"}))
        .send()
        .expect(201);
    app.patch(&user.path("/permissions"))
        .bearer(&admin)
        .json(&json!({"permissions": names}))
        .send()
        .expect(200);
}

#[test]
fn taken_username_or_email_is_a_conflict_on_create_and_update() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let ada = app.create_user("ada", "User", &[]);
    let grace = app.create_user("grace", "User", &[]);
    let address = json!({"email": "Ada@Example.org"});
    patch(&app, &admin, &ada, &address).expect(200);
    let create = |body: Value| app.post(USERS).bearer(&admin).json(&body).send();
    create(json!({"username": "ADA", "role": "User"}))
        .expect_problem(409, "user_username_conflict");
    create(json!({"username": "lin", "role": "User", "email": "aDA@example.ORG"}))
        .expect_problem(409, "user_email_conflict");
    patch(&app, &admin, &grace, &json!({"username": "Ada"}))
        .expect_problem(409, "user_username_conflict");
    patch(&app, &admin, &grace, &json!({"email": "ada@EXAMPLE.org"}))
        .expect_problem(409, "user_email_conflict");
    patch(
        &app,
        &admin,
        &ada,
        &json!({"email": "ada@example.org", "username": "ada"}),
    )
    .expect(200);
    // A deleted account keeps its username and email. A purged account releases both.
    app.delete(&ada.path("")).bearer(&admin).send().expect(204);
    create(json!({"username": "ada", "role": "User"}))
        .expect_problem(409, "user_username_conflict");
    create(json!({"username": "lin", "role": "User", "email": "ada@example.org"}))
        .expect_problem(409, "user_email_conflict");
    app.delete(&ada.path("?purge=true"))
        .bearer(&admin)
        .send()
        .expect(204);
    create(json!({"username": "ada", "role": "User", "email": "ada@example.org"})).expect(201);
}
