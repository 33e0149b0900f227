//! The way to the database: [`Db`] alone hands out connections and opens transactions.
//! It knows nothing of accounts; what is read and written is its callers' business.

pub mod advisory_lock;
pub mod cluster;
mod connection;
mod dry_run;
mod errors;
mod heartbeat;
mod invalidation;
pub mod migrate;
mod notifications;
mod prepared_statement;
mod server_info;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::Timestamptz;
use diesel::{QueryResult, RunQueryDsl};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use connection::{ConnectionFactory, ConnectionManager, PooledConnection};
use errors::is_contention;
use heartbeat::Heartbeat;

pub use errors::OnConstraint;
pub use invalidation::Invalidation;
pub use notifications::Notifications;
pub use prepared_statement::PreparedStatement;
pub use server_info::{ServerInfo, about};

/// How to reach the database and how much of it to use.
#[derive(Clone)]
pub struct DbOptions {
    /// A libpq connection URI or keyword/value string.
    pub url: String,
    /// Connections at most.
    pub size: u32,
    /// How long a caller waits for a connection before the answer is "unavailable".
    pub acquire: Duration,
    /// How long one statement may take.
    pub statement: Duration,
}

/// A pool of connections, with a queue in front that never grows into a hang.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    pool: r2d2::Pool<ConnectionFactory>,
    manager: Arc<ConnectionManager>,
    places: Arc<Semaphore>,
    acquire: Duration,
    pulse: Heartbeat,
    watcher: OnceLock<Watcher>,
}

/// Is told of everything that a transaction of this process touched, before the transaction's caller gets its answer.
type Watcher = Box<dyn Fn(Invalidation) + Send + Sync>;

/// One use of the database: a connection and the moment at which the use began.
///
/// In [`Db::write`] the moment is the database's own clock, so that replicas whose clocks differ agree on what has
/// expired; in [`Db::read`] it is this machine's.
pub struct Tx<'c> {
    /// The connection, inside the transaction.
    pub conn: &'c mut PgConnection,
    /// When it began.
    pub now: DateTime<Utc>,
    touched: Vec<Invalidation>,
}

impl<'c> Tx<'c> {
    fn new(conn: &'c mut PgConnection, now: DateTime<Utc>) -> Self {
        Self {
            conn,
            now,
            touched: Vec::new(),
        }
    }

    /// Says that what others remember of this is out of date. The tables' triggers tell other processes; this tells our
    /// own, so that the very next request here sees the change.
    pub fn invalidate(&mut self, touched: Invalidation) {
        self.touched.push(touched);
    }
}

