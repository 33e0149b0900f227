//! Why a command did not do what it was told: one line that says what to do, and the exit status.

use std::io::ErrorKind;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue};
use signal_hook::consts::SIGINT;

use super::{CommandLine, DONE, FAILED, WRONG_USAGE};
use crate::platform::error::{AppError, Code, Fault, Kind};
use crate::platform::start_error::StartError;

/// How a command fails.
#[derive(Debug)]
pub enum Failure {
    /// It was called in a wrong way: exit status 2.
    Usage(String),
    /// It could not do it: exit status 1.
    Failed(String),
    /// The answer is no, and has been printed: exit status 1.
    No,
    /// The operator interrupted it while it asked: it ends as interrupted programs do.
    Interrupted,
    /// Whoever read the answer has gone, as `head` does: nothing failed.
    NobodyReads,
}

impl Failure {
    /// Says which account, role or file it was about.
    pub fn about(self, item: &str) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{item}: {why}")),
            Self::Usage(why) => Self::Usage(format!("{item}: {why}")),
            other => other,
        }
    }

    /// Says what to do about it.
    pub fn and_do(self, advice: &str) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{why}; {advice}")),
            other => other,
        }
    }

    /// A command that changes things was told of nothing to change.
    pub fn nothing_to_change(command: &str) -> Self {
        Self::Usage(format!(
            "nothing is to be changed: `{command} --help` shows what can be"
        ))
    }

    /// What the process exits with, after saying why.
    pub fn exit(self) -> i32 {
        match self {
            Self::NobodyReads => DONE,
            Self::No => FAILED,
            Self::Interrupted => {
                super::tell("");
                let _ = signal_hook::low_level::emulate_default_handler(SIGINT);
                FAILED
            }
            Self::Failed(why) => {
                super::tell(&format!("rosterd: {why}"));
                FAILED
            }
            Self::Usage(why) => {
                super::tell(&format!("rosterd: {why}"));
                WRONG_USAGE
            }
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::App(error) => error.into(),
            StartError::Io(_, cause) if cause.kind() == ErrorKind::BrokenPipe => Self::NobodyReads,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self::Failed(sentence(error))
    }
}

/// From writing the answer, or from asking the operator.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::NobodyReads,
            ErrorKind::Interrupted => Self::Interrupted,
            _ => Self::Failed(format!("the answer can't be written: {error}")),
        }
    }
}

/// What a failure of a use case says to the operator: the fields at fault or the reason, the stable code, and what helps.
pub fn sentence(error: AppError) -> String {
    let (code, help) = (error.code(), help(&error));
    let why = match (code.kind(), error.faults(), error.detail_text()) {
        // The operator may know the cause.
        (Kind::Internal | Kind::Unavailable, ..) => StartError::from(error).to_string(),
        (_, [], Some(detail)) => without_stop(detail).to_owned(),
        (_, [], None) => code.title().to_owned(),
        (_, faults, _) => faults.iter().map(of_field).collect::<Vec<_>>().join("; "),
    };
    let why = match code {
        Code::RequestInvalid => why,
        code => format!("{why} ({})", code.as_str()),
    };
    match help {
        Some(help) => format!("{why}; {help}"),
        None => why,
    }
}

fn of_field(fault: &Fault) -> String {
    let mut parts = fault.pointer.trim_start_matches(['/', '?']).split('/');
    match parts.next() {
        None | Some("") => fault.detail.to_string(),
        Some(field) => format!("{field}: {}", fault.detail),
    }
}

/// What the operator can do about it.
fn help(error: &AppError) -> Option<&'static str> {
    if error
        .faults()
        .iter()
        .any(|fault| fault.code == "role_unknown")
    {
        return Some("`rosterd roles ls` shows the roles");
    }
    Some(match error.code() {
        Code::PermissionUnknown => {
            "`rosterd permissions ls` shows the catalogue, `rosterd permissions add` registers one"
        }
        Code::LastSuperAdmin => "make another one first: `rosterd users mod NAME --superadmin`",
        Code::PreconditionFailed => "somebody else changed it meanwhile: try again",
        Code::DatabaseUnavailable => "`rosterd doctor` looks for the cause",
        _ => return None,
    })
}

fn without_stop(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}

/// What clap says of a wrong command line, in one line.
pub fn of_usage(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut said: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        said.push(line.strip_prefix("error: ").unwrap_or(line));
    }
    let mut sentence = String::new();
    for part in said.into_iter().filter(|part| !part.is_empty()) {
        let joint = match sentence.chars().last() {
            None => "",
            Some(':') => " ",
            Some(_) => "; ",
        };
        sentence = sentence + joint + part.strip_prefix("tip: ").unwrap_or(part);
    }
    Failure::Usage(format!("{sentence} (see `{} --help`)", command_of(error)))
}

/// The command that was called, as far as it is known.
fn command_of(error: &clap::Error) -> String {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => {
            let usage = usage.to_string();
            let words = usage.trim_start_matches("Usage:").split_whitespace();
            let names: Vec<&str> = words
                .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
                .collect();
            names.join(" ")
        }
        _ => CommandLine::command().get_name().to_owned(),
    }
}
