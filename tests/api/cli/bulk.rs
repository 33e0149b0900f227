//! Commands on several accounts, and `rosterd users reset`.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use serde_json::json;

use super::count_audit_rows;
use crate::support::{TestApp, binary, wait_until};

fn count_active(app: &TestApp) -> i64 {
    app.query_number("SELECT count(*) FROM users WHERE is_active")
}

#[test]
fn accounts_of_a_domain_are_deactivated_after_a_dry_run_and_a_confirmation() {
    let app = TestApp::start();
    let cli = app.cli();
    for (name, email) in [
        ("ada", "ada@Example.org"),
        ("grace", "grace@example.org"),
        ("joan", "joan@sub.example.org"),
        ("mary", "mary@example.com"),
    ] {
        cli.run(&format!("users add {name} --email {email}"))
            .expect(0);
    }
    let audit_rows = "SELECT count(*) FROM audit_events";
    let before = app.query_number(audit_rows);
    let dry_run = cli
        .run("users deactivate --email-domain @example.org --dry-run --json")
        .expect(0);
    let names: Vec<_> = dry_run
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["username"].clone())
        .collect();
    assert_eq!(names, ["grace", "ada"]);
    assert_eq!(
        (count_active(&app), app.query_number(audit_rows)),
        (4, before),
        "a dry run changes nothing"
    );

    let output = cli.run("users deactivate --email-domain example.org");
    output.expect_error(1, "standard input is not a terminal: use --yes");
    assert_eq!(count_active(&app), 4);
    let done = cli
        .run("users deactivate --email-domain example.org --yes")
        .expect(0);
    assert_eq!(done.out, "grace\tdone\t\t\nada\tdone\t\t\n");
    assert_eq!(count_active(&app), 2);
    assert_eq!(count_audit_rows(&app, "user.disable", "done"), 2);
    let again = cli
        .run("users deactivate --email-domain example.org --yes")
        .expect(0);
    assert_eq!(
        (again.out.as_str(), again.err.as_str()),
        ("", "No user matches.\n")
    );
    cli.run("users activate --email-domain example.org --yes")
        .expect(0);
    assert_eq!(count_active(&app), 4);
}

#[test]
fn refused_account_is_reported_and_does_not_stop_the_others() {
    let app = TestApp::start();
    app.create_user("boss", "SuperAdmin", &[]);
    app.create_user("ada", "User", &[]);
    app.create_user("grace", "User", &[]);
    let cli = app.cli();
    let output = cli.run("users deactivate ada boss grace --json");
    let output = output.expect_error(1, "1 of 3 users were refused");
    let outcomes: Vec<_> = output
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["username"].clone(),
                item["outcome"].clone(),
                item["code"].clone(),
            )
        })
        .collect();
    let item = |name, outcome, code| (json!(name), json!(outcome), code);
    assert_eq!(
        outcomes,
        [
            item("ada", "done", json!(null)),
            item("boss", "refused", json!("last_super_admin")),
            item("grace", "done", json!(null)),
        ]
    );
    assert_eq!(count_active(&app), 1);
    assert_eq!(count_audit_rows(&app, "user.disable", "refused"), 1);
    cli.run("users deactivate boss").expect_error(
        1,
        "boss: The last active SuperAdmin can't be removed, demoted or deactivated",
    );
}

#[test]
fn unknown_username_stops_the_whole_command() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let output = app.cli().run("users deactivate ada nobody");
    output.expect_error(1, "there is no user called nobody");
    assert_eq!(count_active(&app), 1);
}

#[test]
fn usernames_and_filters_cannot_be_combined() {
    let app = TestApp::start();
    let cli = app.cli();
    assert!(
        cli.run("users deactivate")
            .expect(2)
            .err
            .contains("required")
    );
    let mixed = cli.run("users deactivate ada --tag staff").expect(2);
    assert!(mixed.err.contains("cannot be used with"), "{}", mixed.err);
}

#[test]
fn accounts_are_selected_by_tag_and_role() {
    let app = TestApp::start();
    app.create_user("ada", "Admin", &[]);
    app.create_user("grace", "User", &[]);
    let cli = app.cli();
    cli.run("users tag ada staff london").expect(0);
    cli.run("users untag ada london").expect(0);
    assert_eq!(cli.run("users ls --tag staff").expect(0).lines().len(), 1);
    cli.run("users deactivate --role Admin --yes").expect(0);
    let left = cli.run("users ls --active --json").expect(0).json();
    assert_eq!(left[0]["username"], "grace");
    cli.run("users rm --tag staff --yes").expect(0);
    assert_eq!(
        cli.run("users ls --deleted --json").expect(0).json()[0]["username"],
        "ada"
    );
    cli.run("users tag grace !").expect_error(
        1,
        "grace: must contain only letters (a to z), digits and : . _ -",
    );
}

#[test]
fn reset_purges_all_accounts_except_super_admins() {
    let app = TestApp::start();
    app.create_user("boss", "SuperAdmin", &[]);
    for name in ["ada", "grace", "joan"] {
        app.create_user(name, "User", &[]);
    }
    let cli = app.cli();
    cli.run("users rm joan --yes").expect(0);
    cli.run("users reset")
        .expect_error(1, "standard input is not a terminal: use --yes");
    let dry_run = cli.run("users reset --dry-run").expect(0);
    assert_eq!(dry_run.lines().len(), 3);
    for line in dry_run.lines() {
        assert!(line.contains("\twould change"), "{line}");
    }
    assert_eq!(app.query_number("SELECT count(*) FROM users"), 4);
    cli.run("users reset --yes").expect(0);
    assert_eq!(app.query_number("SELECT count(*) FROM users"), 1);
    assert_eq!(
        cli.run("users ls --json").expect(0).json()[0]["username"],
        "boss"
    );
    assert_eq!(count_audit_rows(&app, "user.purge", "done"), 3);
    let again = cli.run("users reset --yes").expect(0);
    assert_eq!(again.err, "There are no users except SuperAdmins.\n");
}

#[test]
fn interrupted_work_says_how_much_was_done() {
    let app = TestApp::start();
    app.execute(
        "INSERT INTO users (id, username, role, tags, created_at, updated_at)
         SELECT gen_random_uuid(), 'user-' || n, 'User', '{trial}', now(), now() FROM generate_series(1, 800) AS n",
    );
    let mut command = app.cli().command("users deactivate --tag trial --yes");
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The results of the first batch.
    wait_until(|| count_active(&app) < 800);
    binary::signal(child.id(), "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(2), "{output:?}");
    let processed = 800 - count_active(&app);
    assert!((1..800).contains(&processed), "{processed}");
    let message = String::from_utf8(output.stderr).unwrap();
    let expected =
        format!("interrupted: {processed} of 800 users were processed, 0 of them refused");
    assert!(message.contains(&expected), "{message}");
    let lines = String::from_utf8(output.stdout).unwrap().lines().count();
    assert_eq!(i64::try_from(lines).unwrap(), processed);
}
