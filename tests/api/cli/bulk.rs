//! The verbs that take many accounts, and beginning anew.

use serde_json::json;

use super::audited;
use crate::support::TestApp;

fn active(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM users WHERE is_active")
}

#[test]
fn a_domain_is_deactivated_after_a_dry_run_and_a_yes() {
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
    let before = app.number(audit_rows);
    let dry = cli
        .run("users deactivate --email-domain @example.org --dry-run --json")
        .expect(0);
    let names: Vec<_> = dry
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["username"].clone())
        .collect();
    assert_eq!(names, ["grace", "ada"]);
    assert_eq!(
        (active(&app), app.number(audit_rows)),
        (4, before),
        "nothing is done"
    );

    let ran = cli.run("users deactivate --email-domain example.org");
    ran.expect_error(1, "there is no terminal to ask on: use --yes");
    assert_eq!(active(&app), 4);
    let done = cli
        .run("users deactivate --email-domain example.org --yes")
        .expect(0);
    assert_eq!(done.out, "grace\tdone\t\t\nada\tdone\t\t\n");
    assert_eq!(active(&app), 2);
    assert_eq!(audited(&app, "user.disable", "done"), 2);
    let again = cli
        .run("users deactivate --email-domain example.org --yes")
        .expect(0);
    assert_eq!(
        (again.out.as_str(), again.err.as_str()),
        ("", "There is no such account.\n")
    );
    cli.run("users activate --email-domain example.org --yes")
        .expect(0);
    assert_eq!(active(&app), 4);
}

#[test]
fn one_that_is_refused_is_named_and_stops_no_other() {
    let app = TestApp::start();
    app.user("boss", "SuperAdmin", &[]);
    app.user("ada", "User", &[]);
    app.user("grace", "User", &[]);
    let cli = app.cli();
    let ran = cli.run("users deactivate ada boss grace --json");
    let ran = ran.expect_error(1, "1 of 3 were refused");
    let outcomes: Vec<_> = ran
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
    assert_eq!(active(&app), 1);
    assert_eq!(audited(&app, "user.disable", "refused"), 1);
    cli.run("users deactivate boss")
        .expect_error(1, "boss: The last active SuperAdmin has to stay one");
}

#[test]
fn a_name_that_nobody_has_stops_all() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let ran = app.cli().run("users deactivate ada nobody");
    ran.expect_error(1, "there is no account called nobody");
    assert_eq!(active(&app), 1);
}

#[test]
fn names_and_filters_are_not_mixed() {
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
fn tags_and_filters_by_tag_and_role() {
    let app = TestApp::start();
    app.user("ada", "Admin", &[]);
    app.user("grace", "User", &[]);
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
    cli.run("users tag grace !")
        .expect_error(1, "grace: a tag has letters a to z, digits and : . _ -");
}

#[test]
fn reset_leaves_the_super_admins() {
    let app = TestApp::start();
    app.user("boss", "SuperAdmin", &[]);
    for name in ["ada", "grace", "joan"] {
        app.user(name, "User", &[]);
    }
    let cli = app.cli();
    cli.run("users rm joan --yes").expect(0);
    cli.run("users reset")
        .expect_error(1, "there is no terminal to ask on: use --yes");
    let dry = cli.run("users reset --dry-run").expect(0);
    assert_eq!(dry.lines().len(), 3);
    assert_eq!(app.number("SELECT count(*) FROM users"), 4);
    cli.run("users reset --yes").expect(0);
    assert_eq!(app.number("SELECT count(*) FROM users"), 1);
    assert_eq!(
        cli.run("users ls --json").expect(0).json()[0]["username"],
        "boss"
    );
    assert_eq!(audited(&app, "user.purge", "done"), 3);
    let again = cli.run("users reset --yes").expect(0);
    assert_eq!(again.err, "There is no account but those of SuperAdmins.\n");
}
