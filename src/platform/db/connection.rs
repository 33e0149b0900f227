//! Opens PostgreSQL connections, for the pool and outside it, and decides when a pooled connection is discarded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use diesel::connection::{CacheSize, Connection as _};
use diesel::pg::PgConnection;
use diesel::r2d2::R2D2Connection;
use diesel::{ConnectionError, QueryResult};

use super::hosts::Hosts;
use super::server_guard::ServerGuard;
use super::session::{
    OpenedConnection, PreparedStatements, Session, SessionOpener, SessionParameters,
    TransactionSetup, admit_server,
};
use super::table_schema::TableSchema;
use crate::platform::error::{AppError, Code};

/// A connection of the pool with its health state.
pub struct PooledConnection {
    /// The connection.
    pub pg: PgConnection,
    /// Whether the current transaction has reached its commit and must not be retried on another connection.
    pub is_committing: bool,
    session: Session,
    /// Whether the connection must not be used again: the server is shutting down or is read-only.
    is_discarded: bool,
    generation: u64,
    /// The epoch of the [`ServerGuard`]. In another epoch, what the connection returns does not count.
    pub epoch: u64,
}

/// Opens connections and tracks their generation. A connection failure starts a new generation.
pub struct ConnectionManager {
    opener: SessionOpener,
    pub guard: Arc<ServerGuard>,
    session_parameters: SessionParameters,
    generation: AtomicU64,
    table_schema: OnceLock<TableSchema>,
}

impl ConnectionManager {
    pub fn new(
        url: &str,
        session_parameters: SessionParameters,
        prepared: PreparedStatements,
    ) -> Self {
        Self {
            opener: SessionOpener::new(&with_default_timeouts(url), prepared),
            session_parameters,
            guard: Arc::default(),
            generation: AtomicU64::new(0),
            table_schema: OnceLock::new(),
        }
    }

    /// Opens a connection and sets the session's parameters.
    fn open(&self) -> Result<OpenedConnection, diesel::r2d2::Error> {
        let opened = self.opener.open(&self.guard);
        let mut opened = opened.map_err(diesel::r2d2::Error::ConnectionError)?;
        opened
            .session
            .set_parameters(&mut opened.pg, &self.session_parameters)
            .map_err(diesel::r2d2::Error::QueryError)?;
        Ok(opened)
    }

    /// The hosts of the URL.
    pub fn hosts(&self) -> &[String] {
        self.opener.hosts()
    }

