//! The SQLSTATE of a PostgreSQL error. The texts of errors depend on the server's `lc_messages`, the SQLSTATE does not.
//!
//! Diesel 2.3 keeps the result of libpq in its error but shows only some of its fields. This is the only module with unsafe
//! code; `Cargo.toml` requires the exact version of diesel that it was written for.

#![expect(
    unsafe_code,
    reason = "reads a field of libpq's result that diesel does not expose"
)]

use std::ffi::{CStr, c_int};
use std::ptr;

use diesel::result::{DatabaseErrorInformation, Error as DieselError};
use pq_sys::{PGresult, PQresultErrorField};

/// What an SQLSTATE means for a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SqlCondition {
    /// The transaction failed because of a concurrent one, and can be run again.
    Contention,
    /// The statement took too long or waited too long for a lock, or the server has no memory for it.
    Timeout,
    /// The server ends the connection or accepts none.
    Unavailable,
    /// There is no space left on the server's disk.
    StorageFull,
    /// Anything else.
    Other,
}

impl SqlCondition {
    /// The condition of an error of diesel. `Other` if it has no SQLSTATE.
    pub fn of(error: &DieselError) -> Self {
        match error {
            DieselError::DatabaseError(_, information) => {
                sqlstate(&**information).map_or(Self::Other, Self::of_sqlstate)
            }
            _ => Self::Other,
        }
    }

    /// See "PostgreSQL Error Codes" in the documentation of PostgreSQL.
    fn of_sqlstate(sqlstate: &str) -> Self {
        match sqlstate {
            // serialization_failure, deadlock_detected
            "40001" | "40P01" => Self::Contention,
            // query_canceled, lock_not_available, out_of_memory
            "57014" | "55P03" | "53200" => Self::Timeout,
            // too_many_connections; admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped,
            // idle_session_timeout; idle_in_transaction_session_timeout, transaction_timeout; connection exceptions
            "53300" | "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" | "25P04"
            | "08000" | "08001" | "08003" | "08004" | "08006" => Self::Unavailable,
            // disk_full
            "53100" => Self::StorageFull,
            _ => Self::Other,
        }
    }
}

/// `PG_DIAG_SQLSTATE` of `postgres_ext.h`.
const PG_DIAG_SQLSTATE: c_int = b'C' as c_int;

/// The SQLSTATE of an error that the server sent. `None` if the error did not come from the server.
fn sqlstate(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> Option<&str> {
    // Diesel has two implementations: `String`, for errors of libpq itself, and `PgErrorInformation`, a struct whose only
    // content is the pointer to the result. They are told apart by their size. The tests of
    // `process::database_language` read the SQLSTATE of errors of a real server.
    if size_of_val(information) != size_of::<*const PGresult>()
        || align_of_val(information) != align_of::<*const PGresult>()
        || size_of::<String>() == size_of::<*const PGresult>()
    {
        return None;
    }
    #[expect(clippy::cast_ptr_alignment, reason = "checked above")]
    let result = ptr::from_ref(information).cast::<*const PGresult>();
    // SAFETY: the value is a `PgErrorInformation`, as explained above. It is as large as its only content, a non-null pointer to
    // a `PGresult`, so the pointer is at offset 0. The value owns the result, which therefore lives as long as the reference.
    // `PQresultErrorField` only reads the result, and returns null or a string that belongs to it.
    unsafe {
        let field = PQresultErrorField(*result, PG_DIAG_SQLSTATE);
        if field.is_null() {
            return None;
        }
        CStr::from_ptr(field).to_str().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_those_of_the_postgresql_documentation() {
        for (expected, sqlstates) in [
            (SqlCondition::Contention, "40001 40P01"),
            (SqlCondition::Timeout, "57014 55P03 53200"),
            (
                SqlCondition::Unavailable,
                "08006 25P03 53300 57P01 57P02 57P03 57P05",
            ),
            (SqlCondition::StorageFull, "53100"),
            (SqlCondition::Other, "23505 23503 42P01 40002 P0001 00000"),
        ] {
            for sqlstate in sqlstates.split(' ') {
                assert_eq!(SqlCondition::of_sqlstate(sqlstate), expected, "{sqlstate}");
            }
        }
    }

    #[test]
    fn error_of_libpq_itself_has_no_sqlstate() {
        let information: Box<dyn DatabaseErrorInformation + Send + Sync> =
            Box::new("no connection to the server".to_owned());
        assert_eq!(sqlstate(&*information), None);
    }
}
