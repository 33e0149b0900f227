//! Queries on pending email confirmations.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::platform::ids::UserId;
use crate::schema::email_confirmation_tokens;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = email_confirmation_tokens)]
pub struct EmailConfirmationRow {
    pub user_id: UserId,
    pub digest: Vec<u8>,
    pub email: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Inserts a confirmation, or replaces that of the same account.
pub fn upsert(conn: &mut PgConnection, row: &EmailConfirmationRow) -> QueryResult<usize> {
    diesel::insert_into(email_confirmation_tokens::table)
        .values(row)
        .on_conflict(email_confirmation_tokens::user_id)
        .do_update()
        .set(row)
        .execute(conn)
}

pub fn find_by_digest(
    conn: &mut PgConnection,
    digest: &[u8],
) -> QueryResult<Option<EmailConfirmationRow>> {
    email_confirmation_tokens::table
        .filter(email_confirmation_tokens::digest.eq(digest))
        .select(EmailConfirmationRow::as_select())
        .first(conn)
        .optional()
}

pub fn delete(conn: &mut PgConnection, user: UserId) -> QueryResult<usize> {
    diesel::delete(email_confirmation_tokens::table.find(user)).execute(conn)
}

/// Deletes the confirmations that expired at or before `limit`.
pub fn delete_expired(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(
        email_confirmation_tokens::table.filter(email_confirmation_tokens::expires_at.le(limit)),
    )
    .execute(conn)
}

pub fn delete_all(conn: &mut PgConnection) -> QueryResult<usize> {
    diesel::delete(email_confirmation_tokens::table).execute(conn)
}
