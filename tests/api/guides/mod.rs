//! The commands, configurations and examples of the README and the guides, run as written.

mod deployment;
mod embed;
mod operator_commands;
mod readme;
mod spa;
mod tls_proxies;

use std::process::Command;

use crate::support::programs::find_program;
use crate::support::{Operation, operations};

const OPERATE: &str = include_str!("../../../docs/operate.md");

/// The shell blocks below a heading of a Markdown text.
fn shell_blocks(text: &'static str, heading: &str) -> Vec<&'static str> {
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// Runs a shell script that uses curl and returns its standard output. `None` if curl is not installed (see
/// [`find_program`]).
fn run_shell_script(script: &str) -> Option<String> {
    find_program(&["curl"], "curl")?;
    let result = Command::new("sh").arg("-euc").arg(script).output().unwrap();
    let output = String::from_utf8(result.stdout).unwrap();
    assert!(result.status.success(), "{output}");
    Some(output)
}

/// The method and path of every operation that needs no body, except the sign-out.
fn operations_without_body() -> Vec<(&'static str, String)> {
    let needs_no_body = |operation: &&'static Operation| {
        let is_required = operation.definition["requestBody"]["required"] == true;
        operation.method != "GET" && !is_required && operation.id != "logout"
    };
    let replace = |part: &'static str| match part {
        "{name}" => "users.read",
        _ if part.starts_with('{') => "00000000-0000-0000-0000-000000000000",
        _ => part,
    };
    let request = |operation: &'static Operation| {
        let parts: Vec<&str> = operation.path.split('/').map(replace).collect();
        (operation.method.as_str(), parts.join("/"))
    };
    operations()
        .iter()
        .filter(needs_no_body)
        .map(request)
        .collect()
}
