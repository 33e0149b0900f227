//! Creating, using and revoking reset links, and what invalidates them.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp, TestUser};

use super::{NEW_PASSWORD, assert_invalid, create_link, link_path, login, redeem, token_of};

#[test]
fn reset_link_sets_the_password_once_and_creates_no_session() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let created = app.post(&link_path(&ada)).bearer(&admin).send().expect(201);
    assert_eq!(created.header("location"), link_path(&ada));
    assert_eq!(created.header("cache-control"), "no-store");
    let link = created.data();
    assert!(token_of(link).starts_with("rst_rst_") && token_of(link).len() == 51);
    assert_eq!(
        link["url"],
        format!(
            "https://id.example.org/reset-password?token={}",
            token_of(link)
        )
    );
    let link_response = app.get(&link_path(&ada)).bearer(&admin).send().expect(200);
    assert_eq!(link_response.data()["expiresAtUtc"], link["expiresAtUtc"]);
    assert!(!link_response.text.contains("rst_rst_"));

    let response = redeem(&app, token_of(link), NEW_PASSWORD).expect(204);
    assert!(response.text.is_empty() && response.header("set-cookie").is_empty());
    login(&app, &ada, PASSWORD).expect_problem(401, "auth_invalid_credentials");
    login(&app, &ada, NEW_PASSWORD).expect(200);
    assert_invalid(&app, token_of(link));
    app.get(&link_path(&ada))
        .bearer(&admin)
        .send()
        .expect_problem(404, "not_found");
}

#[test]
fn reset_link_lifetime_defaults_to_a_day_and_is_bounded() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let lifetime = "SELECT extract(epoch FROM expires_at - created_at) FROM password_reset_tokens";
    create_link(&app, &admin, &ada);
    assert_eq!(app.query_number(lifetime), 86_400);
    let create_with_lifetime = |seconds: Value| {
        app.post(&link_path(&ada))
            .bearer(&admin)
            .json(&json!({"expiresInSeconds": seconds}))
            .send()
    };
    for seconds in [60, 604_800] {
        create_with_lifetime(json!(seconds)).expect(201);
        assert_eq!(app.query_number(lifetime), seconds);
    }
    for seconds in [json!(59), json!(604_801), json!(-60), json!(0)] {
        create_with_lifetime(seconds).expect_field_error("/expiresInSeconds", "out_of_range");
    }
    for seconds in [json!("60"), json!(60.5), json!([60])] {
        create_with_lifetime(seconds).expect_field_error("/expiresInSeconds", "invalid_type");
    }
}

#[test]
fn new_reset_link_invalidates_the_previous_one() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let (old, new) = (
        create_link(&app, &admin, &ada),
        create_link(&app, &admin, &ada),
    );
    assert_invalid(&app, token_of(&old));
    redeem(&app, token_of(&new), NEW_PASSWORD).expect(204);
}

#[test]
fn reset_link_can_be_revoked() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let link = create_link(&app, &admin, &ada);
    app.delete(&link_path(&ada))
        .bearer(&admin)
        .send()
        .expect(204);
    assert_invalid(&app, token_of(&link));
    app.delete(&link_path(&ada))
        .bearer(&admin)
        .send()
        .expect(204);
}

#[test]
fn repeated_create_returns_the_same_reset_link() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let ((ada, _), (bob, _)) = (
        app.create_signed_in_user("User", &[]),
        app.create_signed_in_user("User", &[]),
    );
    let create = |user: &TestUser| {
        app.post(&link_path(user))
            .bearer(&admin)
            .header("Idempotency-Key", "one")
            .send()
    };
    let (first, repeated) = (create(&ada).expect(201), create(&ada).expect(201));
    assert_eq!(repeated.header("idempotency-replayed"), "true");
    assert_eq!(first.body, repeated.body);
    create(&bob).expect_problem(422, "idempotency_key_reused");
}

/// A change of an account that invalidates its reset link.
type AccountChange<'a> = &'a dyn Fn(&TestUser) -> Response;

