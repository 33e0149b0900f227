//! Queries on sessions and refresh tokens.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::ids::{SessionId, UserId};
use crate::schema::{refresh_tokens, sessions};

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    pub id: SessionId,
    pub user_id: UserId,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub idle_seconds: i64,
    pub expires_at: DateTime<Utc>,
    pub remember_me: bool,
    pub ip: String,
    pub user_agent: Option<String>,
    pub generation: i32,
    pub rotated_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub ended_reason: Option<String>,
}

pub fn insert(conn: &mut PgConnection, row: &SessionRow) -> QueryResult<usize> {
    diesel::insert_into(sessions::table)
        .values(row)
        .execute(conn)
}

/// Reads a session and holds it until the transaction ends.
pub fn hold(conn: &mut PgConnection, id: SessionId) -> QueryResult<Option<SessionRow>> {
    sessions::table
        .find(id)
        .select(SessionRow::as_select())
        .for_update()
        .first(conn)
        .optional()
}

pub fn insert_refresh_token(
    conn: &mut PgConnection,
    digest: &[u8],
    session: SessionId,
    generation: i32,
) -> QueryResult<usize> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::digest.eq(digest),
            refresh_tokens::session_id.eq(session),
            refresh_tokens::generation.eq(generation),
        ))
        .execute(conn)
}

/// The session of a refresh token, and which generation of it the token is.
pub fn refresh_token(
    conn: &mut PgConnection,
    digest: &[u8],
) -> QueryResult<Option<(SessionId, i32)>> {
    refresh_tokens::table
        .find(digest)
        .select((refresh_tokens::session_id, refresh_tokens::generation))
        .first(conn)
        .optional()
}

/// Notes that a session has a newer refresh token.
pub fn rotated(
    conn: &mut PgConnection,
    id: SessionId,
    generation: i32,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(sessions::table.find(id))
        .set((
            sessions::generation.eq(generation),
            sessions::rotated_at.eq(now),
            sessions::last_seen_at.eq(now),
        ))
        .execute(conn)
}

pub fn end(
    conn: &mut PgConnection,
    id: SessionId,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(
        sessions::table
            .find(id)
            .filter(sessions::ended_at.is_null()),
    )
    .set((
        sessions::ended_at.eq(now),
        sessions::ended_reason.eq(reason),
    ))
    .execute(conn)
}

/// Ends every session of an account but `spare`; how many those were.
pub fn end_all(
    conn: &mut PgConnection,
    user: UserId,
    reason: &str,
    now: DateTime<Utc>,
    spare: Option<SessionId>,
) -> QueryResult<usize> {
    let of_user = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null());
    let values = (
        sessions::ended_at.eq(now),
        sessions::ended_reason.eq(reason),
    );
    match spare {
        None => diesel::update(of_user).set(values).execute(conn),
        Some(spare) => diesel::update(of_user.filter(sessions::id.ne(spare)))
            .set(values)
            .execute(conn),
    }
}

/// How many sessions of an account have not ended.
pub fn count(conn: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<i64> {
    sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .count()
        .get_result(conn)
}

/// Removes the sessions that reached their absolute limit before `limit`, with their refresh tokens.
pub fn forget_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::expires_at.lt(limit))).execute(conn)
}
