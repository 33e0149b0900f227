//! Asking the operator: for a yes before what can't be taken back, and for secrets, which are never shown. Without a
//! terminal nothing is asked; the flag that answers is named instead.

use std::io::{BufRead, ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use signal_hook::consts::SIGINT;

use super::{Failure, tell};
use crate::access::passwords::Password;
use crate::platform::crypto;

/// The flag of whatever asks.
#[derive(Args, Clone, Copy)]
pub struct YesFlag {
    /// Don't ask.
    #[arg(long, short)]
    pub yes: bool,
}

impl YesFlag {
    /// Asks, unless the answer was given with the command.
    pub fn confirm(self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        match ask(&format!("{question} [y/N] "), "--yes")?.as_str() {
            "y" | "Y" | "yes" | "Yes" => Ok(()),
            _ => Err(nothing_done()),
        }
    }

    /// Asks for the word itself, for what nobody should do by habit.
    pub fn confirm_by_typing(self, question: &str, word: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if ask(&format!("{question} Type {word} to go on: "), "--yes")? == word {
            Ok(())
        } else {
            Err(nothing_done())
        }
    }
}

fn nothing_done() -> Failure {
    Failure::Failed("nothing was done".to_owned())
}

/// One line from the operator.
fn ask(question: &str, instead: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(no_terminal(instead));
    }
    let mut out = std::io::stderr();
    out.write_all(question.as_bytes())?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn no_terminal(instead: &str) -> Failure {
    Failure::Failed(format!("there is no terminal to ask on: use {instead}"))
}

/// Where a password comes from.
#[derive(Args)]
#[group(id = "password-source", multiple = false)]
#[command(next_help_heading = "Password")]
pub struct PasswordFlags {
    /// Ask for it, hidden; a PASSWORD written here is seen by others on this machine.
    #[arg(long, num_args = 0..=1, value_name = "PASSWORD")]
    #[expect(
        clippy::option_option,
        reason = "absent, given without a value, given with one"
    )]
    password: Option<Option<String>>,
    /// Read it from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
    /// Make a random one and print it.
    #[arg(long)]
    generate_password: bool,
}

/// A password, and whether its owner has still to be told of it.
pub struct Chosen {
    /// What was chosen.
    pub password: Password,
    /// The same as text, if it was made up here.
    pub made_up: Option<String>,
}

impl PasswordFlags {
    /// The password that the flags give, if they give one.
    pub fn given(self) -> Result<Option<Chosen>, Failure> {
        if self.generate_password {
            let text = crypto::passphrase()?;
            return Ok(Some(Chosen {
                password: Password::new(text.clone()),
                made_up: Some(text),
            }));
        }
        let text = match self.password {
            _ if self.password_stdin => first_line()?,
            Some(Some(text)) => {
                tell(
                    "rosterd: warning: others can read a password in the list of processes and in the shell's \
                     history; --password-stdin hides it",
                );
                text
            }
            Some(None) => typed()?,
            None => return Ok(None),
        };
        Ok(Some(Chosen {
            password: Password::new(text),
            made_up: None,
        }))
    }

    /// The password that the flags give or, without any, that is typed.
    pub fn given_or_typed(mut self) -> Result<Chosen, Failure> {
        if !self.password_stdin && !self.generate_password && self.password.is_none() {
            self.password = Some(None);
        }
        self.given()?
            .ok_or_else(|| Failure::Usage("a password is needed".to_owned()))
    }
}

fn first_line() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match read.map_err(|error| unreadable(&error))? {
        0 => Err(Failure::Failed(
            "password: there is none on standard input".to_owned(),
        )),
        _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// Asks twice, on the terminal itself. An interrupt meanwhile ends the asking and not the process, which could not let the
/// terminal show again what is typed.
fn typed() -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(no_terminal("--password-stdin"));
    }
    let has_asked = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&has_asked))?;
    let ask = |prompt| rpassword::prompt_password(prompt).map_err(|error| unreadable(&error));
    let both = ask("New password: ").and_then(|first| Ok((first, ask("Once more: ")?)));
    has_asked.store(true, Ordering::Relaxed);
    match both? {
        (first, second) if first == second => Ok(first),
        _ => Err(Failure::Failed("the two are not the same".to_owned())),
    }
}

fn unreadable(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::Interrupted => Failure::Interrupted,
        _ => Failure::Failed(format!("the password can't be read: {error}")),
    }
}
