//! Doing a piece of work to see what comes of it, and then undoing it: what a dry run is made of.

use std::sync::mpsc::{Sender, channel};

use super::{Db, Tx};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};

impl Db {
    /// What [`Db::write`] would answer now. Nothing is kept, not even what a refusal keeps.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn rehearse<T, F>(&self, mut work: F) -> Result<T, AppError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> TxResult<T> + Send + 'static,
    {
        let (tell, told) = channel();
        let undone = self.write(move |tx| undo(work(tx), &tell)).await;
        told.try_iter().last().map_or(undone, Ok)
    }

    /// [`Db::rehearse`] on the calling thread, for the command line and for tests.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn rehearse_now<T>(
        &self,
        mut work: impl FnMut(&mut Tx<'_>) -> TxResult<T>,
    ) -> Result<T, AppError> {
        let (tell, told) = channel();
        let undone = self.write_now(move |tx| undo(work(tx), &tell));
        told.try_iter().last().map_or(undone, Ok)
    }
}

/// Takes the value out of the transaction, which is then rolled back whatever happened in it.
fn undo<T>(acted: TxResult<T>, tell: &Sender<T>) -> TxResult<T> {
    Err(TxAbort::RollBack(match acted {
        Ok(value) => {
            let _ = tell.send(value);
            AppError::new(Code::Internal)
        }
        Err(TxAbort::Commit(error) | TxAbort::RollBack(error)) => error,
    }))
}
