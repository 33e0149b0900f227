//! Sign-ins, refreshes and password changes concurrent with disabling an account or resetting its password.

use serde_json::json;

use super::{ME, NEW_PASSWORD, access_token, count_status, login, refresh, set_active};
use crate::support::{PASSWORD, TestApp, run_concurrently};

// SECURITY: A06
#[test]
fn thirty_two_concurrent_refreshes_return_one_successor_and_keep_the_session() {
    let first_replica = TestApp::start();
    let second_replica = first_replica.start_replica();
    first_replica.create_user("ada", "User", &[]);
    for _ in 0..20 {
        let session = first_replica.sign_in("ada");
        let responses = run_concurrently(32, |index| {
            let app = if index % 2 == 0 {
                &first_replica
            } else {
                &second_replica
            };
            refresh(app, &session["refreshToken"])
        });
        assert_eq!(count_status(&responses, 200), 32);
        let successor = &responses[0].data()["refreshToken"];
        assert!(
            responses
                .iter()
                .all(|response| response.data()["refreshToken"] == *successor)
        );
        let id = session["session"]["id"].as_str().unwrap();
        assert_eq!(
            first_replica.query_number(&format!(
                "SELECT count(*) FROM refresh_tokens WHERE session_id = '{id}'"
            )),
            2
        );
        first_replica
            .get(ME)
            .bearer(access_token(&session))
            .send()
            .expect(200);
        first_replica
            .get(ME)
            .bearer(access_token(responses[31].data()))
            .send()
            .expect(200);
        refresh(&second_replica, successor).expect(200);
    }
}

#[test]
fn tokens_issued_while_the_account_is_disabled_stay_invalid_after_it_is_enabled() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let mut issued = 0;
    for round in 0..30 {
        let session = app.sign_in("ada");
        let responses = run_concurrently(3, |index| match index {
            0 => refresh(&app, &session["refreshToken"]),
            1 => login(&app, "ada", PASSWORD),
            _ => {
                // Hashing makes the login slow. The delay varies so that some rounds disable the account during it.
                std::thread::sleep(std::time::Duration::from_millis(round % 3 * 12));
                set_active(&app, &admin, &user, false)
            }
        });
        assert_eq!(responses[2].status, 200);
        assert!(
            [200, 401].contains(&responses[0].status) && [200, 403].contains(&responses[1].status),
            "{responses:?}"
        );
        set_active(&app, &admin, &user, true).expect(200);
        for response in responses
            .iter()
            .take(2)
            .filter(|response| response.status == 200)
        {
            issued += 1;
            app.get(ME)
                .bearer(access_token(response.data()))
                .send()
                .expect_problem(401, "auth_token_invalid");
            refresh(&app, &response.data()["refreshToken"])
                .expect_problem(401, "auth_refresh_token_invalid");
        }
        app.get(ME)
            .bearer(access_token(&session))
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    assert!(issued > 0, "no round issued a token");
}

#[test]
fn password_change_concurrent_with_a_reset_does_not_replace_the_reset_password() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    app.execute("CREATE TABLE saved AS SELECT password_hash FROM users WHERE username = 'ada'");
    let mut refused = 0;
    for round in 0..25 {
        let session = app.sign_in("ada");
        let responses = run_concurrently(3, |index| {
            match index {
            0 => app.post("/api/v1/auth/change-password").bearer(access_token(&session))
                .json(&json!({"currentPassword": PASSWORD, "newPassword": "eleven silver kettles by the sea"})).send(),
            1 => login(&app, "ada", PASSWORD),
            _ => {
                std::thread::sleep(std::time::Duration::from_millis(round % 5 * 8));
                app.post(&user.path("/reset-password")).bearer(&admin).json(&json!({"newPassword": NEW_PASSWORD})).send()
            }
        }
        });
        assert_eq!(responses[2].status, 204, "{responses:?}");
        assert!(
            [204, 401, 403].contains(&responses[0].status)
                && [200, 401].contains(&responses[1].status),
            "{responses:?}"
        );
        refused += usize::from(responses[0].status != 204);
        login(&app, "ada", NEW_PASSWORD).expect(200);
        login(&app, "ada", "eleven silver kettles by the sea")
            .expect_problem(401, "auth_invalid_credentials");
        app.get(ME)
            .bearer(access_token(&session))
            .send()
            .expect(401);
        if responses[1].status == 200 {
            app.get(ME)
                .bearer(access_token(responses[1].data()))
                .send()
                .expect(401);
        }
        app.execute("UPDATE users u SET password_hash = saved.password_hash FROM saved WHERE username = 'ada'");
    }
    assert!(refused > 0, "the reset came first in no round");
}

/// With a change token there is no session that the reset could end.
#[test]
fn forced_password_change_concurrent_with_a_reset_does_not_replace_the_reset_password() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    app.execute("CREATE TABLE saved AS SELECT password_hash FROM users WHERE username = 'ada'");
    let mut refused = 0;
    for round in 0..25 {
        app.execute(
            "UPDATE users u SET password_hash = saved.password_hash, must_change_password = true FROM saved WHERE username = 'ada'",
        );
        let token = login(&app, "ada", PASSWORD).expect(403).body["changeToken"]
            .as_str()
            .unwrap()
            .to_owned();
        let responses = run_concurrently(2, |index| {
            if index == 0 {
                let body = json!({"currentPassword": PASSWORD, "newPassword": "eleven silver kettles by the sea"});
                return app
                    .post("/api/v1/auth/change-password")
                    .bearer(&token)
                    .json(&body)
                    .send();
            }
            std::thread::sleep(std::time::Duration::from_millis(round % 5 * 8));
            app.post(&user.path("/reset-password"))
                .bearer(&admin)
                .json(&json!({"newPassword": NEW_PASSWORD}))
                .send()
        });
        assert_eq!(responses[1].status, 204, "{responses:?}");
        assert!(
            [204, 401, 403].contains(&responses[0].status),
            "{responses:?}"
        );
        refused += usize::from(responses[0].status != 204);
        let login_after = login(&app, "ada", NEW_PASSWORD);
        assert!(
            [200, 403].contains(&login_after.status),
            "{}",
            login_after.text
        );
    }
    assert!(refused > 0, "the reset came first in no round");
}
