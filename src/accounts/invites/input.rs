//! What callers send to make an invite, and how it is checked before anything is done.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::policy::MOST_USES;
use crate::accounts::roles::USER;
use crate::accounts::users::{self, Email};
use crate::platform::error::{AppError, Faults};

/// An invite to make.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"role": "User", "maxUses": 1, "email": "ada@example.org"}))]
pub struct NewInvite {
    /// When it ends: seven days from now if not said.
    pub expires_at_utc: Option<DateTime<Utc>>,
    /// How many accounts it is good for: one if not said.
    #[schema(minimum = 1, maximum = 100_000, default = 1)]
    pub max_uses: Option<i32>,
    /// The role that it gives: `User` if not said.
    #[schema(example = "User", default = "User")]
    pub role: Option<String>,
    /// The direct grants that it gives, each in the catalogue.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The address that whoever uses it has to register with; any if not said.
    pub email: Option<String>,
}

/// An invite to make, checked.
pub struct Draft {
    pub expires_at: Option<DateTime<Utc>>,
    pub max_uses: i32,
    pub role: String,
    pub permissions: Vec<String>,
    pub email: Option<Email>,
}

impl NewInvite {
    /// Checks everything but what only the database knows.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<Draft, AppError> {
        let mut faults = Faults::default();
        let max_uses = match self.max_uses.unwrap_or(1) {
            uses @ 1..=MOST_USES => Ok(uses),
            _ => Err((
                "out_of_range",
                format!("must be from 1 to {MOST_USES}").into(),
            )),
        };
        let max_uses = faults.take("/maxUses", max_uses);
        let email = self
            .email
            .and_then(|text| faults.take("/email", Email::parse(&text)));
        let expires_at = self
            .expires_at_utc
            .and_then(|end| faults.take("/expiresAtUtc", users::moment(end)));
        let draft = max_uses.map(|max_uses| Draft {
            expires_at,
            max_uses,
            role: self.role.unwrap_or_else(|| USER.to_owned()),
            permissions: self.permissions,
            email,
        });
        faults.finish(draft)
    }
}
