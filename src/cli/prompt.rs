//! Prompts: confirmation before a destructive operation, and hidden password input. Without a terminal the command fails
//! and names the flag that replaces the prompt.

use std::io::{BufRead, ErrorKind, IsTerminal, Write};

use clap::Args;

use super::interrupt::PromptInterrupt;
use super::{CliError, print_stderr};
use crate::access::passwords::Password;
use crate::platform::crypto;

/// The flag that skips the confirmation.
#[derive(Args, Clone, Copy)]
pub struct YesFlag {
    /// Skip the confirmation.
    #[arg(long, short, alias = "assume-yes", help_heading = None::<&'static str>)]
    pub yes: bool,
}

impl YesFlag {
    /// Asks a yes-or-no question; an error unless the answer is yes.
    pub fn confirm(self, question: &str) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        match read_line(&format!("{question} [y/N] "), "--yes")?.as_str() {
            "y" | "Y" | "yes" | "Yes" => Ok(()),
            _ => Err(aborted()),
        }
    }

    /// Asks the operator to type `word`; an error unless exactly that is typed. For operations that delete a lot.
    pub fn confirm_by_typing(self, warning: &str, word: &str) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        if read_line(&format!("{warning} Type {word} to continue: "), "--yes")? == word {
            Ok(())
        } else {
            Err(aborted())
        }
    }
}

fn aborted() -> CliError {
    CliError::Failed("aborted, nothing was changed".to_owned())
}

/// Whether the command can ask the person who runs it.
pub fn has_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Prompts on the terminal and reads one line. Without a terminal, the error names the flag that replaces the prompt.
pub fn read_line(prompt: &str, flag: &str) -> Result<String, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(no_terminal(flag));
    }
    let mut stderr = std::io::stderr();
    stderr.write_all(prompt.as_bytes())?;
    stderr.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn no_terminal(flag: &str) -> CliError {
    CliError::Failed(format!("standard input is not a terminal: use {flag}"))
}

/// Where the password comes from.
#[derive(Args)]
#[group(id = "password-source", multiple = false)]
#[command(next_help_heading = "Password")]
pub struct PasswordFlags {
    /// Prompt for the password; a PASSWORD given here is visible to other users of this machine.
    #[arg(long, short = 'p', num_args = 0..=1, value_name = "PASSWORD")]
    #[expect(
        clippy::option_option,
        reason = "absent, given without a value, given with a value"
    )]
    password: Option<Option<String>>,
    /// Read the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
    /// Generate a random password and print it.
    #[arg(long)]
    generate_password: bool,
}

/// A password from the flags.
pub struct PasswordInput {
    /// The password.
    pub password: Password,
    /// The same as text if it was generated, to be printed once.
    pub generated: Option<String>,
}

impl PasswordFlags {
    /// The password; `None` without any of the flags.
    pub fn read(self) -> Result<Option<PasswordInput>, CliError> {
        if self.generate_password {
            let text = crypto::generate_password()?;
            return Ok(Some(PasswordInput {
                password: Password::new(text.clone()),
                generated: Some(text),
            }));
        }
        let text = match self.password {
            _ if self.password_stdin => read_from_stdin()?,
            Some(Some(text)) => {
                print_stderr(
                    "rosterd: warning: a password on the command line is visible in the process list and the shell \
                     history; use --password-stdin instead",
                );
                text
            }
            Some(None) => prompt_twice()?,
            None => return Ok(None),
        };
        Ok(Some(PasswordInput {
            password: Password::new(text),
            generated: None,
        }))
    }

    /// The password; asks for it without any of the flags. `None` if nothing is entered.
    pub fn read_or_ask(self) -> Result<Option<PasswordInput>, CliError> {
        if self.password_stdin || self.generate_password || self.password.is_some() {
            return self.read();
        }
        let text = prompt_twice()?;
        Ok((!text.is_empty()).then(|| PasswordInput {
            password: Password::new(text),
            generated: None,
        }))
    }

    /// The password; prompts for it without any of the flags.
    pub fn read_or_prompt(mut self) -> Result<PasswordInput, CliError> {
        if !self.password_stdin && !self.generate_password && self.password.is_none() {
            self.password = Some(None);
        }
        self.read()?
            .ok_or_else(|| CliError::Usage("a password is required".to_owned()))
    }
}

fn read_from_stdin() -> Result<String, CliError> {
    let mut line = String::new();
    let bytes_read = std::io::stdin().lock().read_line(&mut line);
    match bytes_read.map_err(|error| read_error(&error))? {
        0 => Err(CliError::Failed(
            "password: standard input is empty".to_owned(),
        )),
        _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// Prompts twice on the terminal, without echo.
fn prompt_twice() -> Result<String, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(no_terminal("--password-stdin"));
    }
    let interrupt = PromptInterrupt::watch()?;
    let prompt = |text| rpassword::prompt_password(text).map_err(|error| read_error(&error));
    let passwords =
        prompt("New password: ").and_then(|first| Ok((first, prompt("Repeat new password: ")?)));
    if interrupt.is_pressed() {
        return Err(CliError::Interrupted);
    }
    match passwords? {
        (first, second) if first == second => Ok(first),
        _ => Err(CliError::Failed("the passwords do not match".to_owned())),
    }
}

fn read_error(error: &std::io::Error) -> CliError {
    match error.kind() {
        ErrorKind::Interrupted => CliError::Interrupted,
        _ => CliError::Failed(format!("can't read the password: {error}")),
    }
}
