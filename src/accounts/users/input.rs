//! The request bodies that create or change an account, and their validation.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use validator::Validate;

use super::input_fields::{clearable, optional, parse_tags, required};
use super::store::{UserChangeset, UserRow};
use super::values::{self, Email, Username};
use crate::access::passwords::{Password, PasswordOwner};
use crate::platform::error::{AppError, FieldErrors};
use crate::platform::http::PatchField;
use crate::platform::http::merge_patch::apply_merge_patch;
use crate::platform::timestamp::Timestamp;

/// The body of a request that creates an account.
#[derive(Default, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "username": "ada", "password": "a long enough passphrase", "role": "User", "permissions": ["users.read"]
}))]
#[schema(as = UserCreate)]
pub struct NewUser {
    /// 3 to 50 characters of `[a-z0-9._-]`, after trimming and lower-casing.
    #[schema(example = "ada", min_length = 3, max_length = 50)]
    pub username: String,
    /// Optional. An account without a password cannot sign in with one until it is set.
    pub password: Option<Password>,
    /// The name of a role, compared case-insensitively.
    #[schema(example = "User", min_length = 2, max_length = 50)]
    pub role: String,
    /// Whether the account is active. Default: true.
    pub is_active: Option<bool>,
    /// Direct grants. Each must be in the permission catalogue.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The name to display.
    #[schema(min_length = 1, max_length = 200)]
    pub display_name: Option<String>,
    /// An email address of the form `name@example.org`.
    #[schema(max_length = 254)]
    pub email: Option<String>,
    /// Tags.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub tags: Vec<String>,
    /// Attributes that applications store: an object of at most 16 KiB.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// Whether the password must be changed at the first sign-in.
    #[serde(default)]
    pub must_change_password: bool,
    /// When the account expires. Default: never.
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub expires_at_utc: Option<Timestamp>,
    /// The identity provider that authenticates this user. Default: `local`.
    #[schema(min_length = 1, max_length = 255)]
    pub auth_provider: Option<String>,
    /// The id of this user at that provider.
    #[schema(min_length = 1, max_length = 255)]
    pub auth_id: Option<String>,
}

/// A validated request to create an account.
pub struct ValidatedUser {
    pub username: Username,
    pub role: String,
    pub is_active: bool,
    pub permissions: Vec<String>,
    pub display_name: Option<String>,
    pub email: Option<Email>,
    pub tags: Vec<String>,
    pub attributes: Value,
    pub must_change_password: bool,
    pub expires_at: Option<DateTime<Utc>>,
    pub auth_provider: Option<String>,
    pub auth_id: Option<String>,
}

impl NewUser {
    /// Validates everything that does not need the database. The password is returned separately.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with all field errors.
    pub fn check(self) -> Result<(ValidatedUser, Option<Password>), AppError> {
        let mut errors = FieldErrors::default();
        let username = errors.check("/username", Username::parse(&self.username));
        let (display_name, email) = (self.display_name.as_deref(), self.email.as_deref());
        let (auth_provider, auth_id) = (self.auth_provider.as_deref(), self.auth_id.as_deref());
        let external_name = values::parse_external_name;
        let parse_display_name = values::parse_display_name;
        let display_name = optional(
            &mut errors,
            "/displayName",
            display_name,
            parse_display_name,
        );
        let email = optional(&mut errors, "/email", email, Email::parse);
        let auth_provider = optional(&mut errors, "/authProvider", auth_provider, external_name);
        let auth_id = optional(&mut errors, "/authId", auth_id, external_name);
        let tags = parse_tags(&mut errors, &self.tags);
        let attributes = errors.check(
            "/attributes",
            values::check_attributes(Value::Object(self.attributes)),
        );
        let draft = username
            .zip(tags)
            .zip(attributes)
            .map(|((username, tags), attributes)| ValidatedUser {
                username,
                role: self.role,
                is_active: self.is_active.unwrap_or(true),
                permissions: self.permissions,
                display_name,
                email,
                tags,
                attributes,
                must_change_password: self.must_change_password,
                expires_at: self.expires_at_utc.map(Into::into),
                auth_provider,
                auth_id,
            });
        Ok((errors.into_result(draft)?, self.password))
    }
}

