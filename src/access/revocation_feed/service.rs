//! Reads and cleans up the revocation feed.

use chrono::TimeDelta;

use super::model::Revocation;
use super::position::FeedPosition;
use super::store;
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// How long entries are kept: longer than the lifetime of an access token.
const RETENTION: TimeDelta = TimeDelta::hours(1);

/// At most `limit` entries after this position, and the position of the last one.
///
/// A position ahead of all transactions is from before a restore of the database. Then the feed starts from the beginning.
///
/// # Errors
/// Database errors.
pub fn list_after(
    tx: &mut Tx<'_>,
    position: FeedPosition,
    limit: u16,
) -> Result<(Vec<Revocation>, FeedPosition), AppError> {
    let is_before_restore = position.xid >= store::next_transaction_id(tx.conn)?;
    let start = if is_before_restore {
        FeedPosition::default()
    } else {
        position
    };
    let rows = store::list_after(tx.conn, start, i64::from(limit))?;
    let next = rows.last().map_or(start, |row| FeedPosition {
        xid: row.xid,
        id: row.id,
    });
    Ok((rows.into_iter().map(Revocation::from).collect(), next))
}

/// Deletes entries that are older than any valid access token.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_before(tx.conn, tx.now - RETENTION)?)
}
