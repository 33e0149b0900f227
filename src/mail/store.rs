//! Queries on letters that are to be sent.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::platform::ids::{MailId, UserId};
use crate::schema::outgoing_mail;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = outgoing_mail)]
pub struct MailRow {
    pub id: MailId,
    pub user_id: Option<UserId>,
    pub sealed: Vec<u8>,
    pub attempts: i32,
    pub due_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

pub fn insert(conn: &mut PgConnection, row: &MailRow) -> QueryResult<usize> {
    diesel::insert_into(outgoing_mail::table)
        .values(row)
        .execute(conn)
}

/// Takes the letter that has been due for longest and that nobody else is taking; the row as it was.
pub fn take(conn: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<Option<MailRow>> {
    outgoing_mail::table
        .filter(outgoing_mail::due_at.le(now))
        .order(outgoing_mail::due_at)
        .select(MailRow::as_select())
        .for_update()
        .skip_locked()
        .first(conn)
        .optional()
}

/// Notes how often it was tried, and when it may be tried again.
pub fn postpone(
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

pub fn remove(conn: &mut PgConnection, id: MailId) -> QueryResult<usize> {
    diesel::delete(outgoing_mail::table.find(id)).execute(conn)
}

/// Removes the letters that were written before `limit`.
pub fn forget_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(outgoing_mail::table.filter(outgoing_mail::created_at.lt(limit))).execute(conn)
}
