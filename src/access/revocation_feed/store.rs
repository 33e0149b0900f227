//! Queries on the feed of revocations.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use uuid::Uuid;

use super::service::Position;
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

/// At most `rows` after this position, of transactions before which none is still under way.
pub fn after(
    conn: &mut PgConnection,
    Position { xid, id }: Position,
    rows: i64,
) -> QueryResult<Vec<RevocationRow>> {
    let is_later = sql::<Bool>("(xid, id) > (")
        .bind::<BigInt, _>(xid)
        .sql(", ")
        .bind::<BigInt, _>(id)
        .sql(")");
    let is_settled = sql::<Bool>("xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
    revocations::table
        .filter(is_later)
        .filter(is_settled)
        .order((revocations::xid, revocations::id))
        .limit(rows)
        .select(RevocationRow::as_select())
        .load(conn)
}

/// The first transaction that has not begun yet.
pub fn horizon(conn: &mut PgConnection) -> QueryResult<i64> {
    diesel::select(sql::<BigInt>(
        "pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
    ))
    .get_result(conn)
}

/// Removes what was told before `limit`.
pub fn forget_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(revocations::table.filter(revocations::at.lt(limit))).execute(conn)
}
