//! Queries on sessions and refresh tokens.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Timestamptz};

use super::policy::Filter;
use crate::platform::ids::{SessionId, UserId};
use crate::schema::{refresh_tokens, sessions, users};

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    pub id: SessionId,
    pub user_id: UserId,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub idle_timeout_seconds: i64,
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
pub fn find_for_update(conn: &mut PgConnection, id: SessionId) -> QueryResult<Option<SessionRow>> {
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

/// Ends every session of everybody; how many those were.
pub fn end_every(conn: &mut PgConnection, reason: &str, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(sessions::table.filter(sessions::ended_at.is_null()))
        .set((
            sessions::ended_at.eq(now),
            sessions::ended_reason.eq(reason),
        ))
        .execute(conn)
}

/// Whose sessions somebody may see: those of accounts with these roles, and of one account besides.
pub struct Owners {
    pub roles: Vec<String>,
    pub and: Option<UserId>,
}

/// At most `rows` live sessions after `after`, the newest first.
pub fn page(
    conn: &mut PgConnection,
    filter: &Filter,
    owners: Option<&Owners>,
    after: Option<SessionId>,
    rows: i64,
    now: DateTime<Utc>,
) -> QueryResult<Vec<SessionRow>> {
    let mut query = matching(filter, owners, now);
    if let Some(after) = after {
        query = query.filter(sessions::id.lt(after));
    }
    query
        .order(sessions::id.desc())
        .limit(rows)
        .select(SessionRow::as_select())
        .load(conn)
}

/// How many live sessions there are in all.
pub fn count_all(
    conn: &mut PgConnection,
    filter: &Filter,
    owners: Option<&Owners>,
    now: DateTime<Utc>,
) -> QueryResult<i64> {
    matching(filter, owners, now).count().get_result(conn)
}

/// A session that lives.
pub fn live(
    conn: &mut PgConnection,
    id: SessionId,
    now: DateTime<Utc>,
) -> QueryResult<Option<SessionRow>> {
    all_live(now)
        .filter(sessions::id.eq(id))
        .select(SessionRow::as_select())
        .first(conn)
        .optional()
}

/// Ends the oldest live sessions of an account, leaving at most `rest`.
pub fn end_oldest(
    conn: &mut PgConnection,
    user: UserId,
    rest: i64,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let beyond: Vec<SessionId> = all_live(now)
        .filter(sessions::user_id.eq(user))
        .order(sessions::id.desc())
        .offset(rest)
        .select(sessions::id)
        .load(conn)?;
    if beyond.is_empty() {
        return Ok(0);
    }
    diesel::update(sessions::table.filter(sessions::id.eq_any(beyond)))
        .set((
            sessions::ended_at.eq(now),
            sessions::ended_reason.eq(reason),
        ))
        .execute(conn)
}

type Query<'a> = sessions::BoxedQuery<'a, Pg>;

fn all_live<'a>(now: DateTime<Utc>) -> Query<'a> {
    let is_used =
        sql::<Bool>("sessions.last_seen_at + sessions.idle_timeout_seconds * interval '1 second' > ")
            .bind::<Timestamptz, _>(now);
    sessions::table
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .filter(is_used)
        .into_boxed()
}

fn matching<'a>(filter: &Filter, owners: Option<&'a Owners>, now: DateTime<Utc>) -> Query<'a> {
    let mut query = all_live(now);
    if let Some(user) = filter.user {
        query = query.filter(sessions::user_id.eq(user));
    }
    if let Some(ip) = filter.ip {
        query = query.filter(sessions::ip.eq(ip.to_string()));
    }
    if let Some(owners) = owners {
        let seen = users::table
            .filter(users::role.eq_any(&owners.roles))
            .or_filter(users::id.nullable().eq(owners.and))
            .select(users::id);
        query = query.filter(sessions::user_id.eq_any(seen));
    }
    query
}

/// Removes the sessions that reached their absolute limit before `limit`, with their refresh tokens.
pub fn forget_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::expires_at.lt(limit))).execute(conn)
}

/// Sets the time of the last use, if it is later than the stored one.
pub fn set_last_seen(
    conn: &mut PgConnection,
    id: SessionId,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(
        sessions::table
            .find(id)
            .filter(sessions::last_seen_at.lt(now)),
    )
    .set(sessions::last_seen_at.eq(now))
    .execute(conn)
}
