//! `rosterd audit`: lists, verifies and resets the audit log.

mod events;
mod list_flags;
mod logins;

use clap::{Args, Subcommand};

use super::context::{CliContext, with_context};
use super::progress_bar::ProgressBar;
use super::prompt::YesFlag;
use super::{CliError, print_stderr, print_stdout};
use crate::audit::chain::{self, ChainHead, ChainReport};
use crate::platform::config::Config;

#[derive(Subcommand)]
pub enum AuditCommand {
    /// List audited actions, newest first.
    Events(events::EventsArgs),
    /// List sign-in attempts, newest first.
    Logins(logins::LoginsArgs),
    /// Verify that no entry was changed, deleted or inserted.
    Verify(VerifyArgs),
    /// Delete all entries.
    Reset(ResetAuditArgs),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  rosterd audit verify

Prints the head of the hash chain. Store it elsewhere and pass it to a later run with --expect to detect that the newest \
entries were deleted. The exit status is 1 if the log was tampered with; the message names the first affected entry.")]
pub struct VerifyArgs {
    /// The head that an earlier run printed.
    #[arg(long, value_name = "POSITION:HASH")]
    expect: Option<ChainHead>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd audit reset
  rosterd audit reset --yes

The reset itself is recorded in the log. It needs a database role that may delete from the audit tables.")]
pub struct ResetAuditArgs {
    #[command(flatten)]
    yes: YesFlag,
}

pub fn run(config: &Config, command: AuditCommand) -> Result<(), CliError> {
    with_context(config, |context| match command {
        AuditCommand::Events(args) => events::run(context, args),
        AuditCommand::Logins(args) => logins::run(context, args),
        AuditCommand::Verify(args) => verify(context, &args),
        AuditCommand::Reset(args) => reset(context, &args),
    })
}

fn verify(context: &CliContext<'_>, args: &VerifyArgs) -> Result<(), CliError> {
    let vault = context.vault()?;
    let expected_head = args.expect.as_ref();
    let mut progress_bar = ProgressBar::new(context.db.read_now(chain::service::count_batches)?);
    let report = context.db.write_now(|tx| {
        let mut on_batch = || progress_bar.advance();
        Ok(chain::service::verify(
            tx,
            &vault,
            expected_head,
            &mut on_batch,
        )?)
    });
    progress_bar.clear();
    let report = report?;
    let summary = match report {
        ChainReport::Intact(summary) => summary,
        ChainReport::Tampered(tampering) => {
            return Err(CliError::Failed(format!("the audit log: {tampering}")));
        }
    };
    if expected_head.is_some_and(|head| head.position < summary.head.position - summary.rows) {
        print_stderr(
            "The entries up to the expected head have been deleted since, because their retention time has passed.",
        );
    }
    print_stderr(&format!(
        "{} entries verified; {} entries are not sealed yet.",
        summary.rows, summary.unsealed
    ));
    Ok(print_stdout(&format!("{}\n", summary.head))?)
}

fn reset(context: &CliContext<'_>, args: &ResetAuditArgs) -> Result<(), CliError> {
    args.yes
        .confirm_by_typing("This deletes the audit log permanently.", "reset")?;
    let vault = context.vault()?;
    let deleted = context
        .db
        .write_now(|tx| chain::service::reset(tx, &vault, &context.operator))?;
    print_stderr(&format!("{deleted} entries deleted."));
    Ok(())
}
