//! Closed and open registration.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp, run_concurrently};

use super::{create_invite, register, registration_body, user_count, with_member};

fn start_open() -> TestApp {
    TestApp::start_with(&[("ROSTERD_REGISTRATION", "open")])
}

#[test]
fn registration_is_closed_by_default() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let token = create_invite(&app, &admin, &json!({}));
    register(&app, &registration_body("ada")).expect_problem(403, "registration_closed");
    let invited = with_member(registration_body("ada"), "inviteToken", token);
    register(&app, &invited).expect_problem(403, "registration_closed");
    register(&app, &json!({"nonsense": 1})).expect_problem(403, "registration_closed");
    assert_eq!(user_count(&app), 1);
}

#[test]
fn registration_creates_a_plain_account_and_no_session() {
    let app = start_open();
    let body = json!({
        "username": " Ada.L ", "password": PASSWORD, "email": "Ada@Example.org", "displayName": "Ada Lovelace"
    });
    let created = register(&app, &body).expect(201);
    let user = created.data();
    for (member, value) in [
        ("username", json!("ada.l")),
        ("displayName", json!("Ada Lovelace")),
        ("email", json!("Ada@Example.org")),
        ("emailConfirmed", json!(false)),
        ("role", json!("User")),
        ("permissions", json!([])),
        ("isActive", json!(true)),
        ("hasPassword", json!(true)),
        ("lastLoginAtUtc", Value::Null),
    ] {
        assert_eq!(user[member], value, "{member}");
    }
    assert_eq!(
        created.header("location"),
        format!("/api/v1/users/{}", user["id"].as_str().unwrap())
    );
    assert_eq!(created.header("set-cookie"), "");
    assert!(!created.text.contains("Token"), "{}", created.text);
    assert_eq!(app.query_number("SELECT count(*) FROM sessions"), 0);
    let audit_rows = "SELECT count(*) FROM audit_events WHERE action = 'user.register' AND outcome = 'done' AND actor_kind = 'anonymous'";
    assert_eq!(app.query_number(audit_rows), 1);

    let session = app.sign_in("ada.l");
    let token = session["accessToken"].as_str().unwrap();
    app.get("/api/v1/users")
        .bearer(token)
        .send()
        .expect_problem(403, "permission_required");
    // An unconfirmed address cannot be used to log in.
    let login = json!({"username": "ada@example.org", "password": PASSWORD});
    app.post("/api/v1/auth/login")
        .json(&login)
        .send()
        .expect_problem(401, "auth_invalid_credentials");
}

#[test]
fn password_policy_applies_to_registration() {
    let app = start_open();
    for (password, code) in [
        ("short", "too_short"),
        ("ada.lovelace ada.lovelace", "contains_context"),
        ("passwordpassword", "too_common"),
    ] {
        let body = json!({"username": "ada.lovelace", "password": password});
        register(&app, &body).expect_field_error("/password", code);
    }
    register(&app, &json!({"username": "me", "password": PASSWORD}))
        .expect_field_error("/username", "too_short");
    register(&app, &json!({"username": "ada"})).expect_field_error("/password", "required");
    let body = with_member(registration_body("ada"), "email", "a@b@c.org");
    register(&app, &body).expect_field_error("/email", "invalid_email");
    assert_eq!(user_count(&app), 0);
}

// SECURITY: D24
#[test]
fn concurrent_registrations_with_one_name_create_one_account() {
    let app = start_open();
    let replica = app.start_replica();
    let with_case = |text: &str, index: usize| {
        if index.is_multiple_of(3) {
            text.to_uppercase()
        } else {
            text.to_owned()
        }
    };
    for round in 0..20 {
        app.clear_rate_limits();
        let caller_count = if round == 0 { 50 } else { 8 };
        let statuses = run_concurrently(caller_count, |index| {
            let app = if index % 2 == 0 { &app } else { &replica };
            let body = with_member(
                registration_body(&with_case(&format!("ada{round}"), index)),
                "email",
                with_case(&format!("ada{round}@example.org"), index),
            );
            register(app, &body).status
        });
        let count = |expected: u16| {
            statuses
                .iter()
                .filter(|status| **status == expected)
                .count()
        };
        assert_eq!(count(201), 1, "{statuses:?}");
        assert_eq!(count(409), caller_count - 1, "{statuses:?}");
        assert_eq!(user_count(&app), 1 + round);
    }
}

