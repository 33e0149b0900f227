//! The request to create an invite, and its validation.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::validity::MAX_USES;
use crate::access::actor::USER;
use crate::accounts::users::Email;
use crate::platform::error::{AppError, FieldErrors};
use crate::platform::timestamp::Timestamp;

/// An invite to create.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"role": "User", "maxUses": 1, "email": "ada@example.org"}))]
#[schema(as = InviteCreate)]
pub struct NewInvite {
    /// When it expires. Default: seven days from now.
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub expires_at_utc: Option<Timestamp>,
    /// How many accounts can be created with it. Default: one.
    #[schema(minimum = 1, maximum = 100_000, default = 1)]
    pub max_uses: Option<i32>,
    /// The role that it grants. Default: `User`.
    #[schema(example = "User", default = "User", min_length = 2, max_length = 50)]
    pub role: Option<String>,
    /// The permissions that it grants directly. Each must be in the catalogue.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The email address that must be used to register. Default: any address.
    #[schema(max_length = 254)]
    pub email: Option<String>,
}

/// A validated invite to create.
pub struct ValidatedInvite {
    pub expires_at: Option<DateTime<Utc>>,
    pub max_uses: i32,
    pub role: String,
    pub permissions: Vec<String>,
    pub email: Option<Email>,
}

impl NewInvite {
    /// Validates everything that does not depend on the database.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every invalid field.
    pub fn check(self) -> Result<ValidatedInvite, AppError> {
        let mut errors = FieldErrors::default();
        let max_uses = match self.max_uses.unwrap_or(1) {
            uses @ 1..=MAX_USES => Ok(uses),
            _ => Err((
                "out_of_range",
                format!("must be from 1 to {MAX_USES}").into(),
            )),
        };
        let max_uses = errors.check("/maxUses", max_uses);
        let email = self
            .email
            .and_then(|text| errors.check("/email", Email::parse(&text)));
        let draft = max_uses.map(|max_uses| ValidatedInvite {
            expires_at: self.expires_at_utc.map(Into::into),
            max_uses,
            role: self.role.unwrap_or_else(|| USER.to_owned()),
            permissions: self.permissions,
            email,
        });
        errors.into_result(draft)
    }
}
