//! One connection of the pool: how it is opened, and when it is thrown away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::pg::PgConnection;
use diesel::r2d2::R2D2Connection;

/// A connection and what is known of its health.
pub struct PooledConnection {
    /// The connection.
    pub pg: PgConnection,
    /// Whether the present use is past the point at which it could be begun anew on another connection.
    pub is_committing: bool,
    /// Not to be used again: the server said that it is going away, or takes no writes.
    is_doomed: bool,
    generation: u64,
}

/// Opens connections, and knows which of them are from before the last time that the database went away.
pub struct ConnectionManager {
    url: String,
    prelude: String,
    generation: AtomicU64,
}

impl ConnectionManager {
    pub fn new(url: &str, statement: Duration) -> Self {
        Self {
            url: with_deadlines(url),
            prelude: format!(
                "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = 30000; \
                 SET TimeZone = 'UTC'; SET client_min_messages = warning",
                statement.as_millis()
            ),
            generation: AtomicU64::new(0),
        }
    }

    /// Opens a connection.
    pub fn open(&self) -> Result<PgConnection, diesel::r2d2::Error> {
        let mut pg =
            PgConnection::establish(&self.url).map_err(diesel::r2d2::Error::ConnectionError)?;
        pg.batch_execute(&self.prelude)
            .map_err(diesel::r2d2::Error::QueryError)?;
        Ok(pg)
    }

    /// Sees to it that this connection is not used again, nor any that was opened before it failed: they go to the same
    /// server that is gone, or takes no writes.
    pub fn doom(&self, link: &mut PooledConnection) {
        link.is_doomed = true;
        // Where another one of the same generation has failed before, there is nothing to do.
        let _ = self.generation.compare_exchange(
            link.generation,
            link.generation + 1,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// Whether the connection is worth a try.
    pub fn is_fresh(&self, link: &mut PooledConnection) -> bool {
        link.is_doomed |= link.generation != self.generation.load(Ordering::Relaxed);
        !link.is_doomed
    }
}

/// The pool's view of a manager that others use as well.
pub struct ConnectionFactory(pub Arc<ConnectionManager>);

impl r2d2::ManageConnection for ConnectionFactory {
    type Connection = PooledConnection;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<PooledConnection, Self::Error> {
        let generation = self.0.generation.load(Ordering::Relaxed);
        Ok(PooledConnection {
            pg: self.0.open()?,
            is_committing: false,
            is_doomed: false,
            generation,
        })
    }

    fn is_valid(&self, link: &mut PooledConnection) -> Result<(), Self::Error> {
        link.pg.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, link: &mut PooledConnection) -> bool {
        link.is_doomed || std::thread::panicking() || link.pg.is_broken()
    }
}

/// Adds what keeps a thread from waiting for a server that is gone without a word (libpq, "Parameter Key Words");
/// what the operator's own string says stays.
pub(super) fn with_deadlines(url: &str) -> String {
    const DEADLINES: [(&str, &str); 6] = [
        ("connect_timeout", "3"),
        ("tcp_user_timeout", "10000"),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "3"),
        ("keepalives_count", "3"),
        ("application_name", "rosterd"),
    ];
    let is_uri = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let mut full = url.to_owned();
    for (name, value) in DEADLINES {
        if url.contains(name) {
            continue;
        }
        if is_uri {
            full.push(if full.contains('?') { '&' } else { '?' });
        } else {
            full.push(' ');
        }
        full.push_str(name);
        full.push('=');
        full.push_str(value);
    }
    full
}

#[cfg(test)]
mod tests {
    use super::with_deadlines;

    #[test]
    fn deadlines_are_added_and_the_operators_own_stay() {
        let uri = with_deadlines("postgres://h/db?connect_timeout=9");
        assert!(uri.starts_with("postgres://h/db?connect_timeout=9&tcp_user_timeout=10000"));
        let words = with_deadlines("host=h dbname=db");
        assert!(words.starts_with("host=h dbname=db connect_timeout=3 "));
        assert!(with_deadlines("postgres://h/db").contains("db?connect_timeout=3&"));
    }
}
