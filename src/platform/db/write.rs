//! Transactions that write, and when their result is returned.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::errors::is_contention;
use super::permits::Access;
use super::{Db, Tx, transaction, unavailable};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};

/// What a transaction did, before the wait for the leases.
pub(super) struct TxOutcome<T> {
    pub result: Result<T, AppError>,
    /// Whether the transaction called [`Tx::wait_for_leases`] and was not refused. "Not found" is not a refusal: another
    /// request may have removed the resource a moment ago.
    pub must_wait: bool,
}

impl Db {
    /// Runs `work` in a transaction (read committed). `work` may run more than once, after a deadlock or on another
    /// connection, and must have no side effects outside `Tx`. If it called [`Tx::wait_for_leases`], the result is returned
    /// when every replica knows of the commit; no connection is held during that wait.
    ///
    /// # Errors
    /// The error of `work`, after the commit or rollback that its [`TxAbort`] asks for. [`Code::DatabaseUnavailable`] if
    /// no connection is available in time.
    pub async fn write<T, F>(&self, work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> TxResult<T> + Send + 'static,
    {
        let outcome = self.write_without_wait(work).await?;
        if outcome.must_wait {
            self.inner.lease_wait.wait().await;
        }
        outcome.result
    }

    pub(super) async fn write_without_wait<T, F>(&self, work: F) -> Result<TxOutcome<T>, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> TxResult<T> + Send + 'static,
    {
        self.run_write_with(Access::Write, work).await
    }

    /// Like [`Db::write`], for requests that read, and write only to record a refusal. `work` must take no lock: it can use the
    /// connections that are kept for reads.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn read_audited<T, F>(&self, work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> TxResult<T> + Send + 'static,
    {
        self.run_write_with(Access::Read, work).await?.result
    }

    async fn run_write_with<T, F>(&self, access: Access, work: F) -> Result<TxOutcome<T>, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> TxResult<T> + Send + 'static,
    {
        let run = move |db: &Self, deadline, is_abandoned: &AtomicBool| {
            Ok(db.run_write(deadline, is_abandoned, work))
        };
        self.run_on_blocking_thread(access, run).await
    }

    /// [`Db::write`] on the calling thread, for the command line and for tests.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn write_now<T>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> TxResult<T>,
    ) -> Result<T, AppError> {
        let outcome = self.write_now_without_wait(work);
        if outcome.must_wait {
            self.inner.lease_wait.wait_now();
        }
        outcome.result
    }

    pub(super) fn write_now_without_wait<T>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> TxResult<T>,
    ) -> TxOutcome<T> {
        let deadline = Instant::now() + self.inner.acquire_timeout;
        self.run_write(deadline, &AtomicBool::new(false), work)
    }

    /// Runs a transaction. It is rolled back if `is_abandoned` is set before the commit, because the caller has already
    /// received an error.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that begins transactions"
    )]
    pub(super) fn run_write<T>(
        &self,
        deadline: Instant,
        is_abandoned: &AtomicBool,
        mut work: impl FnMut(&mut Tx<'_>) -> TxResult<T>,
    ) -> TxOutcome<T> {
        const MAX_ATTEMPTS: u32 = 4;
        let mut attempt = 1;
        let mut must_wait = false;
        loop {
            let mut invalidations = Vec::new();
            let result = self.with_connection(deadline, |connection| {
                let setup = self.inner.manager.enter(connection)?;
                let epoch = connection.epoch;
                let is_committing = &mut connection.is_committing;
                let mut transaction = connection.pg.build_transaction().read_committed();
                if setup.must_request_writing {
                    transaction = transaction.read_write();
                }
                transaction.run(|conn| {
                    let now = transaction::enter(conn, &setup, deadline)?;
                    let mut tx = Tx::new(conn, now);
                    let work_result = work(&mut tx);
                    must_wait |= tx.waits_for_leases();
                    invalidations = tx.into_invalidations();
                    let is_current = self.server_guard().is_current(epoch);
                    if is_abandoned.load(Ordering::Relaxed) || !is_current {
                        return Err(unavailable());
                    }
                    let committed = match work_result {
                        Ok(value) => Ok(value),
                        Err(TxAbort::Commit(refusal)) => Err(refusal),
                        Err(TxAbort::RollBack(error)) => return Err(error),
                    };
                    *is_committing = true;
                    Ok(committed)
                })
            });
            // Also after an error: if the connection was lost during the commit, the commit may have taken effect.
            if let Some(listener) = self.inner.invalidation_listener.get() {
                invalidations.into_iter().for_each(&**listener);
            }
            let result = match result {
                // A deadlock is found only after a wait, so a retry after the deadline would multiply the wait of the caller.
                Err(error)
                    if attempt < MAX_ATTEMPTS
                        && is_contention(&error)
                        && Instant::now() < deadline =>
                {
                    attempt += 1;
                    continue;
                }
                Err(error) => Err(error),
                Ok(committed) => committed,
            };
            let is_answered = match &result {
                Ok(_) => true,
                Err(error) => error.code() == Code::NotFound,
            };
            return TxOutcome {
                result,
                must_wait: must_wait && is_answered,
            };
        }
    }
}
