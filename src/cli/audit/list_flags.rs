//! The common part of `audit events` and `audit logins`: flags and paging.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use clap::Args;

use crate::access::authentication::{Can, needs};
use crate::audit::log::service::{AuditPage, AuditQuery};
use crate::audit::log::{AuditCursor, AuditFilter};
use crate::cli::context::CliContext;
use crate::cli::output::{FormatFlags, ListPrinter, TableRow};
use crate::cli::{CliError, time_argument};
use crate::platform::crypto::Vault;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::timestamp::Timestamp;

/// Filter, length and output format of a list.
#[derive(Args)]
pub struct AuditListFlags {
    /// Only entries from this IP address.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Only entries at or after this time, or within this duration, such as 7d.
    #[arg(long, value_name = "TIME", value_parser = time_argument::parse_past_time)]
    since: Option<Timestamp>,
    /// Only entries before this time, or older than this duration.
    #[arg(long, value_name = "TIME", value_parser = time_argument::parse_past_time)]
    until: Option<Timestamp>,
    /// The maximum number of entries.
    #[arg(
        short = 'n',
        long,
        value_name = "LIMIT",
        default_value = "100",
        hide_default_value = false
    )]
    limit: NonZeroUsize,
    #[command(flatten)]
    format: FormatFlags,
}

impl AuditListFlags {
    /// The filter of these flags.
    pub fn filter(&self) -> AuditFilter {
        AuditFilter {
            ip: self.ip.map(|ip| ip.to_canonical()),
            since: self.since.map(Into::into),
            until: self.until.map(Into::into),
            ..AuditFilter::default()
        }
    }
}

/// Prints the rows that match the filter. Pages are read in separate transactions.
pub fn print_rows<T: TableRow>(
    context: &CliContext<'_>,
    flags: &AuditListFlags,
    filter: AuditFilter,
    read_page: impl Fn(
        &mut Tx<'_>,
        &Vault,
        &Can<needs::ReadAudit>,
        &AuditQuery,
    ) -> Result<AuditPage<T>, AppError>,
    cursor_of: impl Fn(&T) -> AuditCursor,
) -> Result<(), CliError> {
    const PAGE_SIZE: usize = 200;
    let actor = context.authorize()?;
    let vault = context.vault()?;
    let mut query = AuditQuery {
        filter,
        after: None,
        rows: 0,
        count: false,
    };
    let mut list_printer = ListPrinter::start(flags.format)?;
    let mut remaining = flags.limit.get();
    while remaining > 0 {
        let size = PAGE_SIZE.min(remaining);
        query.rows = i64::try_from(size).unwrap_or(i64::MAX);
        let (page, _) = context
            .db
            .read_now(|tx| read_page(tx, &vault, &actor, &query))?;
        list_printer.print(&page)?;
        remaining -= page.len();
        match page.last() {
            Some(last) if page.len() == size => query.after = Some(cursor_of(last)),
            _ => break,
        }
    }
    list_printer.finish()
}
