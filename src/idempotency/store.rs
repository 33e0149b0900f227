//! Queries on stored responses.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::kept_replies;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = kept_replies)]
pub struct StoredReplyRow {
    pub caller: String,
    pub route: String,
    pub key: String,
    pub request_mac: Vec<u8>,
    pub sealed_reply: Option<Vec<u8>>,
    pub made: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

/// Inserts a row without a response. Returns 0 if the key is in use. Waits for a concurrent insert of the same key.
pub fn insert_if_absent(conn: &mut PgConnection, key_row: &StoredReplyRow) -> QueryResult<usize> {
    diesel::insert_into(kept_replies::table)
        .values(key_row)
        .on_conflict_do_nothing()
        .execute(conn)
}

pub fn find(
    conn: &mut PgConnection,
    key_row: &StoredReplyRow,
) -> QueryResult<Option<StoredReplyRow>> {
    kept_replies::table
        .find((&key_row.caller, &key_row.route, &key_row.key))
        .select(StoredReplyRow::as_select())
        .first(conn)
        .optional()
}

pub fn set_reply(
    conn: &mut PgConnection,
    key_row: &StoredReplyRow,
    sealed: &[u8],
    made: Option<Uuid>,
) -> QueryResult<usize> {
    diesel::update(kept_replies::table.find((&key_row.caller, &key_row.route, &key_row.key)))
        .set((
            kept_replies::sealed_reply.eq(sealed),
            kept_replies::made.eq(made),
        ))
        .execute(conn)
}

pub fn delete(conn: &mut PgConnection, key_row: &StoredReplyRow) -> QueryResult<usize> {
    diesel::delete(kept_replies::table.find((&key_row.caller, &key_row.route, &key_row.key)))
        .execute(conn)
}

/// Deletes the row of this key if it was created before `before`.
pub fn delete_if_expired(
    conn: &mut PgConnection,
    key_row: &StoredReplyRow,
    before: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::delete(
        kept_replies::table
            .find((&key_row.caller, &key_row.route, &key_row.key))
            .filter(kept_replies::created_at.lt(before)),
    )
    .execute(conn)
}

/// Deletes the rows that were created before `before`.
pub fn delete_created_before(conn: &mut PgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(kept_replies::table.filter(kept_replies::created_at.lt(before))).execute(conn)
}

/// Deletes the response of the request that created this resource.
pub fn delete_reply_for(conn: &mut PgConnection, made: Uuid) -> QueryResult<usize> {
    diesel::delete(kept_replies::table.filter(kept_replies::made.eq(made))).execute(conn)
}
