//! The README's commands, run as they stand, against the service.

use std::process::Command;

use crate::support::{PASSWORD, TestApp};

const README: &str = include_str!("../../../README.md");

/// The shell blocks below this heading.
fn blocks(heading: &str) -> Vec<&'static str> {
    let (_, section) = README.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_readme_leads_from_signing_in_to_another_password() {
    let app = TestApp::start();
    app.user("admin", "SuperAdmin", &[]);
    let blocks = blocks("Run it");
    assert_eq!(blocks[0].trim(), "make run");
    let script = blocks[1..]
        .concat()
        .replace("http://127.0.0.1:8080", &app.base)
        .replace("the password that was shown", PASSWORD);
    let ran = Command::new("sh").arg("-euc").arg(script).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{said}");

    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    for (line, part) in lines.iter().zip([
        r#""permissions":["users.read"],"effectivePermissions":["users.read"]"#,
        r#""isActive":false"#,
        r#""isActive":true"#,
        "",
    ]) {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(lines[3], "", "204 has no body");
    let done = "SELECT password_version FROM users WHERE username = 'ada' AND is_active AND permissions = '{users.read}'";
    assert_eq!(app.number(done), 1);
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for link in README.split("](").skip(1) {
        let file = link.split(')').next().unwrap();
        assert!(root.join(file).exists(), "{file}");
    }
}
