//! Creates the first `SuperAdmin` if none exists: from the settings or, on the private cluster, with a random
//! password that is shown once. There is no default password.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;

use actix_web::rt;

use crate::access::passwords::{Password, PasswordHash, PasswordOwner};
use crate::accounts::users::{self, Username};
use crate::app_state::AppState;
use crate::platform::config::{Config, ConfigError};
use crate::platform::crypto;
use crate::platform::data_source::DataSource;
use crate::platform::error::{AppError, Code};
use crate::platform::private_file;
use crate::platform::start_error::StartError;

const USERNAME_SETTING: &str = "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME";
const PASSWORD_SETTING: &str = "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD";

/// The name of the file in the data directory that the first password is written to.
const PASSWORD_FILE: &str = "first-password";

/// A `SuperAdmin` that was created with a random password.
pub struct GeneratedSuperAdmin {
    /// The username.
    pub username: &'static str,
    /// The password, to be printed once.
    pub password: String,
}

/// Creates the first `SuperAdmin` if no `SuperAdmin` exists. Without settings, the private cluster gets one with a random
/// password, which the caller prints or, if standard output is no terminal, is in a file; on any other database, a warning says how to create one.
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
    let Some(data_dir) = data_source.data_dir() else {
        tracing::warn!(
            "there is no SuperAdmin: set {USERNAME_SETTING} and {PASSWORD_SETTING} and restart"
        );
        return Ok(None);
    };
    let password = crypto::generate_password()?;
    // Other output than a terminal is usually a log, which is kept longer and read by more people.
    if !std::io::stdout().is_terminal() {
        create_with_password_file(app, USERNAME, password, &data_dir.join(PASSWORD_FILE))?;
        return Ok(None);
    }
    let was_created = create(app, USERNAME, password.clone())?;
    Ok(was_created.then_some(GeneratedSuperAdmin {
        username: USERNAME,
        password,
    }))
}

/// The password is stored before the account is created, so that its password can always be read.
fn create_with_password_file(
    app: &AppState,
    username: &str,
    password: String,
    path: &Path,
) -> Result<(), StartError> {
    let file_error = |error| StartError::Io("can't write the first password to a file", error);
    let new_path = path.with_extension(std::process::id().to_string());
    private_file::create(&new_path, &format!("{password}\n")).map_err(file_error)?;
    let result = create(app, username, password);
    if !matches!(result, Ok(true)) {
        fs::remove_file(&new_path).map_err(file_error)?;
        return result.map(drop);
    }
    fs::rename(&new_path, path).map_err(file_error)?;
    tracing::warn!(
        "the first SuperAdmin {username} was created; its password is in {}: sign in, change it, and delete the file",
        path.display()
    );
    Ok(())
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
