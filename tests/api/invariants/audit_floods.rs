//! A caller without permissions cannot fill the audit log: what such a caller can do and what is recorded each time is limited,
//! recorded once a minute, or bounded by something that is limited. What ends access is never refused.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::operation_permissions::operations_without_permission;
use crate::support::{PASSWORD, Response, TestApp, TestUser};

const FORM: &str = "application/x-www-form-urlencoded";

/// An account, one of its sessions, and a service client.
struct Flooder<'a> {
    app: &'a TestApp,
    user: TestUser,
    access_token: String,
    refresh_token: RefCell<String>,
    password: RefCell<String>,
    client: (String, String),
}

impl<'a> Flooder<'a> {
    fn new(app: &'a TestApp) -> Self {
        let (user, _) = app.create_signed_in_user("User", &[]);
        let session = app.sign_in(&user.username);
        let text = |name: &str| session[name].as_str().unwrap().to_owned();
        let body = json!({"name": format!("client of {}", user.username), "permissions": []});
        let created = app.post("/api/v1/clients").bearer(app.super_admin_token());
        let created = created.json(&body).send().expect(201);
        let member = |name: &str| created.data()[name].as_str().unwrap().to_owned();
        Self {
            app,
            access_token: text("accessToken"),
            refresh_token: RefCell::new(text("refreshToken")),
            password: RefCell::new(PASSWORD.to_owned()),
            client: (member("clientId"), member("clientSecret")),
            user,
        }
    }

    fn post(&self, path: &str, body: &Value) -> Response {
        let request = self.app.post(path).bearer(&self.access_token);
        request.json(body).send()
    }

    fn post_anonymously(&self, path: &str, body: &Value) -> Response {
        self.app.post(path).json(body).send()
    }

    fn log_in(&self) -> Response {
        let body = json!({"username": self.user.username, "password": *self.password.borrow()});
        self.post_anonymously("/api/v1/auth/login", &body)
    }

    fn refresh(&self) -> Response {
        let body = json!({"refreshToken": *self.refresh_token.borrow()});
        let response = self.post_anonymously("/api/v1/auth/refresh", &body);
        if response.status == 200 {
            let next = response.data()["refreshToken"].as_str().unwrap();
            self.refresh_token.replace(next.to_owned());
        }
        response
    }

    fn change_password(&self) -> Response {
        let next = format!("nine purple umbrellas, {}", self.password.borrow().len());
        let body = json!({"currentPassword": *self.password.borrow(), "newPassword": next});
        let response = self.post("/api/v1/auth/change-password", &body);
        if response.status == 204 {
            self.password.replace(next);
        }
        response
    }

    fn create_token(&self, permissions: &[&str]) -> Response {
        let body = json!({"name": "script", "permissions": permissions});
        self.post("/api/v1/auth/tokens", &body)
    }

    fn client_request(&self, path: &str, secret: &str, extra: &str) -> Response {
        let form = format!("client_id={}&client_secret={secret}{extra}", self.client.0);
        let path = format!("/api/v1/oauth/{path}");
        self.app.post(&path).body(FORM, form).send()
    }

    fn issue_client_token(&self, extra: &str) -> Response {
        let grant = format!("&grant_type=client_credentials{extra}");
        self.client_request("token", &self.client.1, &grant)
    }
}

/// Sets every budget of an account, session, client or source as used up, except those of password guessing.
fn use_up_budgets(app: &TestApp) {
    app.execute(
        "UPDATE rate_limit_sources SET quota_used = 1000000, refusal_audited_at = NULL WHERE source LIKE '% %'",
    );
}

