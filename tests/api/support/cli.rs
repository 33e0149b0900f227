//! Runs the `rosterd` binary with a test's schema as its database, without a terminal.

use serde_json::Value;

use super::binary;

/// The operating system user of the commands, as recorded in the audit log.
pub fn operator() -> String {
    let output = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The `rosterd` binary and its settings.
pub struct Cli {
    settings: Vec<(String, String)>,
}

/// Exit status and output of a command.
#[derive(Debug)]
pub struct CommandOutput {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Cli {
    pub fn new(settings: Vec<(String, String)>) -> Self {
        // Anyone can set this variable, so it must not appear in the audit log.
        Self { settings }.with("LOGNAME", "somebody-else")
    }

    /// Sets or replaces a setting.
    pub fn with(mut self, name: &str, text: &str) -> Self {
        self.settings.retain(|(other, _)| other != name);
        self.settings.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Runs a command line, split at spaces.
    pub fn run(&self, line: &str) -> CommandOutput {
        self.run_with_input("", &line.split(' ').collect::<Vec<_>>())
    }

    /// Runs a command with these arguments and this standard input.
    pub fn run_with_input(&self, input: &str, arguments: &[&str]) -> CommandOutput {
        let output = binary::run_rosterd(arguments, &self.settings, input);
        CommandOutput {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The command, for tests that start it themselves.
    pub fn command(&self, line: &str) -> std::process::Command {
        binary::rosterd_command(&line.split(' ').collect::<Vec<_>>(), &self.settings)
    }
}

impl CommandOutput {
    /// Asserts the exit status.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}{}", self.out, self.err);
        self
    }

    /// Asserts the exit status and that standard error is this one line after `rosterd: `.
    #[track_caller]
    pub fn expect_error(self, status: i32, message: &str) -> Self {
        let output = self.expect(status);
        assert_eq!(output.err, format!("rosterd: {message}\n"));
        output
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// The lines of standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }
}
