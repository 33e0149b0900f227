//! Queries for lists of accounts.

use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text, Uuid as SqlUuid};
use serde_json::json;

use super::filter::{UserFilter, UserListCursor, UserSort, UserSortKey, parse_scalar};
use crate::accounts::users::store::UserRow;
use crate::accounts::users::values::Username;
use crate::schema::users;

/// The next page: up to `limit` accounts that match `filter` and come after the cursor. `granting_roles`: the roles that
/// include the permission of the filter.
pub fn page(
    conn: &mut PgConnection,
    filter: &UserFilter,
    sort: UserSort,
    granting_roles: Option<&[String]>,
    after: Option<&UserListCursor>,
    limit: i64,
) -> QueryResult<Vec<UserRow>> {
    ordered(matching(filter, granting_roles), sort, after)
        .select(UserRow::as_select())
        .limit(limit)
        .load(conn)
}

/// The number of matching accounts.
pub fn count(
    conn: &mut PgConnection,
    filter: &UserFilter,
    granting_roles: Option<&[String]>,
) -> QueryResult<i64> {
    matching(filter, granting_roles).count().get_result(conn)
}

type UserQuery<'a> = users::BoxedQuery<'a, Pg>;

fn matching<'a>(filter: &'a UserFilter, granting_roles: Option<&'a [String]>) -> UserQuery<'a> {
    let mut query = users::table.into_boxed();
    query = if filter.deleted == Some(true) {
        query.filter(users::deleted_at.is_not_null())
    } else {
        query.filter(users::deleted_at.is_null())
    };
    if let Some(part) = &filter.query {
        let pattern = format!("%{}%", escape_like(part));
        query = query.filter(
            users::username
                .ilike(pattern.clone())
                .or(sql::<Bool>("users.display_name ILIKE ").bind::<Text, _>(pattern.clone()))
                .or(sql::<Bool>("users.email ILIKE ").bind::<Text, _>(pattern)),
        );
    }
    if let Some(name) = &filter.username {
        query = query.filter(users::username.eq(Username::normalize(name)));
    }
    if let Some(address) = &filter.email {
        query = query.filter(
            sql::<Bool>("lower(users.email) = lower(")
                .bind::<Text, _>(address)
                .sql(")"),
        );
    }
    if let Some(domain) = &filter.email_domain {
        let pattern = format!("%@{}", escape_like(domain));
        query = query.filter(sql::<Bool>("users.email ILIKE ").bind::<Text, _>(pattern));
    }
    if let Some(role) = &filter.role {
        query = query.filter(
            sql::<Bool>("users.role = (SELECT name FROM roles WHERE lower(name) = lower(")
                .bind::<Text, _>(role)
                .sql("))"),
        );
    }
    if let Some(active) = filter.is_active {
        query = query.filter(users::is_active.eq(active));
    }
    if let Some(tag) = &filter.tag {
        query = query.filter(users::tags.contains(vec![tag.to_ascii_lowercase()]));
    }
    if let (Some(permission), Some(roles)) = (&filter.permission, granting_roles) {
        query = query.filter(
            users::permissions
                .contains(vec![permission.clone()])
                .or(users::role.eq_any(roles)),
        );
    }
    for (name, text) in &filter.attr {
        query = query.filter(
            users::attributes
                .contains(json!({name: text}))
                .or(users::attributes.contains(json!({name: parse_scalar(text)}))),
        );
    }
    query
}

/// Escapes the wildcards of LIKE.
fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

fn ordered<'a>(
    query: UserQuery<'a>,
    sort: UserSort,
    after: Option<&'a UserListCursor>,
) -> UserQuery<'a> {
    let expression = expression(sort.key);
    let (direction, beyond) = if sort.descending {
        ("DESC", "<")
    } else {
        ("ASC", ">")
    };
    let query = match after {
        None => query,
        Some(last) => query.filter(
            sql::<Bool>(&format!("({expression}, users.id) {beyond} ("))
                .bind::<Text, _>(&last.key)
                .sql(cast(sort.key))
                .sql(", ")
                .bind::<SqlUuid, _>(last.id)
                .sql(")"),
        ),
    };
    query.order(sql::<Text>(&format!(
        "{expression} {direction}, users.id {direction}"
    )))
}

/// The SQL expression that rows are sorted by. Each has an index.
const fn expression(key: UserSortKey) -> &'static str {
    match key {
        UserSortKey::CreatedAt => "users.created_at",
        UserSortKey::Username => "users.username",
        UserSortKey::LastLogin => "coalesce(users.last_login_at, '-infinity')",
    }
}

const fn cast(key: UserSortKey) -> &'static str {
    match key {
        UserSortKey::Username => "::text",
        UserSortKey::CreatedAt | UserSortKey::LastLogin => "::timestamptz",
    }
}