/// Why the number of audit events of an operation is limited.
enum Limit {
    /// The operation records nothing.
    Nothing,
    /// Each event needs something whose creation is limited.
    Bounded,
    /// The status of a call, and that of further calls when the budget is used up.
    Budget(u16, u16, fn(&Flooder<'_>) -> Response),
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method is not a function for every lifetime of the flooder"
)]
const LIMITS: &[(&str, Limit)] = &[
    ("getJwks", Limit::Nothing),
    ("isLive", Limit::Nothing),
    ("isReady", Limit::Nothing),
    ("login", Limit::Budget(200, 200, |f| f.log_in())),
    // After the right password; a wrong one is limited by the limits on password guessing.
    (
        "login",
        Limit::Budget(403, 403, |f| {
            let must_change = "UPDATE users SET must_change_password = true WHERE id";
            f.app.execute(&format!("{must_change} = '{}'", f.user.id));
            f.log_in()
        }),
    ),
    ("refresh", Limit::Budget(200, 429, |f| f.refresh())),
    (
        "refresh",
        Limit::Budget(401, 401, |f| {
            f.post_anonymously("/api/v1/auth/refresh", &json!({"refreshToken": "x"}))
        }),
    ),
    // Closed by default; `Budget::Registrations` limits it otherwise.
    ("register", Limit::Bounded),
    (
        "resetPassword",
        Limit::Budget(400, 429, |f| {
            let body = json!({"token": "x", "newPassword": "nine purple umbrellas in june"});
            f.post_anonymously("/api/v1/auth/reset-password", &body)
        }),
    ),
    (
        "requestPasswordReset",
        Limit::Budget(202, 429, |f| {
            let body = json!({"email": "ada@example.org"});
            f.post_anonymously("/api/v1/auth/request-password-reset", &body)
        }),
    ),
    (
        "confirmEmail",
        Limit::Budget(400, 429, |f| {
            f.post_anonymously("/api/v1/auth/confirm-email", &json!({"token": "x"}))
        }),
    ),
    (
        "changePassword",
        Limit::Budget(204, 429, |f| f.change_password()),
    ),
    // One event for each session; sign-ins are limited by their hashes and by the maximum number of sessions.
    ("logout", Limit::Bounded),
    ("endOwnSession", Limit::Bounded),
    (
        "endOtherOwnSessions",
        Limit::Budget(204, 204, |f| {
            let end = || {
                f.app
                    .delete("/api/v1/auth/sessions")
                    .bearer(&f.access_token)
            };
            // The second call finds no other session.
            end().send();
            end().send()
        }),
    ),
    ("getMe", Limit::Nothing),
    (
        "updateMe",
        Limit::Budget(200, 429, |f| {
            let request = f.app.patch("/api/v1/auth/me").bearer(&f.access_token);
            request.json(&json!({"displayName": "Ada"})).send()
        }),
    ),
    // The account ends; a wrong password is limited.
    ("deleteMe", Limit::Bounded),
    ("deleteMeByPost", Limit::Bounded),
    ("verifyCaller", Limit::Nothing),
    (
        "requestEmailConfirmation",
        Limit::Budget(202, 429, |f| {
            f.post("/api/v1/auth/request-email-confirmation", &json!({}))
        }),
    ),
    ("checkPermissions", Limit::Nothing),
    ("listOwnSessions", Limit::Nothing),
    ("listOwnTokens", Limit::Nothing),
    (
        "createOwnToken",
        Limit::Budget(201, 429, |f| f.create_token(&[])),
    ),
    (
        "createOwnToken",
        Limit::Budget(403, 429, |f| f.create_token(&["users.read"])),
    ),
    ("getOwnToken", Limit::Nothing),
    // One event for each token.
    ("revokeOwnToken", Limit::Bounded),
    (
        "issueToken",
        Limit::Budget(200, 200, |f| f.issue_client_token("")),
    ),
    (
        "issueToken",
        Limit::Budget(400, 400, |f| f.issue_client_token("&scope=users.read")),
    ),
    (
        "issueToken",
        Limit::Budget(401, 429, |f| {
            f.client_request("token", "x", "&grant_type=client_credentials")
        }),
    ),
    (
        "introspectToken",
        Limit::Budget(401, 429, |f| {
            f.client_request("introspect", "x", "&token=x")
        }),
    ),
    (
        "revokeToken",
        Limit::Budget(401, 429, |f| f.client_request("revoke", "x", "&token=x")),
    ),
    ("getOAuthMetadata", Limit::Nothing),
    ("listRevocations", Limit::Nothing),
];

// SECURITY: D09
#[test]
fn caller_without_permissions_cannot_fill_the_audit_log() {
    let app = TestApp::start();
    let listed: BTreeSet<&str> = LIMITS.iter().map(|(operation, _)| *operation).collect();
    let expected = operations_without_permission();
    let missing: Vec<_> = expected.symmetric_difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "without a row, or not open: {missing:?}"
    );
    for (operation, limit) in LIMITS {
        let Limit::Budget(first, later, call) = limit else {
            continue;
        };
        let flooder = Flooder::new(&app);
        app.clear_rate_limits();
        let response = call(&flooder);
        assert_eq!(response.status, *first, "{operation}: {}", response.text);
        use_up_budgets(&app);
        let before = app.query_number("SELECT count(*) FROM audit_events");
        for _ in 0..6 {
            let response = call(&flooder);
            assert_eq!(response.status, *later, "{operation}: {}", response.text);
        }
        let after = app.query_number("SELECT count(*) FROM audit_events");
        // One event in a minute; a slow machine may need more than one.
        assert!(after - before <= 3, "{operation}: {}", after - before);
    }
}

