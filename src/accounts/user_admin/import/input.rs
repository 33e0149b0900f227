//! One line of an import, and its validation.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use validator::Validate;

use crate::access::actor::USER;
use crate::access::passwords::{Password, PasswordHash};
use crate::accounts::users::{NewUser, ValidatedUser};
use crate::platform::error::AppError;

/// An account to import.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "username": "ada", "email": "ada@example.org", "externalId": "4711", "tags": ["staff"],
    "passwordHash": "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9p2mCq1E8wVxv3xqzF5dZ1i7bq0d3l5yq0m0Yw3b7kE"
}))]
pub struct ImportLine {
    /// The username, as in `POST /api/v1/users`.
    #[schema(min_length = 3, max_length = 50)]
    username: String,
    /// The email address. It is imported as unconfirmed.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// The name to display.
    #[schema(min_length = 1, max_length = 200)]
    display_name: Option<String>,
    /// The name of a role. Default: `User`.
    #[schema(min_length = 2, max_length = 50)]
    role: Option<String>,
    /// Direct grants. Each must be in the permission catalogue.
    #[serde(default)]
    permissions: Vec<String>,
    /// Whether the account is active. Default: true.
    is_active: Option<bool>,
    /// Tags.
    #[serde(default)]
    #[schema(max_items = 50)]
    tags: Vec<String>,
    /// Attributes that applications store: an object of at most 16 KiB.
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// The id of the account in the other system. It is stored as `authId` and returned in the result.
    #[schema(min_length = 1, max_length = 255)]
    external_id: Option<String>,
    /// A password in plain text. It must meet the password policy.
    password: Option<Password>,
    /// The password hash from the other system: an Argon2 hash (RFC 9106) as a PHC string. It is replaced by a hash with the
    /// current parameters at the next sign-in.
    password_hash: Option<String>,
}

/// The password of an imported account.
pub enum ImportedPassword {
    /// No password.
    None,
    /// A password in plain text.
    Plain(Password),
    /// A password hash.
    Hash(PasswordHash),
}

impl ImportLine {
    /// The username and the external id of the line, each cut off after 200 characters.
    pub fn identifiers(&self) -> (Option<String>, Option<String>) {
        let shortened = |text: &String| text.chars().take(200).collect();
        (
            Some(shortened(&self.username)),
            self.external_id.as_ref().map(shortened),
        )
    }

    /// Validates everything that does not need the database.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with all field errors.
    pub fn check(self) -> Result<(ValidatedUser, ImportedPassword), AppError> {
        let hash = match (self.password_hash, &self.password) {
            (Some(_), Some(_)) => {
                let detail = "must not be used together with password";
                return Err(AppError::invalid_field(
                    "/passwordHash",
                    "invalid_value",
                    detail,
                ));
            }
            (Some(text), None) => Some(PasswordHash::parse(text).map_err(|error| {
                AppError::invalid_field("/passwordHash", "unsupported", error.to_string())
            })?),
            (None, _) => None,
        };
        let new_user = NewUser {
            username: self.username,
            password: self.password,
            role: self.role.unwrap_or_else(|| USER.to_owned()),
            is_active: self.is_active,
            permissions: self.permissions,
            display_name: self.display_name,
            email: self.email,
            tags: self.tags,
            attributes: self.attributes,
            auth_id: self.external_id,
            ..NewUser::default()
        };
        let (draft, password) = new_user.check()?;
        let password = match (hash, password) {
            (Some(hash), _) => ImportedPassword::Hash(hash),
            (None, Some(password)) => ImportedPassword::Plain(password),
            (None, None) => ImportedPassword::None,
        };
        Ok((draft, password))
    }
}
