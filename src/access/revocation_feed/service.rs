//! Reading the feed of revocations.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::model::Revocation;
use super::store;
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// How long the feed goes back: more than any access token lives.
const KEPT_FOR: TimeDelta = TimeDelta::hours(1);

/// Where somebody is in the feed; the default is its beginning.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// The transaction.
    pub xid: i64,
    /// Which of its lines.
    pub id: i64,
}

/// What comes after this position, at most `limit` lines, and where to go on. A position of another time, from before the
/// database was restored, is where nobody can be: then it begins anew.
///
/// # Errors
/// When the database fails.
pub fn after(
    tx: &mut Tx<'_>,
    position: Position,
    limit: u16,
) -> Result<(Vec<Revocation>, Position), AppError> {
    let is_of_another_time = position.xid >= store::horizon(tx.conn)?;
    let from = if is_of_another_time {
        Position::default()
    } else {
        position
    };
    let rows = store::after(tx.conn, from, i64::from(limit))?;
    let next = rows.last().map_or(from, |row| Position {
        xid: row.xid,
        id: row.id,
    });
    Ok((rows.into_iter().map(Revocation::from).collect(), next))
}

/// Forgets what no access token can be about any more.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::forget_before(tx.conn, tx.now - KEPT_FOR)?)
}
