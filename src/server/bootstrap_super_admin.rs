//! Creates the first `SuperAdmin` if none exists: from the settings or, on the private cluster, with a random
//! password that is printed once. There is no default password.

use actix_web::rt;

use crate::access::passwords::{Password, PasswordHash, PasswordOwner};
use crate::accounts::users::{self, Username};
use crate::app_state::AppState;
use crate::platform::config::{Config, ConfigError};
use crate::platform::crypto;
use crate::platform::data_source::DataSource;
use crate::platform::error::{AppError, Code};
use crate::platform::start_error::StartError;

const USERNAME_SETTING: &str = "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME";
const PASSWORD_SETTING: &str = "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD";

/// A `SuperAdmin` that was created with a random password.
pub struct GeneratedSuperAdmin {
    /// The username.
    pub username: &'static str,
    /// The password, to be printed once.
    pub password: String,
}

/// Creates the first `SuperAdmin` if no `SuperAdmin` exists. Without settings, the private cluster gets one with a random
/// password; on any other database, a warning says how to create one.
///
/// # Errors
/// Invalid settings; database errors.
pub fn create_if_missing(
    config: &Config,
    app: &AppState,
    data_source: &DataSource,
) -> Result<Option<GeneratedSuperAdmin>, StartError> {
    const USERNAME: &str = "admin";
    if app.db.read_now(users::service::any_super_admin)? {
        return Ok(None);
    }
    if let Some((username, password)) = config.bootstrap_credentials() {
        create(app, username, password.expose().to_owned())?;
        return Ok(None);
    }
    if !data_source.is_private() {
        tracing::warn!(
            "there is no SuperAdmin: set {USERNAME_SETTING} and {PASSWORD_SETTING} and restart"
        );
        return Ok(None);
    }
    let password = crypto::generate_password()?;
    let was_created = create(app, USERNAME, password.clone())?;
    Ok(was_created.then_some(GeneratedSuperAdmin {
        username: USERNAME,
        password,
    }))
}

/// Returns false if another process has created one in the meantime.
fn create(app: &AppState, username: &str, password: String) -> Result<bool, StartError> {
    let username = Username::parse(username)
        .map_err(|error| ConfigError::new(USERNAME_SETTING, error.to_string()))?;
    let hash = hash_password(app, &username, password)?;
    let user = app
        .db
        .write_now(|tx| users::service::create_first_super_admin(tx, &username, &hash))
        .map_err(|error| match error.code() {
            Code::UserUsernameConflict => StartError::from(ConfigError::new(
                USERNAME_SETTING,
                "is the name of an account that is not a SuperAdmin",
            )),
            _ => error.into(),
        })?;
    Ok(user.is_some())
}

/// Checks the password against the policy and hashes it.
fn hash_password(
    app: &AppState,
    username: &Username,
    password: String,
) -> Result<PasswordHash, StartError> {
    let identity = PasswordOwner::NewAccount {
        username: username.as_str().to_owned(),
        email: None,
    };
    let password = Password::new(password);
    rt::System::new()
        .block_on(
            app.passwords
                .validate_and_hash(&app.db, identity, password, "/password"),
        )
        .map_err(password_error)
}

fn password_error(error: AppError) -> StartError {
    if error.field_errors().is_empty() {
        return error.into();
    }
    let details: Vec<&str> = error
        .field_errors()
        .iter()
        .map(|fault| &*fault.detail)
        .collect();
    ConfigError::new(PASSWORD_SETTING, details.join("; ")).into()
}
