//! Accounts over HTTP: made, shown, changed, switched off, deleted and brought back.

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, User};

const USERS: &str = "/api/v1/users";
const OTHER_PASSWORD: &str = "nine purple umbrellas in june";

fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    app.post("/api/v1/auth/login").json(&body).send()
}

fn shown(app: &TestApp, by: &str, user: &User) -> Value {
    app.get(&user.at(""))
        .by(by)
        .send()
        .expect(200)
        .data()
        .clone()
}

fn patch(app: &TestApp, by: &str, user: &User, change: &Value) -> Answer {
    app.patch(&user.at("")).by(by).json(change).send()
}

#[test]
fn the_main_job_from_making_an_account_to_resetting_its_password() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let body = json!({"username": " Ada ", "password": PASSWORD, "role": "User", "permissions": ["users.read"]});
    let made = app.post(USERS).by(&admin).json(&body).send().expect(201);
    assert_eq!(made.data()["username"], "ada");
    let path = made.header("location").to_owned();
    let session = app.sign_in("ada");
    let token = session["accessToken"].as_str().unwrap();

    let change = json!({"permissions": ["roles.read", "audit.read"]});
    let changed = app
        .patch(&format!("{path}/permissions"))
        .by(&admin)
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
        app.post(&status).by(&admin).json(&body).send().expect(200);
        app.get("/api/v1/auth/me")
            .by(token)
            .send()
            .expect_problem(401, "auth_token_invalid");
        app.post("/api/v1/auth/refresh")
            .json(&refresh)
            .send()
            .expect_problem(401, "auth_refresh_token_invalid");
    }

    let reset = json!({"newPassword": OTHER_PASSWORD});
    app.post(&format!("{path}/reset-password"))
        .by(&admin)
        .json(&reset)
        .send()
        .expect(204);
    login(&app, "ada", PASSWORD).expect_problem(401, "auth_invalid_credentials");
    login(&app, "ada", OTHER_PASSWORD).expect(200);
}

#[test]
fn an_account_is_answered_whole_with_null_for_what_it_lacks() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let body = json!({"username": "grace", "role": "Admin"});
    let made = app.post(USERS).by(&admin).json(&body).send().expect(201);
    let id = made.data()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("{USERS}/{id}"));
    assert_eq!(made.header("cache-control"), "no-store");
    assert!(made.header("etag").starts_with("\"1-"));
    let mut members: Vec<&str> = made
        .data()
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    members.sort_unstable();
    let mut promised = [
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
    promised.sort_unstable();
    assert_eq!(members, promised);

    let user = made.data();
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
    let given = json!({
        "isActive": true, "emailConfirmed": false, "mustChangePassword": false, "hasPassword": false,
        "authProvider": "local", "mfaEnabled": false, "permissions": [], "tags": [], "attributes": {}, "role": "Admin",
    });
    for (name, value) in given.as_object().unwrap() {
        assert_eq!(&user[name], value, "{name}");
    }
    assert_eq!(user["effectivePermissions"].as_array().unwrap().len(), 17);
    let made_at = user["createdAtUtc"].as_str().unwrap();
    assert!(made_at.ends_with('Z') && made_at.contains('T'), "{made_at}");
    assert_eq!(user["updatedAtUtc"], made_at);
    let got = app
        .get(&format!("{USERS}/{id}"))
        .by(&admin)
        .send()
        .expect(200);
    assert_eq!(
        (&got.body, got.header("etag")),
        (&made.body, made.header("etag"))
    );
}

