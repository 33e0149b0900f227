//! Which accounts a list contains, in which order, and where a page begins. No database, no clock.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::__dev::ComposeSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, ToSchema};

use crate::accounts::users::User;
use crate::platform::http::{FromQuery, InvalidQuery, QueryReader};
use crate::platform::ids::UserId;

/// Conditions on accounts. An account matches when all of them hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = BulkFilter)]
#[into_params(parameter_in = Query)]
pub struct UserFilter {
    /// A substring of the username, display name or email address.
    pub query: Option<String>,
    /// The username.
    pub username: Option<String>,
    /// The email address, compared case-insensitively.
    pub email: Option<String>,
    /// The domain of the email address, compared case-insensitively.
    pub email_domain: Option<String>,
    /// The role, compared case-insensitively.
    pub role: Option<String>,
    /// The active state.
    pub is_active: Option<bool>,
    /// A tag.
    pub tag: Option<String>,
    /// A permission that the account holds, directly or through its role.
    pub permission: Option<String>,
    /// Only deleted accounts. By default, only accounts that are not deleted.
    pub deleted: Option<bool>,
    /// Attributes and their values.
    #[param(ignore)]
    pub attr: BTreeMap<String, String>,
}

impl FromQuery for UserFilter {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            query: params
                .take("query")
                .filter(|part: &String| !part.is_empty()),
            username: params.take("username"),
            email: params.take("email"),
            email_domain: params.take("emailDomain"),
            role: params.take("role"),
            is_active: params.take("isActive"),
            tag: params.take("tag"),
            permission: params
                .take("permission")
                .map(|name: String| name.trim().to_owned()),
            deleted: params.take("deleted"),
            attr: params.take_prefixed("attr.").into_iter().collect(),
        })
    }
}

/// A sort order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UserSort {
    /// The sort key.
    pub key: UserSortKey,
    /// Whether the order is descending.
    pub descending: bool,
}

/// The key that a list is sorted by; the id breaks ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum UserSortKey {
    /// The creation time.
    CreatedAt,
    /// The username.
    Username,
    /// The time of the last sign-in. Accounts that never signed in sort lowest.
    LastLogin,
}

impl Default for UserSort {
    /// Newest first.
    fn default() -> Self {
        Self {
            key: UserSortKey::CreatedAt,
            descending: true,
        }
    }
}

/// Written by hand, because the text of a sort order contains the direction.
impl ComposeSchema for UserSort {
    fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        let values = [
            "createdAtUtc",
            "-createdAtUtc",
            "username",
            "-username",
            "lastLoginAtUtc",
            "-lastLoginAtUtc",
        ];
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(values))
            .default(Some("-createdAtUtc".into()))
            .into()
    }
}

impl ToSchema for UserSort {}

impl UserSort {
    /// The values that [`UserSort::parse`] accepts.
    pub const ALLOWED: &'static str =
        "must be one of: createdAtUtc, username, lastLoginAtUtc, optionally prefixed with '-'";

    /// Parses `createdAtUtc`, `username` or `lastLoginAtUtc`; a `-` prefix means descending.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (descending, name) = text
            .strip_prefix('-')
            .map_or((false, text), |name| (true, name));
        let key = match name {
            "createdAtUtc" => UserSortKey::CreatedAt,
            "username" => UserSortKey::Username,
            "lastLoginAtUtc" => UserSortKey::LastLogin,
            _ => return None,
        };
        Some(Self { key, descending })
    }

    /// The position of an account in this order.
    #[must_use]
    pub fn cursor(self, user: &User) -> UserListCursor {
        let time =
            |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        UserListCursor {
            key: match self.key {
                UserSortKey::CreatedAt => time(user.created_at_utc),
                UserSortKey::Username => user.username.clone(),
                UserSortKey::LastLogin => user
                    .last_login_at_utc
                    .map_or_else(|| "-infinity".to_owned(), time),
            },
            id: user.id,
        }
    }
}

/// The position of the last account of a page. The next page begins after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserListCursor {
    /// The value of the sort key, as text.
    pub key: String,
    /// The account.
    pub id: UserId,
}

/// The text of an attribute filter as the JSON number, boolean or null that it may represent; otherwise as a string.
#[must_use]
pub fn parse_scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => value,
        _ => Value::String(text.to_owned()),
    }
}
