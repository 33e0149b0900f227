//! Notices to owners about changes of their account.

use serde_json::json;

use crate::mail::create_user_with_email;
use crate::support::{MailServer, PASSWORD, TestApp, wait_until};

const NEW_PASSWORD: &str = "nine purple umbrellas in june";

/// The subjects of the messages to this address, once all recorded notices have been sent.
fn subjects(app: &TestApp, server: &MailServer, address: &str) -> Vec<String> {
    wait_until(|| {
        app.query_number(
            "SELECT (SELECT count(*) FROM mail_notices) + (SELECT count(*) FROM mail_outbox)",
        ) == 0
    });
    let emails = server.emails();
    let own = emails.iter().filter(|email| email.to == [address]);
    own.map(|email| email.header("Subject").to_owned())
        .collect()
}

#[test]
fn owner_is_told_of_a_sign_in_from_a_new_address_but_not_of_the_first() {
    let (app, server) = TestApp::start_with_mail(&[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")]);
    let user = app.create_user("ada", "User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = 'ada@example.org', email_confirmed = true WHERE id = '{}'",
        user.id
    ));
    let log_in = |source: &str| {
        app.post("/api/v1/auth/login")
            .header("X-Forwarded-For", source)
            .json(&json!({"username": "ada", "password": PASSWORD}))
            .send()
            .expect(200);
    };
    log_in("203.0.113.1");
    log_in("203.0.113.1");
    let told = || subjects(&app, &server, "ada@example.org");
    assert!(told().is_empty());
    log_in("203.0.113.2");
    assert_eq!(told(), ["New sign-in to your account"]);
    for host in 3..=20 {
        log_in(&format!("203.0.113.{host}"));
    }
    assert!(told().len() <= 5);
}

#[test]
fn owner_is_told_of_changes_of_password_tokens_factors_and_address() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let admin = app.super_admin_token();
    let ada = create_user_with_email(&app, "ada@example.org");
    let session = app.sign_in(&ada.username);
    let token = session["accessToken"].as_str().unwrap();
    let told = || subjects(&app, &server, "ada@example.org");
    app.post("/api/v1/auth/tokens")
        .bearer(token)
        .json(&json!({"name": "backup", "permissions": []}))
        .send()
        .expect(201);
    assert_eq!(told(), ["New access token for your account"]);
    app.post("/api/v1/auth/change-password")
        .bearer(token)
        .json(&json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
    assert_eq!(told().last().unwrap(), "Your password was changed");
    app.post(&ada.path("/reset-password"))
        .bearer(&admin)
        .json(&json!({"newPassword": "eight yellow parasols in may"}))
        .send()
        .expect(204);
    assert_eq!(told().len(), 3);
    app.execute(&format!(
        "UPDATE users SET mfa_enabled = true WHERE id = '{}'",
        ada.id
    ));
    app.delete(&ada.path("/mfa"))
        .bearer(&admin)
        .send()
        .expect(204);
    assert_eq!(told().last().unwrap(), "Your second factor was removed");
    app.patch(&ada.path(""))
        .bearer(&admin)
        .json(&json!({"email": "new@example.org"}))
        .send()
        .expect(200);
    assert_eq!(told().last().unwrap(), "Your email address was changed");
    assert_eq!(told().len(), 5);
    assert!(subjects(&app, &server, "new@example.org").is_empty());
}

#[test]
fn usernames_do_not_appear_as_links_in_messages() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let admin = app.super_admin_token();
    let user = app.create_user("evil.example", "User", &[]);
    app.execute(&format!(
        "UPDATE users SET email = 'ada@example.org', email_confirmed = true WHERE id = '{}'",
        user.id
    ));
    app.post(&user.path("/reset-password"))
        .bearer(&admin)
        .json(&json!({"newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
    let text = server.only_email().text();
    assert!(text.contains("the account evil[.]example "), "{text}");
    assert!(!text.contains("evil.example"), "{text}");
}

#[test]
fn notices_are_deleted_after_a_day_without_a_mail_server() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("User", &[]);
    app.post("/api/v1/auth/change-password")
        .bearer(&token)
        .json(&json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
    let count = || app.query_number("SELECT count(*) FROM mail_notices");
    let delete_stale = || {
        app.db()
            .write_now(|tx| Ok(rosterd::mail::service::delete_stale(tx)?))
            .unwrap()
    };
    delete_stale();
    assert_eq!(count(), 1);
    app.execute("UPDATE mail_notices SET created_at = now() - interval '25 hours'");
    delete_stale();
    assert_eq!(count(), 0);
}
