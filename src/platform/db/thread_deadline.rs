//! Uses of the database on threads that the caller stops waiting for when the database does not respond. libpq cannot be
//! interrupted: such a thread ends when the operating system's TCP timeouts end its connection or the server continues. What
//! it returns then is discarded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::permits::Access;
use super::pool::Pool;
use super::{Db, DbInner, Tx, unavailable};
use crate::platform::error::{AppError, Code, TxResult};

/// The maximum number of threads that wait for servers that do not respond. Beyond it, no others are started.
const MAX_ABANDONED_THREADS: usize = 128;

/// How often the limits of a wait are examined.
const INTERVAL: Duration = Duration::from_millis(250);

/// A use of the database on another thread.
struct Use {
    db: Db,
    start: Instant,
    /// The pool at the start.
    pool: Arc<Pool>,
    /// Whether the caller has stopped waiting, or the thread has returned.
    is_over: Arc<AtomicBool>,
}

impl Db {
    /// [`Db::read`] for threads that do not run futures.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub fn read_on_thread<T, F>(&self, work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, AppError> + Send + 'static,
    {
        self.run_on_own_thread(move |db, deadline, _| db.run_read(deadline, work))
    }

    /// [`Db::write`] for threads that do not run futures.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn write_on_thread<T, F>(&self, work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> TxResult<T> + Send + 'static,
    {
        let outcome = self.run_on_own_thread(move |db, deadline, is_abandoned| {
            Ok(db.run_write(deadline, is_abandoned, work))
        })?;
        if outcome.must_wait {
            self.inner.lease_wait.wait_now();
        }
        outcome.result
    }

    pub(super) async fn run_on_blocking_thread<T, F>(
        &self,
        access: Access,
        run: F,
    ) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnOnce(&Db, Instant, &AtomicBool) -> Result<T, AppError> + Send + 'static,
    {
        let start = Instant::now();
        let deadline = start + self.inner.acquire_timeout;
        let (pool, permit) = loop {
            let pool = self.inner.pool.get();
            match pool.permits.acquire(access, deadline).await {
                Some(permit) => break (pool, permit),
                None if pool.replaced_at().is_some() && Instant::now() < deadline => {}
                None => return Err(self.no_permit_error(start)),
            }
        };
        let current_use = Use::new(self, start, pool)?;
        let run = current_use.task(deadline, run);
        let mut task = tokio::task::spawn_blocking(move || {
            let result = run();
            drop(permit);
            result
        });
        while let Some(limit) = current_use.next_limit() {
            tokio::select! {
                biased;
                result = &mut task => {
                    return result.unwrap_or_else(|panic| Err(AppError::internal(panic)));
                }
                () = tokio::time::sleep_until(limit.into()) => {}
            }
        }
        current_use.abandon();
        Err(unavailable())
    }

    fn run_on_own_thread<T, F>(&self, run: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnOnce(&Db, Instant, &AtomicBool) -> Result<T, AppError> + Send + 'static,
    {
        let start = Instant::now();
        let current_use = Use::new(self, start, self.inner.pool.get())?;
        let run = current_use.task(start + self.inner.acquire_timeout, run);
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("database job".to_owned())
            .spawn(move || sender.send(run()))
            .map_err(AppError::internal)?;
        while let Some(limit) = current_use.next_limit() {
            match receiver.recv_timeout(limit.saturating_duration_since(Instant::now())) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(AppError::internal(
                        "a thread that used the database panicked",
                    ));
                }
            }
        }
        current_use.abandon();
        Err(unavailable())
    }

    /// The error for a caller that got no permit in time: unavailable if the database did not respond during the wait, else
    /// overloaded.
    fn no_permit_error(&self, start: Instant) -> AppError {
        let guard = self.server_guard();
        match guard.last_response() {
            _ if guard.is_suspended() => unavailable(),
            Some(last_response) if last_response < start => unavailable(),
            _ => AppError::new(Code::Overloaded).with_retry_after(Duration::from_secs(1)),
        }
    }
}

impl Use {
    fn new(db: &Db, start: Instant, pool: Arc<Pool>) -> Result<Self, AppError> {
        if db.abandoned_threads() >= MAX_ABANDONED_THREADS {
            return Err(unavailable());
        }
        Ok(Self {
            db: db.clone(),
            start,
            pool,
            is_over: Arc::default(),
        })
    }

    /// What the thread runs.
    fn task<T, F>(&self, deadline: Instant, run: F) -> impl FnOnce() -> T + Send + use<T, F>
    where
        F: FnOnce(&Db, Instant, &AtomicBool) -> T + Send,
    {
        let (db, is_over) = (self.db.clone(), Arc::clone(&self.is_over));
        move || {
            let result = run(&db, deadline, &is_over);
            if is_over.swap(true, Ordering::SeqCst) {
                db.inner.abandoned_threads.fetch_sub(1, Ordering::SeqCst);
            }
            result
        }
    }

    /// Until when to wait before the limits are examined again. `None` if the wait is over: the database has not responded for
    /// the acquire timeout, or the pool was replaced, or the use takes longer than any operation.
    fn next_limit(&self) -> Option<Instant> {
        /// If a single server process hangs, the statement timeout does not end its statement. No operation takes this
        /// long.
        const MAX_USE: Duration = Duration::from_secs(60);
        /// How long a thread has for another attempt on a new connection.
        const RETRY_TIME: Duration = Duration::from_secs(1);
        let DbInner {
            acquire_timeout, ..
        } = &*self.db.inner;
        let end = self.start + MAX_USE.max(*acquire_timeout);
        let silent_since = self.db.server_guard().last_response();
        let silence_end = silent_since.map(|time| time.max(self.start) + *acquire_timeout);
        let retry_end = self.pool.replaced_at().map(|time| time + RETRY_TIME);
        let limit = [silence_end, retry_end]
            .into_iter()
            .flatten()
            .fold(end, Instant::min);
        let now = Instant::now();
        (now < limit).then(|| limit.min(now + INTERVAL))
    }

    /// The caller stops waiting.
    fn abandon(&self) {
        let abandoned = &self.db.inner.abandoned_threads;
        abandoned.fetch_add(1, Ordering::SeqCst);
        if self.is_over.swap(true, Ordering::SeqCst) {
            abandoned.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
