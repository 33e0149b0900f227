//! `rosterd users reset`: begin anew with nobody left but who is a `SuperAdmin`.

use clap::Args;

use super::listing::each_page;
use super::many::{Manner, carry_out};
use crate::accounts::roles::SUPER_ADMIN;
use crate::accounts::users::bulk::Action;
use crate::accounts::users::bulk::service::Target;
use crate::accounts::users::service::Filter;
use crate::cli::Failure;
use crate::cli::ask::YesFlag;
use crate::cli::context::CliContext;
use crate::cli::tell;

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users reset --dry-run
  rosterd users reset
  rosterd users reset --yes

Deleted accounts are removed too. SuperAdmins stay, so that somebody can still sign in: remove those by name.
It asks twice; --yes answers both.")]
pub struct Arguments {
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    yes: YesFlag,
}

pub fn run(desk: &CliContext<'_>, arguments: &Arguments) -> Result<(), Failure> {
    let targets = all_but_super_admins(desk)?;
    if targets.is_empty() {
        tell("There is no account but those of SuperAdmins.");
        return Ok(());
    }
    if !arguments.manner.is_dry_run() {
        let count = targets.len();
        let what = format!("This removes {count} accounts for ever, the deleted ones too.");
        arguments.yes.confirm_by_typing(&what, &count.to_string())?;
    }
    carry_out(desk, &Action::Purge, targets, arguments.manner)
}

fn all_but_super_admins(desk: &CliContext<'_>) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    for deleted in [false, true] {
        let filter = Filter {
            deleted,
            ..Filter::default()
        };
        each_page(desk, &filter, None, |page| {
            let others = page.iter().filter(|user| user.role != SUPER_ADMIN);
            targets.extend(others.map(Target::from));
            Ok(())
        })?;
    }
    Ok(targets)
}
