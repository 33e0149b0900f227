//! `rosterd users permissions` and `rosterd users can`: what an account may do.

use clap::{Args, Subcommand};

use crate::access::authentication::{Can as Proof, needs};
use crate::accounts::users::service;
use crate::cli::Failure;
use crate::cli::context::CliContext;
use crate::cli::output::FormFlags;
use crate::cli::print;
use crate::platform::http::IfMatch;

#[derive(Subcommand)]
pub enum Command {
    /// Replace all that is granted to an account directly; without any permission, take all of it away.
    #[command(after_help = "\
Examples:
  rosterd users permissions set ada users.read audit.read
  rosterd users permissions set ada")]
    Set {
        /// The account: username, id or email address.
        account: String,
        /// All that it has from then on, besides what its role gives.
        #[arg(value_name = "PERMISSION")]
        permissions: Vec<String>,
        #[command(flatten)]
        form: FormFlags,
    },
}

pub fn run(desk: &CliContext<'_>, command: Command) -> Result<(), Failure> {
    let Command::Set {
        account,
        permissions,
        form,
    } = command;
    let row = desk.account(&account)?;
    let by: Proof<needs::ManagePermissions> = desk.may()?;
    let user = desk.db.write_now(|tx| {
        service::replace_permissions(tx, &by, row.id, &permissions, &IfMatch::Absent)
    })?;
    super::report(form, &user, "changed")
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users can ada users.read
  if rosterd users can ada assets.write; then …; fi")]
pub struct Can {
    /// The account: username, id or email address.
    account: String,
    /// The permission.
    permission: String,
}

pub fn can(desk: &CliContext<'_>, arguments: &Can) -> Result<(), Failure> {
    let row = desk.account(&arguments.account)?;
    let may = desk
        .db
        .read_now(|tx| service::may_use(tx, &row, &arguments.permission))?;
    print(if may { "yes\n" } else { "no\n" })?;
    if may { Ok(()) } else { Err(Failure::No) }
}
