//! Several transactions whose results are given out together, after one wait for the leases of the replicas.

use super::{Db, Tx};
use crate::platform::error::{AppError, TxResult};

/// Runs transactions like [`Db::write`], but does not wait after each. The results must not be given to the caller before
/// [`WriteBatch::finish`] has returned.
#[must_use = "the revocations of the batch are not effective on all replicas before `finish`"]
pub struct WriteBatch<'d> {
    db: &'d Db,
    must_wait: bool,
}

impl Db {
    /// Begins a batch of transactions.
    pub const fn batch(&self) -> WriteBatch<'_> {
        WriteBatch {
            db: self,
            must_wait: false,
        }
    }
}

impl WriteBatch<'_> {
    /// Makes [`WriteBatch::finish`] wait even if no transaction asks for it.
    pub const fn wait_for_leases(&mut self) {
        self.must_wait = true;
    }

    /// Runs a transaction.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn write<T, F>(&mut self, work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> TxResult<T> + Send + 'static,
    {
        let outcome = self.db.write_without_wait(work).await?;
        self.must_wait |= outcome.must_wait;
        outcome.result
    }

    /// [`WriteBatch::write`] on the calling thread.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn write_now<T>(
        &mut self,
        work: impl FnMut(&mut Tx<'_>) -> TxResult<T>,
    ) -> Result<T, AppError> {
        let outcome = self.db.write_now_without_wait(work);
        self.must_wait |= outcome.must_wait;
        outcome.result
    }

    /// Returns when no replica can still use what it cached before the commits, if a transaction or the caller asked for it.
    pub async fn finish(self) {
        if self.must_wait {
            self.db.inner.lease_wait.wait().await;
        }
    }

    /// [`WriteBatch::finish`] on the calling thread.
    pub fn finish_now(self) {
        if self.must_wait {
            self.db.inner.lease_wait.wait_now();
        }
    }
}
