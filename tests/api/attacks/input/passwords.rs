//! Passwords: enumeration, normalization, stored hashes and the current-password check.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, run_concurrently};

use super::{LOGIN, USERS, login};

const NEW_PASSWORD: &str = "nine purple umbrellas in june";

// SECURITY: D01
#[test]
fn failed_logins_are_indistinguishable() {
    let app = TestApp::start();
    for (name, state) in [
        ("known", "version = 1"),
        ("disabled", "is_active = false"),
        ("deleted", "deleted_at = now()"),
        ("expired", "expires_at = now() - interval '1 day'"),
        ("passwordless", "password_hash = NULL"),
        ("obliged", "must_change_password = true"),
        ("broken", "password_hash = 'no hash'"),
        ("mfa", "mfa_enabled = true"),
    ] {
        app.create_user(name, "User", &[]);
        app.execute(&format!("UPDATE users SET {state}, email = '{name}@example.org', email_confirmed = true WHERE username = '{name}'"));
    }
    let comparable_response = |name: &str, password: &str| {
        let response = login(&app, name, password).expect_problem(401, "auth_invalid_credentials");
        let mut body = response.body.clone();
        body["traceId"] = Value::Null;
        let mut headers: Vec<String> = response
            .headers
            .iter()
            .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        (body, headers, response.text.len())
    };
    let wrong_passwords = [
        "not the password at all",
        "",
        "x",
        &"long ".repeat(1000),
        "päßwörd 😀",
        "seven green lanterns at noo",
    ];
    let reference = comparable_response("unknown", wrong_passwords[0]);
    for name in [
        "unknown",
        "known",
        "disabled",
        "deleted",
        "expired",
        "passwordless",
        "obliged",
        "broken",
        "mfa",
    ] {
        for password in wrong_passwords {
            assert_eq!(
                comparable_response(name, password),
                reference,
                "{name} {password:.10}"
            );
            assert_eq!(
                comparable_response(&format!("{name}@example.org"), password),
                reference,
                "{name} by address"
            );
        }
    }
    for name in ["unknown", "deleted", "passwordless", "broken"] {
        assert_eq!(
            comparable_response(name, PASSWORD),
            reference,
            "{name} with the right password"
        );
    }
    for name in [
        "",
        "a",
        "' OR 1=1 --",
        "%",
        &"n".repeat(10_000),
        "ada\n",
        "аdmin",
        "a@b@c",
    ] {
        assert_eq!(
            comparable_response(name, wrong_passwords[0]),
            reference,
            "{name:.10}"
        );
    }
    assert_eq!(app.query_number("SELECT count(*) FROM sessions"), 0);
}

// SECURITY: D14
#[test]
fn password_is_compared_whole_after_nfc_normalization() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let words: Vec<String> = (0..60).map(|index| format!("w{index} ")).collect();
    let long_password = words.concat();
    let body =
        json!({"username": "ada", "role": "User", "password": format!(" {long_password}é ")});
    app.post(USERS)
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(201);
    login(&app, "ada", &format!(" {long_password}é ")).expect(200);
    login(&app, "ada", &format!(" {long_password}e\u{301} ")).expect(200);
    for other in [
        format!(" {}", long_password.split_at(71).0),
        long_password.clone(),
        format!("{long_password}é"),
        format!(" {long_password}é"),
        format!("{long_password}é "),
        format!(" {long_password}é \n"),
        format!(" {long_password}e "),
        format!(" {long_password}É "),
        format!(" {}é ", long_password.to_uppercase()),
        format!(" {long_password}é  "),
        format!(" {long_password}é\u{a0}"),
        format!(" {long_password}é x"),
    ] {
        login(&app, "ada", &other).expect_problem(401, "auth_invalid_credentials");
    }
    app.post(LOGIN)
        .body(
            "application/json",
            format!(r#"{{"username": "ada", "password": " {long_password}é \u0000"}}"#),
        )
        .send()
        .expect_field_error("/password", "invalid_character");
}

// SECURITY: D16
#[test]
fn password_needs_no_mix_of_character_classes() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for (index, password) in [
        "wmfqohzdbrxtyjk",
        "843976150284736",
        "correct horse battery staple",
        "😀😎🐴🔋📎🎉🍎🚲🌍🌙⭐🔥🍕🎸🚀",
        "口令必须足够长才可以使用因为安全重要",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user-{index}");
        let body = json!({"username": name, "role": "User", "password": password});
        app.post(USERS)
            .bearer(&admin)
            .json(&body)
            .send()
            .expect(201);
        login(&app, &name, password).expect(200);
    }
}

