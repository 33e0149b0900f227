//! The first `SuperAdmin`, made while there is none: by the settings or, on the private cluster, with a password that
//! is shown once. Refuses to have a default password.

use actix_web::rt;

use crate::access::passwords::{Chooser, Password};
use crate::accounts::users::{self, Username};
use crate::app_state::AppState;
use crate::platform::config::{Config, ConfigError};
use crate::platform::crypto;
use crate::platform::data_source::DataSource;
use crate::platform::error::Code;
use crate::platform::start_error::StartError;

/// An account whose password nobody chose.
pub struct Invented {
    pub username: &'static str,
    pub password: String,
}

/// Makes the first `SuperAdmin` if there is none: the one that the settings name or, on the private cluster, one with a
/// random password.
pub fn make_if_none(
    config: &Config,
    app: &AppState,
    place: &DataSource,
) -> Result<Option<Invented>, StartError> {
    const NAME: &str = "admin";
    if app.db.read_now(users::service::any_super_admin)? {
        return Ok(None);
    }
    if let Some((username, password)) = config.bootstrap() {
        make_first(app, username, password.expose().to_owned())?;
        return Ok(None);
    }
    if !place.is_private() {
        tracing::warn!(
            "there is no SuperAdmin yet: set ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME and \
             ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD and start again"
        );
        return Ok(None);
    }
    let password = crypto::passphrase()?;
    let made = make_first(app, NAME, password.clone())?;
    Ok(made.then_some(Invented {
        username: NAME,
        password,
    }))
}

fn make_first(app: &AppState, username: &str, password: String) -> Result<bool, StartError> {
    let name = Username::parse(username).map_err(|wrong| {
        ConfigError::new("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", wrong.to_string())
    })?;
    let identity = Chooser::New {
        username: name.as_str().to_owned(),
        email: None,
    };
    let hash = rt::System::new()
        .block_on(
            app.passwords
                .choose(&app.db, identity, Password::new(password), "/password"),
        )
        .map_err(|error| match error.faults() {
            [] => error.into(),
            faults => {
                let why: Vec<&str> = faults.iter().map(|fault| &*fault.detail).collect();
                StartError::from(ConfigError::new(
                    "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD",
                    why.join("; "),
                ))
            }
        })?;
    let made = app
        .db
        .write_now(|tx| users::service::create_first_super_admin(tx, &name, &hash))
        .map_err(|error| match error.code() {
            Code::UserUsernameConflict => StartError::from(ConfigError::new(
                "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME",
                "is the name of an account that is not a SuperAdmin",
            )),
            _ => error.into(),
        })?;
    Ok(made.is_some())
}
