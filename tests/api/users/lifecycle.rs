//! Deletion, restoration, purge, expiry, and the end of sessions.

use serde_json::{Value, json};

use super::{OTHER_PASSWORD, USERS, get_user, login, patch};
use crate::support::{PASSWORD, TestApp, wait_until};

#[test]
fn deleted_account_is_readable_and_restored_without_its_sessions() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &["users.read"]);
    app.delete(&user.path("")).bearer(&admin).send().expect(204);
    app.delete(&user.path("")).bearer(&admin).send().expect(204);
    let deleted = get_user(&app, &admin, &user);
    assert!(deleted["deletedAtUtc"].is_string());
    assert_eq!(deleted["isActive"], true);
    login(&app, &user.username, PASSWORD).expect_problem(401, "auth_invalid_credentials");
    let body = json!({"isActive": false, "permissions": []});
    patch(&app, &admin, &user, &json!({"displayName": "x"})).expect_problem(409, "user_deleted");
    for (method, suffix, body) in [
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
        app.call(method, &user.path(suffix))
            .bearer(&admin)
            .json(&body)
            .send()
            .expect_problem(409, "user_deleted");
    }

    let restored = app
        .post(&user.path("/restore"))
        .bearer(&admin)
        .send()
        .expect(200);
    assert_eq!(restored.data()["deletedAtUtc"], Value::Null);
    assert_eq!(restored.data()["permissions"], json!(["users.read"]));
    let repeated = app
        .post(&user.path("/restore"))
        .bearer(&admin)
        .send()
        .expect(200);
    assert_eq!(repeated.header("etag"), restored.header("etag"));
    app.get(USERS)
        .bearer(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    login(&app, &user.username, PASSWORD).expect(200);
}

#[test]
fn purge_deletes_the_account_its_sessions_and_its_personal_data() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &[]);
    patch(
        &app,
        &admin,
        &user,
        &json!({"displayName": "Ada", "email": "ada@example.org"}),
    )
    .expect(200);
    app.delete(&user.path("?purge=maybe"))
        .bearer(&admin)
        .send()
        .expect_field_error("?purge", "invalid_value");
    app.delete(&user.path("?purge=true"))
        .bearer(&admin)
        .send()
        .expect(204);
    for (method, suffix) in [
        ("GET", ""),
        ("DELETE", ""),
        ("DELETE", "?purge=true"),
        ("POST", "/restore"),
    ] {
        app.call(method, &user.path(suffix))
            .bearer(&admin)
            .send()
            .expect_problem(404, "not_found");
    }
    app.get("/api/v1/auth/me")
        .bearer(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    for table in ["sessions", "refresh_tokens", "users"] {
        let remaining = if table == "refresh_tokens" {
            "SELECT count(*) FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id"
                .to_owned()
        } else {
            format!("SELECT count(*) FROM {table}")
        };
        assert_eq!(
            app.query_number(&remaining),
            1,
            "only the administrator is left in {table}"
        );
    }
    let named = "SELECT count(*) FROM audit_personal_data WHERE data::text ~* 'ada|user-'";
    let kept = format!(
        "{named} AND participant = 'actor' AND salt IS NULL AND data = jsonb_build_object('name', data -> 'name')"
    );
    assert_eq!(
        app.query_number(named),
        app.query_number(&kept),
        "only names of what the account did"
    );
    let audit_rows = format!(
        "SELECT count(*) FROM audit_events WHERE subject_id = '{}'",
        user.id
    );
    assert!(app.query_number(&audit_rows) >= 2, "the audit rows stay");
}

#[test]
fn removing_a_second_factor_ends_the_sessions_of_the_account() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &[]);
    let status = || app.get("/api/v1/auth/me").bearer(&token).send().status;
    let remove = || {
        app.delete(&user.path("/mfa"))
            .bearer(&admin)
            .send()
            .expect(204)
    };
    remove();
    assert_eq!(status(), 200, "there was no second factor");
    app.execute(&format!(
        "UPDATE users SET mfa_enabled = true WHERE id = '{}'",
        user.id
    ));
    remove();
    assert_eq!(status(), 401);
}