#[test]
fn everything_that_can_be_given_at_the_making_is_kept() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let body = json!({
        "username": "  Grace.H-1_ ", "password": PASSWORD, "role": "User", "isActive": false,
        "permissions": ["users.read", "audit.read", "users.read"], "displayName": "  Grace Hopper ",
        "email": " Grace@Example.org ", "tags": ["Staff", "navy", "staff"],
        "attributes": {"rank": {"name": "Rear admiral", "year": 1985}, "none": null}, "mustChangePassword": true,
    });
    let made = app.post(USERS).by(&admin).json(&body).send().expect(201);
    let expected = json!({
        "username": "grace.h-1_", "role": "User", "isActive": false, "permissions": ["audit.read", "users.read"],
        "effectivePermissions": ["audit.read", "users.read"], "displayName": "Grace Hopper", "email": "Grace@Example.org",
        "emailConfirmed": false, "tags": ["navy", "staff"], "mustChangePassword": true, "hasPassword": true,
        "attributes": {"rank": {"name": "Rear admiral", "year": 1985}, "none": null},
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&made.data()[name], value, "{name}");
    }
}

#[test]
fn what_is_wrong_with_a_new_account_is_told_member_by_member() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let create = |body: &Value| app.post(USERS).by(&admin).json(body).send();
    for (username, code) in [
        ("", "too_short"),
        ("ab", "too_short"),
        (&"a".repeat(51), "too_long"),
        ("-ada", "invalid_format"),
        ("a da", "invalid_format"),
        ("ädä", "invalid_format"),
        ("ada@example.org", "invalid_format"),
        ("system", "reserved"),
        (" NULL ", "reserved"),
    ] {
        create(&json!({"username": username, "role": "User"})).expect_fault("/username", code);
    }
    create(&json!({"role": "User"})).expect_fault("/username", "required");
    create(&json!({"username": "ada"})).expect_fault("/role", "required");
    create(&json!({"username": "ada", "role": "Nobody"})).expect_fault("/role", "role_unknown");
    create(&json!({"username": "ada", "role": "user"})).expect_fault("/role", "role_unknown");
    create(&json!({"username": 7, "role": "User"})).expect_fault("/username", "invalid_type");
    create(&json!({"username": "ada", "role": "User", "admin": true}))
        .expect_fault("/admin", "unknown_field");
    create(&json!({"username": "ada", "role": "User", "tags": "staff"}))
        .expect_fault("/tags", "invalid_type");
    create(&json!({"username": "ada", "role": "User", "attributes": []}))
        .expect_fault("/attributes", "invalid_type");
    create(&json!({"username": "ada", "role": "User", "attributes": {"a": "x".repeat(17_000)}}))
        .expect_fault("/attributes", "too_long");
    for (password, code) in [
        ("", "too_short"),
        ("fourteen chars", "too_short"),
        ("passwordpassword", "too_common"),
        ("countess.l 1815 countess.l", "contains_context"),
        (&"long words ".repeat(100), "too_long"),
    ] {
        create(&json!({"username": "countess.l", "role": "User", "password": password}))
            .expect_fault("/password", code);
    }
    let all = create(&json!({
        "username": "x", "role": "User", "email": "nowhere", "displayName": "\u{202e}", "tags": ["fine", "not fine"],
    }));
    for (pointer, code) in [
        ("/username", "too_short"),
        ("/email", "invalid_email"),
        ("/displayName", "invalid_character"),
    ] {
        let faults = all.body["errors"].as_array().unwrap();
        assert!(
            faults
                .iter()
                .any(|fault| fault["pointer"] == pointer && fault["code"] == code),
            "{pointer} in {}",
            all.text
        );
    }
    all.expect_fault("/tags/1", "invalid_format");
    assert_eq!(app.number("SELECT count(*) FROM users"), 1);
}

