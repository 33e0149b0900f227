//! The result of a use case inside a transaction, and whether a failure commits or rolls back.

use super::AppError;

/// A failed use case, with the decision whether to commit the transaction.
///
/// Some failures must commit what they wrote: an audit entry, a counter, a revoked token family. The `?` operator on any
/// other error rolls back.
#[derive(Debug)]
pub enum TxAbort {
    /// Commit, then return the error.
    Commit(AppError),
    /// Roll back, then return the error.
    RollBack(AppError),
}

impl TxAbort {
    /// Converts to a rollback, for a step that fails after other steps of the same transaction.
    #[must_use]
    pub fn into_rollback(self) -> Self {
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
