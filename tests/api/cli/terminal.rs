//! The command line as a person at a terminal meets it.

use serde_json::json;

use crate::support::{PASSWORD, Terminal, TestApp};

const NEW: &str = "nine amber kettles by the sea";
const INTERRUPT: &str = "\u{3}";

fn can_sign_in(app: &TestApp, password: &str) -> bool {
    let body = json!({"username": "ada", "password": password});
    app.post("/api/v1/auth/login").json(&body).send().status == 200
}

#[test]
fn a_password_is_asked_for_twice_and_never_shown() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let mut terminal = Terminal::start(&app.cli().command("passwd ada"));
    terminal.shows("New password: ", 1);
    terminal.types(&format!("{NEW}\n"));
    terminal.shows("Once more: ", 1);
    terminal.types(&format!("{NEW}\n"));
    let (status, screen) = terminal.status();
    assert_eq!(status, 0, "{screen}");
    assert!(!screen.contains("amber"), "{screen}");
    assert!(can_sign_in(&app, NEW));
}

#[test]
fn two_passwords_that_differ_and_an_interrupt_leave_everything_as_it_was() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let mut terminal = Terminal::start(&app.cli().command("passwd ada"));
    terminal.shows("New password: ", 1);
    terminal.types(&format!("{NEW}\n"));
    terminal.shows("Once more: ", 1);
    terminal.types("another\n");
    assert_eq!(terminal.status().0, 1);

    for (command, question) in [
        ("passwd ada", "New password: "),
        ("users rm ada", "[y/N]"),
        ("users rm ada --purge", "[y/N]"),
        ("users reset", "Type "),
    ] {
        let mut terminal = Terminal::start(&app.cli().command(command));
        terminal.shows(question, 1);
        terminal.types(INTERRUPT);
        let (status, screen) = terminal.status();
        assert_eq!(status, 130, "{command}: {screen}");
    }
    assert!(can_sign_in(&app, PASSWORD));
}

#[test]
fn what_can_not_be_taken_back_is_done_only_after_a_yes() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let rm = |answer: &str| {
        let mut terminal = Terminal::start(&app.cli().command("users rm ada"));
        terminal.shows("[y/N]", 1);
        terminal.types(answer);
        terminal.status().0
    };
    assert_eq!(rm("\n"), 1);
    assert_eq!(rm("no\n"), 1);
    assert!(can_sign_in(&app, PASSWORD));
    assert_eq!(rm("y\n"), 0);
    assert!(!can_sign_in(&app, PASSWORD));
}

#[test]
fn tables_and_help_fit_the_terminal() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    app.execute(&format!(
        "UPDATE users SET display_name = '{}', email = '{}@example.org'",
        "Augusta Ada ".repeat(10).trim(),
        "a".repeat(60)
    ));
    let commands = [
        "users ls",
        "roles ls",
        "permissions ls",
        "--help",
        "users mod --help",
    ];
    for command in commands {
        let (status, screen) = Terminal::start(&app.cli().command(command)).status();
        assert_eq!(status, 0, "{screen}");
        let plain = without_colours(&screen);
        let widest = plain.lines().map(|line| line.chars().count()).max();
        assert!(widest.unwrap() <= 80, "{command}\n{plain}");
    }
}

/// The text without the sequences that set colours (ECMA-48).
fn without_colours(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |plain, piece| {
        let rest = piece.split_once('m').map_or("", |(_, rest)| rest);
        plain + rest
    })
}
