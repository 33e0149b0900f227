//! The verbs that take one account or many. Each account is decided and changed by itself; the answer has a line for each,
//! and the exit status is 1 when one was refused.

use clap::Args;

use super::listing::{domain, each_page};
use crate::accounts::users::bulk::Action;
use crate::accounts::users::bulk::service::{self, Item, Outcome, Target};
use crate::accounts::users::service::Filter;
use crate::cli::ask::YesFlag;
use crate::cli::context::CliContext;
use crate::cli::output::{Cell, Column, FormFlags, Listing, Row};
use crate::cli::progress::Progress;
use crate::cli::{Failure, tell};

/// Accounts by name, or all that a filter lets through.
#[derive(Args)]
pub struct Whom {
    /// The accounts: usernames, ids or email addresses.
    #[arg(value_name = "ACCOUNT", required_unless_present_any = ["email_domain", "tag", "role"], conflicts_with_all = ["email_domain", "tag", "role"])]
    names: Vec<String>,
    /// All accounts with an email address in this domain.
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    email_domain: Option<String>,
    /// All accounts with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// All accounts with this role.
    #[arg(long)]
    role: Option<String>,
}

/// How it is done and told.
#[derive(Args, Clone, Copy)]
pub struct Manner {
    /// Only say what would come of it for each account.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    form: FormFlags,
}

impl Manner {
    /// Whether nothing is to be done.
    pub const fn is_dry_run(self) -> bool {
        self.dry_run
    }
}

#[derive(Args)]
pub struct Rm {
    #[command(flatten)]
    whom: Whom,
    /// Remove them for ever, with all that hangs on them.
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    yes: YesFlag,
}

pub fn rm(desk: &CliContext<'_>, arguments: Rm) -> Result<(), Failure> {
    let targets = arguments.whom.targets(desk, None)?;
    let (action, question) = if arguments.purge {
        (Action::Purge, "Remove for ever")
    } else {
        (Action::Delete, "Delete")
    };
    if !arguments.manner.dry_run {
        confirm_all(arguments.yes, question, &targets)?;
    }
    carry_out(desk, &action, targets, arguments.manner)
}

/// One account or more, by name.
#[derive(Args)]
pub struct Named {
    /// The accounts: usernames, ids or email addresses.
    #[arg(required = true, value_name = "ACCOUNT")]
    names: Vec<String>,
    #[command(flatten)]
    manner: Manner,
}

/// Does it to each.
pub fn named(desk: &CliContext<'_>, action: &Action, arguments: &Named) -> Result<(), Failure> {
    let targets = targets(desk, &arguments.names)?;
    carry_out(desk, action, targets, arguments.manner)
}

/// One account, and tags.
#[derive(Args)]
pub struct Tagged {
    /// The account: username, id or email address.
    account: String,
    /// The tags.
    #[arg(required = true, value_name = "TAG")]
    tags: Vec<String>,
    #[command(flatten)]
    manner: Manner,
}

/// Adds the tags, or takes them away.
pub fn tagged(
    desk: &CliContext<'_>,
    action: fn(Vec<String>) -> Action,
    arguments: Tagged,
) -> Result<(), Failure> {
    let targets = targets(desk, &[arguments.account])?;
    carry_out(desk, &action(arguments.tags), targets, arguments.manner)
}

/// Accounts by name or by a filter, which asks first.
#[derive(Args)]
pub struct Chosen {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    yes: YesFlag,
}

/// Does it to each; `is_active` narrows what a filter lets through.
pub fn chosen(
    desk: &CliContext<'_>,
    action: &Action,
    question: &str,
    is_active: Option<bool>,
    arguments: Chosen,
) -> Result<(), Failure> {
    let Chosen { whom, manner, yes } = arguments;
    let asks = whom.names.is_empty() && !manner.dry_run;
    let targets = whom.targets(desk, is_active)?;
    if asks && !targets.is_empty() {
        confirm_all(yes, question, &targets)?;
    }
    carry_out(desk, action, targets, manner)
}

impl Whom {
    fn targets(
        self,
        desk: &CliContext<'_>,
        is_active: Option<bool>,
    ) -> Result<Vec<Target>, Failure> {
        if !self.names.is_empty() {
            return targets(desk, &self.names);
        }
        let filter = Filter {
            email_domain: self.email_domain,
            tag: self.tag,
            role: self.role,
            is_active,
            ..Filter::default()
        };
        let mut targets = Vec::new();
        each_page(desk, &filter, None, |page| {
            targets.extend(page.iter().map(Target::from));
            Ok(())
        })?;
        Ok(targets)
    }
}

/// All of them, or nothing is done: a name that no account has fails.
fn targets(desk: &CliContext<'_>, names: &[String]) -> Result<Vec<Target>, Failure> {
    let target = |name: &String| {
        desk.account(name).map(|row| Target {
            id: row.id,
            username: Some(row.username),
        })
    };
    names.iter().map(target).collect()
}

fn confirm_all(yes: YesFlag, question: &str, targets: &[Target]) -> Result<(), Failure> {
    match targets {
        [one] => yes.confirm(&format!("{question} {}?", name_of(one))),
        many => yes.confirm(&format!("{question} {} accounts?", many.len())),
    }
}

fn name_of(target: &Target) -> String {
    target
        .username
        .clone()
        .unwrap_or_else(|| target.id.to_string())
}

/// Does it to each, in a transaction of its own, and says what came of it.
pub fn carry_out(
    desk: &CliContext<'_>,
    action: &Action,
    targets: Vec<Target>,
    manner: Manner,
) -> Result<(), Failure> {
    let Manner { dry_run, form } = manner;
    let count = targets.len();
    if count == 0 {
        tell("There is no such account.");
    }
    desk.db.read_now(|tx| service::check(tx, action))?;
    let mut progress = Progress::begin(count);
    let mut listing = Listing::begin(form)?;
    let mut refused = Vec::new();
    for target in targets {
        let work = |tx: &mut crate::platform::db::Tx<'_>| {
            service::act(tx, &desk.operator, action, target.id)
        };
        let done = if dry_run {
            desk.db.rehearse_now(work)
        } else {
            desk.db.write_now(work)
        };
        let name = name_of(&target);
        let item = service::item(target, done).map_err(|error| {
            Failure::from(error).about(&format!("{name}, and no account after it, was changed"))
        })?;
        if item.outcome == Outcome::Refused {
            refused.push(format!(
                "{name}: {}",
                item.detail.as_deref().unwrap_or_default()
            ));
        }
        progress.step();
        listing.add(&[item])?;
    }
    progress.end();
    listing.end()?;
    match refused.as_slice() {
        [] => Ok(()),
        [one] if count == 1 => Err(Failure::Failed(one.clone())),
        many => Err(Failure::Failed(format!(
            "{} of {count} were refused",
            many.len()
        ))),
    }
}

impl Row for Item {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::extra("id", |item| Cell::Text(item.id.to_string())),
        Column::shown("username", "ACCOUNT", |item| (&item.username).into()),
        Column::shown("outcome", "OUTCOME", |item| match item.outcome {
            Outcome::Done => "done".into(),
            Outcome::Refused => "refused".into(),
        }),
        Column::shown("code", "CODE", |item| match item.code {
            Some(code) => code.into(),
            None => Cell::Nothing,
        }),
        Column::shown("detail", "WHY", |item| (&item.detail).into()),
    ];
}
