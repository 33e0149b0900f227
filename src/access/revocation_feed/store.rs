//! Queries on the revocation feed.

use chrono::{DateTime, Utc};
use diesel::dsl::{auto_type, sql};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Timestamptz};
use uuid::Uuid;

use super::position::FeedPosition;
use crate::platform::db::delete_batch;
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
    pub kid: Option<String>,
    pub committed_by: Option<DateTime<Utc>>,
}

/// A committed entry as one statement sees it.
#[derive(Queryable)]
pub struct VisibleRow {
    pub row: RevocationRow,
    /// Whether all transactions that began before that of the row have ended, so that no earlier row will appear.
    pub is_final: bool,
    /// The time of the database server when the statement began. The row was committed before.
    pub read_at: DateTime<Utc>,
}

/// At most `limit` committed rows after this position.
pub fn list_after(
    conn: &mut PgConnection,
    position: FeedPosition,
    limit: i64,
) -> QueryResult<Vec<VisibleRow>> {
    revocations::table
        .filter(is_after(position.xid, position.id))
        .order((revocations::xid, revocations::id))
        .limit(limit)
        .select((
            RevocationRow::as_select(),
            sql::<Bool>("xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"),
            sql::<Timestamptz>("statement_timestamp()"),
        ))
        .load(conn)
}

/// The time of the oldest committed row after this position.
pub fn oldest_after(
    conn: &mut PgConnection,
    position: FeedPosition,
) -> QueryResult<Option<DateTime<Utc>>> {
    revocations::table
        .filter(is_after(position.xid, position.id))
        .select(sql::<Nullable<Timestamptz>>("min(at)"))
        .first(conn)
}

/// Whether a row comes after this position.
#[auto_type(no_type_alias)]
fn is_after(xid: i64, id: i64) -> _ {
    revocations::xid
        .ge(xid)
        .and(revocations::xid.gt(xid).or(revocations::id.gt(id)))
}

/// Records a time after the commit of each committed row that has none, and returns the number of rows.
pub fn set_committed_by(conn: &mut PgConnection) -> QueryResult<usize> {
    diesel::update(revocations::table.filter(revocations::committed_by.is_null()))
        .set(revocations::committed_by.eq(sql::<Nullable<Timestamptz>>("clock_timestamp()")))
        .execute(conn)
}

/// Whether a committed row has no time after its commit.
pub fn has_row_without_committed_by(conn: &mut PgConnection) -> QueryResult<bool> {
    let rows = revocations::table.filter(revocations::committed_by.is_null());
    diesel::select(diesel::dsl::exists(rows)).get_result(conn)
}

/// The id of the next transaction that will start, and the time of the database server when the statement began.
pub fn next_transaction_id(conn: &mut PgConnection) -> QueryResult<(i64, DateTime<Utc>)> {
    diesel::select((
        sql::<BigInt>("pg_snapshot_xmax(pg_current_snapshot())::text::bigint"),
        sql::<Timestamptz>("statement_timestamp()"),
    ))
    .get_result(conn)
}

pub fn delete_before(conn: &mut PgConnection, cutoff: DateTime<Utc>) -> QueryResult<usize> {
    delete_batch(conn, "revocations", "at < $1", cutoff)
}