#[test]
fn a_permission_that_is_not_in_the_catalogue_is_never_dropped_silently() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let unknown = |answer: Answer| {
        let answer = answer.expect_problem(400, "permission_unknown");
        assert_eq!(
            answer.body["errors"][0]["pointer"], "/permissions/1",
            "{}",
            answer.text
        );
        assert_eq!(answer.body["errors"].as_array().unwrap().len(), 1);
    };
    let names = json!(["users.read", "assets.read"]);
    unknown(
        app.post(USERS)
            .by(&admin)
            .json(&json!({"username": "grace", "role": "User", "permissions": names}))
            .send(),
    );
    unknown(
        app.patch(&user.at("/permissions"))
            .by(&admin)
            .json(&json!({"permissions": names}))
            .send(),
    );
    let many: Vec<String> = (0..1001).map(|index| format!("a.a{index}")).collect();
    app.patch(&user.at("/permissions"))
        .by(&admin)
        .json(&json!({"permissions": many}))
        .send()
        .expect_fault("/permissions", "too_many");
    app.post("/api/v1/permissions")
        .by(&admin)
        .json(&json!({"name": "assets.read"}))
        .send()
        .expect(201);
    app.patch(&user.at("/permissions"))
        .by(&admin)
        .json(&json!({"permissions": names}))
        .send()
        .expect(200);
}

#[test]
fn each_member_of_a_change_is_kept_when_absent_set_by_a_value_and_cleared_by_null() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    for (name, value, cleared) in [
        ("displayName", json!("Ada L."), json!(null)),
        ("email", json!("ada@example.org"), json!(null)),
        ("tags", json!(["a", "b"]), json!([])),
        ("attributes", json!({"a": {"b": 1}}), json!({})),
        (
            "expiresAtUtc",
            json!("2999-01-02T03:04:05.000006Z"),
            json!(null),
        ),
        ("authProvider", json!("oidc"), json!("local")),
        ("authId", json!("1234"), json!(null)),
    ] {
        let set = patch(&app, &admin, &user, &json!({ name: value })).expect(200);
        assert_eq!(set.data()[name], value, "{}", set.text);
        let kept = patch(&app, &admin, &user, &json!({})).expect(200);
        assert_eq!(kept.data()[name], value);
        assert_eq!(
            kept.header("etag"),
            set.header("etag"),
            "nothing was changed"
        );
        let clear = patch(&app, &admin, &user, &json!({ name: null })).expect(200);
        assert_eq!(clear.data()[name], cleared, "{name}");
        assert_eq!(shown(&app, &admin, &user), *clear.data());
    }
    for (name, value) in [
        ("username", json!("countess")),
        ("role", json!("Admin")),
        ("mustChangePassword", json!(true)),
        ("isActive", json!(false)),
    ] {
        let set = patch(&app, &admin, &user, &json!({ name: value })).expect(200);
        assert_eq!(set.data()[name], value);
        patch(&app, &admin, &user, &json!({ name: null }))
            .expect_fault(&format!("/{name}"), "required");
    }
    patch(&app, &admin, &user, &json!({"emailConfirmed": null}))
        .expect_fault("/emailConfirmed", "required");
}

#[test]
fn attributes_are_merged_member_by_member_at_every_depth() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let merge = |change: Value| {
        patch(&app, &admin, &user, &json!({"attributes": change}))
            .expect(200)
            .data()["attributes"]
            .clone()
    };
    merge(json!({"a": {"b": {"c": 1, "d": 2}, "e": [1, {"f": 2}]}, "g": "h"}));
    assert_eq!(
        merge(json!({"a": {"b": {"c": null, "x": 9}}})),
        json!({"a": {"b": {"d": 2, "x": 9}, "e": [1, {"f": 2}]}, "g": "h"})
    );
    assert_eq!(
        merge(json!({"a": {"e": [3]}, "g": null})),
        json!({"a": {"b": {"d": 2, "x": 9}, "e": [3]}})
    );
    assert_eq!(
        merge(json!({"a": {"b": 5}})),
        json!({"a": {"b": 5, "e": [3]}})
    );
    assert_eq!(
        merge(json!({"a": {"b": {"n": null, "m": {"k": null}}}})),
        json!({"a": {"b": {"m": {}}, "e": [3]}})
    );
    assert_eq!(merge(json!({})), json!({"a": {"b": {"m": {}}, "e": [3]}}));
    patch(&app, &admin, &user, &json!({"attributes": "x"}))
        .expect_fault("/attributes", "invalid_type");
    // Two halves that fit alone and not together.
    merge(json!({"one": "x".repeat(9000)}));
    patch(
        &app,
        &admin,
        &user,
        &json!({"attributes": {"two": "x".repeat(9000)}}),
    )
    .expect_fault("/attributes", "too_long");
}

