//! What the session of a connection keeps. On a connection to PostgreSQL itself, the parameters of rosterd are set once, and reads
//! need no transaction. Behind a pooler in transaction mode the next transaction may run in another session; there, each
//! transaction sets its parameters, and statements are not prepared under a name.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, Connection as _, SimpleConnection};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::result::{ConnectionError, ConnectionResult};
use diesel::sql_types::{Bool, Nullable};
use diesel::{QueryResult, RunQueryDsl};

use super::hosts::Hosts;
use super::server_guard::ServerGuard;
use super::table_schema::TableSchema;
use super::timeline::ServerRole;

/// When statements are prepared under a name (`ROSTERD_DB_PREPARED`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PreparedStatements {
    /// On a connection to PostgreSQL itself, and not behind a pooler.
    #[default]
    Auto,
    /// Always: for a pooler that supports them.
    On,
    /// Never. The connection is treated as one behind a pooler.
    Off,
}

/// A connection with its session.
pub struct OpenedConnection {
    pub pg: PgConnection,
    pub session: Session,
    /// The epoch of the [`ServerGuard`] to which the connection belongs.
    pub epoch: u64,
}

/// The session of a connection.
pub struct Session {
    /// Whether the session belongs to the connection and keeps its parameters.
    is_own: bool,
    /// Whether the search path has been set in the session.
    has_search_path: bool,
    /// Whether the server, the database or the role refuses changes.
    is_read_only: bool,
}

/// What a transaction must set, because the session does not have it.
pub struct TransactionSetup<'m> {
    /// The schema of the tables, unless the session has it in its search path.
    pub schema: Option<&'m TableSchema>,
    pub parameters: &'m SessionParameters,
    /// Whether a transaction that writes must ask for it, because the default of the session is to read only.
    pub must_request_writing: bool,
}

/// The parameters of a session, or of a transaction behind a pooler.
#[expect(
    clippy::struct_field_names,
    reason = "the names of the parameters in PostgreSQL"
)]
pub struct SessionParameters {
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// When the server ends a transaction whose process does not continue it, because it was stopped or cut off.
    pub idle_in_transaction_timeout: Duration,
}

impl SessionParameters {
    /// The parameters for requests that wait at most `acquire_timeout` for a connection. The idle timeout is shorter than the
    /// lock timeout, so that those who wait for the lock of a stopped process get it instead of an error.
    pub fn new(statement_timeout: Duration, acquire_timeout: Duration) -> Self {
        /// A process that works, on a machine with much load, continues a transaction within this time.
        const MIN_IDLE_TIMEOUT: Duration = Duration::from_millis(500);
        let idle_in_transaction_timeout = (acquire_timeout * 3 / 4).max(MIN_IDLE_TIMEOUT);
        Self {
            statement_timeout,
            lock_timeout: acquire_timeout.max(idle_in_transaction_timeout * 4 / 3),
            idle_in_transaction_timeout,
        }
    }

    /// How long a transaction that begins now waits for a lock, if its caller waits until `deadline`: for the remaining time,
    /// but at least for as long as the lock timeout exceeds the idle timeout.
    pub fn lock_timeout_until(&self, deadline: Instant) -> Duration {
        let least = self
            .lock_timeout
            .saturating_sub(self.idle_in_transaction_timeout);
        let remaining = deadline.saturating_duration_since(Instant::now());
        remaining.clamp(least, self.lock_timeout)
    }
}

/// Opens connections, and finds out which kind of session they have.
pub struct SessionOpener {
    hosts: Hosts,
    /// The hosts with [`MARKER`] in the start-up parameters.
    marked_hosts: Hosts,
    prepared: PreparedStatements,
    /// The kind of the connections so far: a constant below.
    known_kind: AtomicU8,
}

const UNKNOWN: u8 = 0;
const OWN: u8 = 1;
const SHARED: u8 = 2;

/// A parameter that PostgreSQL takes from the start-up message of a connection, while poolers refuse or ignore it.
const MARKER: &str = "rosterd.own_session";

impl SessionOpener {
    pub fn new(url: &str, prepared: PreparedStatements) -> Self {
        Self {
            hosts: Hosts::parse(url),
            marked_hosts: Hosts::parse(&with_marker(url)),
            prepared,
            known_kind: AtomicU8::new(UNKNOWN),
        }
    }

    /// One URL for each host.
    pub fn hosts(&self) -> &[String] {
        self.hosts.urls()
    }

    /// Opens a connection to the server that the guard admits.
    ///
    /// # Errors
    /// The connection fails.
    pub fn open(&self, guard: &ServerGuard) -> ConnectionResult<OpenedConnection> {
        let known_kind = self.known_kind.load(Ordering::Relaxed);
        let open_shared = || self.hosts.connect(|pg| self.shared(pg, guard));
        if self.prepared == PreparedStatements::Off || known_kind == SHARED {
            return open_shared();
        }
        let open_marked = || self.marked_hosts.connect(|pg| self.examine(pg, guard));
        match open_marked() {
            Err(_) if known_kind != OWN => {
                // Either the database is unavailable or a pooler refuses the parameter. If it accepts connections only without
                // the parameter, it is a pooler.
                let unmarked = open_shared()?;
                open_marked().or_else(|_| {
                    self.known_kind.store(SHARED, Ordering::Relaxed);
                    Ok(unmarked)
                })
            }
            result => result,
        }
    }

