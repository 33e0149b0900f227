//! Maps diesel errors to [`AppError`]: constraint violations, contention, and a server that is unavailable or out of space.

use std::time::Duration;

use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::sqlstate::SqlCondition;
use crate::platform::error::{AppError, Code};

/// Maps the violation of a named constraint to an error code at the query, instead of checking before the insert.
pub trait OnConstraint<T> {
    /// Returns an error with `code` if the unique or foreign key constraint `name` was violated.
    ///
    /// # Errors
    /// The error with `code`, or any other error unchanged.
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
        let code = error_code(&error);
        let wrapped = Self::new(code).with_cause(error);
        match code {
            Code::DatabaseUnavailable | Code::Overloaded => {
                wrapped.with_retry_after(Duration::from_secs(1))
            }
            // Somebody has to make space.
            Code::StorageFull => wrapped.with_retry_after(Duration::from_secs(30)),
            _ => wrapped,
        }
    }
}

fn error_code(error: &DieselError) -> Code {
    use DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, UnableToSendCommand};
    match error {
        DieselError::NotFound => Code::NotFound,
        DieselError::BrokenTransactionManager
        | DieselError::DatabaseError(
            ClosedConnection | ReadOnlyTransaction | UnableToSendCommand,
            _,
        ) => Code::DatabaseUnavailable,
        DieselError::RollbackErrorOnCommit { commit_error, .. } => error_code(commit_error),
        _ => match SqlCondition::of(error) {
            SqlCondition::Contention | SqlCondition::Timeout => Code::Overloaded,
            SqlCondition::Unavailable => Code::DatabaseUnavailable,
            SqlCondition::StorageFull => Code::StorageFull,
            SqlCondition::Other => Code::Internal,
        },
    }
}

fn diesel_cause(error: &AppError) -> Option<&DieselError> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Whether the transaction failed because of a concurrent one and can be retried: serialization failure or deadlock.
pub(super) fn is_contention(error: &AppError) -> bool {
    diesel_cause(error).is_some_and(|cause| SqlCondition::of(cause) == SqlCondition::Contention)
}
