//! Reads and cleans up the revocation feed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::model::Revocation;
use super::position::FeedPosition;
use super::store::{self, VisibleRow};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code};

/// How long entries are kept: longer than the lifetime of an access token.
const RETENTION: TimeDelta = TimeDelta::hours(1);

/// How far a reader can fall behind before the feed refuses to answer.
const MAX_LAG: TimeDelta = TimeDelta::seconds(10);

/// A part of the feed.
#[derive(Debug)]
pub struct FeedPage {
    /// The entries, in transaction order.
    pub entries: Vec<Revocation>,
    /// The position from which to continue.
    pub next: FeedPosition,
    /// A reader that has these entries and those before knows every revocation that was answered before this time.
    pub complete_until: DateTime<Utc>,
}

/// At most `limit` entries after this position.
///
/// A position ahead of all transactions is from before a restore of the database. Then the feed starts from the beginning.
///
/// # Errors
/// [`Code::Overloaded`] if an open transaction prevents the reader from getting past `limit` entries, and the next one is
/// older than ten seconds; database errors.
pub fn list_after(
    tx: &mut Tx<'_>,
    position: FeedPosition,
    limit: u16,
) -> Result<FeedPage, AppError> {
    let (newest_xid, read_from) = store::next_transaction_id(tx.conn)?;
    let is_before_restore = position.xid >= newest_xid;
    let start = if is_before_restore {
        FeedPosition::default()
    } else {
        position
    };
    let rows = store::list_after(tx.conn, start, i64::from(limit))?;
    let last_final = rows.iter().rfind(|row| row.is_final);
    let next = last_final.map_or(start, position_of);
    let last = rows.last().map_or(start, position_of);
    let oldest_missing = store::oldest_after(tx.conn, last)?;
    // Not the time of a later statement: an entry could be committed and answered after the list was read.
    let complete_until = oldest_missing.map_or(read_from, |oldest| oldest.min(read_from));
    let is_stuck = rows.len() == usize::from(limit) && rows.iter().all(|row| !row.is_final);
    if is_stuck && read_from - complete_until > MAX_LAG {
        return Err(AppError::new(Code::Overloaded)
            .with_detail("The feed is incomplete, because a transaction in the database has been open for too long.")
            .with_retry_after(Duration::from_secs(1)));
    }
    Ok(FeedPage {
        entries: rows.into_iter().map(Revocation::from).collect(),
        next,
        complete_until,
    })
}

/// Records by when the new entries were committed.
///
/// # Errors
/// Database errors.
pub fn record_commits(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::set_committed_by(tx.conn)?)
}

/// Whether [`record_commits`] has something to do.
///
/// # Errors
/// Database errors.
pub fn has_unrecorded_commits(tx: &mut Tx<'_>) -> Result<bool, AppError> {
    Ok(store::has_row_without_committed_by(tx.conn)?)
}

/// Deletes entries that are older than any valid access token.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_before(tx.conn, tx.now - RETENTION)?)
}

const fn position_of(visible: &VisibleRow) -> FeedPosition {
    FeedPosition {
        xid: visible.row.xid,
        id: visible.row.id,
    }
}
