//! `rosterd audit`: who did what to whom, who tried to sign in, and whether the log is as it was written.

mod events;
mod listing;
mod logins;

use clap::{Args, Subcommand};

use super::ask::YesFlag;
use super::progress::Progress;
use super::{Failure, context, print, tell};
use crate::audit::chain::{self, Head, Report};
use crate::cli::context::CliContext;
use crate::platform::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// List what was done, the newest first.
    Events(events::Arguments),
    /// List who tried to sign in, the newest first.
    Logins(logins::Arguments),
    /// Verify that nothing in the log was changed, deleted or inserted.
    Verify(Verify),
    /// Remove everything from the log.
    Reset(Reset),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  rosterd audit verify

It prints the end of the log's hash chain. Keep that elsewhere: given back with --expect, it shows also that nobody cut the
newest rows off. Exit status 1 names the first row that is not as it was written.")]
pub struct Verify {
    /// An end that was printed before.
    #[arg(long, value_name = "POSITION:HASH")]
    expect: Option<Head>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd audit reset
  rosterd audit reset --yes

The log then says who reset it. It needs the owner of the tables: the service's own role may not delete from the log.")]
pub struct Reset {
    #[command(flatten)]
    yes: YesFlag,
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    context::at(config, |desk| match command {
        Command::Events(arguments) => events::run(desk, arguments),
        Command::Logins(arguments) => logins::run(desk, arguments),
        Command::Verify(arguments) => verify(desk, &arguments),
        Command::Reset(arguments) => reset(desk, &arguments),
    })
}

fn verify(desk: &CliContext<'_>, arguments: &Verify) -> Result<(), Failure> {
    let vault = desk.vault()?;
    let noted = arguments.expect.as_ref();
    let mut progress = Progress::begin(desk.db.read_now(chain::service::pages)?);
    let report = desk.db.write_now(|tx| {
        let mut page = || progress.step();
        Ok(chain::service::verify(tx, &vault, noted, &mut page)?)
    });
    progress.end();
    let report = report?;
    let sound = match report {
        Report::Sound(sound) => sound,
        Report::Broken(fault) => return Err(Failure::Failed(format!("the audit log: {fault}"))),
    };
    if noted.is_some_and(|noted| noted.position < sound.head.position - sound.rows) {
        tell("The rows up to the expected end have been removed since, as they were too old.");
    }
    tell(&format!(
        "{} rows are as they were written; {} more wait to be sealed.",
        sound.rows, sound.waiting
    ));
    Ok(print(&format!("{}\n", sound.head))?)
}

fn reset(desk: &CliContext<'_>, arguments: &Reset) -> Result<(), Failure> {
    arguments
        .yes
        .confirm_by_typing("Nothing brings the audit log back.", "reset")?;
    let vault = desk.vault()?;
    let gone = desk
        .db
        .write_now(|tx| chain::service::reset(tx, &vault, &desk.operator))?;
    tell(&format!("{gone} rows are removed."));
    Ok(())
}
