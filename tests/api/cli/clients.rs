//! `rosterd clients`.

use serde_json::json;

use super::count_audit_rows;
use crate::support::{TestApp, wait_until};

const FORM: &str = "application/x-www-form-urlencoded";

fn request_token(app: &TestApp, id: &str, secret: &str) -> Option<String> {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let response = app.post("/api/v1/oauth/token").body(FORM, form).send();
    response.body["access_token"].as_str().map(str::to_owned)
}

#[test]
fn client_can_be_created_used_changed_and_deleted() {
    let app = TestApp::start();
    let cli = app.cli();
    let arguments = [
        "clients",
        "add",
        "media server",
        "--permission",
        "users.read",
        "--rank",
        "5",
        "--json",
    ];
    let created = cli.run_with_input("", &arguments).expect(0).json();
    let (id, secret) = (
        created["clientId"].as_str().unwrap(),
        created["clientSecret"].as_str().unwrap(),
    );
    assert_eq!(
        (&created["rank"], &created["permissions"]),
        (&json!(5), &json!(["users.read"]))
    );
    let access = request_token(&app, id, secret).unwrap();
    let users = || app.get("/api/v1/users").bearer(&access).send();
    users().expect(200);

    let by_name = cli
        .run_with_input("", &["clients", "show", "MEDIA server", "--json"])
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
    // The service runs in another process and is notified of the change.
    wait_until(|| users().status == 403);
    cli.run("clients mod media --no-active").expect(0);
    wait_until(|| users().status == 401);
    assert_eq!(request_token(&app, id, secret), None);
    cli.run("clients mod media --active").expect(0);
    assert!(request_token(&app, id, secret).is_some());

    cli.run("clients rotate-secret media")
        .expect_error(1, "standard input is not a terminal: use --yes");
    let rotated = cli
        .run("clients rotate-secret media --yes --json")
        .expect(0)
        .json();
    assert_eq!(request_token(&app, id, secret), None);
    assert!(request_token(&app, id, rotated["clientSecret"].as_str().unwrap()).is_some());

    cli.run("clients add other").expect(0);
    let names = |line: &str| -> Vec<String> {
        let output = cli.run(line).expect(0);
        let names = output.json().as_array().unwrap().clone().into_iter();
        names
            .map(|client| client["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("clients ls --json"), ["other", "media"]);
    assert_eq!(names("clients ls -n 1 --json"), ["other"]);
    assert_eq!(names("clients ls MED --json"), ["media"]);
    cli.run("clients rm media")
        .expect_error(1, "standard input is not a terminal: use --yes");
    cli.run("clients rm media --yes").expect(0);
    assert_eq!(names("clients ls --json"), ["other"]);
    for (action, times) in [
        ("client.create", 2),
        ("client.update", 3),
        ("client.rotateSecret", 1),
        ("client.delete", 1),
    ] {
        assert_eq!(count_audit_rows(&app, action, "done"), times, "{action}");
    }
}

#[test]
fn client_errors_are_those_of_the_api() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("clients add media").expect(0);
    cli.run("clients add Media").expect_error(
        1,
        "A service client with this name already exists (client_name_conflict)",
    );
    cli.run("clients add other --rank 1000")
        .expect_error(1, "rank: must be from 0 to 999");
    cli.run("clients add other --permission no.such").expect(1);
    cli.run("clients mod media").expect_error(
        2,
        "nothing to change: `rosterd clients mod --help` lists the options",
    );
    cli.run("clients show nobody").expect_error(
        1,
        "there is no service client called nobody; `rosterd clients ls` lists them",
    );
    // The secret is printed only when it is created.
    let created = cli.run("clients add third").expect(0);
    let secret = created
        .lines()
        .into_iter()
        .find_map(|line| line.strip_prefix("clientSecret\t"))
        .unwrap();
    assert!(secret.starts_with("rst_cs_"));
    for line in ["clients ls --json", "clients show third --json"] {
        assert!(!cli.run(line).out.contains("rst_cs_"));
    }
}
