//! What both lists of the audit log have in common: how they are asked, and how they are read page by page.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use chrono::{DateTime, Utc};
use clap::Args;

use crate::access::authentication::{Can, needs};
use crate::audit::log::service::{Asked, Found};
use crate::audit::log::{Filter, Position};
use crate::cli::context::CliContext;
use crate::cli::output::{FormFlags, Listing, Row};
use crate::cli::{Failure, when};
use crate::platform::crypto::Vault;
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// Which rows, how many, and in which form.
#[derive(Args)]
pub struct ListFlags {
    /// Only what was done from this address.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Not before this time, or not longer ago than this (such as 7d).
    #[arg(long, value_name = "TIME", value_parser = when::past)]
    since: Option<DateTime<Utc>>,
    /// Before this time, or longer ago than this.
    #[arg(long, value_name = "TIME", value_parser = when::past)]
    until: Option<DateTime<Utc>>,
    /// At most so many.
    #[arg(
        short = 'n',
        long,
        value_name = "LIMIT",
        default_value = "100",
        hide_default_value = false
    )]
    limit: NonZeroUsize,
    #[command(flatten)]
    form: FormFlags,
}

impl ListFlags {
    /// The filter that they stand for.
    pub fn filter(&self) -> Filter {
        Filter {
            ip: self.ip.map(|ip| ip.to_canonical()),
            since: self.since,
            until: self.until,
            ..Filter::default()
        }
    }
}

/// Prints the rows that the filter lets through: each page is as new as its reading.
pub fn print<T: Row>(
    desk: &CliContext<'_>,
    flags: &ListFlags,
    filter: Filter,
    find: impl Fn(&mut Tx<'_>, &Vault, &Can<needs::ReadAudit>, &Asked) -> Result<Found<T>, AppError>,
    position: impl Fn(&T) -> Position,
) -> Result<(), Failure> {
    const PAGE: usize = 200;
    let by = desk.may()?;
    let vault = desk.vault()?;
    let mut asked = Asked {
        filter,
        after: None,
        rows: 0,
        count: false,
    };
    let mut listing = Listing::begin(flags.form)?;
    let mut left = flags.limit.get();
    while left > 0 {
        let size = PAGE.min(left);
        asked.rows = i64::try_from(size).unwrap_or(i64::MAX);
        let (page, _) = desk.db.read_now(|tx| find(tx, &vault, &by, &asked))?;
        listing.add(&page)?;
        left -= page.len();
        match page.last() {
            Some(last) if page.len() == size => asked.after = Some(position(last)),
            _ => break,
        }
    }
    listing.end()
}
