//! The request body that creates a personal access token, and its validation.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use crate::platform::error::{AppError, FieldErrors};
use crate::platform::resource_name::ResourceName;
use crate::platform::timestamp::Timestamp;

/// The body of a request that creates a token.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "nightly export", "permissions": ["users.read"], "expiresAtUtc": "2027-01-01T00:00:00Z"}))]
#[schema(as = TokenCreate)]
pub struct NewToken {
    /// What the token is for.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// The permissions of the token. Each must be in the permission catalogue and held by the account.
    pub permissions: Vec<String>,
    /// When the token expires. Default: never.
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub expires_at_utc: Option<Timestamp>,
}

/// A validated request to create a token.
#[derive(Clone)]
pub struct ValidatedToken {
    pub name: ResourceName,
    pub permissions: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl NewToken {
    /// Validates everything that needs neither the database nor the clock.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with all field errors.
    pub fn check(self) -> Result<ValidatedToken, AppError> {
        let mut errors = FieldErrors::default();
        let name = errors.check("/name", ResourceName::parse(&self.name));
        errors.into_result(name.map(|name| ValidatedToken {
            name,
            permissions: self.permissions,
            expires_at: self.expires_at_utc.map(Into::into),
        }))
    }
}
