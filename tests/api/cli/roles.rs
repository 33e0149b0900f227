//! `rosterd roles` and `rosterd permissions`.

use serde_json::json;

use super::count_audit_rows;
use crate::support::TestApp;

#[test]
fn role_can_be_created_shown_changed_and_deleted() {
    let app = TestApp::start();
    let cli = app.cli();
    let arguments = [
        "roles",
        "add",
        "Editor",
        "--rank",
        "20",
        "--permission",
        "users.read",
        "--description",
        "Keeps the texts",
        "--json",
    ];
    let created = cli.run_with_input("", &arguments).expect(0).json();
    assert_eq!(created["rank"], 20);
    assert_eq!(
        cli.run("roles show Editor --json").expect(0).json(),
        created
    );
    let changed = cli
        .run("roles mod Editor --rank 30 --permission users.update --no-permission users.read --no-description --json")
        .expect(0)
        .json();
    assert_eq!(changed["rank"], 30);
    assert_eq!(changed["permissions"], json!(["users.update"]));
    assert_eq!(changed["description"], json!(null));
    let names = cli.run("roles ls").expect(0);
    let names: Vec<_> = names
        .lines()
        .iter()
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["SuperAdmin", "Admin", "Editor", "User"]);
    cli.run("roles rm Editor")
        .expect_error(1, "standard input is not a terminal: use --yes");
    cli.run("roles rm Editor --yes").expect(0);
    for action in ["role.create", "role.update", "role.delete"] {
        assert_eq!(count_audit_rows(&app, action, "done"), 1, "{action}");
    }
}

#[test]
fn accounts_of_a_deleted_or_renamed_role_are_moved() {
    let app = TestApp::start();
    app.create_role("Editor", 20, &[]);
    app.create_user("ada", "Editor", &[]);
    let cli = app.cli();
    cli.run("roles rm Editor --yes").expect_error(
        1,
        "1 accounts have this role, including deleted ones (role_in_use); use --move-to to give its users another role",
    );
    cli.run("roles mod Editor --name Writer --move-to Writer")
        .expect(0);
    assert_eq!(cli.run("users show ada --json").json()["role"], "Writer");
    cli.run("roles rm Writer --move-to User --yes").expect(0);
    assert_eq!(cli.run("users show ada --json").json()["role"], "User");
}

#[test]
fn role_errors_are_those_of_the_api() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("roles show Nobody").expect_error(
        1,
        "there is no role called Nobody; `rosterd roles ls` lists the roles",
    );
    cli.run("roles add Editor --rank 1000")
        .expect_error(1, "rank: must be from 0 to 999");
    cli.run("roles add user").expect_error(
        1,
        "A role with this name already exists (role_name_conflict)",
    );
    cli.run("roles mod Admin").expect_error(
        2,
        "nothing to change: `rosterd roles mod --help` lists the options",
    );
    assert!(
        cli.run("roles rm Admin --yes")
            .expect(1)
            .err
            .contains("(role_built_in)")
    );
    let long = "x".repeat(501);
    let arguments = ["roles", "add", "Editor", "--description", &long];
    assert!(
        cli.run_with_input("", &arguments)
            .expect(1)
            .err
            .starts_with("rosterd: description: ")
    );
}

#[test]
fn permissions_can_be_registered_listed_and_unregistered() {
    let app = TestApp::start();
    let cli = app.cli();
    let arguments = [
        "permissions",
        "add",
        "assets.read",
        "--description",
        "See the assets",
        "--json",
    ];
    assert_eq!(
        cli.run_with_input("", &arguments).expect(0).json()["description"],
        "See the assets"
    );
    assert!(
        cli.run("permissions ls")
            .expect(0)
            .out
            .contains("assets.read\tSee the assets\n")
    );
    cli.run("permissions add assets.read").expect_error(
        1,
        "A permission with this name already exists (permission_name_conflict)",
    );
    assert!(
        cli.run("permissions add Assets")
            .expect(1)
            .err
            .starts_with("rosterd: name: ")
    );
    cli.run("users add ada --permission assets.read").expect(0);
    assert!(
        cli.run("permissions rm assets.read --yes")
            .expect(1)
            .err
            .contains("(permission_in_use)")
    );
    cli.run("users permissions set ada").expect(0);
    cli.run("permissions rm assets.read --yes").expect(0);
    cli.run("permissions rm assets.read --yes")
        .expect_error(1, "there is no permission called assets.read");
    assert!(
        cli.run("permissions rm users.read --yes")
            .expect(1)
            .err
            .contains("(permission_built_in)")
    );
}
