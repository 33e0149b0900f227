//! Queries on stored responses.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use uuid::Uuid;

use crate::platform::db::delete_batch;
use crate::schema::idempotency_keys;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency_keys)]
pub struct StoredReplyRow {
    pub caller: String,
    pub operation_id: String,
    pub key: String,
    pub request_mac: Vec<u8>,
    pub encrypted_response: Option<Vec<u8>>,
    pub resource_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

/// The primary key: caller, operation and key.
pub type RequestKey = (String, String, String);

impl StoredReplyRow {
    pub fn request_key(&self) -> RequestKey {
        (
            self.caller.clone(),
            self.operation_id.clone(),
            self.key.clone(),
        )
    }
}

/// Locks at most `limit` rows after this one, in the order of the primary key.
pub fn lock_after(
    conn: &mut PgConnection,
    after: Option<&RequestKey>,
    limit: i64,
) -> QueryResult<Vec<StoredReplyRow>> {
    let (caller, operation_id, key) = after.cloned().unwrap_or_default();
    let is_after = sql::<Bool>("(caller, operation_id, key) > (")
        .bind::<Text, _>(caller)
        .sql(", ")
        .bind::<Text, _>(operation_id)
        .sql(", ")
        .bind::<Text, _>(key)
        .sql(")");
    idempotency_keys::table
        .filter(is_after)
        .order((
            idempotency_keys::caller,
            idempotency_keys::operation_id,
            idempotency_keys::key,
        ))
        .limit(limit)
        .select(StoredReplyRow::as_select())
        .for_update()
        .load(conn)
}

/// Inserts a row without a response. Returns 0 if the key is in use. Waits for a concurrent insert of the same key.
pub fn insert_if_absent(conn: &mut PgConnection, key_row: &StoredReplyRow) -> QueryResult<usize> {
    diesel::insert_into(idempotency_keys::table)
        .values(key_row)
        .on_conflict_do_nothing()
        .execute(conn)
}

pub fn find(
    conn: &mut PgConnection,
    key_row: &StoredReplyRow,
) -> QueryResult<Option<StoredReplyRow>> {
    idempotency_keys::table
        .find((&key_row.caller, &key_row.operation_id, &key_row.key))
        .select(StoredReplyRow::as_select())
        .first(conn)
        .optional()
}

pub fn set_reply(
    conn: &mut PgConnection,
    key_row: &StoredReplyRow,
    sealed: &[u8],
    resource_id: Option<Uuid>,
) -> QueryResult<usize> {
    diesel::update(idempotency_keys::table.find((
        &key_row.caller,
        &key_row.operation_id,
        &key_row.key,
    )))
    .set((
        idempotency_keys::encrypted_response.eq(sealed),
        idempotency_keys::resource_id.eq(resource_id),
    ))
    .execute(conn)
}

pub fn delete(conn: &mut PgConnection, key_row: &StoredReplyRow) -> QueryResult<usize> {
    diesel::delete(idempotency_keys::table.find((
        &key_row.caller,
        &key_row.operation_id,
        &key_row.key,
    )))
    .execute(conn)
}

/// Deletes the row of this key if it was created before `before`.
pub fn delete_if_expired(
    conn: &mut PgConnection,
    key_row: &StoredReplyRow,
    before: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::delete(
        idempotency_keys::table
            .find((&key_row.caller, &key_row.operation_id, &key_row.key))
            .filter(idempotency_keys::created_at.lt(before)),
    )
    .execute(conn)
}

/// Deletes the rows that were created before `before`.
pub fn delete_created_before(conn: &mut PgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    delete_batch(conn, "idempotency_keys", "created_at < $1", before)
}

/// Deletes the response of the request that created this resource.
pub fn delete_reply_for(conn: &mut PgConnection, resource_id: Uuid) -> QueryResult<usize> {
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::resource_id.eq(resource_id)))
        .execute(conn)
}
