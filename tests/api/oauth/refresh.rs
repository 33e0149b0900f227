//! `POST /api/v1/oauth/token` with `grant_type=refresh_token`.

use serde_json::json;

use crate::support::TestApp;

use super::{Client, FORM, TOKEN, assert_oauth_error, claims, is_valid_token, string_member};

#[test]
fn refresh_token_grant_rotates_the_session_tokens() {
    let app = TestApp::start();
    app.create_user("ada", "User", &["users.read"]);
    let first = app.sign_in("ada");
    let refresh = |token: &str, extra: &str| {
        let form =
            format!("grant_type=refresh_token&refresh_token={token}&client_id=rosterd{extra}");
        app.post(TOKEN).body(FORM, form).send()
    };
    let old_token = first["refreshToken"].as_str().unwrap();
    assert_oauth_error(
        &refresh(old_token, "&scope=users.read+users.delete"),
        400,
        "invalid_scope",
    );
    let response = refresh(old_token, "&scope=users.read").expect(200);
    assert_eq!(response.body["token_type"], "Bearer");
    assert_eq!(response.body["scope"], "users.read");
    let access = response.body["access_token"].as_str().unwrap();
    assert_eq!(claims(access)["sid"], first["session"]["id"]);
    assert_eq!(claims(access)["client_id"], "rosterd");
    assert!(is_valid_token(&app, access));
    let new_token = response.body["refresh_token"].as_str().unwrap();
    assert_ne!(new_token, old_token);
    // The scope of a SuperAdmin is the whole catalogue, in any order.
    app.create_user("chief", "SuperAdmin", &[]);
    let super_admin = app.sign_in("chief");
    let all_permissions = super_admin["user"]["effectivePermissions"]
        .as_array()
        .unwrap();
    let all_permissions: Vec<&str> = all_permissions
        .iter()
        .rev()
        .map(|name| name.as_str().unwrap())
        .collect();
    let all_permissions = all_permissions.join("+");
    refresh(
        &string_member(&super_admin, "refreshToken"),
        &format!("&scope={all_permissions}"),
    )
    .expect(200);
    // A retry within the grace period returns the same successor; a later reuse ends the session.
    assert_eq!(
        refresh(old_token, "").expect(200).body["refresh_token"],
        new_token
    );
    let body = json!({"refreshToken": new_token});
    let next = app
        .post("/api/v1/auth/refresh")
        .json(&body)
        .send()
        .expect(200);
    assert_oauth_error(&refresh(old_token, ""), 400, "invalid_grant");
    assert!(!is_valid_token(&app, access));
    let next = next.data()["refreshToken"].as_str().unwrap();
    assert_oauth_error(&refresh(next, ""), 400, "invalid_grant");
    assert_oauth_error(&refresh("rst_rt_unknown", ""), 400, "invalid_grant");
    assert_oauth_error(&refresh("", ""), 400, "invalid_request");
    let without_token = app
        .post(TOKEN)
        .body(FORM, "grant_type=refresh_token&client_id=rosterd")
        .send();
    assert_oauth_error(&without_token, 400, "invalid_request");
}

// SECURITY: A10
#[test]
fn refresh_token_is_bound_to_its_client() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let client = Client::create(&app, &admin, &["sessions.read"], 0);
    app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let refresh = session["refreshToken"].as_str().unwrap();
    let grant = format!("grant_type=refresh_token&refresh_token={refresh}");
    assert_oauth_error(
        &app.post(TOKEN)
            .body(FORM, format!("{grant}&{}", client.form()))
            .send(),
        400,
        "invalid_grant",
    );
    let by_basic = app
        .post(TOKEN)
        .header("Authorization", &client.basic_authorization());
    assert_oauth_error(
        &by_basic.body(FORM, grant.as_str()).send(),
        400,
        "invalid_grant",
    );
    // With an access token of another user, and without a client.
    let with_other_token = app.post(TOKEN).bearer(&admin);
    assert_oauth_error(
        &with_other_token
            .body(FORM, format!("{grant}&client_id=rosterd"))
            .send(),
        401,
        "invalid_client",
    );
    assert_oauth_error(
        &app.post(TOKEN).body(FORM, grant.as_str()).send(),
        401,
        "invalid_client",
    );
    let unknown_client = format!("{grant}&client_id={}", uuid::Uuid::now_v7());
    assert_oauth_error(
        &app.post(TOKEN).body(FORM, unknown_client).send(),
        401,
        "invalid_client",
    );
    // None of these attempts consumed the token.
    app.post(TOKEN)
        .body(FORM, format!("{grant}&client_id=rosterd"))
        .send()
        .expect(200);
}
