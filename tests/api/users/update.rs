//! Changing accounts: merge patch, attributes, email confirmation, expiry and tags.

use serde_json::{Value, json};

use super::{get_user, patch};
use crate::support::TestApp;

#[test]
fn patch_keeps_absent_members_sets_values_and_clears_nulls() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
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
            "an empty patch changes nothing"
        );
        let clear = patch(&app, &admin, &user, &json!({ name: null })).expect(200);
        assert_eq!(clear.data()[name], cleared, "{name}");
        assert_eq!(get_user(&app, &admin, &user), *clear.data());
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
            .expect_field_error(&format!("/{name}"), "required");
    }
    patch(&app, &admin, &user, &json!({"emailConfirmed": null}))
        .expect_field_error("/emailConfirmed", "required");
}

#[test]
fn attributes_are_merged_recursively() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
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
        .expect_field_error("/attributes", "invalid_type");
    // Two values that fit the size limit alone, but not together.
    merge(json!({"one": "x".repeat(9000)}));
    patch(
        &app,
        &admin,
        &user,
        &json!({"attributes": {"two": "x".repeat(9000)}}),
    )
    .expect_field_error("/attributes", "too_long");
}

#[test]
fn new_email_is_unconfirmed_unless_the_patch_confirms_it() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let confirmed_after = |change: Value| {
        patch(&app, &admin, &user, &change).expect(200).data()["emailConfirmed"].clone()
    };
    patch(&app, &admin, &user, &json!({"emailConfirmed": true}))
        .expect_field_error("/emailConfirmed", "no_email");
    assert_eq!(confirmed_after(json!({"email": "ada@example.org"})), false);
    assert_eq!(confirmed_after(json!({"emailConfirmed": true})), true);
    assert_eq!(
        confirmed_after(json!({"email": "ada@example.org"})),
        true,
        "the same email"
    );
    assert_eq!(confirmed_after(json!({"email": "ada@example.com"})), false);
    assert_eq!(
        confirmed_after(json!({"email": "a@example.com", "emailConfirmed": true})),
        true
    );
    patch(
        &app,
        &admin,
        &user,
        &json!({"email": null, "emailConfirmed": true}),
    )
    .expect_field_error("/emailConfirmed", "no_email");
    assert_eq!(confirmed_after(json!({"email": null})), false);
}

#[test]
fn expiry_outside_the_supported_range_or_format_is_refused() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    for time in [
        "-5000-01-01T00:00:00Z",
        "+12345-01-01T00:00:00Z",
        "+262142-12-31T23:59:59Z",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
    ] {
        let response = patch(&app, &admin, &user, &json!({"expiresAtUtc": time}))
            .expect_problem(400, "request_invalid");
        assert_eq!(
            response.body["errors"][0]["pointer"], "/expiresAtUtc",
            "{time}"
        );
    }
    for invalid in [
        json!("tomorrow"),
        json!("2030-02-30T00:00:00Z"),
        json!("2030-01-01"),
        json!(1_900_000_000),
        json!({}),
    ] {
        patch(&app, &admin, &user, &json!({"expiresAtUtc": invalid}))
            .expect_problem(400, "request_invalid");
    }
    let with_offset = patch(
        &app,
        &admin,
        &user,
        &json!({"expiresAtUtc": "2999-01-01T01:00:00.1234567+01:00"}),
    )
    .expect(200);
    assert_eq!(
        with_offset.data()["expiresAtUtc"],
        "2999-01-01T00:00:00.123456Z"
    );
    let again = patch(
        &app,
        &admin,
        &user,
        &json!({"expiresAtUtc": "2999-01-01T00:00:00.1234567Z"}),
    )
    .expect(200);
    assert_eq!(again.header("etag"), with_offset.header("etag"));
}

