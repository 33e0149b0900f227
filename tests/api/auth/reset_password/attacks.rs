//! Reuse, races, forged tokens and links to accounts of equal or higher rank.

use std::thread;

use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp};

use super::{NEW_PASSWORD, assert_invalid, create_link, link_path, login, redeem, token_of};

// SECURITY: F01
#[test]
fn reset_link_is_single_use_even_when_raced() {
    let app = TestApp::start_with(&[("ROSTERD_HASH_THREADS", "16")]);
    let replica = app.start_replica();
    let admin = app.super_admin_token();
    for _ in 0..20 {
        app.clear_rate_limits();
        let (ada, _) = app.create_signed_in_user("User", &[]);
        let link = create_link(&app, &admin, &ada);
        let replicas = [&app, &replica];
        let responses: Vec<(String, Response)> = thread::scope(|scope| {
            let threads: Vec<_> = (0..32)
                .map(|index| {
                    let (app, token) = (replicas[index % 2], token_of(&link));
                    scope.spawn(move || {
                        let password = format!("password chosen by thread {index}");
                        let response = redeem(app, token, &password);
                        (password, response)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let (accepted, refused): (Vec<_>, Vec<_>) = responses
            .into_iter()
            .partition(|(_, response)| response.status == 204);
        assert_eq!(accepted.len(), 1);
        for (_, response) in refused {
            response.expect_problem(400, "reset_token_invalid");
        }
        login(&app, &ada, &accepted[0].0).expect(200);
        assert_invalid(&app, token_of(&link));
        let version = format!("SELECT password_version FROM users WHERE id = '{}'", ada.id);
        assert_eq!(app.query_number(&version), 1);
    }
}

// SECURITY: F02
#[test]
fn reset_requires_a_valid_token() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    create_link(&app, &admin, &ada);
    let session = app.sign_in(&ada.username);
    let send = |body: &Value| app.post("/api/v1/auth/reset-password").json(body).send();
    for token in [
        "",
        "rst_rst_",
        "null",
        ada.id.as_str(),
        ada.username.as_str(),
    ] {
        assert_invalid(&app, token);
    }
    for kind in ["accessToken", "refreshToken"] {
        assert_invalid(&app, session[kind].as_str().unwrap());
    }
    for wrong_type in [json!([]), json!(["x"]), json!({}), json!(1), json!(true)] {
        send(&json!({"token": wrong_type, "newPassword": NEW_PASSWORD}))
            .expect_field_error("/token", "invalid_type");
    }
    send(&json!({"newPassword": NEW_PASSWORD})).expect_field_error("/token", "required");
    send(&json!({"token": null, "newPassword": NEW_PASSWORD}))
        .expect_field_error("/token", "required");
    send(&json!({"token": "x"})).expect_field_error("/newPassword", "required");
    send(&json!({"token": "x", "newPassword": NEW_PASSWORD, "userId": ada.id}))
        .expect_field_error("/userId", "unknown_field");
    login(&app, &ada, PASSWORD).expect(200);
}

// SECURITY: F04
#[test]
fn altered_or_expired_reset_token_is_refused() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let link = create_link(&app, &admin, &ada);
    let valid = token_of(&link);
    let swap_case = |c: char| {
        if c.is_lowercase() {
            c.to_ascii_uppercase()
        } else {
            c.to_ascii_lowercase()
        }
    };
    for altered in [
        valid.split_at(50).0.to_owned(),
        valid.split_at(1).1.to_owned(),
        valid.split_at(8).1.to_owned(),
        format!("{valid}="),
        format!("{valid}A"),
        format!(" {valid}"),
        valid.chars().map(swap_case).collect(),
        "rst_rst_%".to_owned(),
        format!("rst_rst_{}", "_".repeat(43)),
        format!("{}%", valid.split_at(20).0),
        "*".to_owned(),
    ] {
        assert_invalid(&app, &altered);
    }
    let digest = format!(
        "SELECT count(*) FROM password_reset_tokens WHERE digest = sha256(convert_to('{valid}', 'UTF8'))"
    );
    assert_eq!(app.query_number(&digest), 1);

    app.execute("UPDATE password_reset_tokens SET expires_at = clock_timestamp()");
    assert_invalid(&app, valid);
    app.execute(
        "UPDATE password_reset_tokens SET expires_at = clock_timestamp() + interval '1 minute'",
    );
    redeem(&app, valid, NEW_PASSWORD).expect(204);
}

// SECURITY: F05
#[test]
fn reset_link_ignores_request_headers() {
    let template = "https://app.example.org/reset#{token}";
    let app = TestApp::start_with(&[("ROSTERD_RESET_URL", template)]);
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let created = app
        .post(&link_path(&ada))
        .bearer(&admin)
        .header("Host", "evil.example")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "http")
        .header("X-Original-URL", "https://evil.example/")
        .header("Forwarded", "host=evil.example;proto=http")
        .send()
        .expect(201);
    let expected = format!("https://app.example.org/reset#{}", token_of(created.data()));
    assert_eq!(created.data()["url"], expected);
    assert!(!created.text.contains("evil") && !created.header("location").contains("evil"));
}

// SECURITY: F06
#[test]
fn get_and_head_do_not_consume_a_reset_link() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, _) = app.create_signed_in_user("User", &[]);
    let link = create_link(&app, &admin, &ada);
    let valid = token_of(&link);
    for method in ["GET", "HEAD"] {
        let path = format!("/api/v1/auth/reset-password?token={valid}");
        app.call(method, &path).send().expect(405);
        let page = format!("/reset-password?token={valid}");
        app.call(method, &page).send().expect(200);
    }
    redeem(&app, valid, NEW_PASSWORD).expect(204);
}

// SECURITY: F08
#[test]
fn reset_link_for_an_equal_or_higher_ranked_account_is_refused() {
    let app = TestApp::start();
    let (super_admin, _) = app.create_signed_in_user("SuperAdmin", &[]);
    let (admin, token_of_admin) = app.create_signed_in_user("Admin", &[]);
    let (peer, _) = app.create_signed_in_user("Admin", &[]);
    let (ada, powerless) = app.create_signed_in_user("User", &[]);
    // Ranks below the Admin, but has a permission that the Admin lacks.
    let (user_with_extra_permission, _) = app.create_signed_in_user("User", &["roles.manage"]);
    for target in [&super_admin, &peer, &user_with_extra_permission] {
        for method in ["POST", "DELETE"] {
            app.call(method, &link_path(target))
                .bearer(&token_of_admin)
                .send()
                .expect_problem(403, "user_manage_forbidden");
        }
        let audit = format!(
            "SELECT count(*) FROM audit_events WHERE action LIKE 'user.resetLink.%' AND outcome = 'refused' \
             AND code = 'user_manage_forbidden' AND actor_id = '{}' AND subject_id = '{}'",
            admin.id, target.id
        );
        assert_eq!(app.query_number(&audit), 2);
    }
    for method in ["POST", "GET", "DELETE"] {
        let path = link_path(&ada);
        let call = app.call(method, &path).bearer(&powerless).send();
        call.expect_problem(403, "permission_required");
        app.call(method, &path)
            .send()
            .expect_problem(401, "auth_required");
    }
    assert_eq!(
        app.query_number("SELECT count(*) FROM password_reset_tokens"),
        0
    );

    let link = create_link(&app, &token_of_admin, &ada);
    redeem(&app, token_of(&link), NEW_PASSWORD).expect(204);
    assert_invalid(&app, token_of(&link));
    let audit = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.create' AND outcome = 'done' \
         AND actor_id = '{}' AND subject_id = '{}'",
        admin.id, ada.id
    );
    assert_eq!(app.query_number(&audit), 1);
    let audit = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.use' AND outcome = 'done' \
         AND actor_kind = 'anonymous' AND subject_id = '{}'",
        ada.id
    );
    assert_eq!(app.query_number(&audit), 1);
    let audit_text = app.query_text("SELECT string_agg(e::text || p::text, ' ') FROM audit_events e JOIN audit_personal_data p ON p.event_id = e.id");
    assert!(!audit_text.contains(token_of(&link)) && !audit_text.contains(NEW_PASSWORD));
}

// SECURITY: A03
#[test]
fn password_reset_and_session_end_are_one_transaction() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (ada, first) = app.create_signed_in_user("User", &[]);
    let second = app.sign_in(&ada.username);
    let link = create_link(&app, &admin, &ada);
    // If ending the sessions fails, the password stays unchanged.
    app.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
         CREATE TRIGGER refuse BEFORE UPDATE ON sessions FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION refuse()",
    );
    redeem(&app, token_of(&link), NEW_PASSWORD).expect_problem(500, "internal_error");
    login(&app, &ada, PASSWORD).expect(200);
    app.execute("DROP TRIGGER refuse ON sessions");

    redeem(&app, token_of(&link), NEW_PASSWORD).expect(204);
    for access in [first.as_str(), second["accessToken"].as_str().unwrap()] {
        let me = app.get("/api/v1/auth/me").bearer(access).send();
        me.expect_problem(401, "auth_token_invalid");
    }
    let refresh = json!({"refreshToken": second["refreshToken"]});
    app.post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");
    let active_sessions = format!(
        "SELECT count(*) FROM sessions WHERE user_id = '{}' AND ended_at IS NULL",
        ada.id
    );
    assert_eq!(app.query_number(&active_sessions), 0);
}
