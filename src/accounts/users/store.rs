//! Queries on the `users` table.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::access::actor::{AccountStatus, Creator, SUPER_ADMIN};
use crate::platform::db::IdPrefix;
use crate::platform::ids::UserId;
use crate::schema::{idempotency_keys, users};

/// A row of `users`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent column"
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
    pub password_set_by_kind: String,
    pub password_set_by: Option<Uuid>,
    pub email_set_by_kind: String,
    pub email_set_by: Option<Uuid>,
}

/// The columns that an update sets. `None` leaves a column as it is.
#[expect(
    clippy::option_option,
    reason = "diesel needs it to distinguish an unchanged column from NULL"
)]
#[derive(Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChangeset {
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
    pub password_set_by_kind: Option<String>,
    pub password_set_by: Option<Option<Uuid>>,
    pub email_set_by_kind: Option<String>,
    pub email_set_by: Option<Option<Uuid>>,
}

impl UserChangeset {
    /// The columns for a new password hash, or for the removal of the password.
    pub fn for_password(hash: Option<String>, creator: Creator) -> Self {
        let (kind, id) = creator.to_columns();
        Self {
            password_hash: Some(hash),
            password_set_by_kind: Some(kind.to_owned()),
            password_set_by: Some(id),
            ..Self::default()
        }
    }

    /// The same columns, and the password as withdrawn.
    pub fn with_password_withdrawn(mut self) -> Self {
        let (kind, id) = Creator::Withdrawn.to_columns();
        self.password_set_by_kind = Some(kind.to_owned());
        self.password_set_by = Some(id);
        self
    }

    /// The same columns, and `creator` as who set the email address, if they set or confirm it.
    pub fn with_email_creator(mut self, creator: Creator) -> Self {
        if self.email.is_some() || self.email_confirmed == Some(true) {
            let (kind, id) = creator.to_columns();
            self.email_set_by_kind = Some(kind.to_owned());
            self.email_set_by = Some(id);
        }
        self
    }
}

impl UserRow {
    /// The columns that decide whether the account is usable.
    pub const fn status(&self) -> AccountStatus {
        AccountStatus {
            is_active: self.is_active,
            deleted_at: self.deleted_at,
            expires_at: self.expires_at,
        }
    }

    /// Who set the password. `None` for values that rosterd does not write.
    pub fn password_creator(&self) -> Option<Creator> {
        Creator::from_columns(&self.password_set_by_kind, self.password_set_by)
    }

    /// Who set or confirmed the email address. `None` for values that rosterd does not write.
    pub fn email_creator(&self) -> Option<Creator> {
        Creator::from_columns(&self.email_set_by_kind, self.email_set_by)
    }

    /// The row with the role and the permissions of `changes`.
    pub fn with_authority_of(&self, changes: &UserChangeset) -> Self {
        let (role, permissions) = (changes.role.clone(), changes.permissions.clone());
        Self {
            role: role.unwrap_or_else(|| self.role.clone()),
            permissions: permissions.unwrap_or_else(|| self.permissions.clone()),
            ..self.clone()
        }
    }

    /// Whether the account has a password that someone other than its owner set.
    pub fn has_password_of_another(&self) -> bool {
        self.password_hash.is_some() && self.password_creator() != Some(Creator::Owner)
    }

    /// Whether the password is not sufficient to set another one: it was set by someone who may not take over the account since
    /// the account got more authority.
    pub fn is_password_withdrawn(&self) -> bool {
        matches!(self.password_creator(), Some(Creator::Withdrawn) | None)
    }

    /// Whether the account is active, not deleted, never expires and has a password that was not withdrawn.
    pub fn can_always_sign_in(&self) -> bool {
        self.is_active
            && self.deleted_at.is_none()
            && self.expires_at.is_none()
            && self.password_hash.is_some()
            && !self.is_password_withdrawn()
    }
}

pub fn insert(conn: &mut PgConnection, row: &UserRow) -> QueryResult<usize> {
    diesel::insert_into(users::table).values(row).execute(conn)
}

/// Inserts the row; returns 0 when the username or the email address is taken.
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

/// The account, locked until the transaction ends.
pub fn find_for_update(conn: &mut PgConnection, id: UserId) -> QueryResult<Option<UserRow>> {
    users::table
        .find(id)
        .select(UserRow::as_select())
        .for_update()
        .first(conn)
        .optional()
}

/// The number of accounts with this role, including deleted ones.
pub fn count_by_role(conn: &mut PgConnection, role: &str) -> QueryResult<i64> {
    users::table
        .filter(users::role.eq(role))
        .count()
        .get_result(conn)
}

