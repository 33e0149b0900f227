//! Queries on reset links.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::platform::ids::UserId;
use crate::schema::reset_links;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = reset_links)]
pub struct ResetLinkRow {
    pub user_id: UserId,
    pub digest: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Inserts a link, or replaces that of the same account.
pub fn upsert(conn: &mut PgConnection, row: &ResetLinkRow) -> QueryResult<usize> {
    diesel::insert_into(reset_links::table)
        .values(row)
        .on_conflict(reset_links::user_id)
        .do_update()
        .set(row)
        .execute(conn)
}

pub fn find(conn: &mut PgConnection, user: UserId) -> QueryResult<Option<ResetLinkRow>> {
    reset_links::table
        .find(user)
        .select(ResetLinkRow::as_select())
        .first(conn)
        .optional()
}

pub fn find_by_digest(conn: &mut PgConnection, digest: &[u8]) -> QueryResult<Option<ResetLinkRow>> {
    reset_links::table
        .filter(reset_links::digest.eq(digest))
        .select(ResetLinkRow::as_select())
        .first(conn)
        .optional()
}

pub fn delete(conn: &mut PgConnection, user: UserId) -> QueryResult<usize> {
    diesel::delete(reset_links::table.find(user)).execute(conn)
}

/// Deletes the links that expired at or before `limit`.
pub fn delete_expired(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(reset_links::table.filter(reset_links::expires_at.le(limit))).execute(conn)
}
