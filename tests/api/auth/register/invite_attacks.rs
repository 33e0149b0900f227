//! Altered, guessed and raced invites.

use serde_json::json;

use crate::support::{PASSWORD, Response, run_concurrently};

use super::with_invite::start_with_invites;
use super::{REGISTER, create_invite, register, registration_body, user_count, with_member};

// SECURITY: F12
#[test]
fn request_cannot_widen_an_invite() {
    let app = start_with_invites();
    let admin = app.super_admin_token();
    let token = create_invite(
        &app,
        &admin,
        &json!({"email": "ada@example.org", "maxUses": 5}),
    );
    let invited = with_member(registration_body("ada"), "inviteToken", token.clone());
    for (member, value) in [
        ("role", json!("SuperAdmin")),
        ("permissions", json!(["users.read"])),
        ("isActive", json!(true)),
        ("emailConfirmed", json!(true)),
        ("invite", json!({"role": "Admin"})),
        ("tags", json!(["staff"])),
    ] {
        let body = with_member(
            with_member(invited.clone(), "email", "ada@example.org"),
            member,
            value,
        );
        register(&app, &body).expect_field_error(&format!("/{member}"), "unknown_field");
    }
    register(&app, &invited).expect_problem(403, "invite_invalid");
    for email in [
        "eve@example.org",
        "ada@example.org.evil.net",
        "ada+x@example.org",
    ] {
        let body = with_member(invited.clone(), "email", email);
        register(&app, &body).expect_problem(403, "invite_invalid");
    }

    // The id of the invite, tokens of other kinds, and altered tokens.
    let id = app
        .get(&format!("/api/v1/invites/{token}"))
        .bearer(&admin)
        .send()
        .data()["id"]
        .clone();
    let session = {
        app.create_user("bob", "User", &[]);
        app.sign_in("bob")
    };
    let other_tokens = [
        id.as_str().unwrap(),
        session["accessToken"].as_str().unwrap(),
        session["refreshToken"].as_str().unwrap(),
        token.strip_suffix(|_: char| true).unwrap(),
        &format!("{token}A"),
        &token.to_uppercase(),
        &token.replace("rst_inv_", "rst_rst_"),
        &token.replace("rst_inv_", ""),
        &format!(" {token}"),
        "%",
        "",
        "rst_inv_",
    ];
    for token in other_tokens {
        let body = with_member(
            with_member(invited.clone(), "email", "ada@example.org"),
            "inviteToken",
            token,
        );
        register(&app, &body).expect_problem(403, "invite_invalid");
    }
    // An invite token is not accepted by other flows.
    let reset = json!({"token": token, "newPassword": PASSWORD});
    app.post("/api/v1/auth/reset-password")
        .json(&reset)
        .send()
        .expect_problem(400, "reset_token_invalid");
    let refresh = json!({"refreshToken": token});
    app.post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");
    assert_eq!(user_count(&app), 2);

    let created = register(&app, &with_member(invited, "email", "ADA@example.org")).expect(201);
    assert_eq!(created.data()["role"], "User");
    assert_eq!(created.data()["emailConfirmed"], false);
}

