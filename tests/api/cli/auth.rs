//! `rosterd auth`: sessions and access tokens.

use serde_json::{Value, json};

use super::count_audit_rows;
use crate::support::{TestApp, wait_until};

fn is_accepted(app: &TestApp, token: &str) -> bool {
    app.get("/api/v1/auth/me").bearer(token).send().status == 200
}

#[test]
fn access_token_can_be_created_shown_and_revoked() {
    let app = TestApp::start();
    let cli = app.cli();
    app.create_user("ada", "User", &["users.read", "roles.read"]);
    let arguments = [
        "auth",
        "add",
        "ada",
        "-n",
        "nightly export",
        "-s",
        "users.read, roles.read",
        "-e",
        "30d",
        "--json",
    ];
    let created = cli.run_with_input("", &arguments).expect(0).json();
    let token = created["token"].as_str().unwrap();
    let id = created["id"].as_str().unwrap();
    assert_eq!(created["permissions"], json!(["roles.read", "users.read"]));
    assert!(is_accepted(&app, token));
    let shown = cli.run(&format!("auth show {id} --json")).expect(0).json();
    assert_eq!(
        (&shown["kind"], &shown["username"]),
        (&json!("token"), &json!("ada"))
    );
    assert_eq!(shown["name"], "nightly export");
    assert!(shown["expiresAtUtc"].is_string());
    cli.run(&format!("auth rm {id}")).expect(0);
    wait_until(|| !is_accepted(&app, token));
    cli.run(&format!("auth rm {id}")).expect_error(
        1,
        &format!("there is no session or access token {id}; `rosterd auth ls` lists them"),
    );
    assert_eq!(count_audit_rows(&app, "token.create", "done"), 1);
    assert_eq!(count_audit_rows(&app, "token.revoke", "done"), 1);

    let without_expiry = cli.run("auth add ada --json").expect(0).json();
    assert_eq!(
        (
            &without_expiry["expiresAtUtc"],
            &without_expiry["permissions"]
        ),
        (&Value::Null, &json!([]))
    );
    cli.run("auth add ada -s users.delete").expect(1);
    cli.run("auth add ada -s no.such").expect(1);
    cli.run("auth add nobody")
        .expect_error(1, "there is no user called nobody");
    cli.run("auth add").expect(2);
    cli.run("auth add -n exporter -e 30d").expect(2);
    let client = cli
        .run("auth add -n exporter -s users.read --json")
        .expect(0)
        .json();
    assert_eq!(client["permissions"], serde_json::json!(["users.read"]));
    assert!(client["clientSecret"].is_string());
}

#[test]
fn sessions_and_tokens_are_listed_together_and_revoked_individually() {
    let app = TestApp::start();
    let cli = app.cli();
    for name in ["ada", "bob"] {
        app.create_user(name, "User", &[]);
        cli.run(&format!("auth add {name} -n export-of-{name}"))
            .expect(0);
    }
    let session = app.sign_in("ada");
    let access = session["accessToken"].as_str().unwrap();
    let list = |line: &str| -> Vec<(String, String)> {
        let all = cli.run(line).expect(0).json();
        let entry = |item: &Value| {
            let text = |member: &str| item[member].as_str().unwrap().to_owned();
            (text("kind"), text("username"))
        };
        all.as_array().unwrap().iter().map(entry).collect()
    };
    let entry = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    let (ada, bob) = (entry("token", "ada"), entry("token", "bob"));
    let signed_in = entry("session", "ada");
    assert_eq!(
        list("auth ls --json"),
        [signed_in.clone(), bob.clone(), ada.clone()]
    );
    assert_eq!(
        list("auth ls -n 2 --json"),
        [signed_in.clone(), bob.clone()]
    );
    assert_eq!(list("auth ls ADA --json"), [signed_in, ada]);
    assert_eq!(list("auth ls of-bob --json"), [bob]);
    assert!(!cli.run("auth ls --csv").out.contains("rst_pat_"));

    let id = session["session"]["id"].as_str().unwrap();
    assert!(is_accepted(&app, access));
    assert_eq!(
        cli.run(&format!("auth show {id} --json")).json()["kind"],
        "session"
    );
    cli.run(&format!("auth rm {id}")).expect(0);
    wait_until(|| !is_accepted(&app, access));
    assert_eq!(count_audit_rows(&app, "session.end", "done"), 1);
    cli.run("auth show no-id").expect_error(
        1,
        "there is no session or access token no-id; `rosterd auth ls` lists them",
    );
}

#[test]
fn reset_ends_all_sessions_tokens_and_client_grants() {
    let app = TestApp::start();
    let cli = app.cli();
    let (_, user_token) = app.create_signed_in_user("SuperAdmin", &[]);
    app.create_user("ada", "User", &[]);
    let personal_token = cli.run("auth add ada --json").expect(0).json();
    let personal_token = personal_token["token"].as_str().unwrap();
    let client = cli.run("clients add media --json").expect(0).json();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        client["clientId"].as_str().unwrap(),
        client["clientSecret"].as_str().unwrap()
    );
    let client_token = || {
        let call = app.post("/api/v1/oauth/token");
        let response = call
            .body("application/x-www-form-urlencoded", form.as_str())
            .send()
            .expect(200);
        response.body["access_token"].as_str().unwrap().to_owned()
    };
    let client_access = client_token();
    let verify_status = |token: &str| app.get("/api/v1/auth/verify").bearer(token).send().status;
    for token in [user_token.as_str(), personal_token, &client_access] {
        assert_eq!(verify_status(token), 200);
    }
    cli.run("auth reset")
        .expect_error(1, "standard input is not a terminal: use --yes");
    assert_eq!(verify_status(&user_token), 200);
    let done = cli.run("auth reset --yes").expect(0);
    assert_eq!(
        done.err,
        "Revoked 1 sessions, 1 access tokens, 1 service client grants, 0 links and 0 invites.\n"
    );
    for token in [user_token.as_str(), personal_token, &client_access] {
        wait_until(|| verify_status(token) == 401);
    }
    assert_eq!(count_audit_rows(&app, "access.reset", "done"), 1);
    // New sign-ins work.
    assert_eq!(verify_status(&app.token("ada")), 200);
    assert_eq!(verify_status(&client_token()), 200);
}