    /// Prepares the connection for a transaction on the tables, and returns what the transaction itself must set.
    pub fn enter(&self, connection: &mut PooledConnection) -> QueryResult<TransactionSetup<'_>> {
        let schema = self.table_schema(&mut connection.pg)?;
        let parameters = &self.session_parameters;
        connection
            .session
            .enter(&mut connection.pg, schema, parameters)
    }

    /// The schema that contains the tables, or `None` while there are none. The first answer with a schema is final, so
    /// that a schema that is created later does not take its place.
    pub fn table_schema(&self, conn: &mut PgConnection) -> QueryResult<Option<&TableSchema>> {
        if let Some(schema) = self.table_schema.get() {
            return Ok(Some(schema));
        }
        let found = TableSchema::find(conn)?;
        Ok(found.map(|schema| self.table_schema.get_or_init(|| schema)))
    }

    /// Prevents further use of this connection and of every connection of the same generation, because they all go to
    /// the same failed or read-only server.
    pub fn discard_generation(&self, connection: &mut PooledConnection) {
        connection.is_discarded = true;
        // The exchange fails if another connection of this generation failed before. Then the generation is already
        // discarded.
        let _ = self.generation.compare_exchange(
            connection.generation,
            connection.generation + 1,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// Whether the connection is of the current generation and epoch and was not discarded.
    pub fn is_usable(&self, connection: &mut PooledConnection) -> bool {
        connection.is_discarded |= connection.generation != self.generation.load(Ordering::Relaxed)
            || connection.epoch != self.guard.epoch();
        !connection.is_discarded
    }
}

/// Lets r2d2 open and check connections through a shared [`ConnectionManager`].
pub struct ConnectionFactory(pub Arc<ConnectionManager>);

impl r2d2::ManageConnection for ConnectionFactory {
    type Connection = PooledConnection;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<PooledConnection, Self::Error> {
        let generation = self.0.generation.load(Ordering::Relaxed);
        let OpenedConnection { pg, session, epoch } = self.0.open()?;
        Ok(PooledConnection {
            pg,
            is_committing: false,
            session,
            is_discarded: false,
            generation,
            epoch,
        })
    }

    fn is_valid(&self, connection: &mut PooledConnection) -> Result<(), Self::Error> {
        connection
            .pg
            .ping()
            .map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, connection: &mut PooledConnection) -> bool {
        connection.is_discarded || std::thread::panicking() || connection.pg.is_broken()
    }
}

/// Opens a connection that does not belong to the pool.
///
/// # Errors
/// [`Code::DatabaseUnavailable`] if the connection fails. The detail is the first line of libpq's message.
pub fn open_unpooled_connection(url: &str) -> Result<PgConnection, AppError> {
    let connection = Hosts::parse(&with_default_timeouts(url)).connect(Ok);
    let mut connection = connection.map_err(|cause| connection_error(&cause))?;
    // The URL can lead to a pooler, and few statements run more than once.
    connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    Ok(connection)
}

/// Opens a connection that does not belong to the pool, to a server that the guard admits. Returns its epoch, too.
///
/// # Errors
/// As [`open_unpooled_connection`].
pub fn open_guarded_connection(
    url: &str,
    guard: &ServerGuard,
) -> Result<(PgConnection, u64), AppError> {
    let hosts = Hosts::parse(&with_default_timeouts(url));
    let opened = hosts.connect(|mut pg| admit_server(&mut pg, guard).map(|epoch| (pg, epoch)));
    opened.map_err(|cause| connection_error(&cause))
}

/// Opens a connection that does not belong to the pool and has a session of its own, to a server that the guard admits.
/// Returns its epoch, too. `None` if the URL leads to a pooler, which can give the session to another client between two
/// statements.
///
/// # Errors
/// As [`open_unpooled_connection`].
pub fn open_own_session(
    url: &str,
    guard: &ServerGuard,
) -> Result<Option<(PgConnection, u64)>, AppError> {
    let sessions = SessionOpener::new(&with_default_timeouts(url), PreparedStatements::Auto);
    let opened = sessions
        .open(guard)
        .map_err(|cause| connection_error(&cause));
    let OpenedConnection {
        mut pg,
        session,
        epoch,
    } = opened?;
    pg.set_prepared_statement_cache_size(CacheSize::Disabled);
    Ok(session.is_own().then_some((pg, epoch)))
}

fn connection_error(cause: &ConnectionError) -> AppError {
    let message = cause.to_string();
    let reason = message.lines().next().unwrap_or_default().to_owned();
    AppError::new(Code::DatabaseUnavailable).with_detail(reason)
}

/// Adds connection and keepalive timeouts, so that no thread waits forever for a server that stopped responding
/// (libpq, "Parameter Key Words"). Parameters that the URL already has are kept.
fn with_default_timeouts(url: &str) -> String {
    const DEFAULTS: [(&str, &str); 6] = [
        ("connect_timeout", "2"),
        ("tcp_user_timeout", "10000"),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "3"),
        ("keepalives_count", "3"),
        ("application_name", "rosterd"),
    ];
    let is_uri = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let mut full_url = url.to_owned();
    for (name, value) in DEFAULTS {
        if url.contains(name) {
            continue;
        }
        if is_uri {
            full_url.push(if full_url.contains('?') { '&' } else { '?' });
        } else {
            full_url.push(' ');
        }
        full_url.push_str(name);
        full_url.push('=');
        full_url.push_str(value);
    }
    full_url
}

#[cfg(test)]
mod tests {
    use super::with_default_timeouts;

    #[test]
    fn default_timeouts_do_not_replace_those_in_the_url() {
        let uri = with_default_timeouts("postgres://h/db?connect_timeout=9");
        assert!(uri.starts_with("postgres://h/db?connect_timeout=9&tcp_user_timeout=10000"));
        let keywords = with_default_timeouts("host=h dbname=db");
        assert!(keywords.starts_with("host=h dbname=db connect_timeout=2 "));
        assert!(with_default_timeouts("postgres://h/db").contains("db?connect_timeout=2&"));
    }
}
