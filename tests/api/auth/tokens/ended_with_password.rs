//! When personal access tokens end together with the password or the sessions of their account.

use serde_json::{Value, json};

use super::{create_token, is_accepted, token_text};
use crate::support::{PASSWORD, TestApp, TestUser};

const NEW_PASSWORD: &str = "nine purple umbrellas in june";

/// An account with a session and a personal access token, and the token of a `SuperAdmin`.
struct Fixture {
    app: TestApp,
    admin: String,
}

impl Fixture {
    fn new() -> Self {
        let app = TestApp::start();
        let admin = app.super_admin_token();
        Self { app, admin }
    }

    /// An account, its access token and its personal access token.
    fn create_user(&self) -> (TestUser, String, String) {
        let (user, session) = self.app.create_signed_in_user("User", &[]);
        let token = token_text(&create_token(&self.app, &session, &[])).to_owned();
        assert!(is_accepted(&self.app, &token));
        (user, session, token)
    }

    /// Sends a request as the `SuperAdmin`.
    fn send(&self, method: &str, path: &str, body: Option<Value>) -> u16 {
        let request = self.app.call(method, path).bearer(&self.admin);
        match body {
            Some(body) => request.json(&body).send().status,
            None => request.send().status,
        }
    }
}

#[test]
fn password_reset_by_an_administrator_ends_tokens_unless_they_are_kept() {
    let fixture = Fixture::new();
    for (body, is_kept) in [
        (json!({"newPassword": NEW_PASSWORD}), false),
        (
            json!({"newPassword": NEW_PASSWORD, "keepTokens": false}),
            false,
        ),
        (
            json!({"newPassword": NEW_PASSWORD, "keepTokens": true}),
            true,
        ),
    ] {
        let (user, session, token) = fixture.create_user();
        let path = user.path("/reset-password");
        assert_eq!(fixture.send("POST", &path, Some(body.clone())), 204);
        assert!(!is_accepted(&fixture.app, &session));
        assert_eq!(is_accepted(&fixture.app, &token), is_kept, "{body}");
    }
}

#[test]
fn removal_of_the_password_ends_tokens_unless_they_are_kept() {
    let fixture = Fixture::new();
    for (query, is_kept) in [
        ("", false),
        ("?keepTokens=false", false),
        ("?keepTokens=true", true),
    ] {
        let (user, session, token) = fixture.create_user();
        let path = user.path(&format!("/password{query}"));
        assert_eq!(fixture.send("DELETE", &path, None), 204);
        assert!(!is_accepted(&fixture.app, &session));
        assert_eq!(is_accepted(&fixture.app, &token), is_kept, "{query}");
    }
}

#[test]
fn reset_link_ends_tokens_unless_they_are_kept() {
    let fixture = Fixture::new();
    for (keep_tokens, is_kept) in [(None, false), (Some(false), false), (Some(true), true)] {
        let (user, session, token) = fixture.create_user();
        let link = fixture
            .app
            .post(&user.path("/password-reset-link"))
            .bearer(&fixture.admin)
            .json(&json!({}))
            .send()
            .expect(201);
        let mut body = json!({"token": link.data()["token"], "newPassword": NEW_PASSWORD});
        if let Some(keep_tokens) = keep_tokens {
            body["keepTokens"] = keep_tokens.into();
        }
        let reset = fixture.app.post("/api/v1/auth/reset-password");
        reset.json(&body).send().expect(204);
        assert!(!is_accepted(&fixture.app, &session));
        assert_eq!(is_accepted(&fixture.app, &token), is_kept, "{body}");
    }
}

#[test]
fn change_of_the_own_password_keeps_tokens() {
    let fixture = Fixture::new();
    let (_, session, token) = fixture.create_user();
    let body = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
    let change = fixture.app.post("/api/v1/auth/change-password");
    change.bearer(&session).json(&body).send().expect(204);
    assert!(is_accepted(&fixture.app, &token));
}

