//! Access to PostgreSQL. Only [`Db`] hands out pooled connections and opens transactions. Contains no queries of the
//! domain.

pub mod advisory_lock;
mod batch_delete;
mod connection;
mod dry_run;
mod errors;
mod grants;
mod heartbeat;
mod host_probe;
mod hosts;
mod id_prefix;
mod invalidation;
mod last_response;
mod lease;
pub mod migrate;
mod notifications;
mod permits;
mod pool;
mod prepared_statement;
pub mod private_cluster;
mod readiness;
mod server_guard;
mod server_info;
mod session;
mod sqlstate;
mod table_schema;
mod thread_deadline;
mod timeline;
mod transaction;
mod tx;
mod watchdog;
mod write;
mod write_batch;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::platform::clock;
use crate::platform::error::{AppError, Code};
use connection::{ConnectionFactory, ConnectionManager, PooledConnection};
use last_response::LastResponse;
use lease::LeaseWait;
use permits::Access;
use pool::CurrentPool;
use session::SessionParameters;

pub use batch_delete::{BATCH_SIZE, delete_batch};
pub use connection::open_unpooled_connection;
pub use errors::OnConstraint;
pub use grants::missing_grants;
pub use heartbeat::HeartbeatWriter;
pub use id_prefix::IdPrefix;
pub use invalidation::Invalidation;
pub use lease::{LEASE, LeaseInstant};
pub use notifications::{NotificationListener, check_delivery};
pub use prepared_statement::PreparedStatement;
pub use readiness::Readiness;
pub use server_guard::ServerGuard;
pub use server_info::{ServerInfo, measure_clock, server_info};
pub use session::PreparedStatements;
pub use table_schema::TableSchema;
pub use tx::Tx;
pub use write_batch::WriteBatch;

/// The settings of the pool.
#[derive(Clone)]
pub struct DbOptions {
    /// A libpq connection URI or keyword/value string.
    pub url: String,
    /// The maximum number of connections.
    pub pool_size: u32,
    /// How long a caller waits for a connection and for locks before the request fails.
    pub acquire_timeout: Duration,
    /// The maximum run time of a statement.
    pub statement_timeout: Duration,
    /// When statements are prepared under a name.
    pub prepared: PreparedStatements,
}

/// A connection pool. `Permits` limit how long callers wait for a connection. Clones share the pool.
#[derive(Clone)]
pub struct Db {
    inner: Arc<DbInner>,
}

struct DbInner {
    pool: CurrentPool,
    manager: Arc<ConnectionManager>,
    acquire_timeout: Duration,
    /// The number of threads whose callers received an error because they did not return in time.
    abandoned_threads: AtomicUsize,
    /// When a statement last failed because the server's disk was full.
    last_storage_full: LastResponse,
    invalidation_listener: OnceLock<InvalidationListener>,
    lease_wait: LeaseWait,
}

/// Called with each invalidation of a transaction of this process, before the transaction's result is returned.
type InvalidationListener = Arc<dyn Fn(Invalidation) + Send + Sync>;

/// The number of connections of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Open connections, idle ones included.
    pub connections: u32,
    /// Idle connections.
    pub idle: u32,
}

impl Db {
    /// Builds the pool. Connections are opened on demand, so this does not wait for the database.
    ///
    /// # Errors
    /// An invalid pool configuration.
    pub fn connect(options: &DbOptions) -> Result<Self, AppError> {
        let manager = Arc::new(ConnectionManager::new(
            &options.url,
            SessionParameters::new(options.statement_timeout, options.acquire_timeout),
            options.prepared,
        ));
        Ok(Self {
            inner: Arc::new(DbInner {
                pool: CurrentPool::new(manager.clone(), options.pool_size, options.acquire_timeout),
                manager,
                acquire_timeout: options.acquire_timeout,
                abandoned_threads: AtomicUsize::new(0),
                last_storage_full: LastResponse::new(),
                invalidation_listener: OnceLock::new(),
                lease_wait: LeaseWait::default(),
            }),
        })
    }

    /// The schema that contains the tables.
    ///
    /// # Errors
    /// There are no tables; database errors.
    pub fn table_schema(&self) -> Result<TableSchema, AppError> {
        let deadline = Instant::now() + self.inner.acquire_timeout;
        self.with_connection(deadline, |connection| {
            let schema = self.inner.manager.table_schema(&mut connection.pg)?;
            schema
                .cloned()
                .ok_or_else(|| AppError::internal("the database has not been migrated"))
        })
    }

