//! A line of an import, and how it is checked.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use validator::Validate;

use crate::access::passwords::{Password, PasswordHash};
use crate::access::actor::USER;
use crate::accounts::users::{NewUser, UserDraft};
use crate::platform::error::AppError;

/// An account to bring in.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "username": "ada", "email": "ada@example.org", "externalId": "4711", "tags": ["staff"],
    "passwordHash": "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9p2mCq1E8wVxv3xqzF5dZ1i7bq0d3l5yq0m0Yw3b7kE"
}))]
pub struct ImportLine {
    /// As in `POST /api/v1/users`.
    username: String,
    /// An address, not confirmed.
    email: Option<String>,
    /// What people call this person.
    display_name: Option<String>,
    /// The name of a role; `User` if not said.
    role: Option<String>,
    /// Direct grants, each in the catalogue.
    #[serde(default)]
    permissions: Vec<String>,
    /// Whether it can sign in; yes if not said.
    is_active: Option<bool>,
    /// Labels.
    #[serde(default)]
    tags: Vec<String>,
    /// What apps note about this account: an object of at most 16 KiB.
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// The id that it had where it comes from; kept as `authId`, and answered.
    external_id: Option<String>,
    /// A password in plain text, which has to pass the policy.
    password: Option<Password>,
    /// A hash of the password from where it comes from: a PHC string of Argon2 (RFC 9106). It is renewed at the next sign-in.
    password_hash: Option<String>,
}

/// What becomes the account's password.
pub enum ImportedPassword {
    /// It has none.
    None,
    /// This, in plain text.
    Plain(Password),
    /// What this is the hash of.
    Hash(PasswordHash),
}

impl ImportLine {
    /// What the line calls the account, and the id that it had elsewhere.
    pub fn names(&self) -> (String, Option<String>) {
        (self.username.clone(), self.external_id.clone())
    }

    /// Checks everything but what only the database knows.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<(UserDraft, ImportedPassword), AppError> {
        let hash = match (self.password_hash, &self.password) {
            (Some(_), Some(_)) => {
                let detail = "give a password or the hash of one, not both";
                return Err(AppError::invalid_field("/passwordHash", "invalid_value", detail));
            }
            (Some(text), None) => Some(PasswordHash::parse(text).map_err(|wrong| {
                AppError::invalid_field("/passwordHash", "unsupported", wrong.to_string())
            })?),
            (None, _) => None,
        };
        let new = NewUser {
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
        let (draft, password) = new.check()?;
        let secret = match (hash, password) {
            (Some(hash), _) => ImportedPassword::Hash(hash),
            (None, Some(password)) => ImportedPassword::Plain(password),
            (None, None) => ImportedPassword::None,
        };
        Ok((draft, secret))
    }
}
