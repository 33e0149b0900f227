//! Registration with confirmation of the email address, with approval, and with allowed domains.

use serde_json::{Value, json};

use crate::support::{MailServer, PASSWORD, Response, TestApp};

use super::{register, registration_body, user_count, with_member};

fn start() -> (TestApp, MailServer) {
    TestApp::start_with_mail(&[("ROSTERD_REGISTRATION", "open")])
}

fn register_with_email(app: &TestApp, name: &str, email: &str) -> Response {
    register(app, &with_member(registration_body(name), "email", email))
}

fn log_in(app: &TestApp, name: &str) -> Response {
    let body = json!({"username": name, "password": PASSWORD});
    app.post("/api/v1/auth/login").json(&body).send()
}

fn confirm(app: &TestApp, token: &str) -> Response {
    app.post("/api/v1/auth/confirm-email")
        .json(&json!({"token": token}))
        .send()
}

fn run_housekeeping(app: &TestApp) {
    app.db()
        .write_now(|tx| {
            rosterd::accounts::user_admin::service::purge_unconfirmed(tx)?;
            Ok(())
        })
        .unwrap();
}

#[test]
fn registered_account_signs_in_only_after_its_address_is_confirmed() {
    let (app, server) = start();
    register(&app, &registration_body("ada")).expect_field_error("/email", "required");
    let created = register_with_email(&app, "ada", "Ada@example.org").expect(201);
    assert_eq!(created.data()["email"], "Ada@example.org");
    assert_eq!(created.data()["emailConfirmed"], false);
    log_in(&app, "ada").expect_problem(403, "auth_email_not_confirmed");
    let wrong = json!({"username": "ada", "password": "not the password"});
    app.post("/api/v1/auth/login")
        .json(&wrong)
        .send()
        .expect_problem(401, "auth_invalid_credentials");
    assert_eq!(app.query_number("SELECT count(*) FROM sessions"), 0);

    confirm(&app, &server.only_email().token()).expect(204);
    log_in(&app, "ada").expect(200);
    let session = log_in(&app, "ada@EXAMPLE.org").expect(200);
    assert_eq!(session.data()["user"]["email"], "Ada@example.org");
    assert_eq!(session.data()["user"]["emailConfirmed"], true);
}

// SECURITY: D02
#[test]
fn taken_address_is_answered_alike_and_its_account_is_purged() {
    let (app, server) = start();
    register_with_email(&app, "ada", "ada@example.org").expect(201);
    confirm(&app, &server.only_email().token()).expect(204);
    let free = register_with_email(&app, "grace", "grace@example.org").expect(201);
    let taken = register_with_email(&app, "eve", "ADA@example.org").expect(201);
    let comparable = |response: &Response| {
        let mut user = response.data().clone();
        for member in ["id", "username", "email", "createdAtUtc", "updatedAtUtc"] {
            user[member] = Value::Null;
        }
        user
    };
    assert_eq!(comparable(&free), comparable(&taken));
    // Both usernames are taken now, and neither account can sign in.
    for name in ["grace", "eve"] {
        register_with_email(&app, name, "new@example.org")
            .expect_problem(409, "user_username_conflict");
        log_in(&app, name).expect_problem(403, "auth_email_not_confirmed");
    }
    let emails = server.wait_for_emails(3);
    let notice = emails
        .iter()
        .find(|email| email.text().contains("tried to register"))
        .unwrap();
    assert_eq!(notice.to, ["ada@example.org"]);
    assert!(!notice.data.contains("eve"), "{}", notice.data);

    run_housekeeping(&app);
    assert_eq!(user_count(&app), 3);
    app.execute("UPDATE pending_email_addresses SET expires_at = now()");
    run_housekeeping(&app);
    assert_eq!(user_count(&app), 1);
    let expired = "SELECT count(*) FROM audit_events WHERE action = 'user.register.expire'";
    assert_eq!(app.query_number(expired), 2);
    register_with_email(&app, "grace", "grace@example.org").expect(201);
}

#[test]
fn first_confirmation_of_an_address_wins() {
    let (app, server) = start();
    register_with_email(&app, "eve", "ada@example.org").expect(201);
    let first = server.only_email();
    register_with_email(&app, "ada", "ada@example.org").expect(201);
    let second = server.wait_for_emails(2).remove(1);
    assert!(second.text().contains("the account ada"));
    confirm(&app, &second.token()).expect(204);
    confirm(&app, &first.token()).expect_problem(400, "confirmation_token_invalid");
    log_in(&app, "ada").expect(200);
    log_in(&app, "eve").expect_problem(403, "auth_email_not_confirmed");
}

#[test]
fn administrator_can_give_a_registered_account_its_address() {
    let (app, _server) = start();
    let created = register_with_email(&app, "ada", "ada@example.org").expect(201);
    let path = format!("/api/v1/users/{}", created.data()["id"].as_str().unwrap());
    let admin = app.super_admin_token();
    app.patch(&path)
        .bearer(&admin)
        .json(&json!({"email": "ada@example.org", "emailConfirmed": true}))
        .send()
        .expect(200);
    log_in(&app, "ada").expect(200);
}

#[test]
fn approved_account_signs_in_after_an_administrator_enabled_it() {
    let (app, server) = TestApp::start_with_mail(&[
        ("ROSTERD_REGISTRATION", "open"),
        ("ROSTERD_REGISTRATION_APPROVAL", "on"),
        ("ROSTERD_REGISTRATION_DOMAINS", "example.org, example.com"),
    ]);
    register_with_email(&app, "eve", "eve@example.net")
        .expect_field_error("/email", "domain_not_allowed");
    let created = register_with_email(&app, "ada", "ada@EXAMPLE.com").expect(201);
    assert_eq!(created.data()["isActive"], false);
    log_in(&app, "ada").expect_problem(403, "auth_user_inactive");
    confirm(&app, &server.only_email().token()).expect(204);
    log_in(&app, "ada").expect_problem(403, "auth_user_inactive");
    let id = created.data()["id"].as_str().unwrap();
    app.post(&format!("/api/v1/users/{id}/status"))
        .bearer(app.super_admin_token())
        .json(&json!({"isActive": true}))
        .send()
        .expect(200);
    log_in(&app, "ada").expect(200);
}

#[test]
fn without_confirmation_the_account_signs_in_at_once() {
    let (app, _server) = TestApp::start_with_mail(&[
        ("ROSTERD_REGISTRATION", "open"),
        ("ROSTERD_REGISTRATION_CONFIRM", "off"),
    ]);
    register(&app, &registration_body("ada")).expect(201);
    log_in(&app, "ada").expect(200);
}
