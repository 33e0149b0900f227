//! Prints a long list page by page while it is read. Pages are read in separate transactions.

use std::num::NonZeroUsize;

use clap::Args;

use super::CliError;
use super::output::{FormatFlags, ListPrinter, TableRow};

/// The length and the output format of a list.
#[derive(Args, Clone, Copy)]
pub struct ListFlags {
    /// The maximum number of entries.
    #[arg(short = 'n', long, value_name = "LIMIT")]
    limit: Option<NonZeroUsize>,
    #[command(flatten)]
    format: FormatFlags,
}

/// Prints the items that match. `read_page` returns up to the given number of items after a cursor, and `cursor_of` is the
/// cursor of an item.
pub fn print_pages<T: TableRow, C>(
    flags: ListFlags,
    mut read_page: impl FnMut(Option<C>, i64) -> Result<Vec<T>, CliError>,
    cursor_of: impl Fn(&T) -> C,
    matches: impl Fn(&T) -> bool,
) -> Result<(), CliError> {
    const PAGE_SIZE: i64 = 200;
    let mut list_printer = ListPrinter::start(flags.format)?;
    let mut remaining = flags.limit.map_or(usize::MAX, NonZeroUsize::get);
    let mut after = None;
    while remaining > 0 {
        let page = read_page(after.take(), PAGE_SIZE)?;
        after = page.last().map(&cursor_of);
        let is_last = i64::try_from(page.len()).unwrap_or(PAGE_SIZE) < PAGE_SIZE;
        let mut matching: Vec<T> = page.into_iter().filter(&matches).collect();
        matching.truncate(remaining);
        list_printer.print(&matching)?;
        remaining -= matching.len();
        if is_last {
            break;
        }
    }
    list_printer.finish()
}

/// Whether `text` contains the search term, ignoring case. True without a search term.
pub fn contains_ignoring_case(text: &str, search: Option<&str>) -> bool {
    search.is_none_or(|term| text.to_lowercase().contains(&term.to_lowercase()))
}
