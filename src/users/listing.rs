//! Lists of accounts: filters, orders and pages by key.

use chrono::SecondsFormat;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::User;
use super::rules::values::Username;
use super::store::UserRow;
use crate::auth::{Can, needs};
use crate::db::Tx;
use crate::error::AppError;
use crate::ids::UserId;
use crate::roles::{self, Held, SUPER_ADMIN};
use crate::schema::users;

/// Which accounts, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Part of the username, display name or email address.
    pub query: Option<String>,
    /// This username.
    pub username: Option<String>,
    /// This address, without regard to case.
    pub email: Option<String>,
    /// This role.
    pub role: Option<String>,
    /// This active state.
    pub is_active: Option<bool>,
    /// This tag.
    pub tag: Option<String>,
    /// This permission, directly or through the role.
    pub permission: Option<String>,
    /// Deleted ones only; otherwise only those that are not.
    pub deleted: bool,
    /// These attributes with these values.
    pub attributes: Vec<(String, String)>,
    /// In this order.
    pub sort: Sort,
}

/// An order: by what, and whether the greatest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sort {
    /// By what.
    pub by: SortKey,
    /// The greatest first.
    pub descending: bool,
}

/// What lists are ordered by; the id breaks ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SortKey {
    /// When it was made.
    CreatedAt,
    /// The username.
    Username,
    /// When it last signed in; those who never did are the least.
    LastLogin,
}

impl Default for Sort {
    /// The newest first.
    fn default() -> Self {
        Self {
            by: SortKey::CreatedAt,
            descending: true,
        }
    }
}

impl Sort {
    /// Reads `createdAtUtc`, `username` or `lastLoginAtUtc`, each with a `-` before it for descending.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (descending, name) = text
            .strip_prefix('-')
            .map_or((false, text), |name| (true, name));
        let by = match name {
            "createdAtUtc" => SortKey::CreatedAt,
            "username" => SortKey::Username,
            "lastLoginAtUtc" => SortKey::LastLogin,
            _ => return None,
        };
        Some(Self { by, descending })
    }

    /// What rows are compared by, in SQL; each has an index.
    const fn expression(self) -> &'static str {
        match self.by {
            SortKey::CreatedAt => "users.created_at",
            SortKey::Username => "users.username",
            SortKey::LastLogin => "coalesce(users.last_login_at, '-infinity')",
        }
    }

    const fn cast(self) -> &'static str {
        match self.by {
            SortKey::Username => "::text",
            SortKey::CreatedAt | SortKey::LastLogin => "::timestamptz",
        }
    }

    /// Where an account stands in this order.
    #[must_use]
    pub fn position(self, user: &User) -> Position {
        let time =
            |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        Position {
            key: match self.by {
                SortKey::CreatedAt => time(user.created_at_utc),
                SortKey::Username => user.username.clone(),
                SortKey::LastLogin => user
                    .last_login_at_utc
                    .map_or_else(|| "-infinity".to_owned(), time),
            },
            id: user.id,
        }
    }
}

/// The last account of a page: the next one begins after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    key: String,
    id: UserId,
}

/// At most `rows` accounts after `after` and, if that is asked, how many there are in all.
///
/// # Errors
/// When the database fails.
pub fn list(
    tx: &mut Tx<'_>,
    _by: &Can<needs::ReadUsers>,
    filter: &Filter,
    after: Option<&Position>,
    rows: i64,
    count: bool,
) -> Result<(Vec<User>, Option<i64>), AppError> {
    let bundles = roles::service::permissions_by_role(tx)?;
    let giving: Option<Vec<String>> = filter.permission.as_ref().map(|wanted| {
        bundles
            .iter()
            .filter(|(role, permissions)| Held::of(role, permissions, &[]).has(wanted))
            .map(|(role, _)| role.clone())
            .collect()
    });
    let found = ordered(matching(filter, giving.as_deref()), filter.sort, after)
        .select(UserRow::as_select())
        .limit(rows)
        .load(tx.conn)?;
    let total = if count {
        Some(
            matching(filter, giving.as_deref())
                .count()
                .get_result(tx.conn)?,
        )
    } else {
        None
    };
    let catalogue = if found.iter().any(|row| row.role == SUPER_ADMIN) {
        roles::service::catalogue_names(tx)?
    } else {
        Vec::new()
    };
    let present = |row: UserRow| {
        let of_role = bundles
            .get(&row.role)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let held = Held::of(&row.role, of_role, &row.permissions);
        let effective = roles::service::names(&held, &catalogue);
        User::new(row, effective)
    };
    Ok((found.into_iter().map(present).collect(), total))
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
        let pattern = format!(
            "%{}%",
            part.replace('\\', "\\\\")
                .replace('%', "\\%")
                .replace('_', "\\_")
        );
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
                .or(users::attributes.contains(json!({name: scalar(text)}))),
        );
    }
    query
}

fn ordered<'a>(query: Query<'a>, sort: Sort, after: Option<&'a Position>) -> Query<'a> {
    let expression = sort.expression();
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
                .sql(sort.cast())
                .sql(", ")
                .bind::<SqlUuid, _>(last.id)
                .sql(")"),
        ),
    };
    query.order(sql::<Text>(&format!(
        "{expression} {direction}, users.id {direction}"
    )))
}

/// A filter's text as the JSON number, boolean or null that it may also stand for.
fn scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => value,
        _ => Value::String(text.to_owned()),
    }
}
