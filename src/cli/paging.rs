//! Printing a long list while it is read, page by page: each page is as new as its reading.

use std::num::NonZeroUsize;

use clap::Args;

use super::Failure;
use super::output::{FormFlags, Listing, Row};

/// How many, and in which form.
#[derive(Args, Clone, Copy)]
pub struct ListFlags {
    /// At most so many.
    #[arg(short = 'n', long, value_name = "LIMIT")]
    limit: Option<NonZeroUsize>,
    #[command(flatten)]
    form: FormFlags,
}

/// Prints the items that `is_wanted`; `read` reads so many after a position, and `position` is where an item is.
pub fn print<T: Row, P>(
    flags: ListFlags,
    mut read: impl FnMut(Option<P>, i64) -> Result<Vec<T>, Failure>,
    position: impl Fn(&T) -> P,
    is_wanted: impl Fn(&T) -> bool,
) -> Result<(), Failure> {
    const PAGE: i64 = 200;
    let mut listing = Listing::begin(flags.form)?;
    let mut left = flags.limit.map_or(usize::MAX, NonZeroUsize::get);
    let mut after = None;
    while left > 0 {
        let page = read(after.take(), PAGE)?;
        after = page.last().map(&position);
        let is_last = i64::try_from(page.len()).unwrap_or(PAGE) < PAGE;
        let mut wanted: Vec<T> = page.into_iter().filter(&is_wanted).collect();
        wanted.truncate(left);
        listing.add(&wanted)?;
        left -= wanted.len();
        if is_last {
            break;
        }
    }
    listing.end()
}

/// Whether a text has what is searched for in it, if anything is; case does not matter.
pub fn has(text: &str, search: Option<&str>) -> bool {
    search.is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
}
