//! Queries for lists of accounts.

use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text, Uuid as SqlUuid};
use serde_json::json;

use super::policy::{self, Filter, Position, Sort, SortKey};
use crate::accounts::users::policy::values::Username;
use crate::accounts::users::store::UserRow;
use crate::schema::users;

/// At most `rows` accounts after `after`. `giving` are the roles that give the permission that the filter names.
pub fn page(
    conn: &mut PgConnection,
    filter: &Filter,
    giving: Option<&[String]>,
    after: Option<&Position>,
    rows: i64,
) -> QueryResult<Vec<UserRow>> {
    ordered(matching(filter, giving), filter.sort, after)
        .select(UserRow::as_select())
        .limit(rows)
        .load(conn)
}

/// How many accounts there are in all.
pub fn count(
    conn: &mut PgConnection,
    filter: &Filter,
    giving: Option<&[String]>,
) -> QueryResult<i64> {
    matching(filter, giving).count().get_result(conn)
}

type Query<'a> = users::BoxedQuery<'a, Pg>;

fn matching<'a>(filter: &'a Filter, giving: Option<&'a [String]>) -> Query<'a> {
    let mut query = users::table.into_boxed();
    query = if filter.deleted {
        query.filter(users::deleted_at.is_not_null())
    } else {
        query.filter(users::deleted_at.is_null())
    };
    if let Some(part) = &filter.query {
        let pattern = format!("%{}%", literal(part));
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
        let pattern = format!("%@{}", literal(domain));
        query = query.filter(sql::<Bool>("users.email ILIKE ").bind::<Text, _>(pattern));
    }
    if let Some(role) = &filter.role {
        query = query.filter(users::role.eq(role));
    }
    if let Some(active) = filter.is_active {
        query = query.filter(users::is_active.eq(active));
    }
    if let Some(tag) = &filter.tag {
        query = query.filter(users::tags.contains(vec![tag.to_ascii_lowercase()]));
    }
    if let (Some(permission), Some(giving)) = (&filter.permission, giving) {
        query = query.filter(
            users::permissions
                .contains(vec![permission.clone()])
                .or(users::role.eq_any(giving)),
        );
    }
    for (name, text) in &filter.attributes {
        query = query.filter(
            users::attributes
                .contains(json!({name: text}))
                .or(users::attributes.contains(json!({name: policy::scalar(text)}))),
        );
    }
    query
}

/// The text as LIKE finds it and nothing else.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

fn ordered<'a>(query: Query<'a>, sort: Sort, after: Option<&'a Position>) -> Query<'a> {
    let expression = expression(sort.by);
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
                .sql(cast(sort.by))
                .sql(", ")
                .bind::<SqlUuid, _>(last.id)
                .sql(")"),
        ),
    };
    query.order(sql::<Text>(&format!(
        "{expression} {direction}, users.id {direction}"
    )))
}

/// What rows are compared by; each has an index.
const fn expression(by: SortKey) -> &'static str {
    match by {
        SortKey::CreatedAt => "users.created_at",
        SortKey::Username => "users.username",
        SortKey::LastLogin => "coalesce(users.last_login_at, '-infinity')",
    }
}

const fn cast(by: SortKey) -> &'static str {
    match by {
        SortKey::Username => "::text",
        SortKey::CreatedAt | SortKey::LastLogin => "::timestamptz",
    }
}