/// An Argon2id PHC string with these parameters.
fn argon2id_hash(password: &str, memory: u32, iterations: u32) -> String {
    let params = Params::new(memory, iterations, 1, Some(32)).unwrap();
    let salt = b"sixteen bytes!!!";
    let mut output = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut output)
        .unwrap();
    format!(
        "$argon2id$v=19$m={memory},t={iterations},p=1${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(output)
    )
}

// SECURITY: D18
#[test]
fn weak_hash_is_upgraded_once_at_the_next_login() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let hash = || app.query_text("SELECT password_hash FROM users WHERE username = 'ada'");
    let current_hash = hash();
    let current_params = current_hash.split('$').nth(3).unwrap();
    for _ in 0..20 {
        app.execute(&format!(
            "UPDATE users SET password_hash = '{}' WHERE username = 'ada'",
            argon2id_hash(PASSWORD, 1024, 1)
        ));
        let before = app.get(&user.path("")).bearer(&admin).send().expect(200);
        login(&app, "ada", "not the password").expect(401);
        assert!(
            hash().contains("m=1024"),
            "a wrong password does not upgrade the hash"
        );
        let responses = run_concurrently(6, |_| login(&app, "ada", PASSWORD));
        assert!(responses.iter().all(|response| response.status == 200));
        let upgraded = hash();
        assert_eq!(upgraded.split('$').nth(3), Some(current_params));
        login(&app, "ada", PASSWORD).expect(200);
        assert_eq!(hash(), upgraded, "the hash is upgraded once");
        for response in &responses {
            app.get("/api/v1/auth/me")
                .bearer(response.data()["accessToken"].as_str().unwrap())
                .send()
                .expect(200);
        }
        app.patch(&user.path(""))
            .bearer(&admin)
            .header("If-Match", before.header("etag"))
            .json(&json!({}))
            .send()
            .expect(200);
    }
}

// SECURITY: D18
#[test]
fn malformed_hash_is_treated_as_a_wrong_password() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let valid_hash = argon2id_hash(PASSWORD, 19_456, 2);
    for malformed in [
        "",
        " ",
        "x",
        "$",
        "$$$$$",
        "$argon2id$",
        "$argon2id$v=19$m=19456,t=2,p=1$",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA",
        "$argon2id$v=19$m=4294967295,t=1,p=1$c2l4dGVlbiBieXRlcyEhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=19456,t=4294967295,p=1$c2l4dGVlbiBieXRlcyEhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=0,t=0,p=0$c2l4dGVlbiBieXRlcyEhIQ$AAAA",
        "$2b$12$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghijklmno",
        "$argon2id$v=19$m=19456,t=2,p=1$%%%%$%%%%",
        valid_hash.split_at(valid_hash.len() - 1).0,
        &valid_hash.replace("v=19", "v=99"),
        "päßwörd",
        PASSWORD,
    ] {
        app.execute(&format!(
            "UPDATE users SET password_hash = '{malformed}' WHERE username = 'ada'"
        ));
        login(&app, "ada", PASSWORD)
            .expect_safe()
            .expect_problem(401, "auth_invalid_credentials");
    }
    app.post(&user.path("/reset-password"))
        .bearer(&admin)
        .json(&json!({"newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
    login(&app, "ada", NEW_PASSWORD).expect(200);
}

// SECURITY: D26
#[test]
fn password_change_requires_the_current_password() {
    let app = TestApp::start();
    let (account, token) = app.create_signed_in_user("SuperAdmin", &[]);
    let change = |body: Value| {
        app.post("/api/v1/auth/change-password")
            .bearer(&token)
            .json(&body)
            .send()
            .expect_safe()
    };
    for current in ["", "wrong wrong wrong", NEW_PASSWORD] {
        let body = json!({"currentPassword": current, "newPassword": NEW_PASSWORD});
        app.expect_unchanged(1, || change(body))
            .expect_problem(403, "auth_current_password_wrong");
    }
    app.expect_unchanged(0, || {
        change(json!({"newPassword": NEW_PASSWORD}))
            .expect_field_error("/currentPassword", "required");
        change(json!({"currentPassword": null, "newPassword": NEW_PASSWORD})).expect(400);
    });
    login(&app, &account.username, PASSWORD).expect(200);
}

// SECURITY: D26
#[test]
fn wrong_current_passwords_count_as_failed_logins() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let token = app.token("ada");
    for number in 0..10 {
        let body =
            json!({"currentPassword": format!("wrong {number}"), "newPassword": NEW_PASSWORD});
        let change = app.post("/api/v1/auth/change-password").bearer(&token);
        change.json(&body).send().expect_safe().expect(403);
    }
    let body = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
    app.post("/api/v1/auth/change-password")
        .bearer(&token)
        .json(&body)
        .send()
        .expect_safe()
        .expect_problem(429, "rate_limited");
}
