//! The commands that act on one or many users. Each user is changed in a separate transaction and has a line in the
//! output; the exit status is 1 if the action was refused for any of them.

use clap::Args;
use serde::Serialize;

use super::list::{for_each_page, parse_domain};
use crate::access::tokens::PersonalTokens;
use crate::accounts::user_admin::bulk::BulkAction;
use crate::accounts::user_admin::bulk::service::{self, BulkItem, BulkOutcome, BulkTarget};
use crate::accounts::users::{UserFilter, UserSort};
use crate::cli::context::CliContext;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Cell, Column, FormatFlags, ListPrinter, TableRow};
use crate::cli::progress_bar::ProgressBar;
use crate::cli::prompt::YesFlag;
use crate::cli::{CliError, print_stderr};
use crate::platform::db::{Tx, WriteBatch};

/// The number of users whose results are printed together, after one wait for the replicas.
const BATCH_SIZE: usize = 50;

/// Selects users by username, id or email address, or all that match the filters.
#[derive(Args)]
pub struct UserSelection {
    /// Usernames, ids or email addresses.
    #[arg(value_name = "USER", required_unless_present_any = ["email_domain", "tag", "role"], conflicts_with_all = ["email_domain", "tag", "role"])]
    names: Vec<String>,
    /// All users with an email address in this domain.
    #[arg(long, value_name = "DOMAIN", value_parser = parse_domain)]
    email_domain: Option<String>,
    /// All users with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// All users with this role.
    #[arg(long)]
    role: Option<String>,
}

/// Dry run and output format.
#[derive(Args, Clone, Copy)]
pub struct BulkOptions {
    /// Print the result for each user without changing anything.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    format: FormatFlags,
}

impl BulkOptions {
    /// Whether nothing is to be changed.
    pub const fn is_dry_run(self) -> bool {
        self.dry_run
    }
}

#[derive(Args)]
pub struct DeleteUsersArgs {
    #[command(flatten)]
    selection: UserSelection,
    /// Delete the users and all their data permanently.
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    options: BulkOptions,
    #[command(flatten)]
    yes: YesFlag,
}

pub fn delete(context: &CliContext<'_>, args: DeleteUsersArgs) -> Result<(), CliError> {
    let targets = args.selection.targets(context, None)?;
    let (action, verb) = if args.purge {
        (BulkAction::Purge, "Permanently delete")
    } else {
        (BulkAction::Delete, "Delete")
    };
    if !args.options.dry_run {
        confirm(args.yes, verb, &targets)?;
    }
    apply_to_each(context, &action, targets, args.options)
}

/// One or more users, by name.
#[derive(Args)]
pub struct NamedUsersArgs {
    /// Usernames, ids or email addresses.
    #[arg(required = true, value_name = "USER")]
    names: Vec<String>,
    #[command(flatten)]
    options: BulkOptions,
}

/// Applies the action to users given by name.
pub fn run_on_named(
    context: &CliContext<'_>,
    action: &BulkAction,
    args: &NamedUsersArgs,
) -> Result<(), CliError> {
    let targets = find_targets(context, &args.names)?;
    apply_to_each(context, action, targets, args.options)
}

/// One user and tags.
#[derive(Args)]
pub struct TagsArgs {
    /// Username, id or email address.
    user: String,
    /// The tags.
    #[arg(required = true, value_name = "TAG")]
    tags: Vec<String>,
    #[command(flatten)]
    options: BulkOptions,
}

/// Adds or removes the tags.
pub fn run_tags(
    context: &CliContext<'_>,
    action: fn(Vec<String>) -> BulkAction,
    args: TagsArgs,
) -> Result<(), CliError> {
    let targets = find_targets(context, &[args.user])?;
    apply_to_each(context, &action(args.tags), targets, args.options)
}

/// Users by name, or by a filter after a confirmation.
#[derive(Args)]
pub struct SelectedUsersArgs {
    #[command(flatten)]
    selection: UserSelection,
    #[command(flatten)]
    options: BulkOptions,
    #[command(flatten)]
    yes: YesFlag,
}

/// Users, and whether their personal access tokens end too.
#[derive(Args)]
pub struct SignOutArgs {
    #[command(flatten)]
    users: SelectedUsersArgs,
    /// End their personal access tokens too.
    #[arg(long)]
    tokens: bool,
}

pub fn sign_out(context: &CliContext<'_>, args: SignOutArgs) -> Result<(), CliError> {
    let action = BulkAction::SignOut(PersonalTokens::end_if(args.tokens));
    run_on_selected(context, &action, "Sign out", None, args.users)
}

/// Applies the action to the selected users; `is_active` restricts a filter further.
pub fn run_on_selected(
    context: &CliContext<'_>,
    action: &BulkAction,
    verb: &str,
    is_active: Option<bool>,
    args: SelectedUsersArgs,
) -> Result<(), CliError> {
    let SelectedUsersArgs {
        selection,
        options,
        yes,
    } = args;
    let needs_confirmation = selection.names.is_empty() && !options.dry_run;
    let targets = selection.targets(context, is_active)?;
    if needs_confirmation && !targets.is_empty() {
        confirm(yes, verb, &targets)?;
    }
    apply_to_each(context, action, targets, options)
}

