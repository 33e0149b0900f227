//! The commands and links of the README.

use super::{run_shell_script, shell_blocks};
use crate::support::{PASSWORD, TestApp};

const README: &str = include_str!("../../../README.md");

#[test]
fn readme_commands_sign_in_create_an_account_and_change_its_password() {
    let app = TestApp::start();
    app.create_user("admin", "SuperAdmin", &[]);
    let blocks = shell_blocks(README, "Run it");
    assert_eq!(blocks[0].trim(), "make run");
    let script = blocks[1..]
        .concat()
        .replace("http://127.0.0.1:8080", &app.base)
        .replace("the password that was shown", PASSWORD);
    // The commands can be repeated: the account exists the second time.
    for first_part in [r#""username":"ada""#, "user_username_conflict"] {
        let Some(output) = run_shell_script(&script) else {
            return;
        };
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines.len(), 5, "{output}");
        for (line, part) in lines.iter().zip([
            first_part,
            r#""permissions":["users.read"],"effectivePermissions":["users.read"]"#,
            r#""isActive":false"#,
            r#""isActive":true"#,
            "",
        ]) {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert_eq!(lines[4], "", "204 has no body");
    }
    let changed = "SELECT password_version FROM users WHERE username = 'ada' AND is_active AND permissions = '{users.read}'";
    // Incremented when the account gets more permissions, and by each new password.
    assert_eq!(app.query_number(changed), 3);
}

#[test]
fn readme_commands_show_the_answer_when_the_sign_in_fails() {
    let app = TestApp::start();
    app.create_user("admin", "SuperAdmin", &[]);
    let blocks = shell_blocks(README, "Run it");
    let script = blocks[1].replace("http://127.0.0.1:8080", &app.base);
    let Some(output) = run_shell_script(&script) else {
        return;
    };
    assert!(output.starts_with("not signed in: {"), "{output}");
    assert!(output.contains("auth_invalid_credentials"), "{output}");
}

#[test]
fn every_file_linked_in_the_readme_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for link in README.split("](").skip(1) {
        let file = link.split(')').next().unwrap();
        assert!(root.join(file).exists(), "{file}");
    }
}