#[test]
fn another_address_is_unconfirmed_unless_the_change_says_otherwise() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let confirmed = |change: Value| {
        patch(&app, &admin, &user, &change).expect(200).data()["emailConfirmed"].clone()
    };
    patch(&app, &admin, &user, &json!({"emailConfirmed": true}))
        .expect_fault("/emailConfirmed", "no_email");
    assert_eq!(confirmed(json!({"email": "ada@example.org"})), false);
    assert_eq!(confirmed(json!({"emailConfirmed": true})), true);
    assert_eq!(
        confirmed(json!({"email": "ada@example.org"})),
        true,
        "the same address"
    );
    assert_eq!(confirmed(json!({"email": "ada@example.com"})), false);
    assert_eq!(
        confirmed(json!({"email": "a@example.com", "emailConfirmed": true})),
        true
    );
    patch(
        &app,
        &admin,
        &user,
        &json!({"email": null, "emailConfirmed": true}),
    )
    .expect_fault("/emailConfirmed", "no_email");
    assert_eq!(confirmed(json!({"email": null})), false);
}

#[test]
fn a_time_that_no_reader_understands_is_refused() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    for time in [
        "-5000-01-01T00:00:00Z",
        "+12345-01-01T00:00:00Z",
        "+262142-12-31T23:59:59Z",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
    ] {
        let answer = patch(&app, &admin, &user, &json!({"expiresAtUtc": time}))
            .expect_problem(400, "request_invalid");
        assert_eq!(
            answer.body["errors"][0]["pointer"], "/expiresAtUtc",
            "{time}"
        );
    }
    for wrong in [
        json!("tomorrow"),
        json!("2030-02-30T00:00:00Z"),
        json!("2030-01-01"),
        json!(1_900_000_000),
        json!({}),
    ] {
        patch(&app, &admin, &user, &json!({"expiresAtUtc": wrong}))
            .expect_problem(400, "request_invalid");
    }
    let local = patch(
        &app,
        &admin,
        &user,
        &json!({"expiresAtUtc": "2999-01-01T01:00:00.1234567+01:00"}),
    )
    .expect(200);
    assert_eq!(local.data()["expiresAtUtc"], "2999-01-01T00:00:00.123456Z");
    let again = patch(
        &app,
        &admin,
        &user,
        &json!({"expiresAtUtc": "2999-01-01T00:00:00.1234567Z"}),
    )
    .expect(200);
    assert_eq!(again.header("etag"), local.header("etag"));
}

#[test]
fn a_taken_username_or_address_is_a_conflict_on_every_path() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let ada = app.user("ada", "User", &[]);
    let grace = app.user("grace", "User", &[]);
    let address = json!({"email": "Ada@Example.org"});
    patch(&app, &admin, &ada, &address).expect(200);
    let create = |body: Value| app.post(USERS).by(&admin).json(&body).send();
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
    // A deleted account keeps both; a purged one neither.
    app.delete(&ada.at("")).by(&admin).send().expect(204);
    create(json!({"username": "ada", "role": "User"}))
        .expect_problem(409, "user_username_conflict");
    create(json!({"username": "lin", "role": "User", "email": "ada@example.org"}))
        .expect_problem(409, "user_email_conflict");
    app.delete(&ada.at("?purge=true"))
        .by(&admin)
        .send()
        .expect(204);
    create(json!({"username": "ada", "role": "User", "email": "ada@example.org"})).expect(201);
}

