//! `POST /api/v1/oauth/revoke` (RFC 7009).

use diesel::connection::SimpleConnection;
use serde_json::json;

use crate::support::TestApp;

use super::{Client, FORM, REVOKE, assert_oauth_error, is_valid_token, string_member};

// SECURITY: O09
#[test]
fn revoking_either_token_ends_the_session() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let revoke = |token: &str, extra: &str| {
        let form = format!("token={token}&client_id=rosterd{extra}");
        app.post(REVOKE).body(FORM, form).send()
    };
    for (member, hint) in [
        ("accessToken", ""),
        ("refreshToken", "&token_type_hint=refresh_token"),
        ("refreshToken", "&token_type_hint=access_token"),
        ("accessToken", "&token_type_hint=nonsense"),
    ] {
        let session = app.sign_in("ada");
        let other = app.sign_in("ada");
        let access = session["accessToken"].as_str().unwrap();
        assert!(is_valid_token(&app, access));
        let response = revoke(session[member].as_str().unwrap(), hint).expect(200);
        assert_eq!(
            (response.text.as_str(), response.header("cache-control")),
            ("", "no-store")
        );
        assert!(!is_valid_token(&app, access), "{member}");
        let body = json!({"refreshToken": session["refreshToken"]});
        app.post("/api/v1/auth/refresh")
            .json(&body)
            .send()
            .expect_problem(401, "auth_refresh_token_invalid");
        assert!(is_valid_token(&app, other["accessToken"].as_str().unwrap()));
        // Revoking it again succeeds.
        revoke(session[member].as_str().unwrap(), hint).expect(200);
    }
    let end_events = "SELECT count(*) FROM audit_events WHERE action = 'session.end'";
    assert_eq!(app.query_number(end_events), 4);
    for unknown in ["x", "a.b.c", "rst_rt_unknown"] {
        revoke(unknown, "").expect(200);
    }
    assert_eq!(app.query_number(end_events), 4);
    // A replaced refresh token may be stolen, so revoking it ends the session.
    let session = app.sign_in("ada");
    let old = session["refreshToken"].as_str().unwrap();
    let body = json!({"refreshToken": old});
    let new = app
        .post("/api/v1/auth/refresh")
        .json(&body)
        .send()
        .expect(200);
    revoke(old, "").expect(200);
    assert!(!is_valid_token(
        &app,
        new.data()["accessToken"].as_str().unwrap()
    ));
}

// SECURITY: O09
#[test]
fn token_of_another_client_cannot_be_revoked() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let client = Client::create(&app, &admin, &[], 0);
    let other = Client::create(&app, &admin, &[], 0);
    let (user, access) = app.create_signed_in_user("User", &[]);
    let token = client.token(&app);
    assert_oauth_error(&other.revoke(&app, &token), 400, "invalid_grant");
    let public_form = format!("token={token}&client_id=rosterd");
    assert_oauth_error(
        &app.post(REVOKE).body(FORM, public_form).send(),
        400,
        "invalid_grant",
    );
    assert!(is_valid_token(&app, &token));

    assert_oauth_error(&client.revoke(&app, &access), 400, "invalid_grant");
    let refresh = app.sign_in(&user.username)["refreshToken"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_oauth_error(&client.revoke(&app, &refresh), 400, "invalid_grant");
    assert!(is_valid_token(&app, &access));

    let body = json!({"name": "x", "permissions": []});
    let personal = app
        .post("/api/v1/auth/tokens")
        .bearer(&access)
        .json(&body)
        .send()
        .expect(201);
    let personal = personal.data()["token"].as_str().unwrap().to_owned();
    assert_oauth_error(
        &client.revoke(&app, &personal),
        400,
        "unsupported_token_type",
    );
    assert!(is_valid_token(&app, &personal));

    client.revoke(&app, "unknown").expect(200);
    client.revoke(&app, &token).expect(200);
    client.revoke(&app, &token).expect(200);
    assert!(!is_valid_token(&app, &token));
    assert_oauth_error(
        &app.post(REVOKE).body(FORM, "token=x").send(),
        401,
        "invalid_client",
    );
    assert_oauth_error(
        &app.post(REVOKE).body(FORM, client.form()).send(),
        400,
        "invalid_request",
    );
    let revocations = "SELECT count(*) FROM audit_events WHERE action = 'client.giveBack'";
    assert_eq!(app.query_number(revocations), 1);
}

// SECURITY: O09
#[test]
fn failed_revocation_leaves_the_token_valid() {
    let app = TestApp::start_with(&[("ROSTERD_DB_STATEMENT_MS", "300")]);
    let client = Client::create(&app, &app.super_admin_token(), &[], 0);
    app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let (access, refresh) = (
        string_member(&session, "accessToken"),
        string_member(&session, "refreshToken"),
    );
    let client_token = client.token(&app);
    let revoke_as_public = |token: &str| {
        let form = format!("token={token}&client_id=rosterd");
        app.post(REVOKE).body(FORM, form).send()
    };
    let mut lock_holder = app.sql();
    lock_holder
        .batch_execute("BEGIN; LOCK audit_events IN EXCLUSIVE MODE")
        .unwrap();
    for response in [
        client.revoke(&app, &client_token),
        revoke_as_public(&refresh),
        revoke_as_public(&access),
        client.request_token(&app, ""),
    ] {
        assert_eq!(
            (response.status, &response.body["error"]),
            (503, &json!("temporarily_unavailable")),
            "{}",
            response.text
        );
        assert!(response.header("retry-after").parse::<u64>().unwrap() > 0);
        assert!(response.header("www-authenticate").is_empty());
    }
    lock_holder.batch_execute("ROLLBACK").unwrap();
    assert!(is_valid_token(&app, &client_token) && is_valid_token(&app, &access));
    assert_eq!(
        app.query_number("SELECT count(*) FROM client_access_tokens"),
        1
    );
    client.revoke(&app, &client_token).expect(200);
    revoke_as_public(&refresh).expect(200);
    assert!(!is_valid_token(&app, &client_token) && !is_valid_token(&app, &access));
}
