//! Maps diesel errors to [`AppError`]: constraint violations, contention, and an unavailable server.

use std::time::Duration;

use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

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
        DieselError::DatabaseError(_, information) => error_code_of_message(information.message()),
        _ => Code::Internal,
    }
}

/// Recognizes SQLSTATE 57014 and 57P01 to 57P03 by their message, because diesel does not expose the SQLSTATE.
fn error_code_of_message(message: &str) -> Code {
    let contains = |text| message.contains(text);
    if contains("terminating connection") || contains("the database system is") {
        Code::DatabaseUnavailable
    } else if contains("canceling statement") {
        Code::Overloaded
    } else {
        Code::Internal
    }
}

fn diesel_cause(error: &AppError) -> Option<&DieselError> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Whether the transaction failed because of a concurrent one and can be retried: serialization failure or deadlock.
pub(super) fn is_contention(error: &AppError) -> bool {
    match diesel_cause(error) {
        Some(DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
        Some(DieselError::DatabaseError(_, information)) => {
            information.message().contains("deadlock detected")
        }
        _ => false,
    }
}
