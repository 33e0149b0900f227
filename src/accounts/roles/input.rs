//! What callers send to make or change a role, and how it is checked before anything is done.

use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::policy::values::{RoleName, SUPER_ADMIN_RANK};
use super::store::{RoleChanges, RoleRow};
use crate::platform::error::{AppError, Faults};
use crate::platform::http::Patch;

/// A role to make.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "Editor", "rank": 20, "permissions": ["users.read"], "description": "Keeps the texts"}))]
pub struct NewRole {
    /// 2 to 50 letters, digits, `-` or `_`, a letter first; unique without regard to case.
    #[schema(example = "Editor", pattern = "^[A-Za-z][A-Za-z0-9_-]{1,49}$")]
    pub name: String,
    /// Below the caller's own.
    #[schema(minimum = 0, maximum = 999)]
    pub rank: i32,
    /// What it gives, each in the catalogue and held by the caller.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// What it is for.
    #[validate(length(max = 500))]
    #[schema(max_length = 500)]
    pub description: Option<String>,
}

/// A role to make, checked.
pub struct Draft {
    pub name: RoleName,
    pub rank: i32,
    pub permissions: Vec<String>,
    pub description: Option<String>,
}

impl NewRole {
    /// Checks everything but what only the database knows.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<Draft, AppError> {
        let mut faults = Faults::default();
        let name = faults.take("/name", name(&self.name));
        let rank = faults.take("/rank", rank(self.rank));
        let draft = name.zip(rank).map(|(name, rank)| Draft {
            name,
            rank,
            permissions: self.permissions,
            description: self.description,
        });
        faults.finish(draft)
    }
}

/// A change of a role (RFC 7396): what is absent stays, `null` clears, a value sets.
#[derive(Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(example = json!({"permissions": ["users.read", "users.update"], "description": null}))]
pub struct RolePatch {
    /// Another name. A role that accounts have is only renamed with `moveTo`; a built-in one never.
    #[schema(value_type = Option<String>)]
    pub name: Patch<String>,
    /// Another rank, below the caller's own; a built-in role keeps its rank.
    #[schema(value_type = Option<i32>)]
    pub rank: Patch<i32>,
    /// All that it gives from then on; what is added must be held by the caller.
    #[schema(value_type = Option<Vec<String>>)]
    pub permissions: Patch<Vec<String>>,
    /// What it is for.
    #[validate(length(max = 500))]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub description: Patch<String>,
}

/// A change of a role, checked.
pub struct Change(RoleChanges);

impl RolePatch {
    /// Checks everything but what only the database knows.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<Change, AppError> {
        let mut faults = Faults::default();
        let set = RoleChanges {
            name: self
                .name
                .required(&mut faults, "/name", |text| name(&text))
                .map(|name| name.as_str().to_owned()),
            rank: self.rank.required(&mut faults, "/rank", rank),
            permissions: match self.permissions {
                Patch::Keep => None,
                Patch::Clear => Some(Vec::new()),
                Patch::Set(names) => Some(names),
            },
            description: self.description.into_change(),
        };
        faults.finish(Some(Change(set)))
    }
}

impl Change {
    /// What the role is to be called, if that is said.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The permissions that the role is to give, if they are to change.
    #[must_use]
    pub fn permissions(&self) -> Option<&[String]> {
        self.0.permissions.as_deref()
    }

    /// What it changes about this role, which is to give `permissions`; what it would leave as it is, is left out.
    #[must_use]
    pub fn of(&self, row: &RoleRow, permissions: Option<Vec<String>>) -> RoleChanges {
        let set = self.0.clone();
        RoleChanges {
            name: set.name.filter(|name| *name != row.name),
            rank: set.rank.filter(|rank| *rank != row.rank),
            permissions: permissions.filter(|names| *names != row.permissions),
            description: set.description.filter(|text| *text != row.description),
        }
    }
}

type Wrong = (&'static str, std::borrow::Cow<'static, str>);

fn name(text: &str) -> Result<RoleName, Wrong> {
    RoleName::parse(text).map_err(|wrong| ("invalid_format", wrong.to_string().into()))
}

fn rank(rank: i32) -> Result<i32, Wrong> {
    if (0..SUPER_ADMIN_RANK).contains(&rank) {
        Ok(rank)
    } else {
        Err(("out_of_range", "must be from 0 to 999".into()))
    }
}
