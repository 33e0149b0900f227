//! Queries on pending email confirmations.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::platform::db::delete_batch;
use crate::platform::ids::UserId;
use crate::schema::{email_confirmation_tokens, pending_email_addresses};

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
    delete_batch(conn, "email_confirmation_tokens", "expires_at <= $1", limit)
}

pub fn delete_all(conn: &mut PgConnection) -> QueryResult<usize> {
    diesel::delete(email_confirmation_tokens::table).execute(conn)
}

/// An address that an account waits for.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = pending_email_addresses)]
pub struct PendingEmailRow {
    pub user_id: UserId,
    pub email: String,
    pub is_registration: bool,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Inserts the address that an account waits for, or replaces it.
pub fn upsert_pending(conn: &mut PgConnection, row: &PendingEmailRow) -> QueryResult<usize> {
    diesel::insert_into(pending_email_addresses::table)
        .values(row)
        .on_conflict(pending_email_addresses::user_id)
        .do_update()
        .set(row)
        .execute(conn)
}

pub fn find_pending(conn: &mut PgConnection, user: UserId) -> QueryResult<Option<PendingEmailRow>> {
    pending_email_addresses::table
        .find(user)
        .select(PendingEmailRow::as_select())
        .first(conn)
        .optional()
}

pub fn delete_pending(conn: &mut PgConnection, user: UserId) -> QueryResult<usize> {
    diesel::delete(pending_email_addresses::table.find(user)).execute(conn)
}

/// Deletes the address that an account waits for, unless it was registered with it.
pub fn delete_pending_change(conn: &mut PgConnection, user: UserId) -> QueryResult<usize> {
    diesel::delete(
        pending_email_addresses::table
            .find(user)
            .filter(pending_email_addresses::is_registration.eq(false)),
    )
    .execute(conn)
}

/// At most 20 accounts whose registration expired at or before `limit`: their purge holds a lock.
pub fn expired_registrations(
    conn: &mut PgConnection,
    limit: DateTime<Utc>,
) -> QueryResult<Vec<UserId>> {
    pending_email_addresses::table
        .filter(pending_email_addresses::is_registration)
        .filter(pending_email_addresses::expires_at.le(limit))
        .order(pending_email_addresses::user_id)
        .limit(20)
        .select(pending_email_addresses::user_id)
        .load(conn)
}

/// Deletes the addresses of accounts that exist without them, if they expired at or before `limit`.
pub fn delete_expired_changes(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    let condition = "NOT is_registration AND expires_at <= $1";
    delete_batch(conn, "pending_email_addresses", condition, limit)
}