impl UserSelection {
    /// The selected users.
    fn targets(
        self,
        context: &CliContext<'_>,
        is_active: Option<bool>,
    ) -> Result<Vec<BulkTarget>, CliError> {
        if !self.names.is_empty() {
            return find_targets(context, &self.names);
        }
        let filter = UserFilter {
            email_domain: self.email_domain,
            tag: self.tag,
            role: self.role,
            is_active,
            ..UserFilter::default()
        };
        let mut targets = Vec::new();
        for_each_page(context, &filter, UserSort::default(), None, |page| {
            targets.extend(page.iter().map(BulkTarget::from));
            Ok(())
        })?;
        Ok(targets)
    }
}

/// Finds all users by name; an error if any of them does not exist.
fn find_targets(context: &CliContext<'_>, names: &[String]) -> Result<Vec<BulkTarget>, CliError> {
    let find_target = |name: &String| {
        context.find_account(name).map(|row| BulkTarget {
            id: row.id,
            username: Some(row.username),
        })
    };
    names.iter().map(find_target).collect()
}

fn confirm(yes: YesFlag, verb: &str, targets: &[BulkTarget]) -> Result<(), CliError> {
    match targets {
        [target] => yes.confirm(&format!("{verb} {}?", display_name(target))),
        _ => yes.confirm(&format!("{verb} {} users?", targets.len())),
    }
}

fn display_name(target: &BulkTarget) -> String {
    target
        .username
        .clone()
        .unwrap_or_else(|| target.id.to_string())
}

/// Applies the action to each user in a separate transaction, and prints the results.
pub fn apply_to_each(
    context: &CliContext<'_>,
    action: &BulkAction,
    targets: Vec<BulkTarget>,
    options: BulkOptions,
) -> Result<(), CliError> {
    let BulkOptions { dry_run, format } = options;
    let count = targets.len();
    if count == 0 {
        print_stderr("No user matches.");
    }
    context
        .db
        .read_now(|tx| service::check_role_exists(tx, action))?;
    let mut progress_bar = ProgressBar::new(count);
    let interrupt = Interrupt::watch()?;
    let mut processed = 0;
    let mut list_printer = ListPrinter::start(format)?;
    let mut refused = Vec::new();
    let mut targets = targets.into_iter().peekable();
    loop {
        let mut batch = service::begin(&context.db, action, dry_run);
        let chunk = targets.by_ref().take(BATCH_SIZE);
        let chunk = chunk.take_while(|_| !interrupt.is_pressed());
        let (items, result) = apply_to_batch(context, &mut batch, action, chunk, dry_run);
        batch.finish_now();
        processed += items.len();
        for item in &items {
            if item.outcome == BulkOutcome::Refused {
                let name = item.username.clone();
                refused.push(format!(
                    "{}: {}",
                    name.unwrap_or_else(|| item.id.to_string()),
                    item.detail.as_deref().unwrap_or_default()
                ));
            }
            progress_bar.advance();
        }
        let lines: Vec<BulkLine> = items
            .into_iter()
            .map(|item| BulkLine { item, dry_run })
            .collect();
        list_printer.print(&lines)?;
        result?;
        if targets.peek().is_none() || interrupt.is_pressed() {
            break;
        }
    }
    progress_bar.clear();
    list_printer.finish()?;
    if processed < count {
        let verb = if dry_run { "checked" } else { "processed" };
        return Err(CliError::InterruptedAfter(format!(
            "interrupted: {processed} of {count} users were {verb}, {} of them refused",
            refused.len()
        )));
    }
    match refused.as_slice() {
        [] => Ok(()),
        [reason] if count == 1 => Err(CliError::Failed(reason.clone())),
        _ => Err(CliError::Failed(format!(
            "{} of {count} users were refused",
            refused.len()
        ))),
    }
}

/// The results for the users up to the first error that is not about one user, and that error.
fn apply_to_batch(
    context: &CliContext<'_>,
    batch: &mut WriteBatch<'_>,
    action: &BulkAction,
    targets: impl Iterator<Item = BulkTarget>,
    dry_run: bool,
) -> (Vec<BulkItem>, Result<(), CliError>) {
    let mut items = Vec::new();
    for target in targets {
        let transaction =
            |tx: &mut Tx<'_>| service::apply_action(tx, &context.operator, action, target.id);
        let result = if dry_run {
            context.db.dry_run_now(transaction)
        } else {
            batch.write_now(transaction)
        };
        let name = display_name(&target);
        match service::to_item(target, result) {
            Ok(item) => items.push(item),
            Err(error) => {
                let subject = format!("{name} and the users after it were not changed");
                return (items, Err(CliError::from(error).with_subject(&subject)));
            }
        }
    }
    (items, Ok(()))
}

/// The result for one user.
#[derive(Serialize)]
struct BulkLine {
    #[serde(flatten)]
    item: BulkItem,
    /// Whether nothing was changed.
    #[serde(skip)]
    dry_run: bool,
}

impl TableRow for BulkLine {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::extra("id", |line| Cell::Text(line.item.id.to_string())),
        Column::shown("username", "ACCOUNT", |line| (&line.item.username).into()),
        Column::shown("outcome", "OUTCOME", |line| {
            match (line.item.outcome, line.dry_run) {
                (BulkOutcome::Done, false) => "done".into(),
                (BulkOutcome::Done, true) => "would change".into(),
                (BulkOutcome::Refused, false) => "refused".into(),
                (BulkOutcome::Refused, true) => "would be refused".into(),
            }
        }),
        Column::shown("code", "CODE", |line| match line.item.code {
            Some(code) => code.into(),
            None => Cell::Empty,
        }),
        Column::shown("detail", "WHY", |line| (&line.item.detail).into()),
    ];
}