#[test]
fn account_changes_invalidate_the_reset_link() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = |rest: &str, user: &TestUser| format!("/api/v1/users/{}{rest}", user.id);
    let changes: [(&str, AccountChange<'_>); 6] = [
        ("password reset", &|ada| {
            app.post(&user("/reset-password", ada))
                .bearer(&admin)
                .json(&json!({"newPassword": "four silver trains at dawn"}))
                .send()
        }),
        ("password removed", &|ada| {
            app.delete(&user("/password", ada)).bearer(&admin).send()
        }),
        ("email changed", &|ada| {
            app.patch(&user("", ada))
                .bearer(&admin)
                .json(&json!({"email": "new@example.org"}))
                .send()
        }),
        ("disabled and enabled", &|ada| {
            let status = user("/status", ada);
            let disable = app
                .post(&status)
                .bearer(&admin)
                .json(&json!({"isActive": false}));
            disable.send().expect(200);
            let enable = app
                .post(&status)
                .bearer(&admin)
                .json(&json!({"isActive": true}));
            enable.send()
        }),
        ("expired and extended", &|ada| {
            let account = user("", ada);
            let change = json!({"expiresAtUtc": "2020-01-01T00:00:00Z"});
            app.patch(&account)
                .bearer(&admin)
                .json(&change)
                .send()
                .expect(200);
            let extension = json!({"expiresAtUtc": null});
            app.patch(&account).bearer(&admin).json(&extension).send()
        }),
        ("deleted and restored", &|ada| {
            app.delete(&user("", ada)).bearer(&admin).send().expect(204);
            app.post(&user("/restore", ada)).bearer(&admin).send()
        }),
    ];
    for (label, change) in changes {
        let (ada, _) = app.create_signed_in_user("User", &[]);
        let link = create_link(&app, &admin, &ada);
        let status = change(&ada).status;
        assert!((200..300).contains(&status), "{label}: {status}");
        let response = redeem(&app, token_of(&link), NEW_PASSWORD);
        assert_eq!(response.status, 400, "{label}");
        assert_eq!(response.body["code"], "reset_token_invalid", "{label}");
        app.execute("UPDATE users SET email = NULL");
    }
}

#[test]
fn reset_link_of_an_inactive_account_is_refused() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for ending in ["is_active = false", "expires_at = now()"] {
        let (ada, _) = app.create_signed_in_user("User", &[]);
        app.execute(&format!(
            "UPDATE users SET {ending} WHERE id = '{}'",
            ada.id
        ));
        let link = create_link(&app, &admin, &ada);
        assert_invalid(&app, token_of(&link));
        app.execute("UPDATE users SET is_active = true, expires_at = NULL");
        redeem(&app, token_of(&link), NEW_PASSWORD).expect(204);
    }
    let (ada, _) = app.create_signed_in_user("User", &[]);
    app.execute(&format!(
        "UPDATE users SET deleted_at = now() WHERE id = '{}'",
        ada.id
    ));
    app.post(&link_path(&ada))
        .bearer(&admin)
        .send()
        .expect_problem(409, "user_deleted");
}

#[test]
fn weak_password_does_not_consume_the_reset_link() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let link = create_link(&app, &admin, &ada);
    redeem(&app, token_of(&link), "too short").expect_field_error("/newPassword", "too_short");
    redeem(&app, token_of(&link), &ada.username.repeat(4))
        .expect_field_error("/newPassword", "contains_context");
    redeem(&app, token_of(&link), NEW_PASSWORD).expect(204);
}

#[test]
fn reset_link_sets_a_first_password_and_clears_must_change_password() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let account = format!("/api/v1/users/{}", ada.id);
    let update = json!({"mustChangePassword": true});
    app.patch(&account)
        .bearer(&admin)
        .json(&update)
        .send()
        .expect(200);
    app.delete(&format!("{account}/password"))
        .bearer(&admin)
        .send()
        .expect(204);
    login(&app, &ada, PASSWORD).expect_problem(401, "auth_invalid_credentials");
    let link = create_link(&app, &admin, &ada);
    redeem(&app, token_of(&link), NEW_PASSWORD).expect(204);
    let signed_in = login(&app, &ada, NEW_PASSWORD).expect(200);
    assert_eq!(signed_in.data()["user"]["hasPassword"], true);
    assert_eq!(signed_in.data()["user"]["mustChangePassword"], false);
}

#[test]
fn purge_deletes_reset_links_and_stored_responses() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let created = app
        .post(&link_path(&ada))
        .bearer(&admin)
        .header("Idempotency-Key", "one");
    created.send().expect(201);
    app.delete(&format!("/api/v1/users/{}?purge=true", ada.id))
        .bearer(&admin)
        .send()
        .expect(204);
    assert_eq!(
        app.query_number("SELECT count(*) FROM password_reset_tokens"),
        0
    );
    assert_eq!(app.query_number("SELECT count(*) FROM idempotency_keys"), 0);
}

#[test]
fn stale_if_match_creates_no_reset_link() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let account = format!("/api/v1/users/{}", ada.id);
    let tag = app
        .get(&account)
        .bearer(&admin)
        .send()
        .header("etag")
        .to_owned();
    let change = json!({"displayName": "Ada"});
    app.patch(&account)
        .bearer(&admin)
        .json(&change)
        .send()
        .expect(200);
    for method in ["POST", "DELETE"] {
        let call = app
            .call(method, &link_path(&ada))
            .bearer(&admin)
            .header("If-Match", &tag);
        call.send().expect_problem(412, "precondition_failed");
    }
}
