//! What somebody sends to register. There is no word in it for a role or a permission.

use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use crate::access::passwords::Password;
use crate::accounts::roles::USER;
use crate::accounts::users::service::NewUser;

/// An account that somebody makes for themselves.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"username": "ada", "password": "a long enough passphrase", "email": "ada@example.org"}))]
pub struct Application {
    /// 3 to 50 of `[a-z0-9._-]`, after trimming and lower-casing.
    #[schema(example = "ada", min_length = 3, max_length = 50)]
    pub username: String,
    /// The password.
    pub password: Password,
    /// An address of the form `name@example.org`; it is not confirmed yet.
    pub email: Option<String>,
    /// What people call this person.
    pub display_name: Option<String>,
    /// The token of an invite.
    pub invite_token: Option<String>,
}

/// What is asked for, in parts.
pub struct Parts {
    /// The account that is to be made.
    pub new: NewUser,
    /// Its password.
    pub password: Password,
    /// The token that was brought.
    pub token: Option<String>,
}

impl From<Application> for Parts {
    fn from(asked: Application) -> Self {
        Self {
            new: NewUser {
                username: asked.username,
                role: USER.to_owned(),
                display_name: asked.display_name,
                email: asked.email,
                ..NewUser::default()
            },
            password: asked.password,
            token: asked.invite_token,
        }
    }
}
