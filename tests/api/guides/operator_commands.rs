//! The commands that the guides tell an operator to type, run as written. A command that asks for input is repeated
//! with the flag that its error message names.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::{OPERATE, run_shell_script, shell_blocks};
use crate::support::binary::ServiceProcess;
use crate::support::{Cli, CommandOutput, PASSWORD, TestApp, run_concurrently};

const COMING_FROM: &str = include_str!("../../../docs/coming-from.md");

const SECURITY: &str = include_str!("../../../docs/security.md");

/// The rows of the tables of `docs/coming-from.md`: what another program has, and what does it here.
fn migration_rows() -> Vec<(&'static str, &'static str)> {
    let rows = COMING_FROM
        .lines()
        .filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.strip_suffix(" |")?.split_once(" | "))
        .filter(|(_, here)| *here != "rosterd")
        .collect()
}

/// The `rosterd` commands in the second column.
fn migration_commands() -> BTreeSet<&'static str> {
    migration_rows()
        .iter()
        .flat_map(|(_, here)| here.split('`').skip(1).step_by(2))
        .filter_map(|code| code.strip_prefix("rosterd "))
        // Asks on a terminal; `cli::terminal` runs it.
        .filter(|command| *command != "users add")
        .collect()
}

#[test]
fn migration_guide_has_each_row_once_and_an_answer_for_it() {
    let rows = migration_rows();
    assert!(rows.len() >= 106, "{}", rows.len());
    let mut seen = BTreeSet::new();
    let mut program = "";
    for line in COMING_FROM.lines() {
        program = line.strip_prefix("## ").unwrap_or(program);
        if let Some((there, here)) = line
            .strip_prefix("| ")
            .and_then(|row| row.split_once(" | "))
        {
            assert!(seen.insert((program, there)), "{program}: {there}");
            assert!(!here.trim_end_matches([' ', '|']).is_empty(), "{there}");
        }
    }
}

/// Runs a command. If it fails because it needs input, runs it again with the flag that the message names.
fn run_with_confirmation(cli: &Cli, command: &str) -> CommandOutput {
    let arguments: Vec<&str> = command.split(' ').collect();
    let output = cli.run_with_input("", &arguments);
    let run_with_flag = |flag| {
        let arguments: Vec<&str> = arguments.iter().copied().chain([flag]).collect();
        cli.run_with_input("six yellow bicycles by the lake\n", &arguments)
    };
    match &output.err {
        _ if output.status == 0 => output,
        message if message.contains("--password-stdin") => run_with_flag("--password-stdin"),
        message if message.contains("--yes") => run_with_flag("--yes"),
        _ => output,
    }
}

#[test]
fn commands_of_the_migration_guide_work() {
    let commands = migration_commands();
    assert!(commands.len() > 60, "{commands:?}");
    let commands = Mutex::new(commands.into_iter());
    // Each command has a database of its own.
    run_concurrently(4, |_| {
        loop {
            let command = commands.lock().unwrap().next();
            match command {
                Some(command) => run_migration_command(command),
                None => break,
            }
        }
    });
}

/// Runs a command of the guide with the users `chief`, a `SuperAdmin`, and `ada`, an `Admin`.
fn run_migration_command(command: &str) {
    let app = TestApp::start();
    app.create_user("chief", "SuperAdmin", &[]);
    app.create_user("ada", "Admin", &[]);
    app.execute("UPDATE users SET email = 'ada@example.org' WHERE username = 'ada'");
    if command.contains("moderator") {
        app.create_role("Moderator", 50, &[]);
        app.execute("UPDATE users SET role = 'Moderator' WHERE username = 'ada'");
    }
    let mut command = command.to_owned();
    if command.contains("SESSION") {
        app.sign_in("ada");
        let id = app.query_text("SELECT id FROM sessions");
        command = command.replace("SESSION", &id);
    }
    if command.contains("INVITE") {
        let invite = app.cli().run("invites add --json").expect(0).json();
        command = command.replace("INVITE", invite["token"].as_str().unwrap());
    }
    let output = run_with_confirmation(&app.cli(), &command);
    assert_eq!(
        output.status, 0,
        "rosterd {command}\n{}{}",
        output.out, output.err
    );
}

