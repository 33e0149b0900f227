//! `rosterd users ls`: lists users.

use std::num::NonZeroUsize;

use clap::{ArgAction, Args};

use super::report::switch_value;
use crate::access::authentication::{Can, needs};
use crate::accounts::users::User;
use crate::accounts::users::{UserFilter, UserSort, service};
use crate::cli::CliError;
use crate::cli::context::CliContext;
use crate::cli::output::{FormatFlags, ListPrinter};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users ls
  rosterd users ls lovelace --role Admin
  rosterd users ls --no-active --tag staff --csv
  rosterd users ls -n 10 --sort=-lastLoginAtUtc")]
pub struct ListUsersArgs {
    /// Only users whose username, display name or email address contains this text.
    search: Option<String>,
    /// Only users with this role.
    #[arg(long)]
    role: Option<String>,
    /// Only users with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Only users with this permission, directly or through their role.
    #[arg(long)]
    permission: Option<String>,
    /// Only users with an email address in this domain.
    #[arg(long, value_name = "DOMAIN", value_parser = parse_domain)]
    email_domain: Option<String>,
    /// Only users with this attribute; can be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_key_value)]
    attr: Vec<(String, String)>,
    /// Only active users.
    #[arg(long, conflicts_with = "no_active")]
    active: bool,
    /// Only disabled users.
    #[arg(long)]
    no_active: bool,
    /// Only deleted users, which are not listed otherwise.
    #[arg(long)]
    deleted: bool,
    /// Sort by createdAtUtc, username or lastLoginAtUtc; prefix with - for descending order.
    #[arg(long, value_name = "ORDER", value_parser = parse_sort, default_value = "-createdAtUtc", allow_hyphen_values = true, action = ArgAction::Set)]
    sort: UserSort,
    /// The maximum number of users.
    #[arg(short = 'n', long, value_name = "LIMIT")]
    limit: Option<NonZeroUsize>,
    #[command(flatten)]
    format: FormatFlags,
}

pub fn run(context: &CliContext<'_>, args: ListUsersArgs) -> Result<(), CliError> {
    let filter = UserFilter {
        query: args.search.filter(|text| !text.is_empty()),
        role: args.role,
        tag: args.tag,
        permission: args.permission,
        email_domain: args.email_domain,
        attr: args.attr.into_iter().collect(),
        is_active: switch_value(args.active, args.no_active),
        deleted: Some(args.deleted),
        ..UserFilter::default()
    };
    let mut list_printer = ListPrinter::start(args.format)?;
    for_each_page(context, &filter, args.sort, args.limit, |page| {
        list_printer.print(page)
    })?;
    list_printer.finish()
}

/// Calls `handle_page` with each page of the users that match the filter. Pages are read in separate transactions.
pub fn for_each_page(
    context: &CliContext<'_>,
    filter: &UserFilter,
    sort: UserSort,
    limit: Option<NonZeroUsize>,
    mut handle_page: impl FnMut(&[User]) -> Result<(), CliError>,
) -> Result<(), CliError> {
    const PAGE_SIZE: usize = 200;
    let actor: Can<needs::ReadUsers> = context.authorize()?;
    let mut remaining = limit.map_or(usize::MAX, NonZeroUsize::get);
    let mut after = None;
    while remaining > 0 {
        let size = PAGE_SIZE.min(remaining);
        let rows = i64::try_from(size).unwrap_or(i64::MAX);
        let (page, _) = context
            .db
            .read_now(|tx| service::list(tx, &actor, filter, sort, after.as_ref(), rows, false))?;
        handle_page(&page)?;
        remaining -= page.len();
        match page.last() {
            Some(last) if page.len() == size => after = Some(sort.cursor(last)),
            _ => break,
        }
    }
    Ok(())
}

/// Parses a domain, with or without a leading `@`.
pub fn parse_domain(text: &str) -> Result<String, String> {
    let domain = text.trim().trim_start_matches('@');
    if domain.is_empty() {
        return Err("expected a domain like example.org".to_owned());
    }
    Ok(domain.to_owned())
}

fn parse_key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected KEY=VALUE".to_owned())
}

fn parse_sort(text: &str) -> Result<UserSort, String> {
    UserSort::parse(text).ok_or_else(|| {
        "expected createdAtUtc, username or lastLoginAtUtc, optionally prefixed with -".to_owned()
    })
}
