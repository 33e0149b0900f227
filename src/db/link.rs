//! One connection of the pool: how it is opened, and when it is thrown away.

use std::time::Duration;

use diesel::connection::{Connection, SimpleConnection};
use diesel::pg::PgConnection;
use diesel::r2d2::R2D2Connection;

/// A connection and what is known of its health.
pub struct Link {
    /// The connection.
    pub pg: PgConnection,
    /// Not to be used again: the server said that it is going away, or takes no writes.
    pub doomed: bool,
    /// Whether the present use has begun its work, so that it can't be silently begun anew on another connection.
    pub began: bool,
}

/// Opens connections for the pool.
pub struct Manager {
    url: String,
    prelude: String,
}

impl Manager {
    pub fn new(url: &str, statement: Duration) -> Self {
        Self {
            url: with_deadlines(url),
            prelude: format!(
                "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = 30000; \
                 SET TimeZone = 'UTC'; SET client_min_messages = warning",
                statement.as_millis()
            ),
        }
    }
}

impl r2d2::ManageConnection for Manager {
    type Connection = Link;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Link, Self::Error> {
        let mut pg =
            PgConnection::establish(&self.url).map_err(diesel::r2d2::Error::ConnectionError)?;
        pg.batch_execute(&self.prelude)
            .map_err(diesel::r2d2::Error::QueryError)?;
        Ok(Link {
            pg,
            doomed: false,
            began: false,
        })
    }

    fn is_valid(&self, link: &mut Link) -> Result<(), Self::Error> {
        link.pg.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, link: &mut Link) -> bool {
        link.doomed || std::thread::panicking() || link.pg.is_broken()
    }
}

/// Adds what keeps a thread from waiting for a server that is gone without a word (libpq, "Parameter Key Words");
/// what the operator's own string says stays.
fn with_deadlines(url: &str) -> String {
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
