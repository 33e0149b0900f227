//! Deletes expired rows in batches, because others would have to wait for one large transaction.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::Timestamptz;
use diesel::{QueryResult, RunQueryDsl};

/// The maximum number of rows of one batch.
pub const BATCH_SIZE: usize = 1_000;

/// Deletes at most [`BATCH_SIZE`] rows that match `condition`, in which `$1` is `limit`, and returns their number. Rows that
/// another transaction has locked are left for a later batch.
///
/// # Errors
/// Database errors.
pub fn delete_batch(
    conn: &mut PgConnection,
    table: &'static str,
    condition: &'static str,
    limit: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::sql_query(format!(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY(\
         SELECT ctid FROM {table} WHERE {condition} LIMIT {BATCH_SIZE} FOR UPDATE SKIP LOCKED))"
    ))
    .bind::<Timestamptz, _>(limit)
    .execute(conn)
}
