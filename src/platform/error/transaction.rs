//! How the work of a transaction ends: what is kept of one that refuses. It decides nothing.

use super::AppError;

/// How a transaction ends that did not do what was asked.
///
/// A refusal can still have something to keep: its audit row, a counter, an ended token family. `Commit` keeps it;
/// everything else, and every `?` on an ordinary error, rolls back.
#[derive(Debug)]
pub enum TxAbort {
    /// Keep what was written, then answer with the error.
    Commit(AppError),
    /// Undo everything, then answer with the error.
    RollBack(AppError),
}

impl TxAbort {
    /// Rolls back in any case: for a step that is refused after others were done in the same transaction.
    #[must_use]
    pub fn undone(self) -> Self {
        match self {
            Self::Commit(error) | Self::RollBack(error) => Self::RollBack(error),
        }
    }
}

impl<E: Into<AppError>> From<E> for TxAbort {
    fn from(error: E) -> Self {
        Self::RollBack(error.into())
    }
}

/// The result of a use case that runs in a transaction.
pub type TxResult<T> = Result<T, TxAbort>;
