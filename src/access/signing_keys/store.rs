//! Queries on the table `signing_keys`.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use serde_json::Value;

use crate::schema::signing_keys;

/// A row of `signing_keys`. The private key is encrypted with `ROSTERD_SECRET_KEY`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_keys)]
pub struct SigningKeyRow {
    pub kid: String,
    pub public_jwk: Value,
    pub encrypted_private_key: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub active_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// The keys that have not expired, the last to become active first.
pub fn all(conn: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<Vec<SigningKeyRow>> {
    signing_keys::table
        .filter(
            signing_keys::expires_at
                .is_null()
                .or(signing_keys::expires_at.gt(now)),
        )
        .order((signing_keys::active_at.desc(), signing_keys::kid))
        .select(SigningKeyRow::as_select())
        .load(conn)
}

pub fn insert(conn: &mut PgConnection, row: &SigningKeyRow) -> QueryResult<usize> {
    diesel::insert_into(signing_keys::table)
        .values(row)
        .execute(conn)
}

/// Sets the expiry of every key that would expire later.
pub fn expire_at(conn: &mut PgConnection, end: DateTime<Utc>) -> QueryResult<usize> {
    let is_later = signing_keys::expires_at
        .is_null()
        .or(signing_keys::expires_at.gt(end));
    diesel::update(signing_keys::table.filter(is_later))
        .set(signing_keys::expires_at.eq(end))
        .execute(conn)
}

pub fn set_private_key(conn: &mut PgConnection, kid: &str, sealed: &[u8]) -> QueryResult<usize> {
    diesel::update(signing_keys::table.find(kid))
        .set(signing_keys::encrypted_private_key.eq(sealed))
        .execute(conn)
}

/// Deletes all keys and returns their ids.
pub fn delete_all(conn: &mut PgConnection) -> QueryResult<Vec<String>> {
    diesel::delete(signing_keys::table)
        .returning(signing_keys::kid)
        .get_results(conn)
}

/// Deletes the keys that expired before `limit`.
pub fn delete_before(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(signing_keys::table.filter(signing_keys::expires_at.lt(limit))).execute(conn)
}
