//! The way to the database: [`Db`] alone hands out connections and opens transactions.
//! It knows nothing of accounts; what is read and written is its callers' business.

pub mod cluster;
mod link;
pub mod lock;
pub mod migrate;
mod news;
mod touched;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::Timestamptz;
use diesel::{QueryResult, RunQueryDsl};
use tokio::sync::Semaphore;

use crate::error::{Acted, AppError, Code, Halt};
use link::{Link, Manager};

pub use news::News;
pub use touched::Touched;

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
    pool: r2d2::Pool<Manager>,
    places: Arc<Semaphore>,
    size: u32,
    acquire: Duration,
    watcher: OnceLock<Watcher>,
}

/// Is told of everything that a transaction of this process touched, before the transaction's caller gets its answer.
type Watcher = Box<dyn Fn(Touched) + Send + Sync>;

/// One use of the database: a connection and the moment at which the use began.
///
/// In [`Db::write`] the moment is the database's own clock, so that replicas whose clocks differ agree on what has
/// expired; in [`Db::read`] it is this machine's.
pub struct Tx<'c> {
    /// The connection, inside the transaction.
    pub conn: &'c mut PgConnection,
    /// When it began.
    pub now: DateTime<Utc>,
    touched: Vec<Touched>,
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
    pub fn touch(&mut self, touched: Touched) {
        self.touched.push(touched);
    }
}