#[test]
fn tags_are_put_and_taken_one_by_one() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let tag = |method: &str, tag: &str| {
        app.call(method, &user.at(&format!("/tags/{tag}")))
            .by(&admin)
            .send()
    };
    assert_eq!(
        tag("PUT", "Staff").expect(200).data()["tags"],
        json!(["staff"])
    );
    assert_eq!(
        tag("PUT", "a:b._-").expect(200).data()["tags"],
        json!(["a:b._-", "staff"])
    );
    let same = tag("PUT", "staff").expect(200);
    assert_eq!(same.data()["tags"], json!(["a:b._-", "staff"]));
    assert_eq!(
        tag("PUT", "staff").expect(200).header("etag"),
        same.header("etag")
    );
    assert_eq!(
        tag("DELETE", "STAFF").expect(200).data()["tags"],
        json!(["a:b._-"])
    );
    assert_eq!(
        tag("DELETE", "staff").expect(200).data()["tags"],
        json!(["a:b._-"])
    );
    for wrong in ["not%20fine", "a%2Fb", "%C3%A9", &"a".repeat(65)] {
        tag("PUT", wrong).expect_problem(400, "request_invalid");
    }
    for index in 0..49 {
        tag("PUT", &format!("t{index}")).expect(200);
    }
    tag("PUT", "one-too-many").expect_problem(400, "request_invalid");
    tag("PUT", "t7").expect(200);
}

#[test]
fn a_deleted_account_is_shown_and_comes_back_signed_out() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (user, token) = app.someone("User", &["users.read"]);
    app.delete(&user.at("")).by(&admin).send().expect(204);
    app.delete(&user.at("")).by(&admin).send().expect(204);
    let deleted = shown(&app, &admin, &user);
    assert!(deleted["deletedAtUtc"].is_string());
    assert_eq!(deleted["isActive"], true);
    login(&app, &user.username, PASSWORD).expect_problem(401, "auth_invalid_credentials");
    let body = json!({"isActive": false, "permissions": []});
    patch(&app, &admin, &user, &json!({"displayName": "x"})).expect_problem(409, "user_deleted");
    for (method, below, body) in [
        ("POST", "/status", json!({"isActive": body["isActive"]})),
        ("PATCH", "/permissions", json!({"permissions": []})),
        (
            "POST",
            "/reset-password",
            json!({"newPassword": OTHER_PASSWORD}),
        ),
        ("DELETE", "/password", json!({})),
        ("PUT", "/tags/x", json!({})),
    ] {
        app.call(method, &user.at(below))
            .by(&admin)
            .json(&body)
            .send()
            .expect_problem(409, "user_deleted");
    }

    let back = app.post(&user.at("/restore")).by(&admin).send().expect(200);
    assert_eq!(back.data()["deletedAtUtc"], Value::Null);
    assert_eq!(back.data()["permissions"], json!(["users.read"]));
    let same = app.post(&user.at("/restore")).by(&admin).send().expect(200);
    assert_eq!(same.header("etag"), back.header("etag"));
    app.get(USERS)
        .by(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    login(&app, &user.username, PASSWORD).expect(200);
}

#[test]
fn a_purged_account_is_gone_with_all_that_hangs_on_it() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (user, token) = app.someone("User", &[]);
    patch(
        &app,
        &admin,
        &user,
        &json!({"displayName": "Ada", "email": "ada@example.org"}),
    )
    .expect(200);
    app.delete(&user.at("?purge=maybe"))
        .by(&admin)
        .send()
        .expect_fault("?purge", "invalid_value");
    app.delete(&user.at("?purge=true"))
        .by(&admin)
        .send()
        .expect(204);
    for (method, below) in [
        ("GET", ""),
        ("DELETE", ""),
        ("DELETE", "?purge=true"),
        ("POST", "/restore"),
    ] {
        app.call(method, &user.at(below))
            .by(&admin)
            .send()
            .expect_problem(404, "not_found");
    }
    app.get("/api/v1/auth/me")
        .by(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    for table in ["sessions", "refresh_tokens", "users"] {
        let left = if table == "refresh_tokens" {
            "SELECT count(*) FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id"
                .to_owned()
        } else {
            format!("SELECT count(*) FROM {table}")
        };
        assert_eq!(app.number(&left), 1, "the administrator's own in {table}");
    }
    let words = "SELECT count(*) FROM audit_people WHERE words::text ~* 'ada|user-'";
    assert_eq!(app.number(words), 0);
    let rows = format!(
        "SELECT count(*) FROM audit_events WHERE subject_id = '{}'",
        user.id
    );
    assert!(app.number(&rows) >= 2, "the rows themselves stay");
}

