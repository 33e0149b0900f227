//! Prompts, confirmations and line width in a terminal.

use serde_json::json;

use crate::support::binary::signal;
use crate::support::{PASSWORD, Terminal, TestApp};

const NEW_PASSWORD: &str = "nine amber kettles by the sea";

/// Ctrl-C.
const INTERRUPT: &str = "\u{3}";

fn can_sign_in(app: &TestApp, password: &str) -> bool {
    let body = json!({"username": "ada", "password": password});
    app.post("/api/v1/auth/login").json(&body).send().status == 200
}

#[test]
fn passwd_prompts_twice_and_does_not_echo_the_password() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let mut terminal = Terminal::start(&app.cli().command("passwd ada"));
    terminal.wait_for_text("New password: ", 1);
    terminal.type_keys(&format!("{NEW_PASSWORD}\n"));
    terminal.wait_for_text("Repeat new password: ", 1);
    terminal.type_keys(&format!("{NEW_PASSWORD}\n"));
    let (status, screen) = terminal.wait_for_exit();
    assert_eq!(status, 0, "{screen}");
    assert!(!screen.contains("amber"), "{screen}");
    assert!(can_sign_in(&app, NEW_PASSWORD));
}

#[test]
fn different_passwords_or_an_interrupt_change_nothing() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let mut terminal = Terminal::start(&app.cli().command("passwd ada"));
    terminal.wait_for_text("New password: ", 1);
    terminal.type_keys(&format!("{NEW_PASSWORD}\n"));
    terminal.wait_for_text("Repeat new password: ", 1);
    terminal.type_keys("another\n");
    assert_eq!(terminal.wait_for_exit().0, 1);

    for (command, prompt) in [
        ("passwd ada", "New password: "),
        ("users rm ada", "[y/N]"),
        ("users rm ada --purge", "[y/N]"),
        ("users reset", "Type "),
    ] {
        let mut terminal = Terminal::start(&app.cli().command(command));
        terminal.wait_for_text(prompt, 1);
        terminal.type_keys(INTERRUPT);
        let (status, screen) = terminal.wait_for_exit();
        assert_eq!(status, 130, "{command}: {screen}");
    }
    assert!(can_sign_in(&app, PASSWORD));
}

#[test]
fn users_add_without_a_name_asks_for_what_is_missing() {
    let app = TestApp::start();
    let mut terminal = Terminal::start(&app.cli().command("users add"));
    terminal.wait_for_text("Username: ", 1);
    terminal.type_keys("ada\n");
    terminal.wait_for_text("Admin [y/N]: ", 1);
    terminal.type_keys("yes\n");
    terminal.wait_for_text("New password: ", 1);
    terminal.type_keys(&format!("{NEW_PASSWORD}\n"));
    terminal.wait_for_text("Repeat new password: ", 1);
    terminal.type_keys(&format!("{NEW_PASSWORD}\n"));
    let (status, screen) = terminal.wait_for_exit();
    assert_eq!(status, 0, "{screen}");
    assert!(can_sign_in(&app, NEW_PASSWORD));
    assert_eq!(app.query_text("SELECT role FROM users"), "Admin");

    let mut terminal = Terminal::start(&app.cli().command("users add --role user"));
    terminal.wait_for_text("Username: ", 1);
    terminal.type_keys("grace\n");
    terminal.wait_for_text("New password: ", 1);
    terminal.type_keys("\n");
    terminal.wait_for_text("Repeat new password: ", 1);
    terminal.type_keys("\n");
    let (status, screen) = terminal.wait_for_exit();
    assert_eq!(status, 0, "{screen}");
    assert!(screen.contains("Password reset link"), "{screen}");
    app.cli()
        .run("users add")
        .expect_error(2, "the username is missing: rosterd users add USERNAME");
}

#[test]
fn interrupt_signal_at_a_hidden_prompt_ends_the_command() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let terminal = Terminal::start(&app.cli().command("passwd ada"));
    terminal.wait_for_text("New password: ", 1);
    signal(terminal.pid(), "-INT");
    let (status, screen) = terminal.wait_for_exit();
    assert_eq!(status, 130, "{screen}");
    assert!(can_sign_in(&app, PASSWORD));
}

#[test]
fn ids_are_never_broken_over_lines() {
    let app = TestApp::start();
    let (ada, _) = app.create_signed_in_user("User", &["users.read"]);
    app.cli()
        .run(&format!(
            "auth add {} -n nightly-export-of-everything -s users.read",
            ada.username
        ))
        .expect(0);
    for command in ["auth ls", "auth ls --json"] {
        let ids: Vec<String> = (0..2)
            .map(|row| {
                app.query_text(&format!(
                    "SELECT id FROM (SELECT id FROM sessions UNION SELECT id FROM personal_access_tokens) AS ids ORDER BY id OFFSET {row} LIMIT 1"
                ))
            })
            .collect();
        let (status, screen) = Terminal::start(&app.cli().command(command)).wait_for_exit();
        assert_eq!(status, 0, "{screen}");
        for id in ids {
            assert!(screen.contains(&id), "{command}\n{screen}");
        }
    }
}

#[test]
fn deletion_needs_the_answer_yes() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let delete_with_input = |input: &str| {
        let mut terminal = Terminal::start(&app.cli().command("users rm ada"));
        terminal.wait_for_text("[y/N]", 1);
        terminal.type_keys(input);
        terminal.wait_for_exit().0
    };
    assert_eq!(delete_with_input("\n"), 1);
    assert_eq!(delete_with_input("no\n"), 1);
    assert!(can_sign_in(&app, PASSWORD));
    assert_eq!(delete_with_input("y\n"), 0);
    assert!(!can_sign_in(&app, PASSWORD));
}

#[test]
fn tables_and_help_fit_the_terminal_width() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
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
        let (status, screen) = Terminal::start(&app.cli().command(command)).wait_for_exit();
        assert_eq!(status, 0, "{screen}");
        let plain = strip_colour_sequences(&screen);
        let widest = plain.lines().map(|line| line.chars().count()).max();
        assert!(widest.unwrap() <= 80, "{command}\n{plain}");
    }
}

/// The text without the escape sequences that set colours (ECMA-48).
fn strip_colour_sequences(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        let rest = part.split_once('m').map_or("", |(_, rest)| rest);
        plain + rest
    })
}
