//! The connection, time and invalidations of one use of the database.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;

use super::Invalidation;

/// A connection and the time at which its use began.
///
/// In [`Db::write`](super::Db::write) the time is that of the database server, so that replicas with different clocks
/// agree on what has expired. In [`Db::read`](super::Db::read) it is the time of this machine.
pub struct Tx<'c> {
    /// The connection, inside the transaction.
    pub conn: &'c mut PgConnection,
    /// The time at which this use of the connection began.
    pub now: DateTime<Utc>,
    invalidations: Vec<Invalidation>,
    waits_for_leases: bool,
}

impl<'c> Tx<'c> {
    pub(super) fn new(conn: &'c mut PgConnection, now: DateTime<Utc>) -> Self {
        Self {
            conn,
            now,
            invalidations: Vec::new(),
            waits_for_leases: false,
        }
    }

    /// Invalidates a cached value in this process when the transaction ends, so that the next request sees the change.
    /// Database triggers notify the other processes.
    pub fn invalidate(&mut self, invalidation: Invalidation) {
        self.invalidations.push(invalidation);
    }

    /// Makes [`Db::write`](super::Db::write) return the result only when no replica can still use what it cached before the
    /// commit. Every operation that revokes something calls this before it looks for what to revoke: if there is nothing
    /// left, another request may have revoked it a moment ago.
    pub const fn wait_for_leases(&mut self) {
        self.waits_for_leases = true;
    }

    pub(super) const fn waits_for_leases(&self) -> bool {
        self.waits_for_leases
    }

    pub(super) fn into_invalidations(self) -> Vec<Invalidation> {
        self.invalidations
    }
}
