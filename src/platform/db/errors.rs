//! What the database's failures mean: a violated constraint, a deadlock, a server that is gone or takes no writes.

use std::time::Duration;

use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::platform::error::{AppError, Code};

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
        let code = code_of(&error);
        let wrapped = Self::new(code).caused_by(error);
        match code {
            Code::DatabaseUnavailable | Code::Overloaded => {
                wrapped.retry_after(Duration::from_secs(1))
            }
            _ => wrapped,
        }
    }
}

fn code_of(error: &DieselError) -> Code {
    use DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, UnableToSendCommand};
    match error {
        DieselError::NotFound => Code::NotFound,
        DieselError::BrokenTransactionManager
        | DieselError::DatabaseError(
            ClosedConnection | ReadOnlyTransaction | UnableToSendCommand,
            _,
        ) => Code::DatabaseUnavailable,
        DieselError::RollbackErrorOnCommit { commit_error, .. } => code_of(commit_error),
        DieselError::DatabaseError(_, information) => code_of_text(information.message()),
        _ => Code::Internal,
    }
}

/// Diesel does not show SQLSTATE 57014 and 57P01 to 57P03; these are their texts.
fn code_of_text(message: &str) -> Code {
    let says = |text| message.contains(text);
    if says("terminating connection") || says("the database system is") {
        Code::DatabaseUnavailable
    } else if says("canceling statement") {
        Code::Overloaded
    } else {
        Code::Internal
    }
}

fn diesel_cause(error: &AppError) -> Option<&DieselError> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Whether the transaction lost against another one, and may win if it is run again.
pub(super) fn is_contention(error: &AppError) -> bool {
    match diesel_cause(error) {
        Some(DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
        Some(DieselError::DatabaseError(_, information)) => {
            information.message().contains("deadlock detected")
        }
        _ => false,
    }
}
