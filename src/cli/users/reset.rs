//! `rosterd users reset`: purges all users except `SuperAdmin`s.

use clap::Args;

use super::bulk::{BulkOptions, apply_to_each};
use super::list::for_each_page;
use crate::access::actor::SUPER_ADMIN;
use crate::accounts::user_admin::bulk::BulkAction;
use crate::accounts::user_admin::bulk::service::BulkTarget;
use crate::accounts::users::{UserFilter, UserSort};
use crate::cli::CliError;
use crate::cli::context::CliContext;
use crate::cli::print_stderr;
use crate::cli::prompt::YesFlag;

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users reset --dry-run
  rosterd users reset
  rosterd users reset --yes

Deleted users are purged too. SuperAdmins are kept, so that an administrator can still sign in; purge them by name.")]
pub struct ResetUsersArgs {
    #[command(flatten)]
    options: BulkOptions,
    #[command(flatten)]
    yes: YesFlag,
}

pub fn run(context: &CliContext<'_>, args: &ResetUsersArgs) -> Result<(), CliError> {
    let targets = select_all_but_super_admins(context)?;
    if targets.is_empty() {
        print_stderr("There are no users except SuperAdmins.");
        return Ok(());
    }
    if !args.options.is_dry_run() {
        let count = targets.len();
        let warning = format!("This purges {count} users permanently, including deleted ones.");
        args.yes.confirm_by_typing(&warning, &count.to_string())?;
    }
    apply_to_each(context, &BulkAction::Purge, targets, args.options)
}

fn select_all_but_super_admins(context: &CliContext<'_>) -> Result<Vec<BulkTarget>, CliError> {
    let mut targets = Vec::new();
    for deleted in [false, true] {
        let filter = UserFilter {
            deleted: Some(deleted),
            ..UserFilter::default()
        };
        for_each_page(context, &filter, UserSort::default(), None, |page| {
            let others = page.iter().filter(|user| user.role != SUPER_ADMIN);
            targets.extend(others.map(BulkTarget::from));
            Ok(())
        })?;
    }
    Ok(targets)
}
