//! The request to register. It can't name a role or permissions.

use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::policy::RegistrationRules;
use super::service::RegistrationAttempt;
use crate::access::actor::{Actor, USER};
use crate::access::passwords::Password;
use crate::accounts::users::{Email, NewUser};
use crate::platform::error::AppError;

/// A registration.
#[derive(Deserialize, ToSchema, Validate)]
#[schema(as = RegisterRequest)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"username": "ada", "password": "a long enough passphrase", "email": "ada@example.org"}))]
pub struct RegistrationRequest {
    /// 3 to 50 characters of `[a-z0-9._-]`, after trimming and lower-casing.
    #[schema(example = "ada", min_length = 3, max_length = 50)]
    pub username: String,
    /// The password.
    pub password: Password,
    /// An email address of the form `name@example.org`. Required if it must be confirmed, or if only some domains are allowed.
    #[schema(max_length = 254)]
    pub email: Option<String>,
    /// The name to show for this person.
    #[schema(min_length = 1, max_length = 200)]
    pub display_name: Option<String>,
    /// The token of an invite.
    pub invite_token: Option<String>,
}

impl RegistrationRequest {
    /// Validates the account data. Returns the attempt and the password, which is not validated yet.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every invalid field.
    pub fn into_attempt(
        self,
        actor: Actor,
        rules: &RegistrationRules,
    ) -> Result<(RegistrationAttempt, Password), AppError> {
        let new_user = NewUser {
            username: self.username,
            role: USER.to_owned(),
            display_name: self.display_name,
            email: self.email,
            ..NewUser::default()
        };
        let (mut draft, _) = new_user.check()?;
        draft.is_active = !rules.needs_approval;
        let address = draft.email.clone();
        rules
            .check_email(address.as_ref().map(Email::as_str))
            .map_err(|(code, detail)| AppError::invalid_field("/email", code, detail))?;
        if rules.must_confirm {
            draft.email = None;
        }
        let attempt = RegistrationAttempt {
            actor,
            mode: rules.mode,
            must_confirm: rules.must_confirm,
            invite_token: self.invite_token,
            draft,
            address,
        };
        Ok((attempt, self.password))
    }
}
