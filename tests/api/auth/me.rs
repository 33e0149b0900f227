//! `/api/v1/auth/me`: reading, changing and deleting the own account.

use serde_json::{Value, json};

use crate::support::{
    MailServer, PASSWORD, ReceivedEmail, RequestBuilder, Response, TestApp, run_concurrently,
    wait_until,
};

const ME: &str = "/api/v1/auth/me";

fn update_me(app: &TestApp, token: &str, body: &Value) -> Response {
    app.patch(ME).bearer(token).json(body).send()
}

fn delete_account(app: &TestApp, token: &str, password: &str) -> Response {
    delete_account_request(app, token, password).send()
}

fn delete_account_request(app: &TestApp, token: &str, password: &str) -> RequestBuilder {
    let call = app.delete(ME).bearer(token);
    call.json(&json!({"currentPassword": password}))
}

#[test]
fn user_can_change_own_display_name_and_attributes() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("User", &[]);
    let body = json!({"displayName": " Ada ", "attributes": {"locale": "en", "theme": "dark"}});
    let changed = update_me(&app, &token, &body).expect(200);
    assert_eq!(changed.data()["displayName"], "Ada");
    let body = json!({"displayName": null, "attributes": {"theme": null}});
    let changed = update_me(&app, &token, &body).expect(200);
    assert_eq!(changed.data()["displayName"], Value::Null);
    assert_eq!(changed.data()["attributes"], json!({"locale": "en"}));
    let me = app.get(ME).bearer(&token).send().expect(200);
    assert_eq!(me.body, changed.body);
    assert_eq!(me.header("etag"), changed.header("etag"));
}

#[test]
fn changing_the_email_requires_the_password_and_a_new_confirmation() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let (user, token) = app.create_signed_in_user("User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = 'old@example.org', email_confirmed = true WHERE id = '{}'",
        user.id
    ));
    let change_email = |password: Option<&str>| {
        let mut body = json!({"email": "new@example.org"});
        if let Some(password) = password {
            body["currentPassword"] = password.into();
        }
        update_me(&app, &token, &body)
    };
    change_email(None).expect_field_error("/currentPassword", "required");
    change_email(Some("not the password")).expect_problem(403, "auth_current_password_wrong");
    let me = app.get(ME).bearer(&token).send().expect(200);
    assert_eq!(me.data()["email"], "old@example.org");

    let changed = change_email(Some(PASSWORD)).expect(200);
    assert_eq!(changed.data()["email"], "old@example.org");
    assert_eq!(changed.data()["emailConfirmed"], true);
    let to_new = |count: usize| {
        wait_until(|| mails_to(&server, "new@example.org").len() == count);
        mails_to(&server, "new@example.org").remove(count - 1)
    };
    to_new(1);
    wait_until(|| mails_to(&server, "old@example.org").len() == 1);
    // The link is sent again on request.
    app.post("/api/v1/auth/request-email-confirmation")
        .bearer(&token)
        .send()
        .expect(202);
    confirm_email(&app, &to_new(2)).expect(204);
    let me = app.get(ME).bearer(&token).send().expect(200);
    assert_eq!(me.data()["email"], "new@example.org");
    assert_eq!(me.data()["emailConfirmed"], true);
    wait_until(|| mails_to(&server, "old@example.org").len() == 2);
    for mail in mails_to(&server, "old@example.org") {
        assert!(!mail.text().contains("new@"), "{}", mail.text());
    }
}

fn mails_to(server: &MailServer, address: &str) -> Vec<ReceivedEmail> {
    let mut emails = server.emails();
    emails.retain(|email| email.to == [address]);
    emails
}

fn confirm_email(app: &TestApp, email: &ReceivedEmail) -> Response {
    app.post("/api/v1/auth/confirm-email")
        .json(&json!({"token": email.token()}))
        .send()
}

#[test]
fn changing_the_password_ends_a_requested_change_of_the_email() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let (user, token) = app.create_signed_in_user("User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = 'own@example.org', email_confirmed = true WHERE id = '{}'",
        user.id
    ));
    let body = json!({"email": "thief@example.org", "currentPassword": PASSWORD});
    update_me(&app, &token, &body).expect(200);
    wait_until(|| mails_to(&server, "thief@example.org").len() == 1);
    let body = json!({"currentPassword": PASSWORD, "newPassword": "nine purple umbrellas in june"});
    app.post("/api/v1/auth/change-password")
        .bearer(&token)
        .json(&body)
        .send()
        .expect(204);
    let link = mails_to(&server, "thief@example.org").remove(0);
    confirm_email(&app, &link).expect_problem(400, "confirmation_token_invalid");
    let me = app.get(ME).bearer(&token).send().expect(200);
    assert_eq!(me.data()["email"], "own@example.org");
}

