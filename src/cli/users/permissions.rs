//! `rosterd users permissions set` and `rosterd users can`.

use clap::{Args, Subcommand};

use crate::access::authentication::{Can, needs};
use crate::accounts::user_admin;
use crate::accounts::users::service;
use crate::cli::CliError;
use crate::cli::context::CliContext;
use crate::cli::output::FormatFlags;
use crate::cli::print_stdout;
use crate::platform::http::IfMatch;

#[derive(Subcommand)]
pub enum UserPermissionsCommand {
    /// Replace the permissions granted directly to a user; without any permission, remove all of them.
    #[command(after_help = "\
Examples:
  rosterd users permissions set ada users.read audit.read
  rosterd users permissions set ada")]
    Set {
        /// Username, id or email address.
        user: String,
        /// The new direct permissions; those of the role are not affected.
        #[arg(value_name = "PERMISSION")]
        permissions: Vec<String>,
        #[command(flatten)]
        format: FormatFlags,
    },
}

pub fn run(context: &CliContext<'_>, command: UserPermissionsCommand) -> Result<(), CliError> {
    let UserPermissionsCommand::Set {
        user,
        permissions,
        format,
    } = command;
    let row = context.find_account(&user)?;
    let actor: Can<needs::ManagePermissions> = context.authorize()?;
    let updated = context.db.write_now(|tx| {
        user_admin::service::replace_permissions(tx, &actor, row.id, &permissions, &IfMatch::Absent)
    })?;
    super::report::report(format, &updated, "updated")
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users can ada users.read
  if rosterd users can ada assets.write; then …; fi")]
pub struct CanArgs {
    /// Username, id or email address.
    user: String,
    /// The name of the permission.
    permission: String,
}

pub fn run_can(context: &CliContext<'_>, args: &CanArgs) -> Result<(), CliError> {
    let row = context.find_account(&args.user)?;
    let is_allowed = context
        .db
        .read_now(|tx| service::can_use(tx, &row, &args.permission))?;
    print_stdout(if is_allowed { "yes\n" } else { "no\n" })?;
    if is_allowed {
        Ok(())
    } else {
        Err(CliError::NegativeAnswer)
    }
}
