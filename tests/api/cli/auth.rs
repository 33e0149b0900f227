//! `rosterd auth`.

use serde_json::{Value, json};

use super::audited;
use crate::support::{TestApp, eventually};

fn is_good(app: &TestApp, token: &str) -> bool {
    app.get("/api/v1/auth/me").by(token).send().status == 200
}

#[test]
fn an_access_token_is_made_shown_and_ended() {
    let app = TestApp::start();
    let cli = app.cli();
    app.user("ada", "User", &["users.read", "roles.read"]);
    let words = [
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
    let made = cli.run_with("", &words).expect(0).json();
    let token = made["token"].as_str().unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["permissions"], json!(["roles.read", "users.read"]));
    assert!(is_good(&app, token));
    let shown = cli.run(&format!("auth show {id} --json")).expect(0).json();
    assert_eq!(
        (&shown["kind"], &shown["username"]),
        (&json!("token"), &json!("ada"))
    );
    assert_eq!(shown["name"], "nightly export");
    assert!(shown["expiresAtUtc"].is_string());
    cli.run(&format!("auth rm {id}")).expect(0);
    eventually(|| !is_good(&app, token));
    cli.run(&format!("auth rm {id}")).expect_error(
        1,
        &format!("there is no session or access token {id}; `rosterd auth ls` shows them"),
    );
    assert_eq!(audited(&app, "token.create", "done"), 1);
    assert_eq!(audited(&app, "token.revoke", "done"), 1);

    let never = cli.run("auth add ada --json").expect(0).json();
    assert_eq!(
        (&never["expiresAtUtc"], &never["permissions"]),
        (&Value::Null, &json!([]))
    );
    cli.run("auth add ada -s users.delete").expect(1);
    cli.run("auth add ada -s no.such").expect(1);
    cli.run("auth add nobody")
        .expect_error(1, "there is no account called nobody");
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
fn sessions_and_tokens_are_listed_together_and_ended_one_by_one() {
    let app = TestApp::start();
    let cli = app.cli();
    for name in ["ada", "bob"] {
        app.user(name, "User", &[]);
        cli.run(&format!("auth add {name} -n export-of-{name}"))
            .expect(0);
    }
    let session = app.sign_in("ada");
    let access = session["accessToken"].as_str().unwrap();
    let list = |line: &str| -> Vec<(String, String)> {
        let all = cli.run(line).expect(0).json();
        let entry = |one: &Value| {
            let text = |member: &str| one[member].as_str().unwrap().to_owned();
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
    assert!(is_good(&app, access));
    assert_eq!(
        cli.run(&format!("auth show {id} --json")).json()["kind"],
        "session"
    );
    cli.run(&format!("auth rm {id}")).expect(0);
    eventually(|| !is_good(&app, access));
    assert_eq!(audited(&app, "session.end", "done"), 1);
    cli.run("auth show no-id").expect_error(
        1,
        "there is no session or access token no-id; `rosterd auth ls` shows them",
    );
}

#[test]
fn a_reset_signs_everybody_and_every_program_out() {
    let app = TestApp::start();
    let cli = app.cli();
    let (_, person) = app.someone("SuperAdmin", &[]);
    app.user("ada", "User", &[]);
    let program = cli.run("auth add ada --json").expect(0).json();
    let program = program["token"].as_str().unwrap();
    let client = cli.run("clients add media --json").expect(0).json();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        client["clientId"].as_str().unwrap(),
        client["clientSecret"].as_str().unwrap()
    );
    let ask = || {
        let call = app.post("/api/v1/oauth/token");
        let answer = call
            .body("application/x-www-form-urlencoded", form.as_str())
            .send()
            .expect(200);
        answer.body["access_token"].as_str().unwrap().to_owned()
    };
    let grant = ask();
    let verify = |token: &str| app.get("/api/v1/auth/verify").by(token).send().status;
    for token in [person.as_str(), program, &grant] {
        assert_eq!(verify(token), 200);
    }
    cli.run("auth reset")
        .expect_error(1, "there is no terminal to ask on: use --yes");
    assert_eq!(verify(&person), 200);
    let done = cli.run("auth reset --yes").expect(0);
    assert_eq!(
        done.err,
        "1 sessions, 1 access tokens and 1 grants of service clients are ended.\n"
    );
    for token in [person.as_str(), program, &grant] {
        eventually(|| verify(token) == 401);
    }
    assert_eq!(audited(&app, "access.reset", "done"), 1);
    // Nobody is locked out.
    assert_eq!(verify(&app.token("ada")), 200);
    assert_eq!(verify(&ask()), 200);
}
