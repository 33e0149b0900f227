//! The request bodies that create or change a client, and their validation.

use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::policy::HIGHEST_RANK;
use super::store::{ClientChangeset, ClientRow};
use crate::platform::error::{AppError, FieldErrors};
use crate::platform::http::PatchField;
use crate::platform::resource_name::ResourceName;

/// The body of a request that creates a client.
#[derive(Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "media server", "permissions": ["users.read"]}))]
#[schema(as = ClientCreate)]
pub struct NewClient {
    /// The name. Unique, compared case-insensitively.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// The permissions of the client. Each must be in the permission catalogue and held by the caller.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The rank, below the caller's rank. The client can manage accounts that rank below it or have rank 0. Default: 0.
    #[schema(minimum = 0, maximum = 999, default = 0)]
    pub rank: Option<i32>,
}

/// A validated request to create a client.
pub struct ValidatedClient {
    pub name: ResourceName,
    pub permissions: Vec<String>,
    pub rank: i32,
}

impl NewClient {
    /// Validates everything that does not need the database.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with all field errors.
    pub fn check(self) -> Result<ValidatedClient, AppError> {
        let mut errors = FieldErrors::default();
        let name = errors.check("/name", ResourceName::parse(&self.name));
        let rank = errors.check("/rank", rank(self.rank.unwrap_or_default()));
        let draft = name.zip(rank).map(|(name, rank)| ValidatedClient {
            name,
            rank,
            permissions: self.permissions,
        });
        errors.into_result(draft)
    }
}

/// A merge patch of a client (RFC 7396): absent members stay, a value sets.
#[derive(Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(example = json!({"permissions": ["users.read", "sessions.read"]}))]
#[schema(as = ClientUpdate)]
pub struct ClientPatch {
    /// The name.
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    pub name: PatchField<String>,
    /// The complete set of permissions. The caller must hold those that are added.
    #[schema(value_type = Option<Vec<String>>)]
    pub permissions: PatchField<Vec<String>>,
    /// The rank, below the caller's rank.
    #[schema(value_type = i32, minimum = 0, maximum = 999)]
    pub rank: PatchField<i32>,
    /// Whether the client is active. Disabling it ends its access tokens permanently.
    #[schema(value_type = bool)]
    pub is_active: PatchField<bool>,
}

/// A validated change of a client.
pub struct ValidatedClientChange(ClientChangeset);

impl ClientPatch {
    /// Validates everything that does not need the database.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with all field errors.
    pub fn check(self) -> Result<ValidatedClientChange, AppError> {
        let mut errors = FieldErrors::default();
        let name = |text: String| ResourceName::parse(&text).map(|name| name.as_str().to_owned());
        let set = ClientChangeset {
            name: self.name.parse_required(&mut errors, "/name", name),
            permissions: match self.permissions {
                PatchField::Keep => None,
                PatchField::Clear => Some(Vec::new()),
                PatchField::Set(names) => Some(names),
            },
            rank: self.rank.parse_required(&mut errors, "/rank", rank),
            is_active: self.is_active.parse_required(
                &mut errors,
                "/isActive",
                Ok::<_, InvalidValue>,
            ),
        };
        errors.into_result(Some(ValidatedClientChange(set)))
    }
}

impl ValidatedClientChange {
    /// Whether the change can give the client a permission or a higher rank.
    pub const fn can_raise_authority(&self) -> bool {
        self.0.permissions.is_some() || self.0.rank.is_some()
    }

    /// The new permissions, if the patch sets them.
    pub fn permissions(&self) -> Option<&[String]> {
        self.0.permissions.as_deref()
    }

    /// The columns that the change sets on this client, with `permissions` resolved. Columns that would keep their value are
    /// left out.
    pub fn changeset_for(
        &self,
        row: &ClientRow,
        permissions: Option<Vec<String>>,
    ) -> ClientChangeset {
        let set = self.0.clone();
        ClientChangeset {
            name: set.name.filter(|name| *name != row.name),
            permissions: permissions.filter(|names| *names != row.permissions),
            rank: set.rank.filter(|rank| *rank != row.rank),
            is_active: set.is_active.filter(|active| *active != row.is_active),
        }
    }
}

type InvalidValue = (&'static str, std::borrow::Cow<'static, str>);

fn rank(rank: i32) -> Result<i32, InvalidValue> {
    if (0..=HIGHEST_RANK).contains(&rank) {
        Ok(rank)
    } else {
        Err(("out_of_range", "must be from 0 to 999".into()))
    }
}