// SECURITY: C20
#[test]
fn invited_person_has_no_access_before_registering() {
    let app = start_with_invites();
    let admin = app.super_admin_token();
    let invite_body = json!({"role": "Admin", "email": "ada@example.org"});
    let token = create_invite(&app, &admin, &invite_body);
    for path in ["/api/v1/auth/me", "/api/v1/users", "/api/v1/invites"] {
        app.get(path)
            .bearer(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    for name in ["ada", "ada@example.org", token.as_str()] {
        let login = json!({"username": name, "password": token});
        app.post("/api/v1/auth/login")
            .json(&login)
            .send()
            .expect_problem(401, "auth_invalid_credentials");
    }
    assert_eq!(user_count(&app), 1);
}

// SECURITY: F10
#[test]
fn single_use_invite_admits_one_concurrent_registration() {
    let app = start_with_invites();
    let replica = app.start_replica();
    let admin = app.super_admin_token();
    for round in 0..20 {
        app.clear_rate_limits();
        let token = create_invite(&app, &admin, &json!({"permissions": ["audit.read"]}));
        let caller_count = if round == 0 { 50 } else { 8 };
        let responses = run_concurrently(caller_count, |index| {
            let app = if index % 2 == 0 { &app } else { &replica };
            let body = registration_body(&format!("user{round}-{index}"));
            register(app, &with_member(body, "inviteToken", token.clone()))
        });
        let (accepted, refused): (Vec<_>, Vec<_>) = responses
            .into_iter()
            .partition(|response| response.status == 201);
        assert_eq!(accepted.len(), 1);
        for response in refused {
            response.expect_problem(403, "invite_exhausted");
        }
        assert_eq!(user_count(&app), 2 + round);
        assert_eq!(app.query_number("SELECT max(uses) FROM invites"), 1);
    }
}

// SECURITY: F10
#[test]
fn invite_max_uses_holds_under_concurrency() {
    let app = start_with_invites();
    let replica = app.start_replica();
    let admin = app.super_admin_token();
    for round in 0..25 {
        app.clear_rate_limits();
        let token = create_invite(&app, &admin, &json!({"maxUses": 2}));
        let statuses = run_concurrently(5, |index| {
            let app = if index % 2 == 0 { &app } else { &replica };
            let body = registration_body(&format!("user{round}-{index}"));
            register(app, &with_member(body, "inviteToken", token.clone())).status
        });
        let accepted = statuses.iter().filter(|status| **status == 201).count();
        assert_eq!(accepted, 2, "{statuses:?}");
        assert_eq!(user_count(&app), 1 + 2 * (round + 1));
    }
}

// SECURITY: F14
#[test]
fn registration_does_not_affect_the_signed_in_account() {
    let app = start_with_invites();
    let admin = app.super_admin_token();
    let (user, token) = app.create_signed_in_user("User", &[]);
    let before = app.get("/api/v1/auth/me").bearer(&token).send().expect(200);
    let invite_body = json!({"role": "Admin", "permissions": ["webhooks.manage"], "maxUses": 3});
    let invite = create_invite(&app, &admin, &invite_body);
    let sessions = app.query_number("SELECT count(*) FROM sessions");

    // A signed-in caller can register another account.
    let body = with_member(registration_body("second"), "inviteToken", invite.clone());
    let created = app
        .post(REGISTER)
        .bearer(&token)
        .json(&body)
        .send()
        .expect(201);
    assert_ne!(created.data()["id"], json!(user.id));
    // An existing account does not receive the grants of the invite.
    let own_username = with_member(
        registration_body(&user.username),
        "inviteToken",
        invite.clone(),
    );
    app.post(REGISTER)
        .bearer(&token)
        .json(&own_username)
        .send()
        .expect_problem(409, "user_username_conflict");
    // An invalid access token does not matter here.
    let third_user = with_member(registration_body("third"), "inviteToken", invite);
    app.post(REGISTER)
        .bearer("nonsense")
        .json(&third_user)
        .send()
        .expect(201);

    let after = app.get("/api/v1/auth/me").bearer(&token).send().expect(200);
    assert_eq!(after.body, before.body);
    assert_eq!(app.query_number("SELECT count(*) FROM sessions"), sessions);
}

// SECURITY: F16
#[test]
fn guessed_invite_tokens_get_identical_responses() {
    let app = start_with_invites();
    let responses: Vec<Response> = (0..20)
        .map(|index| {
            let token = format!("rst_inv_{index:0>43}");
            register(
                &app,
                &with_member(registration_body("ada"), "inviteToken", token),
            )
            .expect_problem(403, "invite_invalid")
        })
        .collect();
    let title_and_detail = |response: &Response| {
        (
            response.body["title"].clone(),
            response.body["detail"].clone(),
        )
    };
    assert!(
        responses
            .windows(2)
            .all(|pair| title_and_detail(&pair[0]) == title_and_detail(&pair[1]))
    );
    // Invalid input is reported before the invite is looked up.
    let weak_password = json!({"username": "ada", "password": "short", "inviteToken": "rst_inv_x"});
    register(&app, &weak_password).expect_field_error("/password", "too_short");
}