#[test]
fn removing_the_password_or_signing_out_ends_the_sessions() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &[]);
    app.delete(&user.path("/sessions"))
        .bearer(&admin)
        .send()
        .expect(204);
    app.get("/api/v1/auth/me")
        .bearer(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    let token = app.token(&user.username);
    app.delete(&user.path("/password"))
        .bearer(&admin)
        .send()
        .expect(204);
    app.get("/api/v1/auth/me")
        .bearer(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    assert_eq!(get_user(&app, &admin, &user)["hasPassword"], false);
    login(&app, &user.username, PASSWORD).expect_problem(401, "auth_invalid_credentials");
    let reset = json!({"newPassword": OTHER_PASSWORD});
    app.post(&user.path("/reset-password"))
        .bearer(&admin)
        .json(&reset)
        .send()
        .expect(204);
    login(&app, &user.username, OTHER_PASSWORD).expect(200);
}

#[test]
fn expired_account_stays_signed_out_after_its_expiry_is_extended() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &[]);
    app.get("/api/v1/auth/me").bearer(&token).send().expect(200);
    // The expiry passes without a request that would end the sessions.
    app.execute(&format!(
        "UPDATE users SET expires_at = now() - interval '1 s' WHERE id = '{}'",
        user.id
    ));
    wait_until(|| app.get("/api/v1/auth/me").bearer(&token).send().status == 401);
    login(&app, &user.username, PASSWORD).expect_problem(403, "auth_user_inactive");
    for end in [json!("2999-01-01T00:00:00Z"), json!(null)] {
        patch(&app, &admin, &user, &json!({"expiresAtUtc": end})).expect(200);
        app.get("/api/v1/auth/me")
            .bearer(&token)
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
        .bearer(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
    patch(&app, &admin, &user, &json!({"expiresAtUtc": null})).expect(200);
    app.get("/api/v1/auth/me")
        .bearer(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
}

/// A personal access token belongs to its owner, and a service client is a principal of its own.
#[test]
fn removed_account_leaves_the_tokens_and_clients_that_it_created_for_others() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (creator, creator_token) = app.create_signed_in_user("SuperAdmin", &[]);
    let (owner, _) = app.create_signed_in_user("User", &["users.read"]);
    let create = |path: &str, body: &Value| {
        let request = app.post(path).bearer(&creator_token).json(body);
        request.send().expect(201).data().clone()
    };
    let body = json!({"name": "backup", "permissions": ["users.read"]});
    let token = create(&owner.path("/tokens"), &body);
    let client = create("/api/v1/clients", &body);
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        text(&client, "clientId"),
        text(&client, "clientSecret")
    );
    let works = || {
        let me = app.get(USERS).bearer(text(&token, "token")).send().status;
        let grant = app.post("/api/v1/oauth/token");
        let grant = grant.body("application/x-www-form-urlencoded", form.clone());
        (me, grant.send().status)
    };
    assert_eq!(works(), (200, 200));
    for query in ["", "?purge=true"] {
        let path = creator.path(query);
        let deleted = app.delete(&path).bearer(&super_admin).send();
        deleted.expect(204);
        assert_eq!(works(), (200, 200), "{query}");
    }
    // The audit log lists what the account created.
    for (action, id) in [
        ("token.create", &token["id"]),
        ("client.create", &client["id"]),
    ] {
        let path = format!("/api/v1/audit/events?actor={}&action={action}", creator.id);
        let events = app.get(&path).bearer(&super_admin).send().expect(200);
        assert_eq!(&events.data()[0]["subject"]["id"], id, "{}", events.text);
    }
    for (method, path) in [
        (
            "DELETE",
            owner.path(&format!("/tokens/{}", text(&token, "id"))),
        ),
        (
            "POST",
            format!("/api/v1/clients/{}/rotate-secret", text(&client, "id")),
        ),
    ] {
        let request = app.call(method, &path).bearer(&super_admin).send();
        assert!(request.status < 300, "{}", request.text);
    }
    assert_eq!(works(), (401, 401));
}