    fn examine(
        &self,
        mut pg: PgConnection,
        guard: &ServerGuard,
    ) -> ConnectionResult<OpenedConnection> {
        let begun_in = guard.epoch();
        pg.set_prepared_statement_cache_size(CacheSize::Disabled);
        let (is_own, is_read_only, role): (Option<bool>, bool, (bool, Option<i64>)) =
            ServerRole::query(&mut pg, |pg, role| {
                let is_own = format!("current_setting('{MARKER}', true)::boolean");
                diesel::select((
                    sql::<Nullable<Bool>>(&is_own),
                    sql::<Bool>("current_setting('transaction_read_only')::boolean"),
                    role,
                ))
                .get_result(pg)
            })
            .map_err(ConnectionError::CouldntSetupConfiguration)?;
        let epoch = admit(guard, ServerRole::from_columns(role), begun_in)?;
        if is_own != Some(true) {
            self.known_kind.store(SHARED, Ordering::Relaxed);
            return Ok(self.shared_session(pg, epoch));
        }
        self.known_kind.store(OWN, Ordering::Relaxed);
        pg.set_prepared_statement_cache_size(CacheSize::Unbounded);
        let session = Session {
            is_own: true,
            has_search_path: false,
            is_read_only,
        };
        Ok(OpenedConnection { pg, session, epoch })
    }

    fn shared(
        &self,
        mut pg: PgConnection,
        guard: &ServerGuard,
    ) -> ConnectionResult<OpenedConnection> {
        let epoch = admit_server(&mut pg, guard)?;
        Ok(self.shared_session(pg, epoch))
    }

    fn shared_session(&self, mut pg: PgConnection, epoch: u64) -> OpenedConnection {
        pg.set_prepared_statement_cache_size(match self.prepared {
            PreparedStatements::On => CacheSize::Unbounded,
            PreparedStatements::Auto | PreparedStatements::Off => CacheSize::Disabled,
        });
        let session = Session {
            is_own: false,
            has_search_path: false,
            is_read_only: false,
        };
        OpenedConnection { pg, session, epoch }
    }
}

/// Lets the guard decide on the server of a new connection. Returns the epoch of the connection.
///
/// # Errors
/// The guard refuses the server; database errors.
pub fn admit_server(pg: &mut PgConnection, guard: &ServerGuard) -> ConnectionResult<u64> {
    let begun_in = guard.epoch();
    pg.set_prepared_statement_cache_size(CacheSize::Disabled);
    let role = ServerRole::read(pg).map_err(ConnectionError::CouldntSetupConfiguration)?;
    admit(guard, role, begun_in)
}

fn admit(guard: &ServerGuard, role: ServerRole, begun_in: u64) -> ConnectionResult<u64> {
    let admitted = guard.admit(role, begun_in);
    admitted.map_err(|reason| ConnectionError::BadConnection(reason.to_owned()))
}

impl Session {
    /// Whether the session belongs to the connection.
    pub const fn is_own(&self) -> bool {
        self.is_own
    }

    /// Sets the parameters of an own session. Transactions that do not ask for writing can only read.
    ///
    /// # Errors
    /// Database errors.
    pub fn set_parameters(
        &self,
        connection: &mut PgConnection,
        parameters: &SessionParameters,
    ) -> QueryResult<()> {
        if !self.is_own {
            return Ok(());
        }
        connection.batch_execute(&format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
             SET TimeZone = 'UTC'; SET client_min_messages = warning; SET default_transaction_read_only = on",
            parameters.statement_timeout.as_millis(),
            parameters.lock_timeout.as_millis(),
            parameters.idle_in_transaction_timeout.as_millis(),
        ))
    }

    /// Prepares the session for a transaction on the tables in `schema`, and returns what the transaction itself must set.
    ///
    /// # Errors
    /// Database errors.
    pub fn enter<'m>(
        &mut self,
        connection: &mut PgConnection,
        schema: Option<&'m TableSchema>,
        parameters: &'m SessionParameters,
    ) -> QueryResult<TransactionSetup<'m>> {
        if let Some(schema) = schema.filter(|_| self.is_own && !self.has_search_path) {
            connection.batch_execute(&format!("SET search_path TO {}", schema.search_path()))?;
            self.has_search_path = true;
        }
        Ok(TransactionSetup {
            schema: schema.filter(|_| !self.is_own),
            parameters,
            must_request_writing: self.is_own && !self.is_read_only,
        })
    }
}

/// The URL with the marker in its start-up options.
fn with_marker(url: &str) -> String {
    let marker = format!("-c%20{MARKER}%3Don");
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let mut parameters: Vec<String> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(str::to_owned)
        .collect();
    // Of several parameters with this name, libpq uses the last.
    match parameters
        .iter_mut()
        .rfind(|text| text.starts_with("options="))
    {
        Some(options) => *options = format!("{options}%20{marker}"),
        None => parameters.push(format!("options={marker}")),
    }
    format!("{address}?{}", parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marker_is_added_to_the_options_of_the_url() {
        for (url, marked) in [
            (
                "postgres://h/db",
                "postgres://h/db?options=-c%20rosterd.own_session%3Don",
            ),
            (
                "postgres://h/db?options=-csearch_path%3Da&connect_timeout=2",
                "postgres://h/db?options=-csearch_path%3Da%20-c%20rosterd.own_session%3Don&connect_timeout=2",
            ),
            (
                "postgres://h/db?sslmode=require",
                "postgres://h/db?sslmode=require&options=-c%20rosterd.own_session%3Don",
            ),
        ] {
            assert_eq!(with_marker(url), marked);
        }
    }
}