impl ValidatedUser {
    /// The owner of a password that is chosen for this account: the password must not equal its names.
    #[must_use]
    pub fn password_owner(&self) -> PasswordOwner {
        PasswordOwner::NewAccount {
            username: self.username.as_str().to_owned(),
            email: self.email.as_ref().map(|email| email.as_str().to_owned()),
        }
    }
}

/// A merge patch of an account (RFC 7396): absent members stay, `null` clears, a value sets.
#[derive(Default, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(example = json!({"displayName": "Ada Lovelace", "tags": ["staff"], "expiresAtUtc": null}))]
#[schema(as = UserUpdate)]
pub struct UserPatch {
    /// The username. It cannot be cleared.
    #[schema(value_type = String, min_length = 3, max_length = 50)]
    pub username: PatchField<String>,
    /// The name to display.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub display_name: PatchField<String>,
    /// The email address. A new address is unconfirmed unless `emailConfirmed` is set too.
    #[schema(value_type = Option<String>, max_length = 254)]
    pub email: PatchField<String>,
    /// Whether the email address is confirmed.
    #[schema(value_type = bool)]
    pub email_confirmed: PatchField<bool>,
    /// The role.
    #[schema(value_type = String, min_length = 2, max_length = 50)]
    pub role: PatchField<String>,
    /// The complete set of tags.
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    pub tags: PatchField<Vec<String>>,
    /// Merged member by member; a member that is `null` is removed.
    #[schema(value_type = Option<Object>)]
    pub attributes: PatchField<Value>,
    /// Whether the password must be changed at the next sign-in.
    #[schema(value_type = bool)]
    pub must_change_password: PatchField<bool>,
    /// When the account expires.
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub expires_at_utc: PatchField<Timestamp>,
    /// The identity provider. Clearing it sets `local`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub auth_provider: PatchField<String>,
    /// The id of this user at that provider.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub auth_id: PatchField<String>,
    /// Whether the account is active. Needs `users.disable` too.
    #[schema(value_type = bool)]
    pub is_active: PatchField<bool>,
}

/// A validated change of an account.
pub struct ValidatedUserChange {
    set: UserChangeset,
    attributes: PatchField<Value>,
    /// Whether the request sets the active state.
    pub sets_active: bool,
}

impl UserPatch {
    /// Whether the patch has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            username,
            display_name,
            email,
            email_confirmed,
            role,
            tags,
            attributes,
            must_change_password,
            expires_at_utc,
            auth_provider,
            auth_id,
            is_active,
        } = self;
        [username, display_name, email, role, auth_provider, auth_id]
            .iter()
            .all(|text| text.is_keep())
            && [email_confirmed, must_change_password, is_active]
                .iter()
                .all(|flag| flag.is_keep())
            && tags.is_keep()
            && attributes.is_keep()
            && expires_at_utc.is_keep()
    }

    /// Validates everything that does not need the database.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with all field errors.
    pub fn check(self) -> Result<ValidatedUserChange, AppError> {
        let mut errors = FieldErrors::default();
        let set = UserChangeset {
            username: required(&mut errors, "/username", &self.username, |text| {
                Username::parse(text)
            })
            .map(|name| name.as_str().to_owned()),
            display_name: clearable(&mut errors, "/displayName", &self.display_name, |text| {
                values::parse_display_name(text)
            }),
            email: clearable(&mut errors, "/email", &self.email, |text| {
                Email::parse(text)
            })
            .map(|email| email.map(|email| email.as_str().to_owned())),
            email_confirmed: required(
                &mut errors,
                "/emailConfirmed",
                &self.email_confirmed,
                |value| Ok(*value),
            ),
            role: required(&mut errors, "/role", &self.role, |name| Ok(name.clone())),
            is_active: required(&mut errors, "/isActive", &self.is_active, |value| {
                Ok(*value)
            }),
            tags: match &self.tags {
                PatchField::Keep => None,
                PatchField::Clear => Some(Vec::new()),
                PatchField::Set(tags) => parse_tags(&mut errors, tags),
            },
            must_change_password: required(
                &mut errors,
                "/mustChangePassword",
                &self.must_change_password,
                |value| Ok(*value),
            ),
            auth_provider: clearable(&mut errors, "/authProvider", &self.auth_provider, |text| {
                values::parse_external_name(text)
            })
            .map(|name| name.unwrap_or_else(|| "local".to_owned())),
            auth_id: clearable(&mut errors, "/authId", &self.auth_id, |text| {
                values::parse_external_name(text)
            }),
            expires_at: self
                .expires_at_utc
                .into_update()
                .map(|time| time.map(Into::into)),
            ..UserChangeset::default()
        };
        if let PatchField::Set(attributes) = &self.attributes {
            errors.check("/attributes", values::check_attributes(attributes.clone()));
        }
        let change = ValidatedUserChange {
            set,
            attributes: self.attributes,
            sets_active: matches!(self.is_active, PatchField::Set(_)),
        };
        errors.into_result(Some(change))
    }
}