/// The bodies are those of `NekoHub`'s documentation, with the permissions of its application in the catalogue.
#[test]
fn calls_of_nekohub_work_with_its_own_bodies() {
    let app = TestApp::start_with(&[(
        "ROSTERD_PERMISSIONS",
        "assets.create,assets.read,assets.update",
    )]);
    let admin = app.super_admin_token();
    let call = |method: &str, path: &str, body: Value, status: u16| {
        let request = app.call(method, path).bearer(&admin).json(&body);
        request.send().expect(status)
    };
    let body = json!({"username": "jane", "password": "a-secure-password", "role": "Admin", "isActive": true, "permissions": []});
    let created = call("POST", "/api/v1/users", body, 201);
    for member in [
        "id",
        "username",
        "role",
        "isActive",
        "permissions",
        "createdAtUtc",
        "updatedAtUtc",
        "lastLoginAtUtc",
    ] {
        assert!(created.data().get(member).is_some(), "{member}");
    }
    let path = format!("/api/v1/users/{}", created.data()["id"].as_str().unwrap());
    let permissions = json!({"permissions": ["assets.create", "assets.read", "assets.update"]});
    let granted = call(
        "PATCH",
        &format!("{path}/permissions"),
        permissions.clone(),
        200,
    );
    assert_eq!(granted.data()["permissions"], permissions["permissions"]);
    let status = format!("{path}/status");
    call("POST", &status, json!({"isActive": false}), 200);
    call("POST", &status, json!({"isActive": true}), 200);
    let reset = json!({"newPassword": "new-secure-password"});
    call("POST", &format!("{path}/reset-password"), reset, 204);
    let login = json!({"username": "jane", "password": "new-secure-password"});
    call("POST", "/api/v1/auth/login", login, 200);
}

#[test]
fn operator_checks_of_the_security_guide_work() {
    let app = TestApp::start();
    app.create_user("admin", "SuperAdmin", &[]);
    let sections = shell_blocks(SECURITY, "What is left to the operator");
    let commands: Vec<&str> = sections.iter().flat_map(|block| block.lines()).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    for command in commands {
        let output = app.cli().run(command.strip_prefix("rosterd ").unwrap());
        // `rosterd doctor` reports problems of the machine that runs the tests.
        let is_expected =
            output.status == 0 || (command == "rosterd doctor" && !output.out.is_empty());
        assert!(is_expected, "{command}\n{}{}", output.out, output.err);
    }
}

#[test]
fn examples_of_the_security_guide_give_the_stated_results() {
    let app = TestApp::start();
    app.create_user("admin", "SuperAdmin", &[]);
    let script = shell_blocks(SECURITY, "See for yourself")
        .concat()
        .replace("http://127.0.0.1:8080", &app.base)
        .replace("the password that was shown", PASSWORD);
    let stated: Vec<&str> = script
        .lines()
        .filter_map(|line| line.rsplit_once("  # "))
        .map(|(_, status)| status)
        .collect();
    assert_eq!(stated, ["200", "401", "204", "401", "401"]);
    let Some(output) = run_shell_script(&script) else {
        return;
    };
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..5], stated, "{output}");
    assert_eq!(lines[5], "alike");
    let log: Value = serde_json::from_str(lines[6]).unwrap();
    let reasons: Vec<&Value> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["reason"])
        .collect();
    assert_eq!(
        json!(reasons),
        json!([null, "unknown_name", "wrong_password"])
    );
}

#[test]
fn commands_of_the_operating_guide_work() {
    let blocks = OPERATE.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    let mut commands = 0;
    for line in lines {
        let line = line.split('#').next().unwrap().trim();
        let Some((settings, command)) = line.split_once("rosterd ") else {
            continue;
        };
        // Commands of the system, in which the word is the name of a user. They need systemd or root.
        if settings.split_whitespace().any(|word| !word.contains('=')) {
            continue;
        }
        // These need the private cluster; `process::backup_and_restore` runs them.
        if command.starts_with("db backup") || command.starts_with("db restore") {
            continue;
        }
        // It writes to a directory of the system; `guides::deployment` runs it elsewhere.
        if command.starts_with("man ") {
            continue;
        }
        commands += 1;
        let app = TestApp::start();
        app.create_user("admin", "SuperAdmin", &[]);
        let mut all_settings = app.binary_settings();
        for setting in settings.split_whitespace() {
            let (name, text) = setting.split_once('=').unwrap();
            all_settings.push((name.to_owned(), text.to_owned()));
        }
        if command == "serve" {
            ServiceProcess::start(&all_settings);
        } else {
            let output = run_with_confirmation(&Cli::new(all_settings), command);
            assert_eq!(output.status, 0, "{line}\n{}{}", output.out, output.err);
        }
    }
    assert!(commands >= 4, "{commands}");
}