/// All accounts with this role, including deleted ones, locked in the order of their ids until the transaction ends.
pub fn lock_all_of_role(conn: &mut PgConnection, role: &str) -> QueryResult<Vec<UserRow>> {
    users::table
        .filter(users::role.eq(role))
        .order(users::id)
        .select(UserRow::as_select())
        .for_update()
        .load(conn)
}

/// Locks all accounts with this role and the account `also`, in the order of their ids, until the transaction ends.
pub fn lock_role_and_account(
    conn: &mut PgConnection,
    role: &str,
    also: Option<UserId>,
) -> QueryResult<usize> {
    users::table
        .filter(users::role.eq(role).or(users::id.eq_any(also.as_slice())))
        .order(users::id)
        .select(users::id)
        .for_update()
        .execute(conn)
}

pub fn find_by_username(conn: &mut PgConnection, username: &str) -> QueryResult<Option<UserRow>> {
    users::table
        .filter(users::username.eq(username))
        .select(UserRow::as_select())
        .first(conn)
        .optional()
}

/// The account with this email address, confirmed or not.
pub fn find_by_email(conn: &mut PgConnection, email: &str) -> QueryResult<Option<UserRow>> {
    users::table
        .filter(lower(users::email).eq(email.to_lowercase()))
        .select(UserRow::as_select())
        .first(conn)
        .optional()
}

/// The account with this confirmed email address.
pub fn find_by_confirmed_email(
    conn: &mut PgConnection,
    email: &str,
) -> QueryResult<Option<UserRow>> {
    users::table
        .filter(lower(users::email).eq(email.to_lowercase()))
        .filter(users::email_confirmed)
        .select(UserRow::as_select())
        .first(conn)
        .optional()
}

diesel::define_sql_function! {
    /// Lower case, as in the unique index on email addresses.
    fn lower(text: diesel::sql_types::Nullable<diesel::sql_types::Text>) -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

/// Updates an account and increments its version.
pub fn update(
    conn: &mut PgConnection,
    id: UserId,
    now: DateTime<Utc>,
    changes: &UserChangeset,
) -> QueryResult<usize> {
    diesel::update(users::table.find(id))
        .set((
            changes,
            users::updated_at.eq(now),
            users::version.eq(users::version + 1),
        ))
        .execute(conn)
}

/// Increments the password version, which invalidates proofs of the old password.
pub fn increment_password_version(conn: &mut PgConnection, id: UserId) -> QueryResult<usize> {
    diesel::update(users::table.find(id))
        .set(users::password_version.eq(users::password_version + 1))
        .execute(conn)
}

/// The account that was deleted first, if that was before `limit`.
pub fn find_deleted_before(
    conn: &mut PgConnection,
    limit: DateTime<Utc>,
) -> QueryResult<Option<UserId>> {
    users::table
        .filter(users::deleted_at.lt(limit))
        .order(users::deleted_at)
        .select(users::id)
        .first(conn)
        .optional()
}

/// Removes the password of every account that has one.
pub fn remove_all_passwords(conn: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(users::table.filter(users::password_hash.is_not_null()))
        .set((
            users::password_hash.eq(None::<String>),
            users::must_change_password.eq(false),
            users::password_version.eq(users::password_version + 1),
            users::updated_at.eq(now),
            users::version.eq(users::version + 1),
        ))
        .execute(conn)
}

/// Replaces the hash of the same password. The account's version does not change.
pub fn replace_hash(
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

/// Sets the time of the last sign-in. The account's version does not change.
pub fn set_last_login(
    conn: &mut PgConnection,
    id: UserId,
    at: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(users::table.find(id))
        .set(users::last_login_at.eq(at))
        .execute(conn)
}

/// Deletes an account and everything that references it, including stored replies, which contain a copy of it.
pub fn purge(conn: &mut PgConnection, id: UserId) -> QueryResult<usize> {
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::resource_id.eq(id.0)))
        .execute(conn)?;
    diesel::delete(users::table.find(id)).execute(conn)
}

/// The number of other `SuperAdmin`s for which [`UserRow::can_always_sign_in`] holds.
pub fn count_other_permanent_super_admins(
    conn: &mut PgConnection,
    except: UserId,
) -> QueryResult<i64> {
    users::table
        .filter(users::role.eq(SUPER_ADMIN))
        .filter(users::id.ne(except))
        .filter(users::is_active)
        .filter(users::deleted_at.is_null())
        .filter(users::expires_at.is_null())
        .filter(users::password_hash.is_not_null())
        .filter(users::password_set_by_kind.ne(Creator::Withdrawn.to_columns().0))
        .count()
        .get_result(conn)
}

/// Whether any account, including deleted ones, has the role `SuperAdmin`.
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

/// At most two ids that begin with this prefix.
pub fn find_ids(conn: &mut PgConnection, prefix: IdPrefix) -> QueryResult<Vec<Uuid>> {
    prefix.find_in(conn, "users")
}