#[test]
fn tags_are_added_and_removed_individually() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let tag = |method: &str, tag: &str| {
        app.call(method, &user.path(&format!("/tags/{tag}")))
            .bearer(&admin)
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
    let repeated = tag("PUT", "staff").expect(200);
    assert_eq!(repeated.data()["tags"], json!(["a:b._-", "staff"]));
    assert_eq!(
        tag("PUT", "staff").expect(200).header("etag"),
        repeated.header("etag")
    );
    assert_eq!(
        tag("DELETE", "STAFF").expect(200).data()["tags"],
        json!(["a:b._-"])
    );
    assert_eq!(
        tag("DELETE", "staff").expect(200).data()["tags"],
        json!(["a:b._-"])
    );
    for invalid in ["not%20fine", "a%2Fb", "%C3%A9", &"a".repeat(65)] {
        tag("PUT", invalid).expect_problem(400, "request_invalid");
    }
    for index in 0..49 {
        tag("PUT", &format!("t{index}")).expect(200);
    }
    tag("PUT", "one-too-many").expect_problem(400, "request_invalid");
    tag("PUT", "t7").expect(200);
}

#[test]
fn sign_in_changes_last_login_but_not_updated_at() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let before = app.get(&user.path("")).bearer(&admin).send().expect(200);
    let session = app.sign_in("ada");
    let after = app.get(&user.path("")).bearer(&admin).send().expect(200);
    assert_eq!(after.data()["updatedAtUtc"], before.data()["updatedAtUtc"]);
    assert_eq!(
        after.data()["lastLoginAtUtc"],
        session["user"]["lastLoginAtUtc"]
    );
    assert!(after.data()["lastLoginAtUtc"].is_string());
    assert_ne!(after.header("etag"), before.header("etag"));
    let changed = app
        .patch(&user.path(""))
        .bearer(&admin)
        .header("If-Match", before.header("etag"))
        .json(&json!({"displayName": "Ada"}))
        .send()
        .expect(200);
    assert_ne!(
        changed.data()["updatedAtUtc"],
        before.data()["updatedAtUtc"]
    );
}

#[test]
fn account_is_not_disabled_by_an_expiry_without_the_permission() {
    let app = TestApp::start();
    let (_, editor) = app.create_signed_in_user("User", &["users.update"]);
    let (_, manager) = app.create_signed_in_user("User", &["users.update", "users.disable"]);
    let user = app.create_user("ada", "User", &[]);
    let expiry = |time: &str| json!({ "expiresAtUtc": time });
    for time in ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
        let refused = patch(&app, &editor, &user, &expiry(time));
        refused.expect_problem(403, "permission_required");
    }
    patch(&app, &manager, &user, &expiry("2099-01-01T00:00:00Z")).expect(200);
    let refused = patch(&app, &editor, &user, &expiry("2098-01-01T00:00:00Z"));
    refused.expect_problem(403, "permission_required");
    let audit = "SELECT count(*) FROM audit_events WHERE action = 'user.update' AND code = 'permission_required'";
    assert_eq!(app.query_number(audit), 3);
    // Nobody is locked out by a later expiry, or by none.
    patch(&app, &editor, &user, &expiry("2100-01-01T00:00:00Z")).expect(200);
    patch(
        &app,
        &editor,
        &user,
        &json!({"displayName": "Ada", "expiresAtUtc": null}),
    )
    .expect(200);
}

#[test]
fn times_and_texts_of_every_kind_are_bounded() {
    let app = TestApp::start();
    let (_, admin) = app.create_signed_in_user("SuperAdmin", &[]);
    let send =
        |path: &str, body: &serde_json::Value| app.post(path).bearer(&admin).json(body).send();
    for time in [
        "-5000-01-01T00:00:00Z",
        "+262142-01-01T00:00:00Z",
        "+10000-01-01T00:00:00Z",
        "2027-06-30T23:59:60Z",
    ] {
        for body in [
            (
                "/api/v1/users",
                json!({"username": "ada", "role": "User", "expiresAtUtc": time}),
            ),
            (
                "/api/v1/auth/tokens",
                json!({"name": "t", "permissions": [], "expiresAtUtc": time}),
            ),
            ("/api/v1/invites", json!({"expiresAtUtc": time})),
        ] {
            send(body.0, &body.1).expect_field_error("/expiresAtUtc", "out_of_range");
        }
        let query = format!("/api/v1/audit/events?since={}", time.replace('+', "%2B"));
        assert_eq!(app.get(&query).bearer(&admin).send().status, 400, "{time}");
    }
    for text in ["bell \u{7}", "escape \u{1b}[31m", "two\nlines", "\u{9b}"] {
        let role = json!({"name": "Editor", "rank": 1, "description": text});
        send("/api/v1/roles", &role).expect_field_error("/description", "invalid_character");
        let permission = json!({"name": "assets.read", "description": text});
        send("/api/v1/permissions", &permission)
            .expect_field_error("/description", "invalid_character");
        let change = app.patch("/api/v1/roles/Admin").bearer(&admin);
        let change = change.json(&json!({ "description": text })).send();
        change.expect_field_error("/description", "invalid_character");
    }
    let user = json!({"username": "ada", "role": "User", "attributes": {"a": ["\u{1b}"]}});
    send("/api/v1/users", &user).expect_field_error("/attributes", "invalid_character");
}

