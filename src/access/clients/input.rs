//! What callers send to make or change a client, and how it is checked before anything is done.

use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::policy::HIGHEST_RANK;
use super::store::{ClientChangeset, ClientRow};
use crate::platform::resource_name::ResourceName;
use crate::platform::error::{AppError, FieldErrors};
use crate::platform::http::PatchField;

/// A client to make.
#[derive(Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "media server", "permissions": ["users.read"]}))]
pub struct NewClient {
    /// What it is called; unique without regard to case.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it may, each in the catalogue and held by the caller.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Whom it may manage: accounts that rank below it, and those of rank 0. Below the caller's own; 0 if not said.
    #[schema(minimum = 0, maximum = 999, default = 0)]
    pub rank: Option<i32>,
}

/// A client to make, checked.
pub struct ClientDraft {
    pub name: ResourceName,
    pub permissions: Vec<String>,
    pub rank: i32,
}

impl NewClient {
    /// Checks everything but what only the database knows.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<ClientDraft, AppError> {
        let mut faults = FieldErrors::default();
        let name = faults.check("/name", ResourceName::parse(&self.name));
        let rank = faults.check("/rank", rank(self.rank.unwrap_or_default()));
        let draft = name.zip(rank).map(|(name, rank)| ClientDraft {
            name,
            rank,
            permissions: self.permissions,
        });
        faults.into_result(draft)
    }
}

/// A change of a client (RFC 7396): what is absent stays, a value sets.
#[derive(Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(example = json!({"permissions": ["users.read", "sessions.read"]}))]
pub struct ClientPatch {
    /// Another name.
    #[schema(value_type = String)]
    pub name: PatchField<String>,
    /// All that it may from then on; what is added must be held by the caller.
    #[schema(value_type = Option<Vec<String>>)]
    pub permissions: PatchField<Vec<String>>,
    /// Another rank, below the caller's own.
    #[schema(value_type = i32, minimum = 0, maximum = 999)]
    pub rank: PatchField<i32>,
    /// Whether it can act. Switched off, its access tokens are dead, and stay so when it is switched on again.
    #[schema(value_type = bool)]
    pub is_active: PatchField<bool>,
}

/// A change of a client, checked.
pub struct ClientChange(ClientChangeset);

impl ClientPatch {
    /// Checks everything but what only the database knows.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<ClientChange, AppError> {
        let mut faults = FieldErrors::default();
        let name = |text: String| ResourceName::parse(&text).map(|name| name.as_str().to_owned());
        let set = ClientChangeset {
            name: self.name.parse_required(&mut faults, "/name", name),
            permissions: match self.permissions {
                PatchField::Keep => None,
                PatchField::Clear => Some(Vec::new()),
                PatchField::Set(names) => Some(names),
            },
            rank: self.rank.parse_required(&mut faults, "/rank", rank),
            is_active: self
                .is_active
                .parse_required(&mut faults, "/isActive", Ok::<_, Wrong>),
        };
        faults.into_result(Some(ClientChange(set)))
    }
}

impl ClientChange {
    /// The permissions that it is to have, if they are to change.
    pub fn permissions(&self) -> Option<&[String]> {
        self.0.permissions.as_deref()
    }

    /// What it changes about this client, which is to have `permissions`; what it would leave as it is, is left out.
    pub fn changeset_for(&self, row: &ClientRow, permissions: Option<Vec<String>>) -> ClientChangeset {
        let set = self.0.clone();
        ClientChangeset {
            name: set.name.filter(|name| *name != row.name),
            permissions: permissions.filter(|names| *names != row.permissions),
            rank: set.rank.filter(|rank| *rank != row.rank),
            is_active: set.is_active.filter(|active| *active != row.is_active),
        }
    }
}

type Wrong = (&'static str, std::borrow::Cow<'static, str>);

fn rank(rank: i32) -> Result<i32, Wrong> {
    if (0..=HIGHEST_RANK).contains(&rank) {
        Ok(rank)
    } else {
        Err(("out_of_range", "must be from 0 to 999".into()))
    }
}
