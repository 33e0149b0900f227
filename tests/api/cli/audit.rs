//! `rosterd audit`.

use serde_json::json;

use super::count_audit_rows;
use crate::support::{PASSWORD, TestApp, operator};

fn log_in(app: &TestApp, name: &str, password: &str, status: u16) {
    let body = json!({"username": name, "password": password});
    app.post("/api/v1/auth/login")
        .json(&body)
        .send()
        .expect(status);
}

#[test]
fn events_are_listed_and_filtered() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    app.create_user("grace", "User", &[]);
    let cli = app.cli();
    cli.run("users tag ada staff").expect(0);
    cli.run("users tag grace staff").expect(0);
    let events = cli
        .run("audit events --action user.* --json")
        .expect(0)
        .json();
    let events = events.as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["subject"]["username"], "grace", "newest first");
    assert_eq!(events[0]["actor"]["name"], operator());
    assert_eq!(events[0]["after"]["tags"], json!(["staff"]));
    let plain = cli.run("audit events ada").expect(0);
    let cells: Vec<&str> = plain.lines()[0].split('\t').skip(1).collect();
    assert_eq!(
        cells,
        [
            "user.tag",
            "done",
            &format!("cli:{}", operator()),
            "",
            "user:ada"
        ]
    );
    let count = |line: &str| cli.run(line).expect(0).lines().len();
    assert_eq!(count("audit events tag"), 2);
    assert_eq!(count("audit events tag -n 1"), 1);
    assert_eq!(count("audit events --user ada"), 1);
    assert_eq!(
        count(&format!("audit events --actor {} --since 1h", operator())),
        2
    );
    assert_eq!(count("audit events --actor cli --until 1h"), 0);
    assert_eq!(count("audit events --refused"), 0);
    assert_eq!(
        count("audit events --action user.tag --csv"),
        3,
        "with a header line"
    );
    assert_eq!(count("audit events --action user.tag --md"), 4);
    cli.run("audit events --ip somewhere").expect(2);
    assert_eq!(count_audit_rows(&app, "user.tag", "done"), 2);
}

#[test]
fn sign_in_attempts_are_listed_by_username() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    log_in(&app, "ada", PASSWORD, 200);
    log_in(&app, "ada", "not the password of anybody", 401);
    log_in(&app, "swordfish", PASSWORD, 401);
    let cli = app.cli();
    let of_ada = cli.run("audit logins ada --json").expect(0).json();
    let outcomes: Vec<_> = of_ada
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| (&attempt["outcome"], &attempt["reason"]))
        .collect();
    assert_eq!(
        outcomes,
        [
            (&json!("failure"), &json!("wrong_password")),
            (&json!("success"), &json!(null))
        ]
    );
    let failed = cli.run("audit logins --failed").expect(0);
    assert_eq!(failed.lines().len(), 2);
    assert!(!failed.out.contains("swordfish"));
    assert_eq!(cli.run("audit logins swordfish").expect(0).lines().len(), 1);
    assert_eq!(
        cli.run("audit logins --successful --tsv")
            .expect(0)
            .lines()
            .len(),
        2
    );
}

#[test]
fn verify_prints_the_chain_head_and_names_the_first_modified_row() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let cli = app.cli();
    cli.run("users tag ada staff").expect(0);
    let output = cli.run("audit verify").expect(0);
    let head = output.lines()[0].to_owned();
    assert!(head.starts_with("0:"), "{head}: no row is sealed yet");
    assert!(
        output.err.contains("entries are not sealed yet"),
        "{}",
        output.err
    );
    cli.run(&format!("audit verify --expect {head}")).expect(0);
    let later = head.replacen("0:", "9:", 1);
    cli.run(&format!("audit verify --expect {later}"))
        .expect_error(1, "the audit log: row 1 was deleted");
    cli.run("audit verify --expect 12").expect(2);
    let id = app.query_text("SELECT id FROM audit_events WHERE action = 'user.tag'");
    app.execute(&format!(
        "DELETE FROM audit_chain_queue WHERE event_id = '{id}'"
    ));
    let message = format!("the audit log: event {id} was not inserted by rosterd");
    cli.run("audit verify").expect_error(1, &message);
}

#[test]
fn reset_needs_confirmation_and_leaves_one_row_that_names_the_operator() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let cli = app.cli();
    cli.run("users tag ada staff").expect(0);
    cli.run("audit reset")
        .expect_error(1, "standard input is not a terminal: use --yes");
    assert_eq!(count_audit_rows(&app, "user.tag", "done"), 1);
    cli.run("audit reset --yes").expect(0);
    let remaining = cli.run("audit events --json").expect(0).json();
    assert_eq!(remaining.as_array().unwrap().len(), 1);
    assert_eq!(remaining[0]["action"], "audit.reset");
    assert_eq!(remaining[0]["actor"]["name"], operator());
    cli.run("audit verify").expect(0);
}
