//! What happens to the email address of an account that gets more authority.

use serde_json::{Value, json};

use super::promotion::{
    assert_no_change_token, login, redeem as redeem_token, reset_link, set_password, set_role,
};
use crate::mail::{NEW_PASSWORD, create_user_with_email, queued_count, redeem, request_reset};
use crate::support::{PASSWORD, TestApp, wait_until};

/// A confirmed address receives reset links, so an address that an Admin entered is a way in.
#[test]
fn confirmed_email_address_that_an_admin_set_is_removed_from_a_promoted_account() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let promoted = |caller: Option<&str>, role: &str| {
        let (user, _) = app.create_signed_in_user("User", &[]);
        let address = format!("{}@example.org", user.username);
        if let Some(caller) = caller {
            let change = json!({"email": address, "emailConfirmed": true});
            let patch = app.patch(&user.path("")).bearer(caller).json(&change);
            patch.send().expect(200);
        } else {
            app.execute(&format!(
                "UPDATE users SET email = '{address}', email_confirmed = true WHERE id = '{}'",
                user.id
            ));
        }
        let after = set_role(&app, &super_admin, &user, role).data().clone();
        assert_eq!(
            after["emailConfirmed"],
            after["email"] == address,
            "{after}"
        );
        after["emailConfirmed"].clone()
    };
    app.create_role("Helper", 10, &[]);
    assert_eq!(promoted(Some(&admin), "SuperAdmin"), false);
    assert_eq!(promoted(Some(&admin), "Admin"), false);
    // The address was set by an administrator who may still manage the account, or by its owner.
    assert_eq!(promoted(Some(&admin), "Helper"), true);
    assert_eq!(promoted(Some(&super_admin), "Admin"), true);
    assert_eq!(promoted(None, "SuperAdmin"), true);
}

/// An address that is not confirmed yet is a way in as well: the owner may ask for the link, which the Admin then receives.
// SECURITY: C02
#[test]
fn unconfirmed_email_address_that_an_admin_set_is_removed_from_a_promoted_account() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let patch = |caller: &str, path: &str, body: &Value| {
        app.patch(path).bearer(caller).json(body).send().expect(200)
    };
    let user_with_address = |caller: &str| {
        let (user, _) = app.create_signed_in_user("User", &[]);
        let email = json!({"email": format!("{}@example.org", user.username)});
        patch(caller, &user.path(""), &email);
        user
    };
    let user = user_with_address(&admin);
    let after = set_role(&app, &super_admin, &user, "SuperAdmin");
    assert_eq!(after.data()["email"], json!(null));
    // The audit log shows the address that was removed.
    let events = app.get("/api/v1/audit/events?action=user.update&limit=1");
    let event = events.bearer(&super_admin).send().expect(200).data()[0].clone();
    let address = json!(format!("{}@example.org", user.username));
    assert!(event.to_string().contains(&address.to_string()), "{event}");
    // The owner sets it again.
    let owner = app.token(&user.username);
    let own = json!({"email": address, "currentPassword": PASSWORD});
    patch(&owner, "/api/v1/auth/me", &own);
    let next = patch(&super_admin, &user.path(""), &json!({"role": "Admin"}));
    assert_eq!(next.data()["email"], address);

    // Who promotes the account sets an address in the same request, or may manage the promoted account.
    let user = user_with_address(&admin);
    let body = json!({"role": "Admin", "email": "ada@example.org"});
    let after = patch(&super_admin, &user.path(""), &body);
    assert_eq!(after.data()["email"], "ada@example.org");
    let user = user_with_address(&super_admin);
    let after = set_role(&app, &super_admin, &user, "Admin");
    assert_ne!(after.data()["email"], json!(null));

    // The same holds for the accounts of a role that is raised, and of a role that is deleted in favour of a higher one.
    for change in ["rank", "deletion"] {
        app.create_role("Helper", 10, &[]);
        let user = user_with_address(&admin);
        set_role(&app, &super_admin, &user, "Helper");
        if change == "rank" {
            patch(&super_admin, "/api/v1/roles/Helper", &json!({"rank": 200}));
        }
        let moved = "/api/v1/roles/Helper?moveTo=SuperAdmin";
        app.delete(moved).bearer(&super_admin).send().expect(204);
        let shown = app.get(&user.path("")).bearer(&super_admin).send();
        assert_eq!(shown.data()["email"], json!(null), "{change}");
    }
}

/// The link may have been sent to an address that an administrator entered.
#[test]
fn confirmation_link_ends_with_a_promotion_and_with_a_password_reset() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let with_link = |name: &str| {
        let user = app.create_user(name, "User", &[]);
        let email = json!({"email": format!("{name}@example.org")});
        let patch = app.patch(&user.path("")).bearer(&admin).json(&email);
        patch.send().expect(200);
        app.execute(&format!(
            "INSERT INTO email_confirmation_tokens (user_id, digest, email, created_at, expires_at) \
             VALUES ('{}', sha256('link of {name}'), '{name}@example.org', now(), now() + interval '1 day')",
            user.id
        ));
        user
    };
    let confirm = |name: &str| {
        let body = json!({"token": format!("link of {name}")});
        app.post("/api/v1/auth/confirm-email").json(&body).send()
    };
    with_link("ada");
    confirm("ada").expect(204);
    set_role(&app, &super_admin, &with_link("grace"), "Admin");
    assert_eq!(confirm("grace").body["code"], "confirmation_token_invalid");
    set_password(&app, &super_admin, &with_link("joan"));
    assert_eq!(confirm("joan").body["code"], "confirmation_token_invalid");

    // An address that the Admin entered stays the Admin's after it was confirmed with a link.
    let creator = "SELECT email_set_by_kind FROM users WHERE username = 'ada'";
    assert_eq!(app.query_text(creator), "user");
}

/// The person who set the address can read the mail with the link, so the password that is set with it counts as theirs.
// SECURITY: C02
#[test]
fn password_set_with_a_link_to_an_address_of_an_admin_does_not_open_a_promoted_account() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let super_admin = app.super_admin_token();
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let (user, _) = app.create_signed_in_user("User", &[]);
    let address = json!({"email": "box@example.org", "emailConfirmed": true});
    let patch = app.patch(&user.path("")).bearer(&admin).json(&address);
    patch.send().expect(200);
    request_reset(&app, "box@example.org").expect(202);
    redeem(&app, &server.only_email()).expect(204);
    login(&app, &user, NEW_PASSWORD).expect(200);
    set_role(&app, &super_admin, &user, "SuperAdmin");
    assert_no_change_token(login(&app, &user, NEW_PASSWORD));
}

/// A link of an administrator is not sent to an address, because someone else may have set the address.
#[test]
fn link_of_an_administrator_is_not_mailed() {
    let (app, server) = TestApp::start_with_mail(&[]);
    let super_admin = app.super_admin_token();
    let user = create_user_with_email(&app, "ada@example.org");
    let link = reset_link(&app, &super_admin, &user);
    request_reset(&app, "ada@example.org").expect(202);
    wait_until(|| queued_count(&app) == 0);
    assert!(server.emails().is_empty());
    redeem_token(&app, &link).expect(204);
    request_reset(&app, "ada@example.org").expect(202);
    assert_ne!(server.only_email().token(), link);
}
