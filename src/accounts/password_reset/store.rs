//! Queries on reset links.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::actor::Creator;
use crate::platform::db::delete_batch;
use crate::platform::ids::UserId;
use crate::schema::{password_reset_tokens, users};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = password_reset_tokens, treat_none_as_null = true)]
pub struct ResetLinkRow {
    /// The token is derived from it.
    pub id: Uuid,
    pub user_id: UserId,
    pub digest: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub created_by_kind: String,
    pub created_by: Option<Uuid>,
}

impl ResetLinkRow {
    /// Who created the link. `None` for values that rosterd does not write.
    pub fn creator(&self) -> Option<Creator> {
        Creator::from_columns(&self.created_by_kind, self.created_by)
    }
}

/// Inserts a link, or replaces that of the same account.
pub fn upsert(conn: &mut PgConnection, row: &ResetLinkRow) -> QueryResult<usize> {
    diesel::insert_into(password_reset_tokens::table)
        .values(row)
        .on_conflict(password_reset_tokens::user_id)
        .do_update()
        .set(row)
        .execute(conn)
}

/// Sets when the link of an account expires.
pub fn set_expiry(
    conn: &mut PgConnection,
    user: UserId,
    expires_at: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(password_reset_tokens::table.find(user))
        .set(password_reset_tokens::expires_at.eq(expires_at))
        .execute(conn)
}

pub fn find(conn: &mut PgConnection, user: UserId) -> QueryResult<Option<ResetLinkRow>> {
    password_reset_tokens::table
        .find(user)
        .select(ResetLinkRow::as_select())
        .first(conn)
        .optional()
}

pub fn find_by_digest(conn: &mut PgConnection, digest: &[u8]) -> QueryResult<Option<ResetLinkRow>> {
    password_reset_tokens::table
        .filter(password_reset_tokens::digest.eq(digest))
        .select(ResetLinkRow::as_select())
        .first(conn)
        .optional()
}

pub fn delete(conn: &mut PgConnection, user: UserId) -> QueryResult<usize> {
    diesel::delete(password_reset_tokens::table.find(user)).execute(conn)
}

/// Deletes the links of all accounts that have this role.
pub fn delete_of_role(conn: &mut PgConnection, role: &str) -> QueryResult<usize> {
    let accounts = users::table.filter(users::role.eq(role)).select(users::id);
    diesel::delete(
        password_reset_tokens::table.filter(password_reset_tokens::user_id.eq_any(accounts)),
    )
    .execute(conn)
}

/// Deletes the links that expired at or before `limit`.
pub fn delete_expired(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    delete_batch(conn, "password_reset_tokens", "expires_at <= $1", limit)
}

pub fn delete_all(conn: &mut PgConnection) -> QueryResult<usize> {
    diesel::delete(password_reset_tokens::table).execute(conn)
}
