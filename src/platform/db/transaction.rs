//! How transactions begin: unqualified names mean the tables of rosterd until the transaction ends, and only
//! [`Db::write`](super::Db::write) can change them.

use std::time::Instant;

use chrono::{DateTime, Utc};
use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::{Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl};

use super::session::TransactionSetup;
use crate::platform::error::AppError;

/// Must be the first call in a transaction that writes. `deadline` is that of the caller, also for locks. Returns the time of
/// the database server.
pub(super) fn enter(
    conn: &mut PgConnection,
    setup: &TransactionSetup<'_>,
    deadline: Instant,
) -> QueryResult<DateTime<Utc>> {
    let parameters = setup.parameters;
    let set = |name: &str, value: String| {
        sql::<Text>(&format!("set_config('{name}', "))
            .bind::<Text, _>(value)
            .sql(", true)")
    };
    let now = sql::<Timestamptz>("clock_timestamp()");
    let lock_timeout = parameters.lock_timeout_until(deadline);
    let set_lock_timeout = set("lock_timeout", lock_timeout.as_millis().to_string());
    let Some(schema) = setup.schema else {
        let (_, now): (String, DateTime<Utc>) =
            diesel::select((set_lock_timeout, now)).get_result(conn)?;
        return Ok(now);
    };
    let statement_timeout = parameters.statement_timeout.as_millis().to_string();
    let idle_timeout = parameters
        .idle_in_transaction_timeout
        .as_millis()
        .to_string();
    let (_, _, _, _, now): (String, String, String, String, DateTime<Utc>) = diesel::select((
        set_lock_timeout,
        set("search_path", schema.search_path()),
        set("statement_timeout", statement_timeout),
        set("idle_in_transaction_session_timeout", idle_timeout),
        now,
    ))
    .get_result(conn)?;
    Ok(now)
}

/// Runs `work` so that each statement sees the latest committed state and changes nothing. In a session that is set up, the
/// statements need no transaction, which saves two round trips.
pub(super) fn read<T>(
    conn: &mut PgConnection,
    setup: &TransactionSetup<'_>,
    work: impl FnOnce(&mut PgConnection) -> Result<T, AppError>,
) -> Result<T, AppError> {
    let Some(schema) = setup.schema else {
        return work(conn);
    };
    // One round trip.
    let begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL search_path TO {}; SET LOCAL statement_timeout = {}; \
         SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}",
        schema.search_path(),
        setup.parameters.statement_timeout.as_millis(),
        setup.parameters.lock_timeout.as_millis(),
        setup.parameters.idle_in_transaction_timeout.as_millis(),
    );
    AnsiTransactionManager::begin_transaction_sql(conn, &begin)?;
    let result = work(conn);
    match &result {
        Ok(_) => AnsiTransactionManager::commit_transaction(conn)?,
        // The error of `work` says more than one of the rollback.
        Err(_) => drop(AnsiTransactionManager::rollback_transaction(conn)),
    }
    result
}
