//! Queries on who is calling, and on signing keys.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use serde_json::Value;

use crate::platform::ids::{ClientId, GrantId, SessionId, TokenId, UserId};
use crate::schema::{
    client_grants, personal_tokens, roles, service_clients, sessions, signing_keys, users,
};

/// An account, as far as it says what its credentials are good for.
#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct AccountRow {
    pub id: UserId,
    pub username: String,
    pub permissions: Vec<String>,
    pub is_active: bool,
    pub deleted_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// The account's role.
#[derive(Queryable, Selectable)]
#[diesel(table_name = roles)]
pub struct RoleRow {
    pub name: String,
    pub rank: i32,
    pub permissions: Vec<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    pub last_seen_at: DateTime<Utc>,
    pub idle_seconds: i64,
    pub expires_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = personal_tokens)]
pub struct TokenRow {
    pub id: TokenId,
    pub permissions: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A service client, as far as it says what its grants are good for.
#[derive(Queryable, Selectable)]
#[diesel(table_name = service_clients)]
pub struct ClientRow {
    pub id: ClientId,
    pub name: String,
    pub permissions: Vec<String>,
    pub rank: i32,
    pub is_active: bool,
    pub last_used_at: Option<DateTime<Utc>>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = client_grants)]
pub struct GrantRow {
    pub id: GrantId,
    pub permissions: Vec<String>,
    pub expires_at: DateTime<Utc>,
}

/// A session with its account and the account's role.
pub fn session(
    conn: &mut PgConnection,
    id: SessionId,
) -> QueryResult<Option<(SessionRow, AccountRow, RoleRow)>> {
    sessions::table
        .inner_join(users::table.inner_join(roles::table))
        .filter(sessions::id.eq(id))
        .select((
            SessionRow::as_select(),
            AccountRow::as_select(),
            RoleRow::as_select(),
        ))
        .first(conn)
        .optional()
}

/// A personal access token with its account and the account's role.
pub fn token_by_digest(
    conn: &mut PgConnection,
    digest: &[u8],
) -> QueryResult<Option<(TokenRow, AccountRow, RoleRow)>> {
    personal_tokens::table
        .inner_join(users::table.inner_join(roles::table))
        .filter(personal_tokens::digest.eq(digest))
        .select((
            TokenRow::as_select(),
            AccountRow::as_select(),
            RoleRow::as_select(),
        ))
        .first(conn)
        .optional()
}

/// The same, by its id.
pub fn token(
    conn: &mut PgConnection,
    id: TokenId,
) -> QueryResult<Option<(TokenRow, AccountRow, RoleRow)>> {
    personal_tokens::table
        .inner_join(users::table.inner_join(roles::table))
        .filter(personal_tokens::id.eq(id))
        .select((
            TokenRow::as_select(),
            AccountRow::as_select(),
            RoleRow::as_select(),
        ))
        .first(conn)
        .optional()
}

/// What a service client was given, with the client.
pub fn grant(conn: &mut PgConnection, id: GrantId) -> QueryResult<Option<(GrantRow, ClientRow)>> {
    client_grants::table
        .inner_join(service_clients::table)
        .filter(client_grants::id.eq(id))
        .select((GrantRow::as_select(), ClientRow::as_select()))
        .first(conn)
        .optional()
}

/// Notes that a session is in use; nobody waits for it.
pub fn touch_session(
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

/// Notes that a personal access token is in use; nobody waits for it.
pub fn touch_token(conn: &mut PgConnection, id: TokenId, now: DateTime<Utc>) -> QueryResult<usize> {
    let is_news = personal_tokens::last_used_at
        .is_null()
        .or(personal_tokens::last_used_at.lt(now));
    diesel::update(
        personal_tokens::table
            .filter(personal_tokens::id.eq(id))
            .filter(is_news),
    )
    .set(personal_tokens::last_used_at.eq(now))
    .execute(conn)
}

/// Notes that a service client is active; nobody waits for it.
pub fn touch_client(
    conn: &mut PgConnection,
    id: ClientId,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let is_news = service_clients::last_used_at
        .is_null()
        .or(service_clients::last_used_at.lt(now));
    diesel::update(
        service_clients::table
            .filter(service_clients::id.eq(id))
            .filter(is_news),
    )
    .set(service_clients::last_used_at.eq(now))
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

/// Lets every key end then that would end later.
pub fn retire_keys(conn: &mut PgConnection, end: DateTime<Utc>) -> QueryResult<usize> {
    let is_later = signing_keys::expires_at
        .is_null()
        .or(signing_keys::expires_at.gt(end));
    diesel::update(signing_keys::table.filter(is_later))
        .set(signing_keys::expires_at.eq(end))
        .execute(conn)
}

/// Removes the keys that ended before `limit`.
pub fn forget_keys_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(signing_keys::table.filter(signing_keys::expires_at.lt(limit))).execute(conn)
}
