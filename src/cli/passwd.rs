//! `rosterd passwd`: set an account's password from the machine, so that a lost one is no dead end.

use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

use clap::Args;

use super::tell;
use crate::app::StartError;
use crate::auth::{Actor, Can};
use crate::config::Config;
use crate::db::cluster::Mode;
use crate::http::IfMatch;
use crate::passwords::{Chooser, Password};
use crate::place::Place;
use crate::secrets::Vault;
use crate::users;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  rosterd passwd ada\n  pass show ada | rosterd passwd ada --password-stdin"
)]
pub struct Arguments {
    /// The account's username.
    name: String,
    /// Read the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
}

pub fn run(config: &Config, arguments: &Arguments) -> Result<(), StartError> {
    let mut place = Place::open(config, Mode::Existing, &tell)?;
    let db = crate::app::database(config, place.url())?;
    let row = db
        .read_now(|tx| users::service::by_username(tx, &arguments.name))
        .map_err(|error| match error.code() {
            crate::error::Code::NotFound => {
                StartError::Other(format!("there is no account called {}", arguments.name))
            }
            _ => error.into(),
        })?;
    let password = Password::new(read_password(arguments.password_stdin)?);
    let vault = Arc::new(Vault::new(place.secret_key())?);
    let passwords = crate::app::passwords(config, &vault)?;
    let hash = actix_web::rt::System::new()
        .block_on(passwords.choose(&db, Chooser::Account(row.id), password, "password"))
        .map_err(one_line)?;
    let by = Can::prove(Arc::new(Actor::operator(operator(config))))?;
    db.write_now(|tx| users::service::reset_password(tx, &by, row.id, &hash, &IfMatch::Absent))
        .map_err(one_line)?;
    tell(&format!(
        "The password of {} is set; its sessions have ended.",
        row.username
    ));
    place.close()
}

fn operator(config: &Config) -> String {
    config
        .machine
        .user
        .clone()
        .unwrap_or_else(|| "unknown".to_owned())
}

fn one_line(error: crate::error::AppError) -> StartError {
    match error.faults() {
        [] => error.into(),
        faults => {
            let why: Vec<String> = faults
                .iter()
                .map(|fault| format!("{}: {}", fault.pointer, fault.detail))
                .collect();
            StartError::Other(why.join("; "))
        }
    }
}

fn read_password(from_stdin: bool) -> Result<String, StartError> {
    let failed = |error| StartError::Io("the password can't be read", error);
    if from_stdin {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(failed)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    if !std::io::stdin().is_terminal() {
        return Err(StartError::Other(
            "there is no terminal to ask on: use --password-stdin".to_owned(),
        ));
    }
    let first = rpassword::prompt_password("New password: ").map_err(failed)?;
    let second = rpassword::prompt_password("Once more: ").map_err(failed)?;
    if first == second {
        Ok(first)
    } else {
        Err(StartError::Other("the two are not the same".to_owned()))
    }
}
