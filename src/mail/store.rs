//! Queries on the outbox.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use uuid::Uuid;

use crate::platform::db::delete_batch;
use crate::platform::ids::{MailId, UserId};
use crate::schema::{mail_notices, mail_outbox};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = mail_outbox)]
pub struct OutboxRow {
    pub id: MailId,
    pub user_id: Option<UserId>,
    pub encrypted_message: Vec<u8>,
    pub attempts: i32,
    pub next_attempt_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

pub fn insert(conn: &mut PgConnection, row: &OutboxRow) -> QueryResult<usize> {
    diesel::insert_into(mail_outbox::table)
        .values(row)
        .execute(conn)
}

/// Locks the message that has been due for longest, skipping messages that are locked by other transactions.
pub fn lock_next_due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> QueryResult<Option<OutboxRow>> {
    mail_outbox::table
        .filter(mail_outbox::next_attempt_at.le(now))
        .order(mail_outbox::next_attempt_at)
        .select(OutboxRow::as_select())
        .for_update()
        .skip_locked()
        .first(conn)
        .optional()
}

/// Locks at most `limit` messages after this one, in the order of their ids.
pub fn lock_after(
    conn: &mut PgConnection,
    after: Option<MailId>,
    limit: i64,
) -> QueryResult<Vec<OutboxRow>> {
    mail_outbox::table
        .filter(mail_outbox::id.gt(after.unwrap_or(MailId(Uuid::nil()))))
        .order(mail_outbox::id)
        .limit(limit)
        .select(OutboxRow::as_select())
        .for_update()
        .load(conn)
}

pub fn set_message(conn: &mut PgConnection, id: MailId, sealed: &[u8]) -> QueryResult<usize> {
    diesel::update(mail_outbox::table.find(id))
        .set(mail_outbox::encrypted_message.eq(sealed))
        .execute(conn)
}

/// Sets the number of attempts and the time of the next attempt.
pub fn reschedule(
    conn: &mut PgConnection,
    id: MailId,
    attempts: i32,
    next_attempt_at: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(mail_outbox::table.find(id))
        .set((
            mail_outbox::attempts.eq(attempts),
            mail_outbox::next_attempt_at.eq(next_attempt_at),
        ))
        .execute(conn)
}

pub fn delete(conn: &mut PgConnection, id: MailId) -> QueryResult<usize> {
    diesel::delete(mail_outbox::table.find(id)).execute(conn)
}

/// Deletes messages that were created before `limit`.
pub fn count(conn: &mut PgConnection) -> QueryResult<i64> {
    mail_outbox::table.count().get_result(conn)
}

pub fn delete_created_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    delete_batch(conn, "mail_outbox", "created_at < $1", limit)
}

pub fn delete_all(conn: &mut PgConnection) -> QueryResult<usize> {
    diesel::delete(mail_outbox::table).execute(conn)
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = mail_notices)]
pub struct NoticeRow {
    pub id: MailId,
    pub user_id: UserId,
    pub kind: String,
    pub email: Option<String>,
    pub created_at: DateTime<Utc>,
}

pub fn insert_notice(conn: &mut PgConnection, row: &NoticeRow) -> QueryResult<usize> {
    diesel::insert_into(mail_notices::table)
        .values(row)
        .execute(conn)
}

/// Deletes and returns the oldest notices, skipping those that are locked by other transactions.
pub fn take_notices(conn: &mut PgConnection) -> QueryResult<Vec<NoticeRow>> {
    let oldest: Vec<MailId> = mail_notices::table
        .order(mail_notices::id)
        .limit(50)
        .select(mail_notices::id)
        .for_update()
        .skip_locked()
        .load(conn)?;
    diesel::delete(mail_notices::table.filter(mail_notices::id.eq_any(oldest)))
        .returning(NoticeRow::as_returning())
        .get_results(conn)
}

/// Deletes notices that were created before `limit`.
pub fn delete_notices_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    delete_batch(conn, "mail_notices", "created_at < $1", limit)
}
