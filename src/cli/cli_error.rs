//! How a command fails: the one-line message for the operator and the exit status.

use std::io::ErrorKind;

use clap::error::{ContextKind, ContextValue};
use signal_hook::consts::SIGINT;

use super::standard_streams::print_stderr;
use crate::platform::error::{AppError, Code, ErrorCategory, FieldError};
use crate::platform::start_error::StartError;

/// Exit status: success.
pub const EXIT_OK: i32 = 0;
/// Exit status: failure.
pub const EXIT_FAILED: i32 = 1;
/// Exit status: invalid command line.
pub const EXIT_USAGE: i32 = 2;
/// Exit status: the answer is "no".
const EXIT_NO: i32 = 3;
/// Exit status: ended by SIGINT, as shells report it.
const EXIT_INTERRUPTED: i32 = 130;

/// Why a command ended without success. The variant decides the exit status.
#[derive(Debug)]
pub enum CliError {
    /// The command line is invalid: exit status 2.
    Usage(String),
    /// The command failed: exit status 1.
    Failed(String),
    /// The answer is "no" and has been printed: exit status 3.
    NegativeAnswer,
    /// The operator pressed Ctrl-C at a prompt: the process ends as if killed by SIGINT.
    Interrupted,
    /// The operator pressed Ctrl-C in long work, and this is how far it came: the process ends in the same way.
    InterruptedAfter(String),
    /// The reader of standard output closed the pipe, as `head` does: exit status 0.
    OutputClosed,
}

impl CliError {
    /// Prefixes the message with the account, role or file that it is about.
    pub fn with_subject(self, subject: &str) -> Self {
        match self {
            Self::Failed(message) => Self::Failed(format!("{subject}: {message}")),
            Self::Usage(message) => Self::Usage(format!("{subject}: {message}")),
            other => other,
        }
    }

    /// Appends what the operator can do about it.
    pub fn with_advice(self, advice: &str) -> Self {
        match self {
            Self::Failed(message) => Self::Failed(format!("{message}; {advice}")),
            other => other,
        }
    }

    /// The error of a `mod` command without any change.
    pub fn nothing_to_change(command: &str) -> Self {
        Self::Usage(format!(
            "nothing to change: `{command} --help` lists the options"
        ))
    }

    /// Prints the message to standard error and returns the exit status.
    pub fn report(self) -> i32 {
        match self {
            Self::OutputClosed => EXIT_OK,
            Self::NegativeAnswer => EXIT_NO,
            Self::Interrupted => end_by_interrupt(),
            Self::InterruptedAfter(message) => {
                print_stderr(&format!("rosterd: {message}"));
                end_by_interrupt()
            }
            Self::Failed(message) => {
                print_stderr(&format!("rosterd: {message}"));
                EXIT_FAILED
            }
            Self::Usage(message) => {
                print_stderr(&format!("rosterd: {message}"));
                EXIT_USAGE
            }
        }
    }
}

/// Ends the process as SIGINT does, so that a shell script stops too. Returns the exit status in case the signal is blocked.
pub fn end_by_interrupt() -> i32 {
    print_stderr("");
    let _ = signal_hook::low_level::emulate_default_handler(SIGINT);
    EXIT_INTERRUPTED
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::App(error) => error.into(),
            StartError::Io(_, cause) if cause.kind() == ErrorKind::BrokenPipe => Self::OutputClosed,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<AppError> for CliError {
    fn from(error: AppError) -> Self {
        Self::Failed(describe(error))
    }
}

/// An error while writing the output or reading from the terminal.
impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::OutputClosed,
            ErrorKind::Interrupted => Self::Interrupted,
            _ => Self::Failed(format!("can't write the output: {error}")),
        }
    }
}

/// The error in one line: the invalid fields or the reason, the stable code, and what the operator can do.
pub fn describe(error: AppError) -> String {
    let (code, advice) = (error.code(), advice(&error));
    let reason = match (code.category(), error.field_errors(), error.detail()) {
        // Operators, unlike HTTP callers, may see the internal cause.
        (ErrorCategory::Internal | ErrorCategory::Unavailable, ..) => {
            StartError::from(error).to_string()
        }
        (_, [], Some(detail)) => without_final_period(detail).to_owned(),
        (_, [], None) => code.title().to_owned(),
        (_, field_errors, _) => field_errors
            .iter()
            .map(describe_field_error)
            .collect::<Vec<_>>()
            .join("; "),
    };
    let message = match code {
        Code::RequestInvalid => reason,
        code => format!("{reason} ({})", code.as_str()),
    };
    match advice {
        Some(advice) => format!("{message}; {advice}"),
        None => message,
    }
}

fn describe_field_error(error: &FieldError) -> String {
    let mut parts = error.pointer.trim_start_matches(['/', '?']).split('/');
    match parts.next() {
        None | Some("") => error.detail.to_string(),
        Some(field) => format!("{field}: {}", error.detail),
    }
}

/// What the operator can do about the error.
fn advice(error: &AppError) -> Option<&'static str> {
    if error
        .field_errors()
        .iter()
        .any(|field_error| field_error.code == "role_unknown")
    {
        return Some("`rosterd roles ls` lists the roles");
    }
    Some(match error.code() {
        Code::PermissionUnknown => {
            "`rosterd permissions ls` lists the catalogue, `rosterd permissions add` registers a permission"
        }
        Code::LastSuperAdmin => {
            "create another SuperAdmin first: `rosterd users mod NAME --superadmin`"
        }
        Code::PreconditionFailed => "it was changed in the meantime: try again",
        Code::StorageFull => "the disk of the database server is full: make space, then try again",
        Code::DatabaseUnavailable => "run `rosterd doctor` to find the cause",
        _ => return None,
    })
}

fn without_final_period(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}

/// Turns clap's multi-line message about an invalid command line into one line.
pub fn from_clap(error: &clap::Error) -> CliError {
    let text = error.render().to_string();
    let mut parts: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        parts.push(line.strip_prefix("error: ").unwrap_or(line));
    }
    let mut message = String::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let separator = match message.chars().last() {
            None => "",
            Some(':') => " ",
            Some(_) => "; ",
        };
        message = message + separator + part.strip_prefix("tip: ").unwrap_or(part);
    }
    CliError::Usage(format!(
        "{message} (see `{} --help`)",
        invoked_command(error)
    ))
}

/// The subcommand that clap recognized, from the usage line of its message.
fn invoked_command(error: &clap::Error) -> String {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => {
            let usage = usage.to_string();
            let words = usage.trim_start_matches("Usage:").split_whitespace();
            let names: Vec<&str> = words
                .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
                .collect();
            names.join(" ")
        }
        _ => "rosterd".to_owned(),
    }
}
