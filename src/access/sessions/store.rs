//! Queries on the tables `sessions` and `refresh_tokens`.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Timestamptz};
use uuid::Uuid;

use super::policy::SessionFilter;
use crate::platform::db::{IdPrefix, delete_batch};
use crate::platform::ids::{SessionId, UserId};
use crate::schema::{refresh_tokens, sessions, users};

/// A row of `sessions`.
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
    pub resource: Option<String>,
    pub successor_used_at: Option<DateTime<Utc>>,
    pub late_repetitions: i32,
    pub repeated_generation: Option<i32>,
}

pub fn insert(conn: &mut PgConnection, row: &SessionRow) -> QueryResult<usize> {
    diesel::insert_into(sessions::table)
        .values(row)
        .execute(conn)
}

/// The session, locked until the transaction ends.
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

/// The session of a refresh token, and the token's generation.
pub fn find_refresh_token(
    conn: &mut PgConnection,
    digest: &[u8],
) -> QueryResult<Option<(SessionId, i32)>> {
    refresh_tokens::table
        .find(digest)
        .select((refresh_tokens::session_id, refresh_tokens::generation))
        .first(conn)
        .optional()
}

/// Stores that the refresh token of a session was replaced by one of this generation.
pub fn set_rotated(
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

/// Ends a session, if it has not ended.
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

/// Ends all sessions of an account except `keep` and returns their number.
pub fn end_all_of_user(
    conn: &mut PgConnection,
    user: UserId,
    reason: &str,
    now: DateTime<Utc>,
    keep: Option<SessionId>,
) -> QueryResult<usize> {
    let of_user = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null());
    let values = (
        sessions::ended_at.eq(now),
        sessions::ended_reason.eq(reason),
    );
    match keep {
        None => diesel::update(of_user).set(values).execute(conn),
        Some(keep) => diesel::update(of_user.filter(sessions::id.ne(keep)))
            .set(values)
            .execute(conn),
    }
}

/// Ends all sessions of all accounts and returns their number.
pub fn end_all(conn: &mut PgConnection, reason: &str, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(sessions::table.filter(sessions::ended_at.is_null()))
        .set((
            sessions::ended_at.eq(now),
            sessions::ended_reason.eq(reason),
        ))
        .execute(conn)
}

/// The accounts whose sessions a caller may see: those with these roles, and the caller's own.
pub struct VisibleOwners {
    pub roles: Vec<String>,
    pub caller: Option<UserId>,
}

/// At most `limit` active matching sessions after `after`, the newest first.
pub fn page(
    conn: &mut PgConnection,
    filter: &SessionFilter,
    owners: Option<&VisibleOwners>,
    after: Option<SessionId>,
    limit: i64,
    now: DateTime<Utc>,
) -> QueryResult<Vec<SessionRow>> {
    let mut query = matching(filter, owners, now);
    if let Some(after) = after {
        query = query.filter(sessions::id.lt(after));
    }
    query
        .order(sessions::id.desc())
        .limit(limit)
        .select(SessionRow::as_select())
        .load(conn)
}

/// The number of active matching sessions.
pub fn count_matching(
    conn: &mut PgConnection,
    filter: &SessionFilter,
    owners: Option<&VisibleOwners>,
    now: DateTime<Utc>,
) -> QueryResult<i64> {
    matching(filter, owners, now).count().get_result(conn)
}

/// The number of active sessions.
pub fn count_active(conn: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<i64> {
    active(now).count().get_result(conn)
}

/// The session, if it is active.
pub fn find_active(
    conn: &mut PgConnection,
    id: SessionId,
    now: DateTime<Utc>,
) -> QueryResult<Option<SessionRow>> {
    active(now)
        .filter(sessions::id.eq(id))
        .select(SessionRow::as_select())
        .first(conn)
        .optional()
}

/// Ends the least recently used active sessions of an account, except the `keep` most recently used.
pub fn end_least_recently_used(
    conn: &mut PgConnection,
    user: UserId,
    keep: i64,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let unused: Vec<SessionId> = active(now)
        .filter(sessions::user_id.eq(user))
        .order((sessions::last_seen_at.desc(), sessions::id.desc()))
        .offset(keep)
        .select(sessions::id)
        .load(conn)?;
    if unused.is_empty() {
        return Ok(0);
    }
    diesel::update(sessions::table.filter(sessions::id.eq_any(unused)))
        .set((
            sessions::ended_at.eq(now),
            sessions::ended_reason.eq(reason),
        ))
        .execute(conn)
}

type SessionQuery<'a> = sessions::BoxedQuery<'a, Pg>;

/// The sessions that have neither ended nor expired.
fn active<'a>(now: DateTime<Utc>) -> SessionQuery<'a> {
    let is_not_idle = sql::<Bool>(
        "sessions.last_seen_at + sessions.idle_timeout_seconds * interval '1 second' > ",
    )
    .bind::<Timestamptz, _>(now);
    sessions::table
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .filter(is_not_idle)
        .into_boxed()
}

fn matching<'a>(
    filter: &SessionFilter,
    owners: Option<&'a VisibleOwners>,
    now: DateTime<Utc>,
) -> SessionQuery<'a> {
    let mut query = active(now);
    if let Some(user) = filter.user {
        query = query.filter(sessions::user_id.eq(user));
    }
    if let Some(ip) = filter.ip {
        query = query.filter(sessions::ip.eq(ip.to_string()));
    }
    if let Some(owners) = owners {
        let visible = users::table
            .filter(users::role.eq_any(&owners.roles))
            .or_filter(users::id.nullable().eq(owners.caller))
            .select(users::id);
        query = query.filter(sessions::user_id.eq_any(visible));
    }
    query
}

/// Deletes the sessions that reached their maximum lifetime before `limit`, with their refresh tokens.
pub fn delete_expired_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    delete_batch(conn, "sessions", "expires_at < $1", limit)
}

/// Stores that the previous refresh token was repeated late, for this generation.
pub fn set_repeated(
    conn: &mut PgConnection,
    id: SessionId,
    generation: i32,
    late_repetitions: i32,
) -> QueryResult<usize> {
    diesel::update(sessions::table.find(id))
        .set((
            sessions::repeated_generation.eq(generation),
            sessions::late_repetitions.eq(late_repetitions),
        ))
        .execute(conn)
}

/// Sets the time at which an access token of the current generation was first used, if it is not set since the rotation.
/// `issued_before` is later than the issue of the token.
pub fn set_successor_used(
    conn: &mut PgConnection,
    id: SessionId,
    issued_before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let is_unset = sessions::successor_used_at
        .is_null()
        .or(sessions::successor_used_at.lt(sessions::rotated_at.nullable()));
    let of_generation = sessions::rotated_at.lt(issued_before);
    diesel::update(sessions::table.find(id).filter(of_generation.and(is_unset)))
        .set(sessions::successor_used_at.eq(now))
        .execute(conn)
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

/// At most two ids that begin with this prefix.
pub fn find_ids(conn: &mut PgConnection, prefix: IdPrefix) -> QueryResult<Vec<Uuid>> {
    prefix.find_in(conn, "sessions")
}