// SECURITY: D02, D24
#[test]
fn concurrent_registrations_with_one_address_look_alike_and_create_one_account() {
    let app = start_open();
    let replica = app.start_replica();
    for round in 0..20 {
        app.clear_rate_limits();
        let caller_count = if round == 0 { 40 } else { 8 };
        let statuses = run_concurrently(caller_count, |index| {
            let app = if index % 2 == 0 { &app } else { &replica };
            let address = if index.is_multiple_of(3) {
                format!("BOB{round}@EXAMPLE.ORG")
            } else {
                format!("bob{round}@example.org")
            };
            let body = registration_body(&format!("user{round}-{index}"));
            register(app, &with_member(body, "email", address)).status
        });
        assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
        let with_address =
            format!("SELECT count(*) FROM users WHERE lower(email) = 'bob{round}@example.org'");
        assert_eq!(app.query_number(&with_address), 1);
        assert_eq!(user_count(&app), 1 + round);
    }
}

// SECURITY: D02
#[test]
fn taken_email_is_answered_like_a_free_one() {
    let app = start_open();
    let admin = app.super_admin_token();
    app.create_user("owner", "Admin", &[]);
    app.execute("UPDATE users SET email = 'Owner@example.org', email_confirmed = true WHERE username = 'owner'");
    let fresh_invite = |app: &TestApp| create_invite(app, &admin, &json!({"role": "Admin"}));
    let body = |name: &str, email: &str| with_member(registration_body(name), "email", email);

    let free_response = register(&app, &body("ada", "ada@example.org")).expect(201);
    let before = user_count(&app);
    let taken_response = register(&app, &body("bob", "owner@EXAMPLE.org")).expect(201);
    assert_eq!(user_count(&app), before);
    let comparable_body = |response: &Response, name: &str, email: &str| {
        let mut user = response.data().clone();
        assert_eq!(user["username"], name);
        assert_eq!(user["email"], email);
        for member in ["id", "username", "email", "createdAtUtc", "updatedAtUtc"] {
            assert!(user[member].is_string());
            user[member] = Value::Null;
        }
        user
    };
    assert_eq!(
        comparable_body(&taken_response, "bob", "owner@EXAMPLE.org"),
        comparable_body(&free_response, "ada", "ada@example.org")
    );
    let header_names = |response: &Response| {
        let mut header_names: Vec<String> =
            response.headers.keys().map(ToString::to_string).collect();
        header_names.sort();
        header_names
    };
    assert_eq!(header_names(&taken_response), header_names(&free_response));

    // The username conflict is reported first, so that it reveals nothing about the address.
    register(&app, &body("ada", "owner@example.org")).expect_problem(409, "user_username_conflict");
    register(&app, &body("ada", "new@example.org")).expect_problem(409, "user_username_conflict");
    // An invite is consumed in both cases.
    for email in ["owner@example.org", "cyd@example.org"] {
        let invite = fresh_invite(&app);
        register(
            &app,
            &with_member(body("cyd", email), "inviteToken", invite.clone()),
        )
        .expect(201);
        let reuse = with_member(body("dan", "dan@example.org"), "inviteToken", invite);
        register(&app, &reuse).expect_problem(403, "invite_exhausted");
    }
    let audit_rows = "SELECT count(*) FROM audit_events JOIN users ON subject_id = users.id::text \
         WHERE action = 'user.register' AND outcome = 'refused' AND code = 'user_email_conflict' AND username = 'owner'";
    assert_eq!(app.query_number(audit_rows), 2);
    assert_eq!(
        app.query_number("SELECT count(*) FROM users WHERE username = 'owner' AND version = 1"),
        1
    );
}

#[test]
fn registration_mails_a_confirmation_or_notifies_the_existing_owner() {
    let (app, server) = TestApp::start_with_mail(&[("ROSTERD_REGISTRATION", "open")]);
    let with_address =
        |name: &str, email: &str| with_member(registration_body(name), "email", email);
    register(&app, &with_address("ada", "ada@example.org")).expect(201);
    let email = server.only_email();
    assert_eq!(email.to, ["ada@example.org"]);
    app.post("/api/v1/auth/confirm-email")
        .json(&json!({"token": email.token()}))
        .send()
        .expect(204);

    register(&app, &with_address("eve", "ADA@example.org")).expect(201);
    let notice = server.wait_for_emails(2).remove(1);
    assert_eq!(notice.to, ["ada@example.org"]);
    assert!(
        notice.text().contains("the account ada"),
        "{}",
        notice.text()
    );
    assert!(!notice.data.contains("eve"), "{}", notice.data);
    assert_eq!(user_count(&app), 2);
}
