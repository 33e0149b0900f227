//! Errors and confirmations: the rules are those of the API, reported in one line.

use serde_json::json;

use super::count_audit_rows;
use crate::support::{Cli, PASSWORD, Schema, TestApp};
use crate::support::{binary, operator};

// SECURITY: K10
#[test]
fn last_super_admin_cannot_be_removed_by_any_command() {
    let app = TestApp::start();
    app.create_user("boss", "SuperAdmin", &[]);
    let cli = app.cli();
    let message = "The last active SuperAdmin can't be removed, demoted or deactivated (last_super_admin); create another SuperAdmin first: `rosterd users \
                mod NAME --superadmin`";
    for line in [
        "users mod boss --no-superadmin",
        "users mod boss --no-login",
        "users mod boss --expires-at 30d --permission users.read",
        "passwd boss --rm --yes",
    ] {
        cli.run(line).expect_error(1, message);
    }
    for line in [
        "users rm boss --yes",
        "users rm boss --purge --yes",
        "users deactivate boss",
    ] {
        cli.run(line).expect_error(
            1,
            "boss: The last active SuperAdmin can't be removed, demoted or deactivated",
        );
    }
    let boss = cli.run("users show boss --json").expect(0).json();
    assert_eq!(
        (&boss["role"], &boss["isActive"], &boss["permissions"]),
        (&json!("SuperAdmin"), &json!(true), &json!([]))
    );
    assert_eq!(count_audit_rows(&app, "user.update", "refused"), 3);
    assert_eq!(count_audit_rows(&app, "user.password.remove", "refused"), 1);
}

#[test]
fn taken_username_or_email_is_a_conflict() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add ada --email ada@example.org").expect(0);
    cli.run("users add ADA")
        .expect_error(1, "The username is taken (user_username_conflict)");
    cli.run("users add grace --email ADA@example.org")
        .expect_error(1, "The email address is taken (user_email_conflict)");
    assert_eq!(app.query_number("SELECT count(*) FROM users"), 1);
    assert_eq!(
        app.query_number("SELECT count(*) FROM password_reset_tokens"),
        1
    );
}

#[test]
fn every_error_names_its_field() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add x --email nope --tag !").expect_error(
        1,
        "username: must be 3 to 50 characters; email: must be an email address of the form \
         name@example.org; tags: must contain only letters (a to z), digits and : . _ -",
    );
    let weak = cli.run_with_input("short\n", &["users", "add", "ada", "--password-stdin"]);
    assert!(weak.expect(1).err.starts_with("rosterd: password: "));
    cli.run("users add ada --role Editor").expect_error(
        1,
        "role: no role has this name; `rosterd roles ls` lists the roles",
    );
    assert_eq!(app.query_number("SELECT count(*) FROM users"), 0);
}

#[test]
fn deleted_account_cannot_be_changed() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let cli = app.cli();
    cli.run("users rm ada --yes").expect(0);
    cli.run("users mod ada --name Ada")
        .expect_error(1, "The account is deleted; restore it first (user_deleted)");
}

#[test]
fn mistyped_arguments_are_answered_with_a_suggestion() {
    let schema = Schema::empty();
    let cli = Cli::new(binary::database_settings(&schema));
    for (line, message) in [
        (
            "users ls --jsn",
            "unexpected argument '--jsn' found; a similar argument exists: '--json' (see `rosterd users ls --help`)",
        ),
        (
            "users lst",
            "unrecognized subcommand 'lst'; a similar subcommand exists: 'ls' (see `rosterd users --help`)",
        ),
        (
            "users can ada",
            "the following required arguments were not provided: <PERMISSION> (see `rosterd users can --help`)",
        ),
        (
            "users add ada --expires-at soon",
            "invalid value 'soon' for '--expires-at <TIME>': expected a time like 2027-01-31T12:00:00Z, a date like \
             2027-01-31, or a duration like 30d (see `rosterd --help`)",
        ),
    ] {
        cli.run(line).expect_error(2, message);
    }
}

#[test]
fn missing_schema_is_reported_with_the_command_that_creates_it() {
    let schema = Schema::empty();
    let output = Cli::new(binary::database_settings(&schema))
        .run("users ls")
        .expect(1);
    assert!(
        output
            .err
            .ends_with("migrations behind: run `rosterd db migrate`\n"),
        "{}",
        output.err
    );
}

#[test]
fn commands_work_without_a_running_server() {
    let schema = Schema::new();
    let cli = Cli::new(binary::database_settings(&schema));
    let arguments = ["users", "add", "ada", "--superadmin", "--password-stdin"];
    cli.run_with_input(&format!("{PASSWORD}\n"), &arguments)
        .expect(0);
    assert_eq!(
        cli.run("users ls").expect(0).out,
        "ada\t\t\tSuperAdmin\tyes\t\n"
    );
}

// SECURITY: K10
#[test]
fn destructive_commands_need_confirmation_and_can_be_repeated() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    app.create_role("Clerk", 10, &[]);
    let cli = app.cli();
    let state = || {
        app.query_text(
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
        let output = cli.run(line).expect(1);
        assert!(output.err.contains("--yes"), "{line}: {}", output.err);
    }
    assert_eq!(state(), before);
    let count_audit_rows = "SELECT count(*) FROM audit_events WHERE actor_kind <> 'system'";
    assert_eq!(app.query_number(count_audit_rows), 0);

    for _ in 0..2 {
        cli.run("users rm ada --yes").expect(0);
    }
    cli.run("users rm ada --purge --yes").expect(0);
    cli.run("users rm ada --purge --yes")
        .expect_error(1, "there is no user called ada");
    let by_the_operator = format!(
        "SELECT count(*) FROM audit_events e JOIN audit_personal_data w ON w.event_id = e.id \
         WHERE e.actor_kind = 'cli' AND w.participant = 'actor' AND w.data ->> 'name' = '{}'",
        operator()
    );
    assert_eq!(
        app.query_number(&by_the_operator),
        app.query_number(count_audit_rows)
    );
    assert!(app.query_number(count_audit_rows) >= 2);
}
