//! What a personal access token allows, and who may manage it.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp};

use super::{OWN_TOKENS, create_token, is_accepted, token_text, tokens_path};

// SECURITY: G02
#[test]
fn token_never_exceeds_the_permissions_of_its_account() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (user, session) = app.create_signed_in_user("User", &["users.read", "roles.read"]);
    let created = create_token(&app, &session, &["users.read"]);
    let list = || app.get("/api/v1/users").bearer(token_text(&created)).send();
    let grant = |permissions: Value| {
        app.patch(&format!("/api/v1/users/{}/permissions", user.id))
            .bearer(&admin)
            .json(&json!({"permissions": permissions}))
            .send()
            .expect(200)
    };
    list().expect(200);
    grant(json!(["roles.read"]));
    list().expect_problem(403, "permission_required");
    grant(json!(["users.read"]));
    list().expect(200);
    // The permission list of the token is an upper limit, also for a SuperAdmin.
    app.patch(&format!("/api/v1/users/{}", user.id))
        .bearer(&admin)
        .json(&json!({"role": "SuperAdmin"}))
        .send()
        .expect(200);
    list().expect(200);
    app.get("/api/v1/roles")
        .bearer(token_text(&created))
        .send()
        .expect_problem(403, "permission_required");
}

#[test]
fn super_admin_token_can_grant_only_its_own_permissions() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let peer = app.create_user("peer", "SuperAdmin", &[]);
    let user = app.create_user("ada", "User", &[]);
    let permissions = [
        "users.managePermissions",
        "users.create",
        "users.update",
        "users.resetPassword",
        "roles.manage",
    ];
    let token = create_token(&app, &super_admin, &permissions);
    let path = format!("/api/v1/users/{}", user.id);
    let grant = |name: &str| {
        app.patch(&format!("{path}/permissions"))
            .bearer(token_text(&token))
            .json(&json!({"permissions": [name]}))
            .send()
    };
    grant("users.delete").expect_problem(403, "permission_not_held");
    grant("users.create").expect(200);
    for role in ["Admin", "SuperAdmin"] {
        app.patch(&path)
            .bearer(token_text(&token))
            .json(&json!({"role": role}))
            .send()
            .expect_problem(403, "permission_not_held");
        let body = json!({"username": "eve", "role": role});
        app.post("/api/v1/users")
            .bearer(token_text(&token))
            .json(&body)
            .send()
            .expect_problem(403, "permission_not_held");
    }
    let role = json!({"name": "Helper", "rank": 5, "permissions": ["users.delete"]});
    app.post("/api/v1/roles")
        .bearer(token_text(&token))
        .json(&role)
        .send()
        .expect_problem(403, "permission_not_held");
    app.post(&format!("/api/v1/users/{}/reset-password", peer.id))
        .bearer(token_text(&token))
        .json(&json!({"newPassword": "nine purple umbrellas in june"}))
        .send()
        .expect_problem(403, "user_manage_forbidden");
}

// SECURITY: G04
#[test]
fn token_cannot_use_session_only_operations() {
    let app = TestApp::start();
    let (user, session) = app.create_signed_in_user("SuperAdmin", &[]);
    let all_permissions: Vec<String> = app
        .get("/api/v1/permissions")
        .bearer(&session)
        .send()
        .expect(200)
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|permission| permission["name"].as_str().unwrap().to_owned())
        .collect();
    let names: Vec<&str> = all_permissions.iter().map(String::as_str).collect();
    let created = create_token(&app, &session, &names);
    let own_sessions = app
        .get("/api/v1/auth/sessions")
        .bearer(&session)
        .send()
        .expect(200);
    let session_id = own_sessions.data()[0]["id"].as_str().unwrap().to_owned();
    let me = format!("/api/v1/users/{}", user.id);
    let id = created["id"].as_str().unwrap();
    let token = json!({"name": "x", "permissions": []});
    let password = json!({"newPassword": "nine purple umbrellas in june"});
    let change =
        json!({"currentPassword": PASSWORD, "newPassword": "nine purple umbrellas in june"});
    let calls: [(&str, String, Value); 14] = [
        ("GET", OWN_TOKENS.to_owned(), Value::Null),
        ("POST", OWN_TOKENS.to_owned(), token.clone()),
        ("DELETE", format!("{OWN_TOKENS}/{id}"), Value::Null),
        ("POST", tokens_path(&user), token),
        (
            "DELETE",
            format!("{}/{id}", tokens_path(&user)),
            Value::Null,
        ),
        ("POST", "/api/v1/auth/change-password".to_owned(), change),
        ("POST", format!("{me}/reset-password"), password),
        ("POST", format!("{me}/password-reset-link"), json!({})),
        ("DELETE", format!("{me}/password"), Value::Null),
        ("PATCH", me.clone(), json!({"email": "eve@example.org"})),
        ("GET", "/api/v1/auth/sessions".to_owned(), Value::Null),
        ("DELETE", "/api/v1/auth/sessions".to_owned(), Value::Null),
        (
            "DELETE",
            format!("/api/v1/sessions/{session_id}"),
            Value::Null,
        ),
        ("DELETE", format!("{me}/sessions"), Value::Null),
    ];
    for (method, path, body) in calls {
        let call = app.call(method, &path).bearer(token_text(&created));
        let call = if body.is_null() {
            call
        } else {
            call.json(&body)
        };
        let response = call.send();
        let changes_credentials = [
            tokens_path(&user),
            format!("{me}/reset-password"),
            format!("{me}/password-reset-link"),
            format!("{me}/password"),
            me.clone(),
        ];
        let code = if changes_credentials.contains(&path) {
            "user_self_credentials_forbidden"
        } else {
            "auth_session_required"
        };
        assert_eq!(
            (response.status, &response.body["code"]),
            (403, &json!(code)),
            "{method} {path}: {}",
            response.text
        );
    }
    for (path, code) in [
        (
            format!("{me}/permissions"),
            "user_self_permissions_forbidden",
        ),
        (me, "user_self_role_change_forbidden"),
    ] {
        app.patch(&path)
            .bearer(token_text(&created))
            .json(&match code {
                "user_self_permissions_forbidden" => json!({"permissions": ["users.read"]}),
                _ => json!({"role": "User"}),
            })
            .send()
            .expect_problem(403, code);
    }
    assert_eq!(
        app.query_number("SELECT count(*) FROM personal_access_tokens"),
        1
    );
    assert!(is_accepted(&app, &session));
}