#[test]
fn removing_the_password_or_signing_out_ends_the_sessions() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (user, token) = app.someone("User", &[]);
    app.delete(&user.at("/sessions"))
        .by(&admin)
        .send()
        .expect(204);
    app.get("/api/v1/auth/me")
        .by(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    let token = app.token(&user.username);
    app.delete(&user.at("/password"))
        .by(&admin)
        .send()
        .expect(204);
    app.get("/api/v1/auth/me")
        .by(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    assert_eq!(shown(&app, &admin, &user)["hasPassword"], false);
    login(&app, &user.username, PASSWORD).expect_problem(401, "auth_invalid_credentials");
    let reset = json!({"newPassword": OTHER_PASSWORD});
    app.post(&user.at("/reset-password"))
        .by(&admin)
        .json(&reset)
        .send()
        .expect(204);
    login(&app, &user.username, OTHER_PASSWORD).expect(200);
}

#[test]
fn an_account_that_expired_stays_signed_out_when_it_gets_more_time() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (user, token) = app.someone("User", &[]);
    app.get("/api/v1/auth/me").by(&token).send().expect(200);
    // Its time runs out by itself: nobody ends its sessions then.
    app.execute(&format!(
        "UPDATE users SET expires_at = now() - interval '1 s' WHERE id = '{}'",
        user.id
    ));
    crate::support::eventually(|| app.get("/api/v1/auth/me").by(&token).send().status == 401);
    login(&app, &user.username, PASSWORD).expect_problem(403, "auth_user_inactive");
    for end in [json!("2999-01-01T00:00:00Z"), json!(null)] {
        patch(&app, &admin, &user, &json!({"expiresAtUtc": end})).expect(200);
        app.get("/api/v1/auth/me")
            .by(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    login(&app, &user.username, PASSWORD).expect(200);
    let token = app.token(&user.username);
    patch(
        &app,
        &admin,
        &user,
        &json!({"expiresAtUtc": "2001-01-01T00:00:00Z"}),
    )
    .expect(200);
    app.get("/api/v1/auth/me")
        .by(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    patch(&app, &admin, &user, &json!({"expiresAtUtc": null})).expect(200);
    app.get("/api/v1/auth/me")
        .by(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
}

#[test]
fn signing_in_moves_the_last_login_and_nothing_else() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    let before = app.get(&user.at("")).by(&admin).send().expect(200);
    let session = app.sign_in("ada");
    let after = app.get(&user.at("")).by(&admin).send().expect(200);
    assert_eq!(after.data()["updatedAtUtc"], before.data()["updatedAtUtc"]);
    assert_eq!(
        after.data()["lastLoginAtUtc"],
        session["user"]["lastLoginAtUtc"]
    );
    assert!(after.data()["lastLoginAtUtc"].is_string());
    assert_ne!(after.header("etag"), before.header("etag"));
    let changed = app
        .patch(&user.at(""))
        .by(&admin)
        .header("If-Match", before.header("etag"))
        .json(&json!({"displayName": "Ada"}))
        .send()
        .expect(200);
    assert_ne!(
        changed.data()["updatedAtUtc"],
        before.data()["updatedAtUtc"]
    );
}