#[test]
fn refusals_of_a_missing_permission_are_recorded_ten_times_a_minute() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("User", &[]);
    for _ in 0..60 {
        let refused = app.get("/api/v1/users").bearer(&token).send();
        refused.expect_problem(403, "permission_required");
    }
    let recorded = "SELECT count(*) FROM audit_events WHERE action = 'request.deny'";
    assert!(app.query_number(recorded) <= 30);
}

#[test]
fn invites_of_one_creator_are_limited() {
    let app = TestApp::start();
    let (creator, token) = app.create_signed_in_user("SuperAdmin", &[]);
    let create = || {
        let request = app.post("/api/v1/invites").bearer(&token);
        request.json(&json!({"role": "User"})).send()
    };
    let invite = create().expect(201).data()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/v1/invites/{invite}");
    let revoke = || app.delete(&path).bearer(&token).send().expect(204);
    revoke();
    revoke();
    use_up_budgets(&app);
    create().expect_problem(429, "rate_limited");
    for _ in 0..6 {
        revoke();
    }
    let events = format!(
        "SELECT count(*) FROM audit_events WHERE action LIKE 'invite.%' AND actor_id = '{}'",
        creator.id
    );
    assert!(app.query_number(&events) <= 6);
    app.cli().run("invites add").expect(0);
}

/// A thief with a session of the account, but without its password.
#[test]
fn owner_can_end_access_when_all_budgets_are_used_up() {
    let app = TestApp::start();
    let owner = Flooder::new(&app);
    let created = owner.create_token(&[]).expect(201);
    let token_path = format!(
        "/api/v1/auth/tokens/{}",
        created.data()["id"].as_str().unwrap()
    );
    let ended = app.sign_in(&owner.user.username);
    let session_path = format!(
        "/api/v1/auth/sessions/{}",
        ended["session"]["id"].as_str().unwrap()
    );
    let end_others = |query: &str| {
        let path = format!("/api/v1/auth/sessions{query}");
        let request = app.delete(&path).bearer(&owner.access_token);
        request.send().expect(204);
    };
    end_others("");
    owner.refresh().expect(200);
    use_up_budgets(&app);
    owner.create_token(&[]).expect_problem(429, "rate_limited");
    app.sign_in(&owner.user.username);
    let request = app.delete(&token_path).bearer(&owner.access_token);
    request.send().expect(204);
    let gone = app.delete(&session_path).bearer(&owner.access_token);
    gone.send().expect(404);
    end_others("?tokens=true");
    owner.change_password().expect(204);
    let signed_in = owner.log_in().expect(200);
    let access = signed_in.data()["accessToken"].as_str().unwrap();
    app.post("/api/v1/auth/logout")
        .bearer(access)
        .send()
        .expect(204);
}

/// The budget of rotations belongs to a session, so that a thief of one cannot use up those of the others.
#[test]
fn rotations_of_one_session_do_not_limit_another() {
    let app = TestApp::start();
    let one = Flooder::new(&app);
    let other = app.sign_in(&one.user.username);
    one.refresh().expect(200);
    use_up_budgets(&app);
    one.refresh().expect_problem(429, "rate_limited");
    let body = json!({"refreshToken": other["refreshToken"]});
    let refresh = app.post("/api/v1/auth/refresh").json(&body);
    refresh.send().expect(200);
}
