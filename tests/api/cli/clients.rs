//! `rosterd clients`.

use serde_json::json;

use super::audited;
use crate::support::TestApp;

const FORM: &str = "application/x-www-form-urlencoded";

fn token(app: &TestApp, id: &str, secret: &str) -> Option<String> {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let answer = app.post("/api/v1/oauth/token").body(FORM, form).send();
    answer.body["access_token"].as_str().map(str::to_owned)
}

#[test]
fn a_client_is_made_used_changed_and_deleted() {
    let app = TestApp::start();
    let cli = app.cli();
    let words = [
        "clients",
        "add",
        "media server",
        "--permission",
        "users.read",
        "--rank",
        "5",
        "--json",
    ];
    let made = cli.run_with("", &words).expect(0).json();
    let (id, secret) = (
        made["clientId"].as_str().unwrap(),
        made["clientSecret"].as_str().unwrap(),
    );
    assert_eq!(
        (&made["rank"], &made["permissions"]),
        (&json!(5), &json!(["users.read"]))
    );
    let access = token(&app, id, secret).unwrap();
    let users = || app.get("/api/v1/users").by(&access).send();
    users().expect(200);

    let by_name = cli
        .run_with("", &["clients", "show", "MEDIA server", "--json"])
        .expect(0)
        .json();
    assert_eq!(by_name["clientId"], id);
    assert_eq!(by_name.get("clientSecret"), None);
    let changed = cli
        .run(&format!("clients mod {id} --name media --permission roles.read --no-permission users.read --rank 0 --json"))
        .expect(0)
        .json();
    assert_eq!(
        (&changed["name"], &changed["permissions"]),
        (&json!("media"), &json!(["roles.read"]))
    );
    // Another process: the service hears of it.
    crate::support::eventually(|| users().status == 403);
    cli.run("clients mod media --no-active").expect(0);
    crate::support::eventually(|| users().status == 401);
    assert_eq!(token(&app, id, secret), None);
    cli.run("clients mod media --active").expect(0);
    assert!(token(&app, id, secret).is_some());

    cli.run("clients rotate-secret media")
        .expect_error(1, "there is no terminal to ask on: use --yes");
    let rotated = cli
        .run("clients rotate-secret media --yes --json")
        .expect(0)
        .json();
    assert_eq!(token(&app, id, secret), None);
    assert!(token(&app, id, rotated["clientSecret"].as_str().unwrap()).is_some());

    cli.run("clients add other").expect(0);
    let names = |line: &str| -> Vec<String> {
        let ran = cli.run(line).expect(0);
        let names = ran.json().as_array().unwrap().clone().into_iter();
        names
            .map(|client| client["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("clients ls --json"), ["other", "media"]);
    assert_eq!(names("clients ls -n 1 --json"), ["other"]);
    assert_eq!(names("clients ls MED --json"), ["media"]);
    cli.run("clients rm media")
        .expect_error(1, "there is no terminal to ask on: use --yes");
    cli.run("clients rm media --yes").expect(0);
    assert_eq!(names("clients ls --json"), ["other"]);
    for (action, times) in [
        ("client.create", 2),
        ("client.update", 3),
        ("client.rotateSecret", 1),
        ("client.delete", 1),
    ] {
        assert_eq!(audited(&app, action, "done"), times, "{action}");
    }
}

#[test]
fn clients_are_refused_as_over_http() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("clients add media").expect(0);
    cli.run("clients add Media").expect_error(
        1,
        "There is a service client of this name (client_name_conflict)",
    );
    cli.run("clients add other --rank 1000")
        .expect_error(1, "rank: must be from 0 to 999");
    cli.run("clients add other --permission no.such").expect(1);
    cli.run("clients mod media").expect_error(
        2,
        "nothing is to be changed: `rosterd clients mod --help` shows what can be",
    );
    cli.run("clients show nobody").expect_error(
        1,
        "there is no service client called nobody; `rosterd clients ls` shows them",
    );
    // The secret is printed where it is made, and nowhere else.
    let made = cli.run("clients add third").expect(0);
    let secret = made
        .lines()
        .into_iter()
        .find_map(|line| line.strip_prefix("clientSecret\t"))
        .unwrap();
    assert!(secret.starts_with("rst_cs_"));
    for line in ["clients ls --json", "clients show third --json"] {
        assert!(!cli.run(line).out.contains("rst_cs_"));
    }
}