impl Db {
    /// Makes the pool. Connections are opened as they are needed, so this does not wait for the database.
    ///
    /// # Errors
    /// When the pool can't be built.
    pub fn connect(options: &DbOptions) -> Result<Self, AppError> {
        let manager = Arc::new(ConnectionManager::new(&options.url, options.statement));
        let pool = r2d2::Pool::builder()
            .max_size(options.size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(options.acquire)
            .error_handler(Box::new(QuietErrors))
            .build_unchecked(ConnectionFactory(manager.clone()));
        Ok(Self {
            inner: Arc::new(Inner {
                pool,
                manager,
                places: Arc::new(Semaphore::new(options.size as usize)),
                acquire: options.acquire,
                pulse: Heartbeat::new(),
                watcher: OnceLock::new(),
            }),
        })
    }

    /// Reads, outside a transaction: each statement sees the newest committed state.
    ///
    /// # Errors
    /// What `work` fails with; [`Code::DatabaseUnavailable`] when no connection could be had in time.
    pub async fn read<T, F>(&self, work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, AppError> + Send + 'static,
    {
        self.on_blocking_thread(move |db, until, _| db.run_read(until, work))
            .await
    }

    /// Runs one transaction (read committed). `work` may run again after a deadlock or on another connection, so it has
    /// no effect but on `Tx`.
    ///
    /// # Errors
    /// What `work` fails with, after [`TxAbort`]'s choice of commit or rollback; [`Code::DatabaseUnavailable`] as in `read`.
    pub async fn write<T, F>(&self, work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> TxResult<T> + Send + 'static,
    {
        self.on_blocking_thread(move |db, until, is_given_up| {
            db.run_write(until, is_given_up, work)
        })
        .await
    }

    /// [`Db::read`] on the calling thread, for the command line and for tests.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub fn read_now<T>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        self.run_read(Instant::now() + self.inner.acquire, work)
    }

    /// [`Db::write`] on the calling thread, for the command line and for tests.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn write_now<T>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> TxResult<T>,
    ) -> Result<T, AppError> {
        let until = Instant::now() + self.inner.acquire;
        self.run_write(until, &AtomicBool::new(false), work)
    }

    /// Lets `watcher` be told of everything that transactions touch. Only the first call counts.
    pub fn watch(&self, watcher: impl Fn(Invalidation) + Send + Sync + 'static) {
        let _ = self.inner.watcher.set(Box::new(watcher));
    }

    /// Notes that the database has answered, on whatever connection. Who says so once must go on to ask it at short
    /// intervals: from then on a database that is not heard of for the time of [`DbOptions::acquire`] hangs, and nobody
    /// is left waiting for it.
    pub fn heard(&self) {
        self.inner.pulse.beat();
    }

    /// Connections open and connections idle, for the metrics.
    #[must_use]
    pub fn load(&self) -> (u32, u32) {
        let state = self.inner.pool.state();
        (state.connections, state.idle_connections)
    }

    fn run_read<T>(
        &self,
        until: Instant,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        self.with_link(until, |link| {
            work(&mut Tx::new(&mut link.pg, process_clock()))
        })
    }

    /// Where the caller has been told meanwhile that it came to nothing, it comes to nothing.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that begins transactions"
    )]
    fn run_write<T>(
        &self,
        until: Instant,
        is_given_up: &AtomicBool,
        mut work: impl FnMut(&mut Tx<'_>) -> TxResult<T>,
    ) -> Result<T, AppError> {
        const ATTEMPTS: u32 = 4;
        let mut attempt = 1;
        loop {
            let mut touched = Vec::new();
            let answer = self.with_link(until, |link| {
                let is_committing = &mut link.is_committing;
                link.pg.build_transaction().read_committed().run(|conn| {
                    let now = database_clock(conn)?;
                    let mut tx = Tx::new(conn, now);
                    let acted = work(&mut tx);
                    touched = tx.touched;
                    if is_given_up.load(Ordering::Relaxed) {
                        return Err(unavailable());
                    }
                    let kept = match acted {
                        Ok(value) => Ok(value),
                        Err(TxAbort::Commit(refusal)) => Err(refusal),
                        Err(TxAbort::RollBack(error)) => return Err(error),
                    };
                    *is_committing = true;
                    Ok(kept)
                })
            });
            // Also after a failure: whether a commit that was cut off took effect is not known.
            if let Some(tell) = self.inner.watcher.get() {
                touched.into_iter().for_each(tell);
            }
            match answer {
                Err(error) if attempt < ATTEMPTS && is_contention(&error) => attempt += 1,
                Err(error) => return Err(error),
                Ok(value) => return value,
            }
        }
    }

    async fn on_blocking_thread<T, F>(&self, run: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnOnce(&Db, Instant, &AtomicBool) -> Result<T, AppError> + Send + 'static,
    {
        let begun = Instant::now();
        let until = begun + self.inner.acquire;
        let places = Arc::clone(&self.inner.places);
        let place = tokio::time::timeout_at(until.into(), places.acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(self.no_place(begun));
        };
        let is_given_up = Arc::new(AtomicBool::new(false));
        let (db, told) = (self.clone(), is_given_up.clone());
        let running = tokio::task::spawn_blocking(move || {
            let answer = run(&db, until, &told);
            drop(place);
            answer
        });
        let answer = self.while_it_answers(begun, running).await;
        answer.unwrap_or_else(|| {
            is_given_up.store(true, Ordering::Relaxed);
            Err(unavailable())
        })
    }

    /// Waits for what runs, but no longer than the database may be silent, and than anything may take. A thread that then
    /// still waits for it goes on to do so, with its place: there are no more of them than places, and the system ends
    /// their wait when the server or the way to it is dead.
    async fn while_it_answers<T>(
        &self,
        begun: Instant,
        mut running: JoinHandle<Result<T, AppError>>,
    ) -> Option<Result<T, AppError>> {
        /// A session can hang alone, and then its server does not end the statement. No use of ours takes so long.
        const LONGEST_USE: Duration = Duration::from_secs(60);
        let last_call = begun + LONGEST_USE.max(self.inner.acquire);
        loop {
            let silence = self.inner.pulse.last().map(|heard| heard.max(begun));
            let limit = silence.map_or(last_call, |since| since + self.inner.acquire);
            let limit = limit.min(last_call);
            if Instant::now() >= limit {
                return None;
            }
            tokio::select! {
                biased;
                answer = &mut running => {
                    return Some(answer.unwrap_or_else(|panic| Err(AppError::internal(panic))));
                }
                () = tokio::time::sleep_until(limit.into()) => {}
            }
        }
    }

    fn no_place(&self, begun: Instant) -> AppError {
        match self.inner.pulse.last() {
            Some(heard) if heard < begun => unavailable(),
            _ => AppError::new(Code::Overloaded).retry_after(Duration::from_secs(1)),
        }
    }

    /// Runs `work` on a connection. Where that turns out to be dead before anything is committed, the work is begun anew
    /// on another one, so that a database that came back is used again at once.
    fn with_link<T>(
        &self,
        until: Instant,
        mut work: impl FnMut(&mut PooledConnection) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        /// The second is a new one, the third for a server that was just ending; then it is down, or takes no writes.
        const ATTEMPTS: u32 = 3;
        let mut attempt = 1;
        loop {
            let mut link = self.inner.link(until)?;
            link.is_committing = false;
            match work(&mut link) {
                Err(error) if error.code() == Code::DatabaseUnavailable => {
                    self.inner.manager.doom(&mut link);
                    if link.is_committing || attempt == ATTEMPTS || Instant::now() >= until {
                        return Err(error);
                    }
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }
}

impl Inner {
    /// A connection that is worth a try.
    fn link(&self, until: Instant) -> Result<r2d2::PooledConnection<ConnectionFactory>, AppError> {
        loop {
            let wait = until.saturating_duration_since(Instant::now());
            let link = self.pool.get_timeout(wait);
            let mut link = link.map_err(|cause| unavailable().caused_by(cause))?;
            if self.manager.is_fresh(&mut link) {
                return Ok(link);
            }
        }
    }
}

fn unavailable() -> AppError {
    AppError::new(Code::DatabaseUnavailable).retry_after(Duration::from_secs(1))
}

fn database_clock(conn: &mut PgConnection) -> QueryResult<DateTime<Utc>> {
    diesel::select(diesel::dsl::sql::<Timestamptz>("clock_timestamp()")).get_result(conn)
}

/// This machine's clock.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where time comes in"
)]
pub fn process_clock() -> DateTime<Utc> {
    Utc::now()
}

/// The pool tries again by itself; what a caller can't get is reported to that caller.
#[derive(Debug)]
struct QuietErrors;

impl<E: std::error::Error> r2d2::HandleError<E> for QuietErrors {
    fn handle_error(&self, error: E) {
        tracing::debug!(%error, "no connection to the database yet");
    }
}
