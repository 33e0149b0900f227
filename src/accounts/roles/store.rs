//! Queries on the tables `roles` and `permissions`.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, sql};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use crate::schema::{permissions, roles};

/// A row of `roles`.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = roles)]
pub struct RoleRow {
    pub name: String,
    pub rank: i32,
    pub description: Option<String>,
    pub permissions: Vec<String>,
    pub built_in: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The columns that an update sets. `None` leaves a column as it is.
#[expect(
    clippy::option_option,
    reason = "diesel needs it to distinguish an unchanged column from NULL"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = roles)]
pub struct RoleChangeset {
    pub name: Option<String>,
    pub rank: Option<i32>,
    pub description: Option<Option<String>>,
    pub permissions: Option<Vec<String>>,
}

impl RoleChangeset {
    /// The row after the update.
    #[must_use]
    pub fn applied_to(&self, row: &RoleRow) -> RoleRow {
        let set = self.clone();
        RoleRow {
            name: set.name.unwrap_or_else(|| row.name.clone()),
            rank: set.rank.unwrap_or(row.rank),
            description: set.description.unwrap_or_else(|| row.description.clone()),
            permissions: set.permissions.unwrap_or_else(|| row.permissions.clone()),
            ..row.clone()
        }
    }
}

/// A row of `permissions`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = permissions)]
pub struct PermissionRow {
    pub name: String,
    pub description: Option<String>,
    pub built_in: bool,
    pub created_at: DateTime<Utc>,
}

/// All roles, the highest rank first.
pub fn all_roles(conn: &mut PgConnection) -> QueryResult<Vec<RoleRow>> {
    roles::table
        .order((roles::rank.desc(), roles::name))
        .select(RoleRow::as_select())
        .load(conn)
}

/// The role with this name, compared case-insensitively.
pub fn find_role(conn: &mut PgConnection, name: &str) -> QueryResult<Option<RoleRow>> {
    roles::table
        .filter(
            sql::<Bool>("lower(roles.name) = lower(")
                .bind::<Text, _>(name)
                .sql(")"),
        )
        .select(RoleRow::as_select())
        .first(conn)
        .optional()
}

pub fn insert(conn: &mut PgConnection, row: &RoleRow) -> QueryResult<usize> {
    diesel::insert_into(roles::table).values(row).execute(conn)
}

/// Updates a role and increments its version. Foreign keys follow a new name.
pub fn update(
    conn: &mut PgConnection,
    name: &str,
    now: DateTime<Utc>,
    changes: &RoleChangeset,
) -> QueryResult<usize> {
    diesel::update(roles::table.find(name))
        .set((
            changes,
            roles::updated_at.eq(now),
            roles::version.eq(roles::version + 1),
        ))
        .execute(conn)
}

pub fn delete(conn: &mut PgConnection, name: &str) -> QueryResult<usize> {
    diesel::delete(roles::table.find(name)).execute(conn)
}

/// All permissions, sorted by name.
pub fn catalogue(conn: &mut PgConnection) -> QueryResult<Vec<PermissionRow>> {
    permissions::table
        .order(permissions::name)
        .select(PermissionRow::as_select())
        .load(conn)
}

pub fn catalogue_names(conn: &mut PgConnection) -> QueryResult<Vec<String>> {
    permissions::table
        .order(permissions::name)
        .select(permissions::name)
        .load(conn)
}

pub fn count_permissions(conn: &mut PgConnection) -> QueryResult<i64> {
    permissions::table.count().get_result(conn)
}

pub fn find_permission(conn: &mut PgConnection, name: &str) -> QueryResult<Option<PermissionRow>> {
    permissions::table
        .find(name)
        .select(PermissionRow::as_select())
        .first(conn)
        .optional()
}

/// Whether one of `names` is a built-in permission.
pub fn includes_built_in_permission(
    conn: &mut PgConnection,
    names: &[String],
) -> QueryResult<bool> {
    let built_in = permissions::table
        .filter(permissions::name.eq_any(names))
        .filter(permissions::built_in);
    diesel::select(exists(built_in)).get_result(conn)
}

/// Those of `names` that are in the catalogue.
pub fn known_permissions(conn: &mut PgConnection, names: &[String]) -> QueryResult<Vec<String>> {
    permissions::table
        .filter(permissions::name.eq_any(names))
        .select(permissions::name)
        .load(conn)
}

pub fn insert_permission(conn: &mut PgConnection, row: &PermissionRow) -> QueryResult<usize> {
    diesel::insert_into(permissions::table)
        .values(row)
        .execute(conn)
}

pub fn insert_missing_permissions(
    conn: &mut PgConnection,
    rows: &[PermissionRow],
) -> QueryResult<usize> {
    diesel::insert_into(permissions::table)
        .values(rows)
        .on_conflict_do_nothing()
        .execute(conn)
}

pub fn delete_permission(conn: &mut PgConnection, name: &str) -> QueryResult<usize> {
    diesel::delete(permissions::table.find(name)).execute(conn)
}
