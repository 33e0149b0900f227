//! The commands that an operator has beside `serve`.

use std::net::TcpListener;

use crate::support::binary::{Folder, Service, expect_refusal, on, run};
use crate::support::{PASSWORD, Schema, TestApp};

const ANOTHER: &str = "nine amber kettles by the sea";

#[test]
fn without_a_command_it_says_what_there_is() {
    let output = run(&[], &[], "");
    assert_eq!(output.status.code(), Some(2));
    let output = run(&["--version"], &[], "");
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("rosterd {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn openapi_needs_no_settings_and_no_database() {
    let wrong = [("ROSTERD_NO_SUCH_SETTING".to_owned(), "1".to_owned())];
    let output = run(&["openapi"], &wrong, "");
    assert!(output.status.success());
    assert_eq!(output.stdout, rosterd::server::openapi::text().into_bytes());
}

#[test]
fn health_asks_the_service_of_this_machine() {
    let schema = Schema::new();
    let service = Service::start(&on(&schema));
    let mut settings = on(&schema);
    settings.push(("ROSTERD_ADDR".to_owned(), service.addr().to_owned()));
    let output = run(&["health"], &settings, "");
    assert!(output.status.success());
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
    let port = service.addr().rsplit(':').next().unwrap();
    settings.pop();
    settings.push(("ROSTERD_ADDR".to_owned(), format!("0.0.0.0:{port}")));
    assert!(run(&["health"], &settings, "").status.success());
    drop(service);
    assert!(expect_refusal(&run(&["health"], &settings, "")).starts_with("no answer: "));
    // Something that is not rosterd, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    settings.pop();
    settings.push((
        "ROSTERD_ADDR".to_owned(),
        silent.local_addr().unwrap().to_string(),
    ));
    assert!(expect_refusal(&run(&["health"], &settings, "")).starts_with("no answer: "));
}

#[test]
fn db_migrate_shows_its_plan_and_carries_it_out_once() {
    let schema = Schema::empty();
    let lines = |arguments: &[&str]| {
        let output = run(arguments, &on(&schema), "");
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let plan = lines(&["db", "migrate", "--plan"]);
    assert!(plan.len() >= 5, "{plan:?}");
    assert_eq!(
        lines(&["db", "migrate", "--plan"]),
        plan,
        "it changes nothing"
    );
    assert_eq!(lines(&["db", "migrate"]), plan);
    assert!(lines(&["db", "migrate"]).is_empty());
    assert!(lines(&["db", "migrate", "--plan"]).is_empty());
}

#[test]
fn a_lost_password_is_replaced_from_the_machine() {
    let app = TestApp::start();
    let user = app.user("ada", "User", &[]);
    let token = app.token("ada");
    let settings = app.settings_for_the_binary();
    let input = format!("{ANOTHER}\nmore\n");
    let output = run(&["passwd", "Ada", "--password-stdin"], &settings, &input);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(
        said,
        "The password of ada is set; its sessions have ended.\n"
    );
    app.get("/api/v1/auth/me").by(token).send().expect(401);
    let login = |password| {
        let body = serde_json::json!({"username": "ada", "password": password});
        app.post("/api/v1/auth/login").json(&body).send().status
    };
    assert_eq!((login(PASSWORD), login(ANOTHER)), (401, 200));
    let audited = format!(
        "SELECT count(*) FROM audit_events WHERE subject_id = '{}' AND actor_kind = 'cli'",
        user.id
    );
    assert_eq!(app.number(&audited), 1);
}

#[test]
fn passwd_refuses_in_one_line() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let settings = app.settings_for_the_binary();
    for (name, input, expected) in [
        ("nobody", ANOTHER, "there is no account called nobody"),
        ("ada", "short", "password: "),
        ("ada", "", "password: "),
    ] {
        let output = run(&["passwd", name, "--password-stdin"], &settings, input);
        let line = expect_refusal(&output);
        assert!(line.starts_with(expected), "{line}");
    }
    let line = expect_refusal(&run(&["passwd", "ada"], &settings, ANOTHER));
    assert!(line.contains("--password-stdin"), "{line}");
}

#[test]
fn commands_do_not_make_a_private_cluster() {
    let folder = Folder::new();
    for arguments in [
        &["db", "migrate"][..],
        &["passwd", "ada", "--password-stdin"],
    ] {
        let line = expect_refusal(&run(arguments, &folder.settings(), ANOTHER));
        assert!(line.starts_with("no database at "), "{line}");
    }
    assert!(!folder.data().exists());
}

#[test]
fn the_private_cluster_runs_for_as_long_as_a_command_needs_it() {
    let folder = Folder::new();
    let mut service = Service::start(&folder.settings());
    let set = |input: &str| {
        let arguments = ["passwd", "admin", "--password-stdin"];
        assert!(run(&arguments, &folder.settings(), input).status.success());
    };
    set(ANOTHER);
    assert_ne!(service.token("admin", ANOTHER), "", "with the service");
    service.signal("-TERM");
    assert!(service.ended().success());
    set(PASSWORD);
    assert_eq!(folder.postmaster(), None);
    let service = Service::start(&folder.settings());
    assert_ne!(service.token("admin", PASSWORD), "", "and without");
}
