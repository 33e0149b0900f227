//! `rosterd users ls`.

use std::num::NonZeroUsize;

use clap::{ArgAction, Args};

use super::switch;
use crate::access::authentication::{Can, needs};
use crate::accounts::users::User;
use crate::accounts::users::service::{self, Filter, Sort};
use crate::cli::Failure;
use crate::cli::context::CliContext;
use crate::cli::output::{FormFlags, Listing};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users ls
  rosterd users ls lovelace --role Admin
  rosterd users ls --no-active --tag staff --csv
  rosterd users ls -n 10 --sort=-lastLoginAtUtc")]
pub struct Arguments {
    /// Part of the username, display name or email address.
    search: Option<String>,
    /// Only accounts with this role.
    #[arg(long)]
    role: Option<String>,
    /// Only accounts with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Only accounts with this permission, directly or through their role.
    #[arg(long)]
    permission: Option<String>,
    /// Only accounts with an email address in this domain.
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    email_domain: Option<String>,
    /// Only accounts with this attribute; can be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    attr: Vec<(String, String)>,
    /// Only accounts that may sign in.
    #[arg(long, conflicts_with = "no_active")]
    active: bool,
    /// Only accounts that may not.
    #[arg(long)]
    no_active: bool,
    /// Only deleted accounts, which are not listed otherwise.
    #[arg(long)]
    deleted: bool,
    /// By createdAtUtc, username or lastLoginAtUtc; a - before it turns the order.
    #[arg(long, value_name = "ORDER", value_parser = sort, default_value = "-createdAtUtc", allow_hyphen_values = true, action = ArgAction::Set)]
    sort: Sort,
    /// At most so many.
    #[arg(short = 'n', long, value_name = "LIMIT")]
    limit: Option<NonZeroUsize>,
    #[command(flatten)]
    form: FormFlags,
}

pub fn run(desk: &CliContext<'_>, arguments: Arguments) -> Result<(), Failure> {
    let filter = Filter {
        query: arguments.search.filter(|part| !part.is_empty()),
        role: arguments.role,
        tag: arguments.tag,
        permission: arguments.permission,
        email_domain: arguments.email_domain,
        attributes: arguments.attr,
        is_active: switch(arguments.active, arguments.no_active),
        deleted: arguments.deleted,
        sort: arguments.sort,
        ..Filter::default()
    };
    let mut listing = Listing::begin(arguments.form)?;
    each_page(desk, &filter, arguments.limit, |page| listing.add(page))?;
    listing.end()
}

/// Reads the accounts that the filter lets through, page by page: each page is as new as its reading.
pub fn each_page(
    desk: &CliContext<'_>,
    filter: &Filter,
    limit: Option<NonZeroUsize>,
    mut each: impl FnMut(&[User]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    const PAGE: usize = 200;
    let by: Can<needs::ReadUsers> = desk.may()?;
    let mut left = limit.map_or(usize::MAX, NonZeroUsize::get);
    let mut after = None;
    while left > 0 {
        let size = PAGE.min(left);
        let rows = i64::try_from(size).unwrap_or(i64::MAX);
        let (page, _) = desk
            .db
            .read_now(|tx| service::list(tx, &by, filter, after.as_ref(), rows, false))?;
        each(&page)?;
        left -= page.len();
        match page.last() {
            Some(last) if page.len() == size => after = Some(filter.sort.position(last)),
            _ => break,
        }
    }
    Ok(())
}

/// Reads a domain, with or without the `@` before it.
pub fn domain(text: &str) -> Result<String, String> {
    let domain = text.trim().trim_start_matches('@');
    if domain.is_empty() {
        return Err("expected a domain like example.org".to_owned());
    }
    Ok(domain.to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected KEY=VALUE".to_owned())
}

fn sort(text: &str) -> Result<Sort, String> {
    Sort::parse(text).ok_or_else(|| {
        "expected createdAtUtc, username or lastLoginAtUtc, with or without a - before it"
            .to_owned()
    })
}
