//! Queries on kept replies.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::kept_replies;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = kept_replies)]
pub struct KeptRow {
    pub caller: String,
    pub route: String,
    pub key: String,
    pub request_mac: Vec<u8>,
    pub sealed_reply: Option<Vec<u8>>,
    pub made: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

/// Takes the place; 0 when it is taken. Waits for whoever is taking it at the same time.
pub fn claim(conn: &mut PgConnection, place: &KeptRow) -> QueryResult<usize> {
    diesel::insert_into(kept_replies::table)
        .values(place)
        .on_conflict_do_nothing()
        .execute(conn)
}

pub fn find(conn: &mut PgConnection, place: &KeptRow) -> QueryResult<Option<KeptRow>> {
    kept_replies::table
        .find((&place.caller, &place.route, &place.key))
        .select(KeptRow::as_select())
        .first(conn)
        .optional()
}

pub fn fill(
    conn: &mut PgConnection,
    place: &KeptRow,
    sealed: &[u8],
    made: Option<Uuid>,
) -> QueryResult<usize> {
    diesel::update(kept_replies::table.find((&place.caller, &place.route, &place.key)))
        .set((
            kept_replies::sealed_reply.eq(sealed),
            kept_replies::made.eq(made),
        ))
        .execute(conn)
}

pub fn release(conn: &mut PgConnection, place: &KeptRow) -> QueryResult<usize> {
    diesel::delete(kept_replies::table.find((&place.caller, &place.route, &place.key)))
        .execute(conn)
}

/// Frees this place when what it holds is older than `before`.
pub fn expire(
    conn: &mut PgConnection,
    place: &KeptRow,
    before: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::delete(
        kept_replies::table
            .find((&place.caller, &place.route, &place.key))
            .filter(kept_replies::created_at.lt(before)),
    )
    .execute(conn)
}

pub fn forget_before(conn: &mut PgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(kept_replies::table.filter(kept_replies::created_at.lt(before))).execute(conn)
}

pub fn forget_of(conn: &mut PgConnection, made: Uuid) -> QueryResult<usize> {
    diesel::delete(kept_replies::table.filter(kept_replies::made.eq(made))).execute(conn)
}
