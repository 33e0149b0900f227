//! Queries on the outbox.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::platform::ids::{MailId, UserId};
use crate::schema::outgoing_mail;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = outgoing_mail)]
pub struct OutboxRow {
    pub id: MailId,
    pub user_id: Option<UserId>,
    pub sealed: Vec<u8>,
    pub attempts: i32,
    pub due_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

pub fn insert(conn: &mut PgConnection, row: &OutboxRow) -> QueryResult<usize> {
    diesel::insert_into(outgoing_mail::table)
        .values(row)
        .execute(conn)
}

/// Locks the message that has been due for longest, skipping messages that are locked by other transactions.
pub fn lock_next_due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> QueryResult<Option<OutboxRow>> {
    outgoing_mail::table
        .filter(outgoing_mail::due_at.le(now))
        .order(outgoing_mail::due_at)
        .select(OutboxRow::as_select())
        .for_update()
        .skip_locked()
        .first(conn)
        .optional()
}

/// Sets the number of attempts and the time of the next attempt.
pub fn reschedule(
    conn: &mut PgConnection,
    id: MailId,
    attempts: i32,
    due_at: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(outgoing_mail::table.find(id))
        .set((
            outgoing_mail::attempts.eq(attempts),
            outgoing_mail::due_at.eq(due_at),
        ))
        .execute(conn)
}

pub fn delete(conn: &mut PgConnection, id: MailId) -> QueryResult<usize> {
    diesel::delete(outgoing_mail::table.find(id)).execute(conn)
}

/// Deletes messages that were created before `limit`.
pub fn delete_created_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(outgoing_mail::table.filter(outgoing_mail::created_at.lt(limit))).execute(conn)
}
