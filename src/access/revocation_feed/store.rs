//! Queries on the revocation feed.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use uuid::Uuid;

use super::position::FeedPosition;
use crate::schema::revocations;

#[derive(Queryable, Selectable)]
#[diesel(table_name = revocations)]
pub struct RevocationRow {
    pub xid: i64,
    pub id: i64,
    pub at: DateTime<Utc>,
    pub sid: Option<Uuid>,
    pub sub: Option<String>,
    pub role: Option<String>,
}

/// At most `limit` rows after this position. Excludes rows of transactions that started after the oldest transaction still
/// in progress, because an earlier row may still be committed.
pub fn list_after(
    conn: &mut PgConnection,
    FeedPosition { xid, id }: FeedPosition,
    limit: i64,
) -> QueryResult<Vec<RevocationRow>> {
    let is_after_position = sql::<Bool>("(xid, id) > (")
        .bind::<BigInt, _>(xid)
        .sql(", ")
        .bind::<BigInt, _>(id)
        .sql(")");
    let is_final = sql::<Bool>("xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
    revocations::table
        .filter(is_after_position)
        .filter(is_final)
        .order((revocations::xid, revocations::id))
        .limit(limit)
        .select(RevocationRow::as_select())
        .load(conn)
}

/// The id of the next transaction that will start.
pub fn next_transaction_id(conn: &mut PgConnection) -> QueryResult<i64> {
    diesel::select(sql::<BigInt>(
        "pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
    ))
    .get_result(conn)
}

pub fn delete_before(conn: &mut PgConnection, cutoff: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(revocations::table.filter(revocations::at.lt(cutoff))).execute(conn)
}
