//! The commands that the guides tell an operator to type, run as written. A command that asks for input is repeated
//! with the flag that its error message names.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{run_shell_script, shell_blocks};
use crate::support::binary::ServiceProcess;
use crate::support::{Cli, CommandOutput, PASSWORD, TestApp};

const COMING_FROM: &str = include_str!("../../../docs/coming-from.md");

const OPERATE: &str = include_str!("../../../docs/operate.md");

const SECURITY: &str = include_str!("../../../docs/security.md");

/// The `rosterd` commands in the second column of the tables of `docs/coming-from.md`.
fn migration_commands() -> BTreeSet<&'static str> {
    let rows = COMING_FROM.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.split(" | ").nth(1));
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .chain(["rosterd roles add Moderator --rank 50"])
        .filter_map(|code| code.strip_prefix("rosterd "))
        .collect()
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
        message if message.contains("--password-stdin") => run_with_flag("--password-stdin"),
        message if message.contains("--yes") => run_with_flag("--yes"),
        _ => output,
    }
}

#[test]
fn commands_of_the_migration_guide_work() {
    let commands = migration_commands();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let app = TestApp::start();
        app.create_user("chief", "SuperAdmin", &[]);
        if !command.starts_with("users add") {
            app.create_user("ada", "Admin", &[]);
            app.execute("UPDATE users SET email = 'ada@example.org' WHERE username = 'ada'");
        }
        let output = run_with_confirmation(&app.cli(), command);
        assert_eq!(
            output.status, 0,
            "rosterd {command}\n{}{}",
            output.out, output.err
        );
    }
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
        // These need the private cluster; `process::backup_and_restore` runs them.
        if command.starts_with("db backup") || command.starts_with("db restore") {
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
