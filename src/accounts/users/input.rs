//! What callers send to make or change an account, and how it is checked before anything is done.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use validator::Validate;

use super::policy::values::{self, BadValue, Email, Username};
use super::store::{Changes, UserRow};
use crate::access::passwords::{Chooser, Password};
use crate::platform::error::{AppError, Fault, Faults};
use crate::platform::http::Patch;
use crate::platform::http::merge::merge_json;

/// An account to make.
#[derive(Default, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "username": "ada", "password": "a long enough passphrase", "role": "User", "permissions": ["users.read"]
}))]
pub struct NewUser {
    /// 3 to 50 of `[a-z0-9._-]`, after trimming and lower-casing.
    #[schema(example = "ada", min_length = 3, max_length = 50)]
    pub username: String,
    /// Without one the account can't sign in with a password.
    pub password: Option<Password>,
    /// The name of a role.
    #[schema(example = "User")]
    pub role: String,
    /// Whether it can sign in; yes if not said.
    pub is_active: Option<bool>,
    /// Direct grants, each in the catalogue.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// What people call this person.
    pub display_name: Option<String>,
    /// An address of the form `name@example.org`.
    pub email: Option<String>,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What apps note about this account: an object of at most 16 KiB.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// Whether the password must be changed at the first sign-in.
    #[serde(default)]
    pub must_change_password: bool,
    /// When it stops being good; never if not said.
    pub expires_at_utc: Option<DateTime<Utc>>,
    /// Who vouches for this person; `local` if not said.
    pub auth_provider: Option<String>,
    /// The id of this person at that provider.
    pub auth_id: Option<String>,
}

/// An account to make, checked.
pub struct Draft {
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
    /// Checks everything but what only the database knows, and hands the password over for itself.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<(Draft, Option<Password>), AppError> {
        let mut faults = Faults::default();
        let username = faults.take("/username", Username::parse(&self.username));
        let display_name = optional(&mut faults, "/displayName", self.display_name, |text| {
            values::display_name(&text)
        });
        let email = optional(&mut faults, "/email", self.email, |text| {
            Email::parse(&text)
        });
        let auth_provider = optional(&mut faults, "/authProvider", self.auth_provider, |text| {
            values::foreign_name(&text)
        });
        let auth_id = optional(&mut faults, "/authId", self.auth_id, |text| {
            values::foreign_name(&text)
        });
        let tags = take_tags(&mut faults, &self.tags);
        let attributes = faults.take(
            "/attributes",
            values::attributes(Value::Object(self.attributes)),
        );
        let draft = username
            .zip(tags)
            .zip(attributes)
            .map(|((username, tags), attributes)| Draft {
                username,
                role: self.role,
                is_active: self.is_active.unwrap_or(true),
                permissions: self.permissions,
                display_name,
                email,
                tags,
                attributes,
                must_change_password: self.must_change_password,
                expires_at: self.expires_at_utc,
                auth_provider,
                auth_id,
            });
        Ok((faults.finish(draft)?, self.password))
    }
}

impl Draft {
    /// For whom a password of this account is chosen.
    #[must_use]
    pub fn chooser(&self) -> Chooser {
        Chooser::New {
            username: self.username.as_str().to_owned(),
            email: self.email.as_ref().map(|email| email.as_str().to_owned()),
        }
    }
}

/// A change of an account (RFC 7396): what is absent stays, `null` clears, a value sets.
#[derive(Default, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(example = json!({"displayName": "Ada Lovelace", "tags": ["staff"], "expiresAtUtc": null}))]
pub struct UserPatch {
    /// Another username; it can't be cleared.
    #[schema(value_type = String)]
    pub username: Patch<String>,
    /// What people call this person.
    #[schema(value_type = Option<String>)]
    pub display_name: Patch<String>,
    /// Another address is not confirmed until it is confirmed anew, unless `emailConfirmed` says so.
    #[schema(value_type = Option<String>)]
    pub email: Patch<String>,
    /// Whether the address was proven to be this person's.
    #[schema(value_type = bool)]
    pub email_confirmed: Patch<bool>,
    /// Another role.
    #[schema(value_type = String)]
    pub role: Patch<String>,
    /// All the labels that it has from then on.
    #[schema(value_type = Option<Vec<String>>)]
    pub tags: Patch<Vec<String>>,
    /// Merged member by member; a member that is `null` is removed.
    #[schema(value_type = Option<Object>)]
    pub attributes: Patch<Value>,
    /// Whether the password must be changed at the next sign-in.
    #[schema(value_type = bool)]
    pub must_change_password: Patch<bool>,
    /// When it stops being good.
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub expires_at_utc: Patch<DateTime<Utc>>,
    /// Who vouches for this person; cleared it is `local`.
    #[schema(value_type = Option<String>)]
    pub auth_provider: Patch<String>,
    /// The id of this person at that provider.
    #[schema(value_type = Option<String>)]
    pub auth_id: Patch<String>,
    /// Needs `users.disable` too.
    #[schema(value_type = bool)]
    pub is_active: Patch<bool>,
}

/// A change of an account, checked.
pub struct Change {
    set: Changes,
    attributes: Patch<Value>,
    /// Whether the active state is to be set.
    pub sets_active: bool,
}

impl UserPatch {
    /// Whether it changes nothing, whatever the account is.
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