impl ValidatedUserChange {
    /// The requested role, if the patch sets one.
    pub fn role(&self) -> Option<&str> {
        self.set.role.as_deref()
    }

    /// Whether the change can take away access: the role, the active state or the expiry.
    pub const fn affects_access(&self) -> bool {
        self.set.role.is_some() || self.sets_active || self.set.expires_at.is_some()
    }

    /// The columns that the change sets on this account; `role` is the stored name of the requested role. Columns that would
    /// keep their value are left out.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] when the merged attributes are too large, or there is no address to
    /// confirm.
    pub fn changeset_for(
        &self,
        row: &UserRow,
        role: Option<&str>,
    ) -> Result<UserChangeset, AppError> {
        let set = self.set.clone();
        let has_email = set.email.as_ref().unwrap_or(&row.email).is_some();
        if set.email_confirmed == Some(true) && !has_email {
            let detail = "the account has no email address to confirm";
            return Err(AppError::invalid_field(
                "/emailConfirmed",
                "no_email",
                detail,
            ));
        }
        let email = set.email.filter(|email| *email != row.email);
        Ok(UserChangeset {
            username: set.username.filter(|name| *name != row.username),
            display_name: set.display_name.filter(|name| *name != row.display_name),
            email_confirmed: set
                .email_confirmed
                .or(email.as_ref().map(|_| false))
                .filter(|confirmed| *confirmed != row.email_confirmed),
            email,
            role: role.filter(|role| *role != row.role).map(str::to_owned),
            is_active: set.is_active.filter(|active| *active != row.is_active),
            tags: set.tags.filter(|tags| *tags != row.tags),
            attributes: self
                .merged_attributes(row)?
                .filter(|attributes| *attributes != row.attributes),
            must_change_password: set
                .must_change_password
                .filter(|must| *must != row.must_change_password),
            auth_provider: set.auth_provider.filter(|name| *name != row.auth_provider),
            auth_id: set.auth_id.filter(|id| *id != row.auth_id),
            expires_at: set.expires_at.filter(|end| *end != row.expires_at),
            ..UserChangeset::default()
        })
    }

    fn merged_attributes(&self, row: &UserRow) -> Result<Option<Value>, AppError> {
        match &self.attributes {
            PatchField::Keep => Ok(None),
            PatchField::Clear => Ok(Some(Value::Object(Map::new()))),
            PatchField::Set(patch) => {
                let mut merged = row.attributes.clone();
                apply_merge_patch(&mut merged, patch);
                values::check_attributes(merged).map(Some).map_err(|error| {
                    AppError::invalid_field("/attributes", error.code, error.detail)
                })
            }
        }
    }
}