// SECURITY: D02
#[test]
fn changing_the_email_to_a_taken_address_is_answered_like_a_free_one() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let (owner, _) = app.create_signed_in_user("User", &[]);
    let (user, token) = app.create_signed_in_user("User", &[]);
    for (user, email) in [(&owner, "taken@example.org"), (&user, "own@example.org")] {
        app.execute(&format!(
            "UPDATE users SET email = '{email}', email_confirmed = true WHERE id = '{}'",
            user.id
        ));
    }
    for email in ["free@example.org", "TAKEN@example.org"] {
        let body = json!({"email": email, "currentPassword": PASSWORD});
        let changed = update_me(&app, &token, &body).expect(200);
        assert_eq!(changed.data()["email"], "own@example.org");
        let address = email.to_lowercase();
        wait_until(|| mails_to(&server, &address).len() == 1);
    }
    // The second request replaced the first address.
    let link = mails_to(&server, "free@example.org").remove(0);
    confirm_email(&app, &link).expect_problem(400, "confirmation_token_invalid");
}

#[test]
fn email_must_be_unused_and_can_be_removed() {
    let app = TestApp::start();
    let (other, _) = app.create_signed_in_user("User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = 'taken@example.org' WHERE id = '{}'",
        other.id
    ));
    let (_, token) = app.create_signed_in_user("User", &[]);
    let set_email = |email: Value| {
        let body = json!({"email": email, "currentPassword": PASSWORD});
        update_me(&app, &token, &body)
    };
    set_email("TAKEN@example.org".into()).expect_problem(409, "user_email_conflict");
    set_email("no address".into()).expect_field_error("/email", "invalid_email");
    set_email("free@example.org".into()).expect(200);
    let removed = set_email(Value::Null).expect(200);
    assert_eq!(removed.data()["email"], Value::Null);
}

// SECURITY: C01
#[test]
fn user_cannot_change_privileged_members_of_own_account() {
    let app = TestApp::start();
    let (user, token) = app.create_signed_in_user("User", &[]);
    let before = app.get(ME).bearer(&token).send().expect(200);
    for (member, value) in [
        ("role", json!("SuperAdmin")),
        ("roles", json!(["SuperAdmin"])),
        ("permissions", json!(["users.read"])),
        ("effectivePermissions", json!(["users.read"])),
        ("effective_permissions", json!(["users.read"])),
        ("isSuperAdmin", json!(true)),
        ("is_superadmin", json!(true)),
        ("isActive", json!(true)),
        ("status", json!("active")),
        ("emailConfirmed", json!(true)),
        ("email_confirmed", json!(true)),
        ("mfaEnabled", json!(true)),
        ("mustChangePassword", json!(false)),
        ("hasPassword", json!(true)),
        (
            "passwordHash",
            json!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"),
        ),
        ("password_hash", json!("x")),
        ("password", json!(PASSWORD)),
        ("username", json!("root")),
        ("tags", json!(["staff"])),
        ("id", json!("00000000-0000-0000-0000-000000000000")),
        ("userId", json!("00000000-0000-0000-0000-000000000000")),
        ("createdAtUtc", json!("2000-01-01T00:00:00Z")),
        ("expiresAtUtc", Value::Null),
        ("authProvider", json!("ldap")),
        ("version", json!(7)),
        ("user", json!({"role": "SuperAdmin"})),
        ("/role", json!("SuperAdmin")),
        ("__proto__", json!({"role": "SuperAdmin"})),
    ] {
        let mixed = json!({"displayName": "Eve", member: value});
        update_me(&app, &token, &mixed).expect_problem(400, "request_invalid");
        update_me(&app, &token, &json!({member: value})).expect_problem(400, "request_invalid");
    }
    let patch = json!([{"op": "replace", "path": "/role", "value": "SuperAdmin"}]);
    update_me(&app, &token, &patch).expect_problem(400, "request_invalid");
    let after = app.get(ME).bearer(&token).send().expect(200);
    assert_eq!(after.body, before.body);
    assert_eq!(after.data()["id"], user.id.as_str());
}