#[test]
fn manager_can_create_and_revoke_tokens_of_users() {
    let app = TestApp::start();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let user = app.create_user("ada", "User", &["users.read"]);
    let body = json!({"name": "x", "permissions": ["users.read"]});
    let create = || {
        app.post(&tokens_path(&user))
            .bearer(&admin)
            .header("Idempotency-Key", "once")
            .json(&body)
            .send()
            .expect(201)
    };
    let created = create();
    let token = token_text(created.data()).to_owned();
    assert!(is_accepted(&app, &token));
    let replayed = create();
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    assert_eq!(token_text(replayed.data()), token);
    let path = created.header("location");
    let token_response = app.get(path).bearer(&admin).send().expect(200);
    assert_eq!(token_response.data()["userId"], user.id.as_str());
    app.get(path)
        .bearer(&admin)
        .header("If-None-Match", token_response.header("etag"))
        .send()
        .expect(304);
    app.delete(path).bearer(&admin).send().expect(204);
    assert!(!is_accepted(&app, &token));
    assert_ne!(
        token_text(create().data()),
        token,
        "the revoked token is not replayed"
    );
    // A token cannot get a permission that its account lacks.
    let body = json!({"name": "x", "permissions": ["users.delete"]});
    app.post(&tokens_path(&user))
        .bearer(&admin)
        .json(&body)
        .send()
        .expect_problem(403, "permission_not_held");
    for missing in ["01890a5d-ac96-774b-bcce-b302099a8057", "nonsense"] {
        app.get(&format!("/api/v1/users/{missing}/tokens"))
            .bearer(&admin)
            .send()
            .expect_problem(404, "not_found");
        app.get(&format!("{}/{missing}", tokens_path(&user)))
            .bearer(&admin)
            .send()
            .expect_problem(404, "not_found");
    }
}

// SECURITY: C02
#[test]
fn manager_cannot_access_tokens_of_equal_or_higher_rank() {
    let app = TestApp::start();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let (peer, session) = app.create_signed_in_user("Admin", &[]);
    let (super_admin, _) = app.create_signed_in_user("SuperAdmin", &[]);
    let user_with_extra_permission = app.create_user("rich", "User", &["clients.manage"]);
    let created = create_token(&app, &session, &[]);
    let id = created["id"].as_str().unwrap();
    let body = json!({"name": "x", "permissions": []});
    for target in [&peer, &super_admin, &user_with_extra_permission] {
        app.post(&tokens_path(target))
            .bearer(&admin)
            .json(&body)
            .send()
            .expect_problem(403, "user_manage_forbidden");
    }
    app.get(&tokens_path(&user_with_extra_permission))
        .bearer(&admin)
        .send()
        .expect(200);
    for target in [&peer, &super_admin] {
        app.get(&tokens_path(target))
            .bearer(&admin)
            .send()
            .expect_problem(403, "user_manage_forbidden");
    }
    let path = format!("{}/{id}", tokens_path(&peer));
    app.get(&path)
        .bearer(&admin)
        .send()
        .expect_problem(403, "user_manage_forbidden");
    app.delete(&path)
        .bearer(&admin)
        .send()
        .expect_problem(403, "user_manage_forbidden");
    assert!(is_accepted(&app, token_text(&created)));
    let refused = "SELECT count(*) FROM audit_events WHERE outcome = 'refused' AND code = 'user_manage_forbidden'";
    assert_eq!(app.query_number(refused), 7);
}

// SECURITY: A10
#[test]
fn refresh_with_another_credential_is_rejected() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let tokens = app.sign_in("ada");
    let (_, other_user_token) = app.create_signed_in_user("User", &[]);
    let personal_token = create_token(&app, tokens["accessToken"].as_str().unwrap(), &[]);
    let other_session = app.token("ada");
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    for credential in [
        &other_user_token,
        token_text(&personal_token),
        &other_session,
    ] {
        app.post("/api/v1/auth/refresh")
            .bearer(credential)
            .json(&refresh)
            .send()
            .expect_problem(401, "auth_refresh_token_invalid");
    }
    app.post("/api/v1/auth/refresh")
        .bearer(tokens["accessToken"].as_str().unwrap())
        .json(&refresh)
        .send()
        .expect(200);
}
