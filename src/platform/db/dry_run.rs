//! Dry runs: run a transaction to get its result, then roll it back.

use std::sync::mpsc::{Sender, channel};

use super::{Db, Tx};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};

impl Db {
    /// Returns what [`Db::write`] would return, but always rolls back, even where `write` would commit a refusal.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn dry_run<T, F>(&self, mut work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> TxResult<T> + Send + 'static,
    {
        let (sender, receiver) = channel();
        let outcome = self
            .write_without_wait(move |tx| roll_back(work(tx), &sender))
            .await;
        let rolled_back = outcome.and_then(|outcome| outcome.result);
        receiver.try_iter().last().map_or(rolled_back, Ok)
    }

    /// [`Db::dry_run`] on the calling thread, for the command line and for tests.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn dry_run_now<T>(
        &self,
        mut work: impl FnMut(&mut Tx<'_>) -> TxResult<T>,
    ) -> Result<T, AppError> {
        let (sender, receiver) = channel();
        let outcome = self.write_now_without_wait(move |tx| roll_back(work(tx), &sender));
        let rolled_back = outcome.result;
        receiver.try_iter().last().map_or(rolled_back, Ok)
    }
}

/// Sends the value out of the transaction and returns an error, so that the transaction is always rolled back.
fn roll_back<T>(result: TxResult<T>, sender: &Sender<T>) -> TxResult<T> {
    Err(TxAbort::RollBack(match result {
        Ok(value) => {
            let _ = sender.send(value);
            AppError::new(Code::Internal)
        }
        Err(TxAbort::Commit(error) | TxAbort::RollBack(error)) => error,
    }))
}
