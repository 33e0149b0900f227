//! Queries on accounts.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use serde_json::Value;

use crate::accounts::roles::SUPER_ADMIN;
use crate::platform::ids::UserId;
use crate::schema::{kept_replies, users};

/// An account as it is stored.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a column each, independent of one another"
)]
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = users)]
pub struct UserRow {
    pub id: UserId,
    pub username: String,
    pub display_name: Option<String>,
    pub email: Option<String>,
    pub email_confirmed: bool,
    pub role: String,
    pub permissions: Vec<String>,
    pub is_active: bool,
    pub tags: Vec<String>,
    pub attributes: Value,
    pub must_change_password: bool,
    pub password_hash: Option<String>,
    pub password_version: i64,
    pub auth_provider: String,
    pub auth_id: Option<String>,
    pub mfa_enabled: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub last_login_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub version: i64,
}

/// What a change sets; `None` keeps.
#[expect(
    clippy::option_option,
    reason = "diesel's way to tell keeping a column from clearing it"
)]
#[derive(Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = users)]
pub struct Changes {
    pub username: Option<String>,
    pub display_name: Option<Option<String>>,
    pub email: Option<Option<String>>,
    pub email_confirmed: Option<bool>,
    pub role: Option<String>,
    pub permissions: Option<Vec<String>>,
    pub is_active: Option<bool>,
    pub tags: Option<Vec<String>>,
    pub attributes: Option<Value>,
    pub must_change_password: Option<bool>,
    pub password_hash: Option<Option<String>>,
    pub auth_provider: Option<String>,
    pub auth_id: Option<Option<String>>,
    pub mfa_enabled: Option<bool>,
    pub expires_at: Option<Option<DateTime<Utc>>>,
    pub deleted_at: Option<Option<DateTime<Utc>>>,
}

pub fn insert(conn: &mut PgConnection, row: &UserRow) -> QueryResult<usize> {
    diesel::insert_into(users::table).values(row).execute(conn)
}

/// Puts the row in; 0 when its username or its address is taken, by whoever was first.
pub fn insert_unless_taken(conn: &mut PgConnection, row: &UserRow) -> QueryResult<usize> {
    diesel::insert_into(users::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(conn)
}

pub fn find(conn: &mut PgConnection, id: UserId) -> QueryResult<Option<UserRow>> {
    users::table
        .find(id)
        .select(UserRow::as_select())
        .first(conn)
        .optional()
}

/// Reads an account and holds it until the transaction ends.
pub fn hold(conn: &mut PgConnection, id: UserId) -> QueryResult<Option<UserRow>> {
    users::table
        .find(id)
        .select(UserRow::as_select())
        .for_update()
        .first(conn)
        .optional()
}

/// How many accounts, deleted ones included, have this role.
pub fn count_of_role(conn: &mut PgConnection, role: &str) -> QueryResult<i64> {
    users::table
        .filter(users::role.eq(role))
        .count()
        .get_result(conn)
}

/// Reads all accounts of a role, deleted ones included, and holds them until the transaction ends.
pub fn hold_all_of_role(conn: &mut PgConnection, role: &str) -> QueryResult<Vec<UserRow>> {
    users::table
        .filter(users::role.eq(role))
        .order(users::id)
        .select(UserRow::as_select())
        .for_update()
        .load(conn)
}

pub fn by_username(conn: &mut PgConnection, username: &str) -> QueryResult<Option<UserRow>> {
    users::table
        .filter(users::username.eq(username))
        .select(UserRow::as_select())
        .first(conn)
        .optional()
}

/// An account by its email address, confirmed or not.
pub fn by_email(conn: &mut PgConnection, email: &str) -> QueryResult<Option<UserRow>> {
    users::table
        .filter(lower(users::email).eq(email.to_lowercase()))
        .select(UserRow::as_select())
        .first(conn)
        .optional()
}

/// An account by its email address, if the address is confirmed.
pub fn by_confirmed_email(conn: &mut PgConnection, email: &str) -> QueryResult<Option<UserRow>> {
    users::table
        .filter(lower(users::email).eq(email.to_lowercase()))
        .filter(users::email_confirmed)
        .select(UserRow::as_select())
        .first(conn)
        .optional()
}

diesel::define_sql_function! {
    /// Lower case, as the unique index on addresses has it.
    fn lower(text: diesel::sql_types::Nullable<diesel::sql_types::Text>) -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

/// Changes an account and counts the change.
pub fn update(
    conn: &mut PgConnection,
    id: UserId,
    at: DateTime<Utc>,
    changes: &Changes,
) -> QueryResult<usize> {
    diesel::update(users::table.find(id))
        .set((
            changes,
            users::updated_at.eq(at),
            users::version.eq(users::version + 1),
        ))
        .execute(conn)
}

/// Marks the password as another one than before.
pub fn bump_password_version(conn: &mut PgConnection, id: UserId) -> QueryResult<usize> {
    diesel::update(users::table.find(id))
        .set(users::password_version.eq(users::password_version + 1))
        .execute(conn)
}

/// Puts the same password under newer parameters; no change of the account.
pub fn rehash(
    conn: &mut PgConnection,
    id: UserId,
    password_version: i64,
    hash: &str,
) -> QueryResult<usize> {
    diesel::update(
        users::table
            .find(id)
            .filter(users::password_version.eq(password_version)),
    )
    .set(users::password_hash.eq(hash))
    .execute(conn)
}

/// Notes a sign-in; no change of the account.
pub fn signed_in(conn: &mut PgConnection, id: UserId, at: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(users::table.find(id))
        .set(users::last_login_at.eq(at))
        .execute(conn)
}

/// Removes an account, and with it all that hangs on it; kept replies hold a copy of it, so they go too.
pub fn purge(conn: &mut PgConnection, id: UserId) -> QueryResult<usize> {
    diesel::delete(kept_replies::table.filter(kept_replies::made.eq(id.0))).execute(conn)?;
    diesel::delete(users::table.find(id)).execute(conn)
}

/// How many other `SuperAdmin`s last: active, not deleted, without an end, able to sign in with a password.
pub fn other_lasting_super_admins(conn: &mut PgConnection, than: UserId) -> QueryResult<i64> {
    users::table
        .filter(users::role.eq(SUPER_ADMIN))
        .filter(users::id.ne(than))
        .filter(users::is_active)
        .filter(users::deleted_at.is_null())
        .filter(users::expires_at.is_null())
        .filter(users::password_hash.is_not_null())
        .count()
        .get_result(conn)
}

/// Whether any account, deleted ones included, has the role `SuperAdmin`.
pub fn any_super_admin(conn: &mut PgConnection) -> QueryResult<bool> {
    diesel::select(exists(users::table.filter(users::role.eq(SUPER_ADMIN)))).get_result(conn)
}

/// The usernames of these accounts.
pub fn usernames(conn: &mut PgConnection, ids: &[UserId]) -> QueryResult<Vec<(UserId, String)>> {
    users::table
        .filter(users::id.eq_any(ids))
        .select((users::id, users::username))
        .load(conn)
}
