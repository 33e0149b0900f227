//! The commands that the guides tell an operator to type, run as they stand. A command that asks is answered by the flag
//! that it names when there is no terminal.

use std::collections::BTreeSet;

use crate::support::{Cli, Ran, TestApp};

const COMING_FROM: &str = include_str!("../../docs/coming-from.md");

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
