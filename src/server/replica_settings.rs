//! Registers this replica, and refuses to start it if its settings differ from those of a running replica on the same database.

use uuid::Uuid;

use crate::access::replicas::{self, SettingMismatch, SharedSettings};
use crate::platform::config::{Config, ConfigError};
use crate::platform::crypto::{KeyPurpose, Vault};
use crate::platform::db::Db;
use crate::platform::start_error::StartError;

/// Adds this process to the running replicas.
///
/// # Errors
/// A running replica has another issuer, audience or secret key, or an audience of an application that this one lacks; database errors.
pub fn register(config: &Config, db: &Db, vault: &Vault, id: Uuid) -> Result<(), StartError> {
    let settings = SharedSettings {
        issuer: config.public_url.clone(),
        audience: config.audience.clone(),
        app_audiences: config.app_audiences.clone(),
        secret_key_id: vault.mac(KeyPurpose::SecretKeyId, b""),
        previous_secret_key_id: vault.previous_mac(KeyPurpose::SecretKeyId, b""),
    };
    match db.write_now(|tx| Ok(replicas::service::register(tx, id, &settings)?))? {
        None => Ok(()),
        Some(mismatch) => Err(describe(&mismatch).into()),
    }
}

/// Removes this process from the running replicas, so that a replica with other settings can start.
pub fn unregister(db: &Db, id: Uuid) {
    if let Err(error) = db.write_on_thread(move |tx| Ok(replicas::service::unregister(tx, id)?)) {
        tracing::debug!(
            ?error,
            "could not remove this replica from the running ones"
        );
    }
}

fn describe(mismatch: &SettingMismatch) -> ConfigError {
    const REMEDY: &str = "set the same value, or stop the other replicas and wait 30 seconds";
    match mismatch {
        SettingMismatch::Issuer(running) => ConfigError::new(
            "ROSTERD_PUBLIC_URL",
            format!("a running replica on this database has {running:?}: {REMEDY}"),
        ),
        SettingMismatch::Audience(running) => ConfigError::new(
            "ROSTERD_AUDIENCE",
            format!("a running replica on this database has {running:?}: {REMEDY}"),
        ),
        SettingMismatch::AppAudience(missing) => ConfigError::new(
            "ROSTERD_APP_AUDIENCES",
            format!(
                "{missing:?} is missing, and a running replica on this database has it: {REMEDY}"
            ),
        ),
        SettingMismatch::SecretKey => ConfigError::new(
            "ROSTERD_SECRET_KEY",
            "a running replica on this database has another key: set the same key, or its key as ROSTERD_SECRET_KEY_PREVIOUS",
        ),
    }
}
