//! Queries on reset links.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::platform::ids::UserId;
use crate::schema::reset_links;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = reset_links)]
pub struct LinkRow {
    pub user_id: UserId,
    pub digest: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Gives an account this link, in place of the one that it may have.
pub fn put(conn: &mut PgConnection, row: &LinkRow) -> QueryResult<usize> {
    diesel::insert_into(reset_links::table)
        .values(row)
        .on_conflict(reset_links::user_id)
        .do_update()
        .set(row)
        .execute(conn)
}

pub fn find(conn: &mut PgConnection, user: UserId) -> QueryResult<Option<LinkRow>> {
    reset_links::table
        .find(user)
        .select(LinkRow::as_select())
        .first(conn)
        .optional()
}

pub fn by_digest(conn: &mut PgConnection, digest: &[u8]) -> QueryResult<Option<LinkRow>> {
    reset_links::table
        .filter(reset_links::digest.eq(digest))
        .select(LinkRow::as_select())
        .first(conn)
        .optional()
}

pub fn remove(conn: &mut PgConnection, user: UserId) -> QueryResult<usize> {
    diesel::delete(reset_links::table.find(user)).execute(conn)
}

/// Removes the links that ended before `limit`.
pub fn forget_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(reset_links::table.filter(reset_links::expires_at.le(limit))).execute(conn)
}
