//! The command line of a machine whose database is a test's schema: the real program, with nobody at a terminal.

use serde_json::Value;

use super::binary;

/// Who is at the command line in tests.
pub const OPERATOR: &str = "ops";

/// The program with its settings.
pub struct Cli {
    settings: Vec<(String, String)>,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Cli {
    pub fn new(settings: Vec<(String, String)>) -> Self {
        Self { settings }.with("LOGNAME", OPERATOR)
    }

    /// With this setting besides, or instead.
    pub fn with(mut self, name: &str, text: &str) -> Self {
        self.settings.retain(|(other, _)| other != name);
        self.settings.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Runs a command; its words are separated by spaces.
    pub fn run(&self, line: &str) -> Ran {
        self.run_with("", &line.split(' ').collect::<Vec<_>>())
    }

    /// Runs a command with these words and this standard input.
    pub fn run_with(&self, input: &str, words: &[&str]) -> Ran {
        let output = binary::run(words, &self.settings, input);
        Ran {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The program, for a test that runs it in its own way.
    pub fn command(&self, line: &str) -> std::process::Command {
        binary::rosterd(&line.split(' ').collect::<Vec<_>>(), &self.settings)
    }
}

impl Ran {
    /// Holds if the command ended with this status; shows what it said if not.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}{}", self.out, self.err);
        self
    }

    /// Holds if the command failed with this status and this one line.
    #[track_caller]
    pub fn expect_error(self, status: i32, said: &str) -> Self {
        let ran = self.expect(status);
        assert_eq!(ran.err, format!("rosterd: {said}\n"));
        ran
    }

    /// What was printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// The lines that were printed.
    pub fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }
}