impl Db {
    /// Makes the pool. Connections are opened as they are needed, so this does not wait for the database.
    ///
    /// # Errors
    /// When the pool can't be built.
    pub fn connect(options: &DbOptions) -> Result<Self, AppError> {
        let pool = r2d2::Pool::builder()
            .max_size(options.size)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(options.acquire)
            .error_handler(Box::new(QuietErrors))
            .build_unchecked(Manager::new(&options.url, options.statement));
        Ok(Self {
            inner: Arc::new(Inner {
                pool,
                places: Arc::new(Semaphore::new(options.size as usize)),
                size: options.size,
                acquire: options.acquire,
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
        self.on_blocking_thread(move |db| db.read_now(work)).await
    }

    /// Runs one transaction (read committed). `work` may run again after a deadlock, so it has no effect but on `Tx`.
    ///
    /// # Errors
    /// What `work` fails with, after [`Halt`]'s choice of commit or rollback; [`Code::DatabaseUnavailable`] as in `read`.
    pub async fn write<T, F>(&self, work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Acted<T> + Send + 'static,
    {
        self.on_blocking_thread(move |db| db.write_now(work)).await
    }

    /// [`Db::read`] on the calling thread, for the command line and for tests.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub fn read_now<T>(
        &self,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        self.with_link(|link| work(&mut Tx::new(&mut link.pg, process_clock())))
    }

    /// [`Db::write`] on the calling thread, for the command line and for tests.
    ///
    /// # Errors
    /// As [`Db::write`].
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that begins transactions"
    )]
    pub fn write_now<T>(
        &self,
        mut work: impl FnMut(&mut Tx<'_>) -> Acted<T>,
    ) -> Result<T, AppError> {
        const ATTEMPTS: u32 = 4;
        let mut attempt = 1;
        loop {
            let mut touched = Vec::new();
            let answer = self.with_link(|link| {
                let began = &mut link.began;
                link.pg.build_transaction().read_committed().run(|conn| {
                    let now = database_clock(conn)?;
                    *began = true;
                    let mut tx = Tx::new(conn, now);
                    let outcome = work(&mut tx);
                    touched = tx.touched;
                    match outcome {
                        Ok(value) => Ok(Ok(value)),
                        Err(Halt::Commit(refusal)) => Ok(Err(refusal)),
                        Err(Halt::RollBack(error)) => Err(error),
                    }
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

    /// Lets `watcher` be told of everything that transactions touch. Only the first call counts.
    pub fn watch(&self, watcher: impl Fn(Touched) + Send + Sync + 'static) {
        let _ = self.inner.watcher.set(Box::new(watcher));
    }

    /// Connections open and connections idle, for the metrics.
    #[must_use]
    pub fn load(&self) -> (u32, u32) {
        let state = self.inner.pool.state();
        (state.connections, state.idle_connections)
    }

    async fn on_blocking_thread<T, F>(&self, run: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> Result<T, AppError> + Send + 'static,
    {
        let place = tokio::time::timeout(
            self.inner.acquire,
            Arc::clone(&self.inner.places).acquire_owned(),
        )
        .await;
        let Ok(Ok(place)) = place else {
            return Err(AppError::new(Code::Overloaded).retry_after(Duration::from_secs(1)));
        };
        let db = self.clone();
        tokio::task::spawn_blocking(move || {
            let answer = run(&db);
            drop(place);
            answer
        })
        .await
        .map_err(AppError::internal)?
    }

    /// Runs `work` on a connection. One that turns out to be dead before it did anything is replaced, so that a
    /// database that came back is used again at once.
    fn with_link<T>(
        &self,
        mut work: impl FnMut(&mut Link) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        let mut spare = self.inner.size;
        loop {
            let mut link = self.inner.pool.get().map_err(|cause| {
                AppError::new(Code::DatabaseUnavailable)
                    .retry_after(Duration::from_secs(1))
                    .caused_by(cause)
            })?;
            link.began = false;
            match work(&mut link) {
                Ok(value) => return Ok(value),
                Err(error) => {
                    link.doomed = error.code() == Code::DatabaseUnavailable;
                    if !link.doomed || link.began || spare == 0 {
                        return Err(error);
                    }
                    spare -= 1;
                }
            }
        }
    }
}

/// Names the violated constraint as a failure of the domain, at the query: never check, then insert.
pub trait OnConstraint<T> {
    /// When the constraint `name` was violated, the failure is `code`.
    ///
    /// # Errors
    /// The failure itself, or whatever else went wrong.
    fn on_constraint(self, name: &str, code: Code) -> Result<T, AppError>;
}

impl<T> OnConstraint<T> for QueryResult<T> {
    fn on_constraint(self, name: &str, code: Code) -> Result<T, AppError> {
        self.map_err(AppError::from).on_constraint(name, code)
    }
}

impl<T> OnConstraint<T> for Result<T, AppError> {
    fn on_constraint(self, name: &str, code: Code) -> Result<T, AppError> {
        self.map_err(|error| match diesel_cause(&error) {
            Some(DieselError::DatabaseError(
                DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::ForeignKeyViolation,
                information,
            )) if information.constraint_name() == Some(name) => AppError::new(code),
            _ => error,
        })
    }
}

impl From<DieselError> for AppError {
    fn from(error: DieselError) -> Self {
        let code = match &error {
            DieselError::NotFound => Code::NotFound,
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | DieselError::BrokenTransactionManager => Code::DatabaseUnavailable,
            DieselError::DatabaseError(_, information) if is_shutdown(information.message()) => {
                Code::DatabaseUnavailable
            }
            DieselError::DatabaseError(_, information)
                if information.message().contains("statement timeout") =>
            {
                Code::Overloaded
            }
            _ => Code::Internal,
        };
        let wrapped = AppError::new(code).caused_by(error);
        match code {
            Code::DatabaseUnavailable | Code::Overloaded => {
                wrapped.retry_after(Duration::from_secs(1))
            }
            _ => wrapped,
        }
    }
}

/// Diesel does not show SQLSTATE 57P01 to 57P03; their texts are those of a server that goes or comes.
fn is_shutdown(message: &str) -> bool {
    [
        "terminating connection",
        "the database system is",
        "server closed the connection",
    ]
    .iter()
    .any(|text| message.contains(text))
}

fn diesel_cause(error: &AppError) -> Option<&DieselError> {
    std::error::Error::source(error)?.downcast_ref()
}

fn is_contention(error: &AppError) -> bool {
    match diesel_cause(error) {
        Some(DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
        Some(DieselError::DatabaseError(_, information)) => {
            information.message().contains("deadlock detected")
        }
        _ => false,
    }
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
