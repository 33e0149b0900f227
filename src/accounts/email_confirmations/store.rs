//! Queries on confirmations of email addresses that are under way.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::platform::ids::UserId;
use crate::schema::email_confirmations;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = email_confirmations)]
pub struct ConfirmationRow {
    pub user_id: UserId,
    pub digest: Vec<u8>,
    pub email: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Gives an account this confirmation, in place of the one that it may have.
pub fn put(conn: &mut PgConnection, row: &ConfirmationRow) -> QueryResult<usize> {
    diesel::insert_into(email_confirmations::table)
        .values(row)
        .on_conflict(email_confirmations::user_id)
        .do_update()
        .set(row)
        .execute(conn)
}

pub fn by_digest(conn: &mut PgConnection, digest: &[u8]) -> QueryResult<Option<ConfirmationRow>> {
    email_confirmations::table
        .filter(email_confirmations::digest.eq(digest))
        .select(ConfirmationRow::as_select())
        .first(conn)
        .optional()
}

pub fn remove(conn: &mut PgConnection, user: UserId) -> QueryResult<usize> {
    diesel::delete(email_confirmations::table.find(user)).execute(conn)
}

/// Removes the confirmations that ended before `limit`.
pub fn forget_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(email_confirmations::table.filter(email_confirmations::expires_at.le(limit)))
        .execute(conn)
}
