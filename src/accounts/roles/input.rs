//! The request bodies that create or change a role, and their validation.

use serde::Deserialize;
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use super::store::{RoleChangeset, RoleRow};
use crate::access::actor::{RoleName, SUPER_ADMIN_RANK};
use crate::platform::error::{AppError, FieldErrors};
use crate::platform::http::PatchField;
use crate::platform::resource_name::check_description;

/// The body of a request that creates a role.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "Editor", "rank": 20, "permissions": ["users.read"], "description": "Keeps the texts"}))]
#[schema(as = RoleCreate)]
pub struct NewRole {
    /// 2 to 50 letters, digits, `-` or `_`, beginning with a letter. Unique, compared case-insensitively.
    #[schema(example = "Editor", pattern = "^[A-Za-z][A-Za-z0-9_-]{1,49}$")]
    pub name: String,
    /// The rank. It must be below the caller's rank.
    #[schema(minimum = 0, maximum = 999)]
    pub rank: i32,
    /// The permissions of the role. Each must be in the catalogue and held by the caller.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// What the role is for.
    #[validate(length(max = 500), custom(function = "check_description"))]
    #[schema(max_length = 500)]
    pub description: Option<String>,
}

/// A validated request to create a role.
pub struct ValidatedRole {
    pub name: RoleName,
    pub rank: i32,
    pub permissions: Vec<String>,
    pub description: Option<String>,
}

impl NewRole {
    /// Validates everything that does not need the database.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with all field errors.
    pub fn check(self) -> Result<ValidatedRole, AppError> {
        let mut errors = FieldErrors::default();
        let name = errors.check("/name", name(&self.name));
        let rank = errors.check("/rank", rank(self.rank));
        let draft = name.zip(rank).map(|(name, rank)| ValidatedRole {
            name,
            rank,
            permissions: self.permissions,
            description: self.description,
        });
        errors.into_result(draft)
    }
}

/// A merge patch of a role (RFC 7396): absent members stay, `null` clears, a value sets.
#[derive(Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(example = json!({"permissions": ["users.read", "users.update"], "description": null}))]
#[schema(as = RoleUpdate)]
pub struct RolePatch {
    /// The name. Renaming a role that accounts have needs `moveTo`. Built-in roles cannot be renamed.
    #[schema(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9_-]{1,49}$")]
    pub name: PatchField<String>,
    /// The rank, below the caller's rank. Built-in roles keep their rank.
    #[schema(value_type = i32, minimum = 0, maximum = 999)]
    pub rank: PatchField<i32>,
    /// The complete set of permissions. The caller must hold those that are added.
    #[schema(value_type = Option<Vec<String>>)]
    pub permissions: PatchField<Vec<String>>,
    /// What the role is for.
    #[validate(length(max = 500), custom(function = "check_description_patch"))]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub description: PatchField<String>,
}

/// A validated change of a role.
pub struct ValidatedRoleChange(RoleChangeset);

impl RolePatch {
    /// Validates everything that does not need the database.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with all field errors.
    pub fn check(self) -> Result<ValidatedRoleChange, AppError> {
        let mut errors = FieldErrors::default();
        let set = RoleChangeset {
            name: self
                .name
                .parse_required(&mut errors, "/name", |text| name(&text))
                .map(|name| name.as_str().to_owned()),
            rank: self.rank.parse_required(&mut errors, "/rank", rank),
            permissions: match self.permissions {
                PatchField::Keep => None,
                PatchField::Clear => Some(Vec::new()),
                PatchField::Set(names) => Some(names),
            },
            description: self.description.into_update(),
        };
        errors.into_result(Some(ValidatedRoleChange(set)))
    }
}

impl ValidatedRoleChange {
    /// The new name, if the patch sets one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The new permissions, if the patch sets them.
    #[must_use]
    pub fn permissions(&self) -> Option<&[String]> {
        self.0.permissions.as_deref()
    }

    /// The columns that the change sets on this role, with `permissions` resolved. Columns that would keep their value are
    /// left out.
    #[must_use]
    pub fn changeset_for(&self, row: &RoleRow, permissions: Option<Vec<String>>) -> RoleChangeset {
        let set = self.0.clone();
        RoleChangeset {
            name: set.name.filter(|name| *name != row.name),
            rank: set.rank.filter(|rank| *rank != row.rank),
            permissions: permissions.filter(|names| *names != row.permissions),
            description: set.description.filter(|text| *text != row.description),
        }
    }
}

type InvalidValue = (&'static str, std::borrow::Cow<'static, str>);

fn name(text: &str) -> Result<RoleName, InvalidValue> {
    RoleName::parse(text).map_err(|error| ("invalid_format", error.to_string().into()))
}

fn check_description_patch(patch: &PatchField<String>) -> Result<(), ValidationError> {
    patch.value().map_or(Ok(()), |text| check_description(text))
}

fn rank(rank: i32) -> Result<i32, InvalidValue> {
    if (0..SUPER_ADMIN_RANK).contains(&rank) {
        Ok(rank)
    } else {
        Err(("out_of_range", "must be from 0 to 999".into()))
    }
}