#[test]
fn changing_an_account_shows_it_to_a_caller_without_the_permission_to_read() {
    let app = TestApp::start();
    let (_, editor) = app.create_signed_in_user("User", &["users.update"]);
    let user = app.create_user("ada", "User", &[]);
    let shown = patch(&app, &editor, &user, &json!({})).expect(200);
    assert_eq!(shown.data()["username"], "ada");
    let read = app.get(&user.path("")).bearer(&editor).send();
    read.expect_problem(403, "permission_required");
}

#[test]
fn single_direct_grants_are_added_and_removed() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &["roles.read"]);
    let call = |method: &str, name: &str| {
        let path = user.path(&format!("/permissions/{name}"));
        app.call(method, &path).bearer(&admin).send()
    };
    for _ in 0..2 {
        let changed = call("PUT", "audit.read").expect(200);
        assert_eq!(
            changed.data()["permissions"],
            json!(["audit.read", "roles.read"])
        );
    }
    for _ in 0..2 {
        let changed = call("DELETE", "roles.read").expect(200);
        assert_eq!(changed.data()["permissions"], json!(["audit.read"]));
    }
    call("PUT", "users.fly").expect_problem(400, "permission_unknown");
    call("DELETE", "users.fly").expect(200);

    let (_, limited) = app.create_signed_in_user("User", &["users.managePermissions"]);
    let grant = app.put(&user.path("/permissions/users.delete"));
    grant
        .bearer(&limited)
        .send()
        .expect_problem(403, "permission_not_held");
    let etag = call("PUT", "audit.read").header("etag").to_owned();
    call("PUT", "sessions.read").expect(200);
    app.delete(&user.path("/permissions/audit.read"))
        .bearer(&admin)
        .header("If-Match", &etag)
        .send()
        .expect_problem(412, "precondition_failed");
}

#[test]
fn name_of_a_deleted_account_is_explained_to_those_who_may_see_it() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    app.execute("UPDATE users SET email = 'ada@example.org' WHERE username = 'ada'");
    app.delete(&user.path("")).bearer(&admin).send().expect(204);
    let create = |token: &str, body: &Value| {
        let request = app.post(super::USERS).bearer(token);
        request.json(body).send()
    };
    let by_name = json!({"username": "Ada", "role": "User"});
    let taken = create(&admin, &by_name).expect_problem(409, "user_username_conflict");
    assert_eq!(taken.body["deletedUserId"], user.id.as_str());
    assert!(taken.text.contains("deleted account"), "{}", taken.text);
    let by_email = json!({"username": "grace", "role": "User", "email": "ADA@example.org"});
    let taken = create(&admin, &by_email).expect_problem(409, "user_email_conflict");
    assert_eq!(taken.body["deletedUserId"], user.id.as_str());
    let other = app.create_user("grace", "User", &[]);
    let rename = app.patch(&other.path("")).bearer(&admin);
    let taken = rename.json(&json!({"username": "ada"})).send();
    let taken = taken.expect_problem(409, "user_username_conflict");
    assert_eq!(taken.body["deletedUserId"], user.id.as_str());

    let (_, creator) = app.create_signed_in_user("User", &["users.create"]);
    let taken = create(&creator, &by_name).expect_problem(409, "user_username_conflict");
    assert!(!taken.text.contains("deleted"), "{}", taken.text);
}
