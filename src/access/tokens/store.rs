//! Queries on the table `personal_access_tokens`.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use uuid::Uuid;

use crate::platform::db::{IdPrefix, delete_batch};
use crate::platform::ids::{PersonalTokenId, UserId};
use crate::schema::{personal_access_tokens, users};

/// A row of `personal_access_tokens`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = personal_access_tokens)]
pub struct TokenRow {
    pub id: PersonalTokenId,
    pub user_id: UserId,
    pub name: String,
    pub digest: Vec<u8>,
    pub permissions: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub created_by_owner: bool,
}

pub fn insert(conn: &mut PgConnection, row: &TokenRow) -> QueryResult<usize> {
    diesel::insert_into(personal_access_tokens::table)
        .values(row)
        .execute(conn)
}

/// A token of this account.
pub fn find(
    conn: &mut PgConnection,
    owner: UserId,
    id: PersonalTokenId,
) -> QueryResult<Option<TokenRow>> {
    personal_access_tokens::table
        .find(id)
        .filter(personal_access_tokens::user_id.eq(owner))
        .select(TokenRow::as_select())
        .first(conn)
        .optional()
}

/// All tokens of an account, the newest first. Their number is limited.
pub fn list_of_owner(conn: &mut PgConnection, owner: UserId) -> QueryResult<Vec<TokenRow>> {
    personal_access_tokens::table
        .filter(personal_access_tokens::user_id.eq(owner))
        .order(personal_access_tokens::id.desc())
        .select(TokenRow::as_select())
        .load(conn)
}

/// The number of tokens of an account that have not expired.
pub fn count_of_owner(
    conn: &mut PgConnection,
    owner: UserId,
    now: DateTime<Utc>,
) -> QueryResult<i64> {
    personal_access_tokens::table
        .filter(personal_access_tokens::user_id.eq(owner))
        .filter(
            personal_access_tokens::expires_at
                .is_null()
                .or(personal_access_tokens::expires_at.gt(now)),
        )
        .count()
        .get_result(conn)
}

/// Deletes a token and returns its row.
pub fn delete(conn: &mut PgConnection, id: PersonalTokenId) -> QueryResult<Option<TokenRow>> {
    diesel::delete(personal_access_tokens::table.find(id))
        .returning(TokenRow::as_returning())
        .get_result(conn)
        .optional()
}

/// Deletes all tokens of an account and returns their ids.
pub fn delete_all_of_owner(
    conn: &mut PgConnection,
    owner: UserId,
) -> QueryResult<Vec<PersonalTokenId>> {
    diesel::delete(personal_access_tokens::table.filter(personal_access_tokens::user_id.eq(owner)))
        .returning(personal_access_tokens::id)
        .get_results(conn)
}

/// Deletes the tokens of an account that others created, and returns their ids.
pub fn delete_all_by_others(
    conn: &mut PgConnection,
    owner: UserId,
) -> QueryResult<Vec<PersonalTokenId>> {
    diesel::delete(
        personal_access_tokens::table
            .filter(personal_access_tokens::user_id.eq(owner))
            .filter(personal_access_tokens::created_by_owner.eq(false)),
    )
    .returning(personal_access_tokens::id)
    .get_results(conn)
}

/// Deletes the tokens that others created for the accounts that have this role, and returns their ids.
pub fn delete_all_by_others_of_role(
    conn: &mut PgConnection,
    role: &str,
) -> QueryResult<Vec<PersonalTokenId>> {
    let accounts = users::table.filter(users::role.eq(role)).select(users::id);
    diesel::delete(
        personal_access_tokens::table
            .filter(personal_access_tokens::user_id.eq_any(accounts))
            .filter(personal_access_tokens::created_by_owner.eq(false)),
    )
    .returning(personal_access_tokens::id)
    .get_results(conn)
}

/// Deletes the expired tokens of an account and returns their ids.
pub fn delete_expired_of_owner(
    conn: &mut PgConnection,
    owner: UserId,
    now: DateTime<Utc>,
) -> QueryResult<Vec<PersonalTokenId>> {
    diesel::delete(
        personal_access_tokens::table
            .filter(personal_access_tokens::user_id.eq(owner))
            .filter(personal_access_tokens::expires_at.le(now)),
    )
    .returning(personal_access_tokens::id)
    .get_results(conn)
}

/// Deletes the tokens that expired before `limit`.
pub fn delete_expired_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    delete_batch(conn, "personal_access_tokens", "expires_at < $1", limit)
}

/// The account that owns a token.
pub fn find_owner(conn: &mut PgConnection, id: PersonalTokenId) -> QueryResult<Option<UserId>> {
    personal_access_tokens::table
        .find(id)
        .select(personal_access_tokens::user_id)
        .first(conn)
        .optional()
}

/// At most `limit` tokens after `after`, the newest first; if `roles` is set, only those of accounts with these roles.
pub fn page(
    conn: &mut PgConnection,
    roles: Option<&[String]>,
    after: Option<PersonalTokenId>,
    limit: i64,
) -> QueryResult<Vec<TokenRow>> {
    let mut query = personal_access_tokens::table
        .order(personal_access_tokens::id.desc())
        .limit(limit)
        .select(TokenRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(personal_access_tokens::id.lt(after));
    }
    if let Some(roles) = roles {
        let owners = users::table
            .filter(users::role.eq_any(roles))
            .select(users::id);
        query = query.filter(personal_access_tokens::user_id.eq_any(owners));
    }
    query.load(conn)
}

/// Deletes all tokens of all accounts and returns their ids.
pub fn delete_all(conn: &mut PgConnection) -> QueryResult<Vec<PersonalTokenId>> {
    diesel::delete(personal_access_tokens::table)
        .returning(personal_access_tokens::id)
        .get_results(conn)
}

/// Sets the time of the last use, if it is later than the stored one.
pub fn set_last_used(
    conn: &mut PgConnection,
    id: PersonalTokenId,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let is_earlier = personal_access_tokens::last_used_at
        .is_null()
        .or(personal_access_tokens::last_used_at.lt(now));
    diesel::update(
        personal_access_tokens::table
            .filter(personal_access_tokens::id.eq(id))
            .filter(is_earlier),
    )
    .set(personal_access_tokens::last_used_at.eq(now))
    .execute(conn)
}

/// At most two ids that begin with this prefix.
pub fn find_ids(conn: &mut PgConnection, prefix: IdPrefix) -> QueryResult<Vec<Uuid>> {
    prefix.find_in(conn, "personal_access_tokens")
}
