//! `rosterd passwd`: set an account's password from the machine, so that a lost one is no dead end.

use clap::Args;

use super::ask::{PasswordFlags, YesFlag};
use super::{Failure, context, print, tell};
use crate::access::passwords::Chooser;
use crate::accounts::users;
use crate::platform::config::Config;
use crate::platform::http::IfMatch;

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd passwd ada
  pass show ada | rosterd passwd ada --password-stdin
  rosterd passwd ada --generate-password
  rosterd passwd ada --rm")]
pub struct Arguments {
    /// The account: username, id or email address.
    name: String,
    #[command(flatten)]
    password: PasswordFlags,
    /// Remove the password: the account can't sign in with one until it gets another.
    #[arg(long, conflicts_with = "password-source")]
    rm: bool,
    #[command(flatten)]
    yes: YesFlag,
}

pub fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    context::at(config, |desk| {
        let account = desk.account(&arguments.name)?;
        let by = desk.may()?;
        if arguments.rm {
            let question = format!("Remove the password of {}?", account.username);
            arguments.yes.confirm(&question)?;
            desk.db.write_now(|tx| {
                users::service::remove_password(tx, &by, account.id, &IfMatch::Absent)
            })?;
            tell(&format!(
                "The password of {} is removed; its sessions have ended.",
                account.username
            ));
            return Ok(());
        }
        let chosen = arguments.password.given_or_typed()?;
        let hash = desk.hash(Chooser::Account(account.id), chosen.password)?;
        desk.db.write_now(|tx| {
            users::service::reset_password(tx, &by, account.id, &hash, &IfMatch::Absent)
        })?;
        tell(&format!(
            "The password of {} is set; its sessions have ended.",
            account.username
        ));
        if let Some(text) = chosen.made_up {
            print(&format!("{text}\n"))?;
        }
        Ok(())
    })
}
