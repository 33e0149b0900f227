//! How a list of accounts is asked for: filters, orders, and where a page begins. No database, no clock.

use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::accounts::users::User;
use crate::platform::ids::UserId;

/// Which accounts, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Part of the username, display name or email address.
    pub query: Option<String>,
    /// This username.
    pub username: Option<String>,
    /// This address, without regard to case.
    pub email: Option<String>,
    /// An address in this domain, without regard to case.
    pub email_domain: Option<String>,
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
    /// What it is ordered by, as text.
    pub key: String,
    /// Which account.
    pub id: UserId,
}

/// A filter's text as the JSON number, boolean or null that it may also stand for.
#[must_use]
pub fn scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => value,
        _ => Value::String(text.to_owned()),
    }
}