    /// Checks everything but what only the database knows.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<Change, AppError> {
        let mut faults = Faults::default();
        let set = Changes {
            username: required(&mut faults, "/username", &self.username, |text| {
                Username::parse(text)
            })
            .map(|name| name.as_str().to_owned()),
            display_name: clearable(&mut faults, "/displayName", &self.display_name, |text| {
                values::display_name(text)
            }),
            email: clearable(&mut faults, "/email", &self.email, |text| {
                Email::parse(text)
            })
            .map(|email| email.map(|email| email.as_str().to_owned())),
            email_confirmed: required(
                &mut faults,
                "/emailConfirmed",
                &self.email_confirmed,
                |yes| Ok(*yes),
            ),
            role: required(&mut faults, "/role", &self.role, |name| Ok(name.clone())),
            is_active: required(&mut faults, "/isActive", &self.is_active, |yes| Ok(*yes)),
            tags: match &self.tags {
                Patch::Keep => None,
                Patch::Clear => Some(Vec::new()),
                Patch::Set(tags) => take_tags(&mut faults, tags),
            },
            must_change_password: required(
                &mut faults,
                "/mustChangePassword",
                &self.must_change_password,
                |yes| Ok(*yes),
            ),
            auth_provider: clearable(&mut faults, "/authProvider", &self.auth_provider, |text| {
                values::foreign_name(text)
            })
            .map(|name| name.unwrap_or_else(|| "local".to_owned())),
            auth_id: clearable(&mut faults, "/authId", &self.auth_id, |text| {
                values::foreign_name(text)
            }),
            expires_at: clearable(&mut faults, "/expiresAtUtc", &self.expires_at_utc, |time| {
                values::moment(*time)
            }),
            ..Changes::default()
        };
        if let Patch::Set(attributes) = &self.attributes {
            faults.take("/attributes", values::attributes(attributes.clone()));
        }
        let change = Change {
            set,
            attributes: self.attributes,
            sets_active: matches!(self.is_active, Patch::Set(_)),
        };
        faults.finish(Some(change))
    }
}

impl Change {
    /// The role that is asked for, if one is.
    pub fn role(&self) -> Option<&str> {
        self.set.role.as_deref()
    }

    /// What it changes about this account; what it would leave as it is, is left out.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] when the merged attributes are too large, or nothing is there to be confirmed.
    pub fn of(&self, row: &UserRow) -> Result<Changes, AppError> {
        let set = self.set.clone();
        let has_email = set.email.as_ref().unwrap_or(&row.email).is_some();
        if set.email_confirmed == Some(true) && !has_email {
            let detail = "there is no address to be confirmed";
            return Err(AppError::fault("/emailConfirmed", "no_email", detail));
        }
        let email = set.email.filter(|email| *email != row.email);
        Ok(Changes {
            username: set.username.filter(|name| *name != row.username),
            display_name: set.display_name.filter(|name| *name != row.display_name),
            email_confirmed: set
                .email_confirmed
                .or(email.as_ref().map(|_| false))
                .filter(|confirmed| *confirmed != row.email_confirmed),
            email,
            role: set.role.filter(|role| *role != row.role),
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
            ..Changes::default()
        })
    }

    fn merged_attributes(&self, row: &UserRow) -> Result<Option<Value>, AppError> {
        match &self.attributes {
            Patch::Keep => Ok(None),
            Patch::Clear => Ok(Some(Value::Object(Map::new()))),
            Patch::Set(patch) => {
                let mut merged = row.attributes.clone();
                merge_json(&mut merged, patch);
                values::attributes(merged)
                    .map(Some)
                    .map_err(|wrong| AppError::fault("/attributes", wrong.code, wrong.detail))
            }
        }
    }
}

impl From<BadValue> for (&'static str, std::borrow::Cow<'static, str>) {
    fn from(wrong: BadValue) -> Self {
        (wrong.code, wrong.detail.into())
    }
}

fn optional<T, U>(
    faults: &mut Faults,
    pointer: &'static str,
    value: Option<T>,
    parse: impl FnOnce(T) -> Result<U, BadValue>,
) -> Option<U> {
    value.and_then(|value| faults.take(pointer, parse(value)))
}

fn required<T, U>(
    faults: &mut Faults,
    pointer: &'static str,
    patch: &Patch<T>,
    parse: impl FnOnce(&T) -> Result<U, BadValue>,
) -> Option<U> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => {
            faults.add(Fault::new(pointer, "required", "this can't be cleared"));
            None
        }
        Patch::Set(value) => faults.take(pointer, parse(value)),
    }
}

#[expect(
    clippy::option_option,
    reason = "a column is kept, cleared or set; the store tells them apart so"
)]
fn clearable<T, U>(
    faults: &mut Faults,
    pointer: &'static str,
    patch: &Patch<T>,
    parse: impl FnOnce(&T) -> Result<U, BadValue>,
) -> Option<Option<U>> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(None),
        Patch::Set(value) => faults.take(pointer, parse(value)).map(Some),
    }
}

fn take_tags(faults: &mut Faults, tags: &[String]) -> Option<Vec<String>> {
    values::tags(tags)
        .map_err(|(index, wrong)| {
            let pointer =
                index.map_or_else(|| "/tags".to_owned(), |index| format!("/tags/{index}"));
            faults.add(Fault::new(pointer, wrong.code, wrong.detail));
        })
        .ok()
}
