//! What callers send to make a token, and how it is checked before anything is done.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use crate::platform::resource_name::ResourceName;
use crate::platform::error::{AppError, FieldErrors};

/// A token to make.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "nightly export", "permissions": ["users.read"], "expiresAtUtc": "2027-01-01T00:00:00Z"}))]
pub struct NewToken {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it gives, each in the catalogue and held by its account.
    pub permissions: Vec<String>,
    /// When it ends; without it never.
    pub expires_at_utc: Option<DateTime<Utc>>,
}

/// A token to make, checked.
#[derive(Clone)]
pub struct TokenDraft {
    pub name: ResourceName,
    pub permissions: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl NewToken {
    /// Checks everything but what only the database and the clock know.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<TokenDraft, AppError> {
        let mut faults = FieldErrors::default();
        let name = faults.check("/name", ResourceName::parse(&self.name));
        faults.into_result(name.map(|name| TokenDraft {
            name,
            permissions: self.permissions,
            expires_at: self.expires_at_utc,
        }))
    }
}
