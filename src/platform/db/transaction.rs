//! How transactions begin: unqualified names mean the tables of rosterd until the transaction ends. The search path is set
//! in each transaction and not once per connection, because behind a connection pooler in transaction mode the next
//! transaction may run in another session.

use chrono::{DateTime, Utc};
use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::{Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl};

use super::table_schema::TableSchema;
use crate::platform::error::AppError;

/// Must be the first call in a transaction. Returns the time of the database server. Without a schema, the names keep the
/// meaning that the search path of the connection gives them.
pub(super) fn enter_schema(
    conn: &mut PgConnection,
    schema: Option<&TableSchema>,
) -> QueryResult<DateTime<Utc>> {
    let now = sql::<Timestamptz>("clock_timestamp()");
    let Some(schema) = schema else {
        return diesel::select(now).get_result(conn);
    };
    let set_search_path = sql::<Text>("set_config('search_path', ")
        .bind::<Text, _>(schema.search_path())
        .sql(", true)");
    let (_, now): (String, _) = diesel::select((set_search_path, now)).get_result(conn)?;
    Ok(now)
}

/// Runs `work` in a transaction in which each statement sees the latest committed state.
pub(super) fn read<T>(
    conn: &mut PgConnection,
    schema: Option<&TableSchema>,
    work: impl FnOnce(&mut PgConnection) -> Result<T, AppError>,
) -> Result<T, AppError> {
    let Some(schema) = schema else {
        return work(conn);
    };
    // One round trip.
    let begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path TO {}",
        schema.search_path()
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