#[test]
fn deleting_own_account_ends_all_access_and_keeps_the_username_reserved() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let ada = app.create_user("ada", "User", &[]);
    let (current_token, other_token) = (app.sign_in("ada"), app.token("ada"));
    let current_token = current_token["accessToken"].as_str().unwrap();
    let created = app.post("/api/v1/auth/tokens").bearer(current_token);
    let created = created.json(&json!({"name": "export", "permissions": []}));
    let personal_token = created.send().expect(201).data()["token"].clone();
    app.delete(ME)
        .bearer(current_token)
        .json(&json!({}))
        .send()
        .expect_field_error("/currentPassword", "required");
    delete_account(&app, current_token, "not the password")
        .expect_problem(403, "auth_current_password_wrong");
    delete_account(&app, personal_token.as_str().unwrap(), PASSWORD)
        .expect_problem(403, "auth_session_required");
    delete_account_request(&app, current_token, PASSWORD)
        .header("If-Match", "\"99-0123456789abcdef\"")
        .send()
        .expect_problem(412, "precondition_failed");

    delete_account(&app, current_token, PASSWORD).expect(204);
    for token in [
        current_token,
        &other_token,
        personal_token.as_str().unwrap(),
    ] {
        app.get(ME)
            .bearer(token)
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    app.post("/api/v1/auth/login")
        .json(&json!({"username": "ada", "password": PASSWORD}))
        .send()
        .expect_problem(401, "auth_invalid_credentials");
    app.post("/api/v1/users")
        .bearer(&admin)
        .json(&json!({"username": "ada", "role": "User"}))
        .send()
        .expect_problem(409, "user_username_conflict");
    app.post(&format!("/api/v1/users/{}/restore", ada.id))
        .bearer(&admin)
        .send()
        .expect(200);
    app.token("ada");
}

#[test]
fn concurrent_password_change_and_own_deletion_have_one_winner() {
    let app = TestApp::start();
    for round in 0..20 {
        let name = format!("ada{round}");
        app.create_user(&name, "User", &[]);
        let token = app.token(&name);
        let responses = run_concurrently(2, |index| {
            if index == 0 {
                delete_account(&app, &token, PASSWORD).status
            } else {
                let body = json!({"currentPassword": PASSWORD, "newPassword": "nine purple umbrellas in june"});
                let call = app.post("/api/v1/auth/change-password").bearer(&token);
                call.json(&body).send().status
            }
        });
        assert!(
            matches!(responses[..], [204, 401 | 403] | [401 | 403, 204]),
            "{round}: {responses:?}"
        );
    }
}

#[test]
fn last_super_admin_cannot_delete_own_account() {
    let app = TestApp::start();
    for round in 0..20 {
        app.execute("UPDATE users SET deleted_at = now()");
        let tokens = [0, 1].map(|index| {
            let name = format!("chief{round}-{index}");
            app.create_user(&name, "SuperAdmin", &[]);
            app.token(&name)
        });
        let mut responses = run_concurrently(2, |index| {
            delete_account(&app, &tokens[index], PASSWORD).status
        });
        responses.sort_unstable();
        assert_eq!(responses, [204, 409], "{round}");
    }
    let refused = "SELECT count(*) FROM audit_events WHERE action = 'user.deleteOwn' AND code = 'last_super_admin'";
    assert_eq!(app.query_number(refused), 20);
}

// SECURITY: D26
#[test]
fn current_password_attempts_share_the_login_limit() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let token = app.token("ada");
    for attempt in 0..10 {
        let wrong_password = format!("wrong password {attempt}");
        if attempt % 2 == 0 {
            delete_account(&app, &token, &wrong_password)
                .expect_problem(403, "auth_current_password_wrong");
        } else {
            let body = json!({"email": "new@example.org", "currentPassword": wrong_password});
            update_me(&app, &token, &body).expect_problem(403, "auth_current_password_wrong");
        }
    }
    delete_account(&app, &token, PASSWORD).expect_problem(429, "rate_limited");
    app.post("/api/v1/auth/login")
        .json(&json!({"username": "ada", "password": PASSWORD}))
        .send()
        .expect_problem(429, "rate_limited");
}

#[test]
fn own_account_can_be_deleted_by_post() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let token = app.token("ada");
    let delete = |password: &str| {
        app.post("/api/v1/auth/me/delete")
            .bearer(&token)
            .json(&json!({"currentPassword": password}))
            .send()
    };
    delete("not the password").expect_problem(403, "auth_current_password_wrong");
    delete(PASSWORD).expect(204);
    app.get(ME)
        .bearer(&token)
        .send()
        .expect_problem(401, "auth_token_invalid");
}
