//! Queries on personal access tokens.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::platform::ids::{PersonalTokenId, UserId};
use crate::schema::{personal_access_tokens, users};

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
}

pub fn insert(conn: &mut PgConnection, row: &TokenRow) -> QueryResult<usize> {
    diesel::insert_into(personal_access_tokens::table)
        .values(row)
        .execute(conn)
}

/// An account's token.
pub fn find(conn: &mut PgConnection, owner: UserId, id: PersonalTokenId) -> QueryResult<Option<TokenRow>> {
    personal_access_tokens::table
        .find(id)
        .filter(personal_access_tokens::user_id.eq(owner))
        .select(TokenRow::as_select())
        .first(conn)
        .optional()
}

/// An account's tokens, the newest first; there is a limit to how many there are.
pub fn of(conn: &mut PgConnection, owner: UserId) -> QueryResult<Vec<TokenRow>> {
    personal_access_tokens::table
        .filter(personal_access_tokens::user_id.eq(owner))
        .order(personal_access_tokens::id.desc())
        .select(TokenRow::as_select())
        .load(conn)
}

/// How many tokens of an account are good, as far as time goes.
pub fn count(conn: &mut PgConnection, owner: UserId, now: DateTime<Utc>) -> QueryResult<i64> {
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

/// Removes a token; what it was.
pub fn remove(conn: &mut PgConnection, id: PersonalTokenId) -> QueryResult<Option<TokenRow>> {
    diesel::delete(personal_access_tokens::table.find(id))
        .returning(TokenRow::as_returning())
        .get_result(conn)
        .optional()
}

/// Removes every token of an account; which those were.
pub fn remove_all(conn: &mut PgConnection, owner: UserId) -> QueryResult<Vec<PersonalTokenId>> {
    diesel::delete(personal_access_tokens::table.filter(personal_access_tokens::user_id.eq(owner)))
        .returning(personal_access_tokens::id)
        .get_results(conn)
}

/// Removes the tokens of an account that have expired by now; which those were.
pub fn remove_expired(
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

/// Removes the tokens that expired before `limit`.
pub fn forget_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(personal_access_tokens::table.filter(personal_access_tokens::expires_at.lt(limit)))
        .execute(conn)
}

/// Whose token it is.
pub fn owner(conn: &mut PgConnection, id: PersonalTokenId) -> QueryResult<Option<UserId>> {
    personal_access_tokens::table
        .find(id)
        .select(personal_access_tokens::user_id)
        .first(conn)
        .optional()
}

/// At most `rows` tokens after `after`, the newest first: of accounts that have one of these roles, if roles are named.
pub fn page(
    conn: &mut PgConnection,
    roles: Option<&[String]>,
    after: Option<PersonalTokenId>,
    rows: i64,
) -> QueryResult<Vec<TokenRow>> {
    let mut query = personal_access_tokens::table
        .order(personal_access_tokens::id.desc())
        .limit(rows)
        .select(TokenRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(personal_access_tokens::id.lt(after));
    }
    if let Some(roles) = roles {
        let seen = users::table
            .filter(users::role.eq_any(roles))
            .select(users::id);
        query = query.filter(personal_access_tokens::user_id.eq_any(seen));
    }
    query.load(conn)
}

/// Removes every token; which those were.
pub fn remove_every(conn: &mut PgConnection) -> QueryResult<Vec<PersonalTokenId>> {
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
