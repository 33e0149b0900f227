//! The pages to which reset, confirmation and invite links lead while no application has pages for them.

use serde_json::json;

use crate::support::{PASSWORD, TestApp};

const PAGES: [(&str, &str, &str); 3] = [
    (
        "/reset-password?token=",
        "ROSTERD_RESET_URL",
        "/auth/reset-password",
    ),
    (
        "/confirm-email?token=",
        "ROSTERD_CONFIRM_URL",
        "/auth/confirm-email",
    ),
    ("/register?invite=", "ROSTERD_INVITE_URL", "/auth/register"),
];

#[test]
fn links_lead_to_a_static_page_that_does_not_show_the_token() {
    let app = TestApp::start();
    for (path, setting, operation) in PAGES {
        let page = app.get(&format!("{path}CANARY")).send().expect(200);
        assert!(page.header("content-type").starts_with("text/html"));
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(page.text.contains(setting) && page.text.contains(operation));
        for absent in ["CANARY", "<script", "<form", "<link", "<img"] {
            assert!(!page.text.contains(absent), "{absent} in {}", page.text);
        }
    }
}

#[test]
fn page_is_not_served_when_the_application_has_one() {
    let app =
        TestApp::start_with(&[("ROSTERD_RESET_URL", "https://app.example.org/reset#{token}")]);
    app.get("/reset-password?token=x").send().expect(404);
    app.get("/register?invite=x").send().expect(200);
}

#[test]
fn opening_the_page_uses_no_link_up() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let link = app.post(&user.path("/password-reset-link"));
    let link = link.bearer(&admin).send().expect(201);
    let url = link.data()["url"].as_str().unwrap();
    let path = url.strip_prefix("https://id.example.org").unwrap();
    for _ in 0..2 {
        app.get(path).send().expect(200);
    }
    let body = json!({"token": link.data()["token"], "newPassword": format!("{PASSWORD} again")});
    let reset = app.post("/api/v1/auth/reset-password").json(&body);
    reset.send().expect(204);
}

#[test]
fn new_invite_warns_while_registration_is_closed() {
    for (registration, warns) in [("closed", true), ("invite", false), ("open", false)] {
        let app = TestApp::start_with(&[("ROSTERD_REGISTRATION", registration)]);
        let admin = app.super_admin_token();
        let invite = app.post("/api/v1/invites").bearer(&admin).send();
        let invite = invite.expect(201);
        let warning = &invite.data()["warning"];
        assert_eq!(warning.is_string(), warns, "{warning}");
        assert!(!warns || warning.to_string().contains("ROSTERD_REGISTRATION"));
    }
    let app = TestApp::start();
    let output = app.cli().run("invites add --json").expect(0);
    assert!(
        output.err.contains("Registration is closed"),
        "{}",
        output.err
    );
}
