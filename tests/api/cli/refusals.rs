//! The rules are those of HTTP, said in one line.

use serde_json::json;

use super::audited;
use crate::support::{PASSWORD, Schema, TestApp, binary};

#[test]
fn k10_the_last_super_admin_stays() {
    let app = TestApp::start();
    app.user("boss", "SuperAdmin", &[]);
    let cli = app.cli();
    let said = "The last active SuperAdmin has to stay one (last_super_admin); make another one first: `rosterd users \
                mod NAME --superadmin`";
    for line in [
        "users mod boss --no-superadmin",
        "users mod boss --no-login",
        "users mod boss --expires-at 30d --permission users.read",
        "passwd boss --rm --yes",
    ] {
        cli.run(line).expect_error(1, said);
    }
    for line in [
        "users rm boss --yes",
        "users rm boss --purge --yes",
        "users deactivate boss",
    ] {
        cli.run(line)
            .expect_error(1, "boss: The last active SuperAdmin has to stay one");
    }
    let boss = cli.run("users show boss --json").expect(0).json();
    assert_eq!(
        (&boss["role"], &boss["isActive"], &boss["permissions"]),
        (&json!("SuperAdmin"), &json!(true), &json!([]))
    );
    assert_eq!(audited(&app, "user.update", "refused"), 3);
    assert_eq!(audited(&app, "user.password.remove", "refused"), 1);
}

#[test]
fn what_is_taken_is_a_conflict() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add ada --email ada@example.org").expect(0);
    cli.run("users add ADA")
        .expect_error(1, "The username is taken (user_username_conflict)");
    cli.run("users add grace --email ADA@example.org")
        .expect_error(1, "The email address is taken (user_email_conflict)");
    assert_eq!(app.number("SELECT count(*) FROM users"), 1);
    assert_eq!(app.number("SELECT count(*) FROM reset_links"), 1);
}

#[test]
fn every_fault_is_named_with_its_field() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add x --email nope --tag !").expect_error(
        1,
        "username: a username has at least 3 characters; email: this is not an email address of the form \
         name@example.org; tags: a tag has letters a to z, digits and : . _ -",
    );
    let weak = cli.run_with("short\n", &["users", "add", "ada", "--password-stdin"]);
    assert!(weak.expect(1).err.starts_with("rosterd: password: "));
    cli.run("users add ada --role Editor").expect_error(
        1,
        "role: there is no role of this name; `rosterd roles ls` shows the roles",
    );
    assert_eq!(app.number("SELECT count(*) FROM users"), 0);
}

#[test]
fn a_deleted_account_is_restored_first() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let cli = app.cli();
    cli.run("users rm ada --yes").expect(0);
    cli.run("users mod ada --name Ada")
        .expect_error(1, "The account is deleted; restore it first (user_deleted)");
}

#[test]
fn what_is_mistyped_is_answered_with_the_nearest() {
    let schema = Schema::empty();
    let cli = crate::support::Cli::new(binary::on(&schema));
    for (line, said) in [
        (
            "users ls --jsn",
            "unexpected argument '--jsn' found; a similar argument exists: '--json' (see `rosterd users ls --help`)",
        ),
        (
            "users lst",
            "unrecognized subcommand 'lst'; a similar subcommand exists: 'ls' (see `rosterd users --help`)",
        ),
        (
            "users add",
            "the following required arguments were not provided: <USERNAME> (see `rosterd users add --help`)",
        ),
        (
            "users add ada --expires-at soon",
            "invalid value 'soon' for '--expires-at <TIME>': expected a time like 2027-01-31T12:00:00Z, a day like \
             2027-01-31, or a span like 30d (see `rosterd --help`)",
        ),
    ] {
        cli.run(line).expect_error(2, said);
    }
}

#[test]
fn without_a_schema_it_says_what_to_do() {
    let schema = Schema::empty();
    let ran = crate::support::Cli::new(binary::on(&schema))
        .run("users ls")
        .expect(1);
    assert!(
        ran.err
            .ends_with("migrations behind: run `rosterd db migrate`\n"),
        "{}",
        ran.err
    );
}

#[test]
fn without_a_server_it_works_all_the_same() {
    let schema = Schema::new();
    let cli = crate::support::Cli::new(binary::on(&schema));
    let words = ["users", "add", "ada", "--superadmin", "--password-stdin"];
    cli.run_with(&format!("{PASSWORD}\n"), &words).expect(0);
    assert_eq!(
        cli.run("users ls").expect(0).out,
        "ada\t\t\tSuperAdmin\tyes\t\n"
    );
}

#[test]
fn k10_what_destroys_asks_first_and_is_done_once() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    app.role("Clerk", 10, &[]);
    let cli = app.cli();
    let state = || {
        app.text(
            "SELECT string_agg(u::text, ';' ORDER BY id) || (SELECT string_agg(r::text, ';') FROM roles r) FROM users u",
        )
    };
    let before = state();
    for line in [
        "users rm ada",
        "users rm ada --purge",
        "users reset",
        "passwd ada --rm",
        "roles rm Clerk",
    ] {
        let ran = cli.run(line).expect(1);
        assert!(ran.err.contains("--yes"), "{line}: {}", ran.err);
    }
    assert_eq!(state(), before);
    let audited = "SELECT count(*) FROM audit_events WHERE actor_kind <> 'system'";
    assert_eq!(app.number(audited), 0);

    for _ in 0..2 {
        cli.run("users rm ada --yes").expect(0);
    }
    cli.run("users rm ada --purge --yes").expect(0);
    cli.run("users rm ada --purge --yes")
        .expect_error(1, "there is no account called ada");
    let by_the_operator = "SELECT count(*) FROM audit_events e JOIN audit_people w ON w.event_id = e.id \
                           WHERE e.actor_kind = 'cli' AND w.part = 'actor' AND w.words ->> 'name' = 'ops'";
    assert_eq!(app.number(by_the_operator), app.number(audited));
    assert!(app.number(audited) >= 2);
}