    /// Runs `work` so that each statement sees the latest committed state. `work` cannot change anything: the database refuses
    /// it. So it can run again on another connection.
    ///
    /// # Errors
    /// The error of `work`. [`Code::DatabaseUnavailable`] if no connection is available in time.
    pub async fn read<T, F>(&self, work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, AppError> + Send + 'static,
    {
        let run = move |db: &Self, deadline, _: &AtomicBool| db.run_read(deadline, work);
        self.run_on_blocking_thread(Access::Read, run).await
    }

    /// [`Db::read`] on the calling thread, for the command line and for tests.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub fn read_now<T>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        self.run_read(Instant::now() + self.inner.acquire_timeout, work)
    }

    /// Registers the listener for the invalidations of this process's transactions. When another server becomes the primary,
    /// everything is invalidated. Only the first call has an effect.
    pub fn on_invalidation(&self, listener: impl Fn(Invalidation) + Send + Sync + 'static) {
        let listener: InvalidationListener = Arc::new(listener);
        if self
            .inner
            .invalidation_listener
            .set(listener.clone())
            .is_ok()
        {
            let invalidate_all = move || listener(Invalidation::All);
            self.inner.manager.guard.on_new_epoch(invalidate_all);
        }
    }

    /// What decides which server's answers count.
    #[must_use]
    pub fn server_guard(&self) -> &Arc<ServerGuard> {
        &self.inner.manager.guard
    }

    /// The number of connections, for the metrics.
    #[must_use]
    pub fn pool_status(&self) -> PoolStatus {
        let state = self.inner.pool.get().connections.state();
        PoolStatus {
            connections: state.connections,
            idle: state.idle_connections,
        }
    }

    /// The number of times that a result was held back until every replica knew of the commit, for the metrics.
    #[must_use]
    pub fn lease_waits(&self) -> u64 {
        self.inner.lease_wait.count()
    }

    /// The number of threads that wait for a server although their requests have been answered with an error, for the
    /// metrics.
    #[must_use]
    pub fn abandoned_threads(&self) -> usize {
        self.inner.abandoned_threads.load(Ordering::Relaxed)
    }

    /// Whether a statement failed in the last 30 seconds because the server's disk was full.
    #[must_use]
    pub fn is_storage_full(&self) -> bool {
        const MEMORY: Duration = Duration::from_secs(30);
        let last = self.inner.last_storage_full.get();
        last.is_some_and(|failed_at| failed_at.elapsed() < MEMORY)
    }

    fn run_read<T>(
        &self,
        deadline: Instant,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        self.with_connection(deadline, |connection| {
            let setup = self.inner.manager.enter(connection)?;
            transaction::read(&mut connection.pg, &setup, |conn| {
                work(&mut Tx::new(conn, clock::now()))
            })
        })
    }

    /// Runs `work` on a connection. If the connection turns out to be dead before the commit, or its server is not the primary
    /// any more, `work` runs again on another one, so that requests succeed as soon as a failed database is back.
    fn with_connection<T>(
        &self,
        deadline: Instant,
        mut work: impl FnMut(&mut PooledConnection) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        /// The second attempt uses a new connection. The third is for a server that shut down during the second.
        const MAX_ATTEMPTS: u32 = 3;
        let guard = self.server_guard();
        let mut attempt = 1;
        loop {
            if !guard.wait_until_resumed(deadline) {
                return Err(unavailable());
            }
            let mut connection = self.inner.usable_connection(deadline)?;
            connection.is_committing = false;
            let result = work(&mut connection);
            // Whatever the result is, it counts only if the server is still the primary.
            let confirm_until = Instant::now() + self.inner.acquire_timeout;
            let is_confirmed = guard.confirm(connection.epoch, confirm_until);
            let result = if is_confirmed {
                result
            } else {
                Err(unavailable())
            };
            match result {
                Err(error) if error.code() == Code::DatabaseUnavailable => {
                    self.inner.manager.discard_generation(&mut connection);
                    let is_final = connection.is_committing || attempt == MAX_ATTEMPTS;
                    if is_final || Instant::now() >= deadline {
                        return Err(error);
                    }
                    attempt += 1;
                }
                result => {
                    if matches!(&result, Err(error) if error.code() == Code::StorageFull) {
                        self.inner.last_storage_full.record();
                    }
                    return result;
                }
            }
        }
    }
}

impl DbInner {
    /// Takes connections from the pool until one is usable. Unusable ones are closed when they are returned.
    fn usable_connection(
        &self,
        deadline: Instant,
    ) -> Result<r2d2::PooledConnection<ConnectionFactory>, AppError> {
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            let connection = self.pool.get().connections.get_timeout(remaining);
            let mut connection = connection.map_err(|cause| unavailable().with_cause(cause))?;
            if self.manager.is_usable(&mut connection) {
                return Ok(connection);
            }
        }
    }
}

fn unavailable() -> AppError {
    AppError::new(Code::DatabaseUnavailable).with_retry_after(Duration::from_secs(1))
}
