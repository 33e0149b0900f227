//! Queries on who is calling, and on signing keys.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use serde_json::Value;

use crate::ids::{SessionId, UserId};
use crate::schema::{roles, sessions, signing_keys, users};

/// A session with its account and the account's role.
#[derive(Queryable)]
pub struct CallerRow {
    pub user_id: UserId,
    pub username: String,
    pub role: String,
    pub rank: i32,
    pub role_permissions: Vec<String>,
    pub permissions: Vec<String>,
    pub is_active: bool,
    pub deleted_at: Option<DateTime<Utc>>,
    pub user_expires_at: Option<DateTime<Utc>>,
    pub last_seen_at: DateTime<Utc>,
    pub idle_seconds: i64,
    pub session_expires_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

pub fn caller(conn: &mut PgConnection, session: SessionId) -> QueryResult<Option<CallerRow>> {
    sessions::table
        .inner_join(users::table.inner_join(roles::table))
        .filter(sessions::id.eq(session))
        .select((
            users::id,
            users::username,
            users::role,
            roles::rank,
            roles::permissions,
            users::permissions,
            users::is_active,
            users::deleted_at,
            users::expires_at,
            sessions::last_seen_at,
            sessions::idle_seconds,
            sessions::expires_at,
            sessions::ended_at,
        ))
        .first(conn)
        .optional()
}

/// Notes that a session is in use; nobody waits for it.
pub fn touch(
    conn: &mut PgConnection,
    session: SessionId,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(
        sessions::table
            .find(session)
            .filter(sessions::last_seen_at.lt(now)),
    )
    .set(sessions::last_seen_at.eq(now))
    .execute(conn)
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_keys)]
pub struct KeyRow {
    pub kid: String,
    pub public_jwk: Value,
    pub sealed_private: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub active_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Keys that are not dead yet, the newest to sign first.
pub fn keys(conn: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<Vec<KeyRow>> {
    signing_keys::table
        .filter(
            signing_keys::expires_at
                .is_null()
                .or(signing_keys::expires_at.gt(now)),
        )
        .order((signing_keys::active_at.desc(), signing_keys::kid))
        .select(KeyRow::as_select())
        .load(conn)
}

pub fn insert_key(conn: &mut PgConnection, row: &KeyRow) -> QueryResult<usize> {
    diesel::insert_into(signing_keys::table)
        .values(row)
        .execute(conn)
}