/// The person who set the old password can have signed in with it and created a token.
#[test]
fn change_of_a_password_that_another_set_ends_the_tokens_that_it_allowed_to_create() {
    let fixture = Fixture::new();
    let (user, _, own) = fixture.create_user();
    let body = json!({"newPassword": NEW_PASSWORD, "keepTokens": true});
    assert_eq!(
        fixture.send("POST", &user.path("/reset-password"), Some(body)),
        204
    );
    let login = json!({"username": user.username, "password": NEW_PASSWORD});
    let login = fixture.app.post("/api/v1/auth/login").json(&login).send();
    let session = login.expect(200).data()["accessToken"].clone();
    let session = session.as_str().unwrap();
    let token = token_text(&create_token(&fixture.app, session, &[])).to_owned();
    let body =
        json!({"currentPassword": NEW_PASSWORD, "newPassword": "eight red balloons above the sea"});
    let change = fixture.app.post("/api/v1/auth/change-password");
    change.bearer(session).json(&body).send().expect(204);
    assert!(!is_accepted(&fixture.app, &token));
    assert!(is_accepted(&fixture.app, &own));
}

/// The creation of a token and the end of all tokens lock the account, so that none is created after those that end.
#[test]
fn no_token_is_created_while_all_tokens_end() {
    let fixture = Fixture::new();
    let app = &fixture.app;
    for _ in 0..20 {
        let (user, owner, _) = fixture.create_user();
        let thief = app.token(&user.username);
        let body = json!({"name": "build", "permissions": []});
        std::thread::scope(|scope| {
            let create = || {
                for _ in 0..5 {
                    app.post("/api/v1/auth/tokens")
                        .bearer(&thief)
                        .json(&body)
                        .send();
                }
            };
            let creating = scope.spawn(create);
            let end = app
                .delete("/api/v1/auth/sessions?tokens=true")
                .bearer(&owner);
            end.send().expect(204);
            creating.join().unwrap();
        });
        let count = format!(
            "SELECT count(*) FROM personal_access_tokens WHERE user_id = '{}'",
            user.id
        );
        assert_eq!(app.query_number(&count), 0);
    }
}

#[test]
fn signing_out_everywhere_ends_tokens_only_on_request() {
    let fixture = Fixture::new();
    for (query, is_kept) in [("", true), ("?tokens=false", true), ("?tokens=true", false)] {
        let (user, session, token) = fixture.create_user();
        let path = user.path(&format!("/sessions{query}"));
        assert_eq!(fixture.send("DELETE", &path, None), 204);
        assert!(!is_accepted(&fixture.app, &session));
        assert_eq!(is_accepted(&fixture.app, &token), is_kept, "{query}");

        let (_, session, token) = fixture.create_user();
        let own = fixture.app.delete(&format!("/api/v1/auth/sessions{query}"));
        own.bearer(&session).send().expect(204);
        assert!(is_accepted(&fixture.app, &session), "the own session stays");
        assert_eq!(is_accepted(&fixture.app, &token), is_kept, "own, {query}");
    }
    let (user, _, token) = fixture.create_user();
    let bulk = |body: Value| fixture.send("POST", "/api/v1/users/bulk", Some(body));
    let ids = [&user.id];
    assert_eq!(bulk(json!({"action": "signOut", "ids": ids})), 200);
    assert!(is_accepted(&fixture.app, &token));
    let with_tokens = json!({"action": "disable", "ids": ids, "tokens": true});
    assert_eq!(bulk(with_tokens), 400, "only for signOut");
    assert_eq!(
        bulk(json!({"action": "signOut", "ids": ids, "tokens": true})),
        200
    );
    assert!(!is_accepted(&fixture.app, &token));
    let row = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'user.signOut' AND subject_id = '{}' \
         AND before = '{{\"sessions\": 0, \"tokens\": 1}}'",
        user.id
    );
    assert_eq!(fixture.app.query_number(&row), 1);
}

#[test]
fn commands_that_set_or_remove_a_password_end_tokens_unless_they_are_kept() {
    let fixture = Fixture::new();
    let cli = fixture.app.cli();
    for (line, is_kept) in [
        ("passwd {} --generate-password", false),
        ("passwd {} --generate-password --keep-tokens", true),
        ("passwd {} --rm --yes", false),
        ("passwd {} --rm --yes --keep-tokens", true),
        ("users mod {} --generate-password", false),
        ("users mod {} --generate-password --keep-tokens", true),
        ("users sign-out {}", true),
        ("users sign-out {} --tokens", false),
    ] {
        let (user, session, token) = fixture.create_user();
        cli.run(&line.replace("{}", &user.username)).expect(0);
        assert!(!is_accepted(&fixture.app, &session), "{line}");
        assert_eq!(is_accepted(&fixture.app, &token), is_kept, "{line}");
    }
}
