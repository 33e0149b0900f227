//! `GET /api/v1/auth/verify`: what reverse proxies learn about the caller of a request.

use serde_json::{Value, json};

use crate::support::{Response, TestApp};

const VERIFY: &str = "/api/v1/auth/verify";

fn verify(app: &TestApp, token: &str, query: &str) -> Response {
    app.get(&format!("{VERIFY}{query}")).bearer(token).send()
}

fn create_token(app: &TestApp, caller: &str, permissions: &[&str]) -> String {
    let body = json!({"name": "script", "permissions": permissions});
    let created = app
        .post("/api/v1/auth/tokens")
        .bearer(caller)
        .json(&body)
        .send();
    created.expect(201).data()["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The headers about role, permissions and kind of token.
fn shown(response: &Response) -> [&str; 3] {
    [
        "x-roster-role",
        "x-roster-permissions",
        "x-roster-token-kind",
    ]
    .map(|name| response.header(name))
}

// SECURITY: G04
#[test]
fn role_is_not_shown_for_a_token_with_fewer_permissions_than_its_owner() {
    let app = TestApp::start();
    let (_, super_admin) = app.create_signed_in_user("SuperAdmin", &[]);
    let (_, user) = app.create_signed_in_user("User", &["roles.read", "users.read"]);
    let client = json!({"name": "app", "permissions": []});
    let client = app
        .post("/api/v1/clients")
        .bearer(&super_admin)
        .json(&client)
        .send()
        .expect(201);
    let introspected_role = |token: &str| {
        let id = client.data()["clientId"].as_str().unwrap();
        let secret = client.data()["clientSecret"].as_str().unwrap();
        let form = format!("token={token}&client_id={id}&client_secret={secret}");
        let request = app.post("/api/v1/oauth/introspect");
        let answer = request
            .body("application/x-www-form-urlencoded", form)
            .send()
            .expect(200);
        assert_eq!(answer.body["active"], true);
        answer.body.get("role").cloned()
    };
    let narrow = create_token(&app, &super_admin, &["users.read"]);
    let answer = verify(&app, &narrow, "?permission=users.read").expect(200);
    assert_eq!(shown(&answer), ["", "users.read", "personal"]);
    assert!(
        answer.headers.contains_key("x-roster-role"),
        "an empty header replaces that of the caller"
    );
    assert_eq!(introspected_role(&narrow), None);

    let narrow = create_token(&app, &user, &["users.read"]);
    assert_eq!(
        shown(&verify(&app, &narrow, "").expect(200)),
        ["", "users.read", "personal"]
    );
    let whole = create_token(&app, &user, &["roles.read", "users.read"]);
    let answer = verify(&app, &whole, "").expect(200);
    assert_eq!(
        shown(&answer),
        ["User", "roles.read,users.read", "personal"]
    );
    assert_eq!(introspected_role(&whole), Some(Value::from("User")));
    let answer = verify(&app, &user, "").expect(200);
    assert_eq!(shown(&answer), ["User", "roles.read,users.read", "session"]);
    assert_eq!(introspected_role(&user), Some(Value::from("User")));
}

#[test]
fn permission_outside_the_catalogue_is_held_by_nobody() {
    let app = TestApp::start();
    let (_, super_admin) = app.create_signed_in_user("SuperAdmin", &[]);
    verify(&app, &super_admin, "?permission=assets.read")
        .expect_problem(403, "permission_required");
    let permission = json!({"name": "assets.read"});
    app.post("/api/v1/permissions")
        .bearer(&super_admin)
        .json(&permission)
        .send()
        .expect(201);
    verify(
        &app,
        &super_admin,
        "?permission=assets.read&permission=users.read",
    )
    .expect(200);
    for name in ["assets.rea", "read,users", ""] {
        verify(&app, &super_admin, &format!("?permission={name}"))
            .expect_problem(403, "permission_required");
    }
}

#[test]
fn max_age_demands_a_recent_sign_in_of_a_person() {
    let app = TestApp::start();
    let (user, token) = app.create_signed_in_user("User", &[]);
    verify(&app, &token, "?maxAge=300").expect(200);
    let program = create_token(&app, &token, &[]);
    verify(&app, &program, "?maxAge=300").expect_problem(403, "auth_reauthentication_required");
    app.execute(&format!(
        "UPDATE sessions SET created_at = now() - interval '10 minutes' WHERE user_id = '{}'; \
         UPDATE users SET display_name = 'Ada' WHERE id = '{0}'",
        user.id
    ));
    let replica = app.start_replica();
    let refused = verify(&replica, &token, "?maxAge=300")
        .expect_problem(403, "auth_reauthentication_required");
    assert_eq!(refused.body["maxAgeSeconds"], 300);
    assert!(
        refused
            .header("www-authenticate")
            .contains("insufficient_user_authentication")
    );
    verify(&replica, &token, "?maxAge=900").expect(200);
    for invalid in ["?maxAge=-1", "?maxAge=x", "?maxAge=", "?acr=pwd", "?acr="] {
        assert_eq!(verify(&app, &token, invalid).status, 400, "{invalid}");
    }
}

#[test]
fn two_factors_are_not_claimed_for_a_password() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("SuperAdmin", &[]);
    let refused = verify(&app, &token, "?acr=mfa").expect_problem(403, "auth_mfa_required");
    assert!(
        refused
            .header("www-authenticate")
            .contains(r#"acr_values="mfa""#)
    );
}
