//! The commands that the guides tell an operator to type, run as they stand. A command that asks is answered by the flag
//! that it names when there is no terminal.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::binary::Service;
use crate::support::{Cli, PASSWORD, Ran, TestApp};

const COMING_FROM: &str = include_str!("../../../docs/coming-from.md");
const OPERATE: &str = include_str!("../../../docs/operate.md");
const SECURITY: &str = include_str!("../../../docs/security.md");

/// The blocks of shell below this heading.
fn blocks(guide: &'static str, heading: &str) -> Vec<&'static str> {
    let (_, section) = guide.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// The commands in the second column of the tables.
fn commands_here() -> BTreeSet<&'static str> {
    let rows = COMING_FROM.lines().filter(|line| line.starts_with("| "));
    let here = rows.filter_map(|row| row.split(" | ").nth(1));
    here.flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .chain(["rosterd roles add Moderator --rank 50"])
        .filter_map(|code| code.strip_prefix("rosterd "))
        .collect()
}

/// Runs it; what it asks without a terminal is answered with the flag that it asks for.
fn answered(cli: &Cli, command: &str) -> Ran {
    let words: Vec<&str> = command.split(' ').collect();
    let ran = cli.run_with("", &words);
    let with = |flag| {
        let words: Vec<&str> = words.iter().copied().chain([flag]).collect();
        cli.run_with("six yellow bicycles by the lake\n", &words)
    };
    match &ran.err {
        asked if asked.contains("--password-stdin") => with("--password-stdin"),
        asked if asked.contains("--yes") => with("--yes"),
        _ => ran,
    }
}

#[test]
fn whatever_is_said_to_those_who_come_from_elsewhere_works() {
    let commands = commands_here();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let app = TestApp::start();
        app.user("chief", "SuperAdmin", &[]);
        if !command.starts_with("users add") {
            app.user("ada", "Admin", &[]);
            app.execute("UPDATE users SET email = 'ada@example.org' WHERE username = 'ada'");
        }
        let ran = answered(&app.cli(), command);
        assert_eq!(ran.status, 0, "rosterd {command}\n{}{}", ran.out, ran.err);
    }
}

#[test]
fn what_is_left_to_the_operator_can_be_looked_at_as_the_guide_says() {
    let app = TestApp::start();
    app.user("admin", "SuperAdmin", &[]);
    let blocks = blocks(SECURITY, "What is left to the operator");
    let commands: Vec<&str> = blocks.iter().flat_map(|block| block.lines()).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    for command in commands {
        let ran = app.cli().run(command.strip_prefix("rosterd ").unwrap());
        // The doctor finds what is not as it should be on the machine of the tests.
        let is_answered = ran.status == 0 || (command == "rosterd doctor" && !ran.out.is_empty());
        assert!(is_answered, "{command}\n{}{}", ran.out, ran.err);
    }
}

#[test]
fn what_the_guide_to_security_claims_is_seen_by_whoever_tries_it() {
    let app = TestApp::start();
    app.user("admin", "SuperAdmin", &[]);
    let script = blocks(SECURITY, "See for yourself")
        .concat()
        .replace("http://127.0.0.1:8080", &app.base)
        .replace("the password that was shown", PASSWORD);
    let claimed: Vec<&str> = script
        .lines()
        .filter_map(|line| line.rsplit_once("  # "))
        .map(|(_, status)| status)
        .collect();
    assert_eq!(claimed, ["200", "401", "204", "401", "401"]);
    let ran = Command::new("sh")
        .arg("-euc")
        .arg(&script)
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..5], claimed, "{said}");
    assert_eq!(lines[5], "alike");
    let log: serde_json::Value = serde_json::from_str(lines[6]).unwrap();
    let reasons: Vec<&serde_json::Value> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["reason"])
        .collect();
    assert_eq!(
        serde_json::json!(reasons),
        serde_json::json!([null, "unknown_name", "wrong_password"])
    );
}

#[test]
fn whatever_an_operator_is_told_to_type_works() {
    let blocks = OPERATE.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    let mut commands = 0;
    for line in lines {
        let line = line.split('#').next().unwrap().trim();
        let Some((settings, command)) = line.split_once("rosterd ") else {
            continue;
        };
        commands += 1;
        let app = TestApp::start();
        app.user("admin", "SuperAdmin", &[]);
        let mut of_machine = app.settings_for_the_binary();
        for setting in settings.split_whitespace() {
            let (name, text) = setting.split_once('=').unwrap();
            of_machine.push((name.to_owned(), text.to_owned()));
        }
        if command == "serve" {
            Service::start(&of_machine);
        } else {
            let ran = answered(&Cli::new(of_machine), command);
            assert_eq!(ran.status, 0, "{line}\n{}{}", ran.out, ran.err);
        }
    }
    assert!(commands >= 4, "{commands}");
}
