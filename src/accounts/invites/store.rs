//! Queries on invites.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use uuid::Uuid;

use crate::platform::db::{IdPrefix, delete_batch};
use crate::platform::ids::{InviteId, PersonalTokenId, UserId};
use crate::schema::{invites, users};

/// A row of the table.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = invites)]
pub struct InviteRow {
    pub id: InviteId,
    pub digest: Vec<u8>,
    pub created_by: Option<UserId>,
    pub role: String,
    pub permissions: Vec<String>,
    pub email: Option<String>,
    pub max_uses: i32,
    pub uses: i32,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_with_token: Option<PersonalTokenId>,
}

/// How to look up an invite.
#[derive(Clone)]
pub enum InviteKey {
    Id(InviteId),
    Digest(Vec<u8>),
}

pub fn insert(conn: &mut PgConnection, row: &InviteRow) -> QueryResult<usize> {
    diesel::insert_into(invites::table)
        .values(row)
        .execute(conn)
}

/// An invite and the username of its creator.
pub fn find(
    conn: &mut PgConnection,
    key: &InviteKey,
) -> QueryResult<Option<(InviteRow, Option<String>)>> {
    let query = invites::table
        .left_join(users::table)
        .select((InviteRow::as_select(), users::username.nullable()));
    match key {
        InviteKey::Id(id) => query.filter(invites::id.eq(*id)).first(conn),
        InviteKey::Digest(digest) => query.filter(invites::digest.eq(digest)).first(conn),
    }
    .optional()
}

/// An invite, locked until the transaction ends.
pub fn find_for_update(conn: &mut PgConnection, key: &InviteKey) -> QueryResult<Option<InviteRow>> {
    let query = invites::table.select(InviteRow::as_select()).for_update();
    match key {
        InviteKey::Id(id) => query.filter(invites::id.eq(*id)).first(conn),
        InviteKey::Digest(digest) => query.filter(invites::digest.eq(digest)).first(conn),
    }
    .optional()
}

/// At most `rows` invites, newest first, starting after `after`.
pub fn list(
    conn: &mut PgConnection,
    after: Option<InviteId>,
    rows: i64,
) -> QueryResult<Vec<(InviteRow, Option<String>)>> {
    let mut query = invites::table
        .left_join(users::table)
        .select((InviteRow::as_select(), users::username.nullable()))
        .order(invites::id.desc())
        .limit(rows)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(invites::id.lt(after));
    }
    query.load(conn)
}

pub fn count(conn: &mut PgConnection) -> QueryResult<i64> {
    invites::table.count().get_result(conn)
}

/// The number of invites of this creator that can be used at `now`.
pub fn count_open_of_creator(
    conn: &mut PgConnection,
    creator: UserId,
    now: DateTime<Utc>,
) -> QueryResult<i64> {
    invites::table
        .filter(invites::created_by.eq(creator))
        .filter(invites::revoked_at.is_null())
        .filter(invites::expires_at.gt(now))
        .filter(invites::uses.lt(invites::max_uses))
        .count()
        .get_result(conn)
}

/// The number of invites that can be used.
pub fn count_usable(conn: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<i64> {
    invites::table
        .filter(invites::revoked_at.is_null())
        .filter(invites::expires_at.gt(now))
        .filter(invites::uses.lt(invites::max_uses))
        .count()
        .get_result(conn)
}

/// Counts one use.
pub fn increment_uses(conn: &mut PgConnection, id: InviteId) -> QueryResult<usize> {
    diesel::update(invites::table.find(id))
        .set(invites::uses.eq(invites::uses + 1))
        .execute(conn)
}

pub fn revoke(conn: &mut PgConnection, id: InviteId, at: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(invites::table.find(id))
        .set((
            invites::revoked_at.eq(at),
            invites::version.eq(invites::version + 1),
        ))
        .execute(conn)
}

/// Revokes the invites that are not revoked yet.
pub fn revoke_all(conn: &mut PgConnection, at: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(invites::table.filter(invites::revoked_at.is_null()))
        .set((
            invites::revoked_at.eq(at),
            invites::version.eq(invites::version + 1),
        ))
        .execute(conn)
}

/// Deletes the invites that are bound to this email address.
pub fn delete_for_email(conn: &mut PgConnection, email: &str) -> QueryResult<usize> {
    diesel::delete(invites::table.filter(lower(invites::email).eq(email.to_lowercase())))
        .execute(conn)
}

/// Deletes the invites that expired before `limit`.
pub fn delete_expired(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    delete_batch(conn, "invites", "expires_at < $1", limit)
}

diesel::define_sql_function! {
    /// Lower case, matching the expression of the index on the email address.
    fn lower(text: diesel::sql_types::Nullable<diesel::sql_types::Text>) -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

/// At most two ids that begin with this prefix.
pub fn find_ids(conn: &mut PgConnection, prefix: IdPrefix) -> QueryResult<Vec<Uuid>> {
    prefix.find_in(conn, "invites")
}
