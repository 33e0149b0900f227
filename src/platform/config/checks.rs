//! The rules that involve more than one setting, and the warnings about settings that are allowed but insecure.

use std::time::Duration;

use url::Url;

use super::database_url::is_protected;
use super::values::{format_duration, has_loopback_host};
use super::{Config, ConfigError, Secret, SecretKey};

impl Config {
    /// Checks the rules that involve more than one setting.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.database_url.is_some() && self.secret_key.is_none() {
            return Err(ConfigError::new(
                "ROSTERD_SECRET_KEY",
                "is required with DATABASE_URL: 32 bytes as 64 hexadecimal digits or as base64",
            ));
        }
        let is_same = |previous: &SecretKey| {
            let current = self.secret_key.as_ref();
            current.is_none_or(|current| current.expose() == previous.expose())
        };
        if self.secret_key_previous.as_ref().is_some_and(is_same) {
            return Err(ConfigError::new(
                "ROSTERD_SECRET_KEY_PREVIOUS",
                "is the old key: set ROSTERD_SECRET_KEY to another, new key",
            ));
        }
        if self.smtp_server.is_some() && self.mail_from.is_none() {
            return Err(ConfigError::new(
                "ROSTERD_MAIL_FROM",
                "is required with ROSTERD_SMTP_URL: an address such as id@example.org",
            ));
        }
        if self.registration_confirm == Some(true) && self.smtp_server.is_none() {
            return Err(ConfigError::new(
                "ROSTERD_REGISTRATION_CONFIRM",
                "needs a mail server: set ROSTERD_SMTP_URL and ROSTERD_MAIL_FROM, or set this to off",
            ));
        }
        self.check_app_audiences()?;
        self.check_public_url()?;
        self.check_database_connection()?;
        let missing_tls_file = match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => Some("ROSTERD_TLS_KEY"),
            (None, Some(_)) => Some("ROSTERD_TLS_CERT"),
            _ => None,
        };
        if let Some(missing) = missing_tls_file {
            return Err(ConfigError::new(
                missing,
                "is missing: set both the certificate and its private key, or neither",
            ));
        }
        let missing = match (&self.bootstrap_username, &self.bootstrap_password) {
            (Some(_), None) => Some("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD"),
            (None, Some(_)) => Some("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME"),
            _ => None,
        };
        if let Some(missing) = missing {
            return Err(ConfigError::new(
                missing,
                "is missing: set both the username and the password of the first SuperAdmin, or neither",
            ));
        }
        check_idle_limit(
            ("ROSTERD_SESSION_IDLE", self.session_idle),
            ("ROSTERD_SESSION_MAX", self.session_max),
        )?;
        check_idle_limit(
            ("ROSTERD_SESSION_REMEMBER_IDLE", self.session_remember_idle),
            ("ROSTERD_SESSION_REMEMBER_MAX", self.session_remember_max),
        )
    }

    /// A token for an application must not be valid for the service.
    fn check_app_audiences(&self) -> Result<(), ConfigError> {
        let is_own = |name: &&String| **name == self.audience || **name == self.public_url;
        match self.app_audiences.iter().find(is_own) {
            Some(own) => Err(ConfigError::new(
                "ROSTERD_APP_AUDIENCES",
                format!("{own} is rosterd itself: list only the audiences of applications"),
            )),
            None => Ok(()),
        }
    }

    /// A public URL of plain http to another machine must be permitted.
    fn check_public_url(&self) -> Result<(), ConfigError> {
        let is_insecure = |url: Url| url.scheme() == "http" && !has_loopback_host(&url);
        if self.allow_insecure_http || !Url::parse(&self.public_url).is_ok_and(is_insecure) {
            return Ok(());
        }
        Err(ConfigError::new(
            "ROSTERD_PUBLIC_URL",
            "is plain http: passwords and tokens would be sent unencrypted; use https, or set ROSTERD_ALLOW_INSECURE_HTTP=1",
        ))
    }

    /// An unprotected connection to a database on another machine must be permitted.
    fn check_database_connection(&self) -> Result<(), ConfigError> {
        if self.db_listen_url.is_some() && self.database_url.is_none() {
            return Err(ConfigError::new(
                "ROSTERD_DB_LISTEN_URL",
                "needs DATABASE_URL: it leads to the same database without a pooler",
            ));
        }
        let is_unprotected =
            |url: &&Option<Secret>| url.as_ref().is_some_and(|url| !is_protected(url.expose()));
        let name = match [&self.database_url, &self.db_listen_url]
            .iter()
            .position(is_unprotected)
        {
            Some(0) if !self.db_insecure => "DATABASE_URL",
            Some(_) if !self.db_insecure => "ROSTERD_DB_LISTEN_URL",
            _ => return Ok(()),
        };
        Err(ConfigError::new(
            name,
            "is a database on another machine without sslmode=verify-full: add it (with sslrootcert), or set ROSTERD_DB_INSECURE=1",
        ))
    }

    /// Warnings about settings that are allowed but insecure.
    pub(super) fn insecure_settings(&self) -> Vec<String> {
        let is_exposed = !self.addr.ip().to_canonical().is_loopback();
        let is_weak = |key: &SecretKey| key.is_visibly_not_random();
        [
            (is_exposed && !self.public_url.starts_with("https://")).then_some(
                "ROSTERD_ADDR is reachable from other machines while ROSTERD_PUBLIC_URL is not https: \
                 passwords and tokens are sent unencrypted unless a proxy terminates TLS",
            ),
            self.secret_key.as_ref().is_some_and(is_weak).then_some(
                "ROSTERD_SECRET_KEY is not random, so that it may be guessed: use the output of `openssl rand -hex 32`",
            ),
        ]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect()
    }
}

/// Checks that an idle time is not longer than the maximum lifetime.
fn check_idle_limit(
    (idle_name, idle): (&str, Duration),
    (max_name, max): (&str, Duration),
) -> Result<(), ConfigError> {
    if idle <= max {
        return Ok(());
    }
    let max = format_duration(max);
    Err(ConfigError::new(
        idle_name,
        format!("expected at most {max_name}, which is {max}"),
    ))
}
