//! The configuration, read from environment variables and `.env`. One table defines all settings. An error names the
//! variable in one line and does not contain its value.

mod app_audiences;
mod automatic;
mod checks;
mod database_url;
mod environment;
mod error;
mod raw_settings;
mod secret;
mod smtp;
mod values;
mod variable;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;

use crate::platform::db::PreparedStatements;
use crate::platform::http::{ForwardedHeader, IpNetwork};
use crate::platform::private_file;
use crate::platform::tls::TlsFiles;
use app_audiences::app_audiences;
use automatic::{automatic_max_connections, automatic_pool_size, cores, open_files_limit};
pub use database_url::without_password;
use database_url::{database_url, prepared_statements};
pub use error::ConfigError;
use raw_settings::RawSettings;
pub use secret::{Secret, SecretKey};
pub use smtp::{SmtpEncryption, SmtpServer};
use smtp::{mailbox, smtp_server};
pub use values::{LinkTemplate, LogFormat, Registration, has_loopback_host};
use values::{
    address, auto_or_integer, duration, forwarded_header, integer, link_template, log_directives,
    log_format, milliseconds, names, networks, optional, origins, path, permission, public_url,
    registration, seconds, secret, secret_key, switch, text,
};
use variable::{EnvVariable, VariableSensitivity};

macro_rules! settings {
    ($($group:literal {$(
        $field:ident: $type:ty = $kind:ident $name:literal $(or $alias:literal)?, $default:literal, $parse:expr,
        $description:literal;
    )*})*) => {
        /// The validated configuration of the service.
        pub struct Config {
            $($(#[doc = concat!("`", $name, "`: ", $description)] pub $field: $type,)*)*
            /// Warnings about these settings for the operator, one line each.
            pub warnings: Vec<String>,
            /// Variables of the operating system.
            pub system_variables: SystemVariables,
            /// The files that secrets were read from.
            pub secret_files: Vec<PathBuf>,
            /// The file that settings were read from, beside the environment.
            pub settings_file: Option<PathBuf>,
        }

        const VARIABLES: &[EnvVariable] = &[$($(EnvVariable {
            group: $group,
            name: $name,
            aliases: &[$($alias)?],
            kind: VariableSensitivity::$kind,
            default: $default,
            description: $description,
        },)*)*];

        impl Config {
            fn parse(raw: &RawSettings) -> Result<Self, ConfigError> {
                Ok(Self {
                    $($($field: raw.value($name, $default, $parse)?,)*)*
                    warnings: Vec::new(),
                    system_variables: SystemVariables::default(),
                    secret_files: Vec::new(),
                    settings_file: None,
                })
            }
        }
    };
}

settings! {
    "Addresses" {
        addr: SocketAddr = Plain "ROSTERD_ADDR", "127.0.0.1:8080", address,
            "The IP address and port that the service listens on.";
        metrics_addr: Option<SocketAddr> = Plain "ROSTERD_METRICS_ADDR", "", |t| optional(t, address),
            "The IP address and port of GET /metrics for Prometheus. Unset: no metrics are served.";
        tls_cert: Option<PathBuf> = Plain "ROSTERD_TLS_CERT", "", |t| optional(t, path),
            "A PEM file with the certificate of the service and its intermediate certificates, for TLS without a proxy. A changed file is used without a restart. Unset: plain HTTP.";
        tls_key: Option<PathBuf> = Plain "ROSTERD_TLS_KEY", "", |t| optional(t, path),
            "A PEM file with the private key of ROSTERD_TLS_CERT.";
        public_url: String = Plain "ROSTERD_PUBLIC_URL", "", |t| optional(t, public_url).map(Option::unwrap_or_default),
            "The public base URL of the service, which is also the issuer of tokens. Unset: http:// (https:// with ROSTERD_TLS_CERT) and ROSTERD_ADDR.";
        allow_insecure_http: bool = Plain "ROSTERD_ALLOW_INSECURE_HTTP", "0", permission,
            "1 permits a ROSTERD_PUBLIC_URL of plain http to another host than localhost. Passwords and tokens are then sent unencrypted.";
        audience: String = Plain "ROSTERD_AUDIENCE", "rosterd", text,
            "The audience (aud) of access tokens, which applications check when they verify a token.";
        app_audiences: Vec<String> = Plain "ROSTERD_APP_AUDIENCES", "", app_audiences,
            "The audiences of applications that have their own: absolute URIs, separated by commas. A token requested with such a resource is valid there only.";
        trusted_proxies: Vec<IpNetwork> = Plain "ROSTERD_TRUSTED_PROXIES", "", networks,
            "The proxies whose forwarding header (ROSTERD_FORWARDED_HEADER) is trusted: IP addresses or networks, separated by commas.";
        forwarded_header: ForwardedHeader = Plain "ROSTERD_FORWARDED_HEADER", "x-forwarded-for", forwarded_header,
            "The header in which the trusted proxies pass on the address of the client: x-forwarded-for or forwarded (RFC 7239). The other one is ignored.";
    }
    "Documentation" {
        openapi: bool = Plain "ROSTERD_OPENAPI", "on", switch,
            "Whether the API document is served at /openapi.json: on or off.";
        docs: bool = Plain "ROSTERD_DOCS", "on", switch,
            "Whether the page /docs/ shows the API document, if that is served: on or off.";
    }
    "Browser apps" {
        cors_origins: Vec<String> = Plain "ROSTERD_CORS_ORIGINS", "", origins,
            "The origins (scheme, host and port) that may call the API from a browser, separated by commas.";
    }
    "Secrets and the first account" {
        secret_key: Option<SecretKey> = Secret "ROSTERD_SECRET_KEY", "", |t| optional(t, secret_key),
            "The key that encrypts secrets in the database: 32 bytes as hex or base64. Required with DATABASE_URL.";
        secret_key_previous: Option<SecretKey> = Secret "ROSTERD_SECRET_KEY_PREVIOUS", "", |t| optional(t, secret_key),
            "The old ROSTERD_SECRET_KEY while it is being replaced: secrets that it encrypts can still be read.";
        bootstrap_username: Option<String> = Plain "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME" or "Auth__BootstrapSuperAdmin__Username", "", |t| optional(t, text),
            "The username of the first SuperAdmin, created at start if there is none. Alias: Auth__BootstrapSuperAdmin__Username.";
        bootstrap_password: Option<Secret> = Secret "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD" or "Auth__BootstrapSuperAdmin__Password", "", |t| optional(t, secret),
            "The password of the first SuperAdmin. Alias: Auth__BootstrapSuperAdmin__Password.";
        permissions: Vec<String> = Plain "ROSTERD_PERMISSIONS", "", names,
            "The permissions of your applications, added to the catalogue at start, such as assets.read, assets.write.";
    }
    "Database" {
        database_url: Option<Secret> = Secret "DATABASE_URL", "", |t| optional(t, database_url),
            "The URL of the PostgreSQL database. Unset: a private cluster in ROSTERD_DATA_DIR. A database on another machine needs sslmode=verify-full.";
        db_listen_url: Option<Secret> = Secret "ROSTERD_DB_LISTEN_URL", "", |t| optional(t, database_url),
            "A URL that leads to PostgreSQL itself, for change notifications and migrations, if DATABASE_URL leads to a pooler in transaction mode.";
        db_prepared: PreparedStatements = Plain "ROSTERD_DB_PREPARED", "auto", prepared_statements,
            "Whether SQL statements are prepared under a name: on, off (for a pooler), or auto: not behind a pooler.";
        db_insecure: bool = Plain "ROSTERD_DB_INSECURE", "0", permission,
            "1 permits a connection to a database on another machine without sslmode=verify-full. Its content can then be read and changed on the network.";
        data_dir: Option<PathBuf> = Plain "ROSTERD_DATA_DIR", "", |t| optional(t, path),
            "The data directory of the private cluster. Unset: /var/lib/rosterd for root, otherwise $XDG_DATA_HOME/rosterd.";
        migrate: bool = Plain "ROSTERD_MIGRATE", "on", switch,
            "Whether pending database migrations are applied at start: on or off.";
        db_pool_size: usize = Plain "ROSTERD_DB_POOL_SIZE", "auto", |t| auto_or_integer(t, automatic_pool_size(cores()), 1..=1024),
            "The maximum number of database connections. auto: four per CPU core, at least 8.";
        start_timeout: Duration = Plain "ROSTERD_START_TIMEOUT", "60", seconds,
            "How long the service waits at its start for the database of DATABASE_URL, in seconds.";
        db_acquire_timeout: Duration = Plain "ROSTERD_DB_ACQUIRE_MS", "2000", milliseconds,
            "How long a request waits for a database connection and for locks before it fails with 503, in milliseconds.";
        db_statement_timeout: Duration = Plain "ROSTERD_DB_STATEMENT_MS", "10000", milliseconds,
            "The maximum run time of an SQL statement, in milliseconds.";
    }
    "Passwords" {
        password_min_length: usize = Plain "ROSTERD_PASSWORD_MIN_LENGTH", "15", |t| integer(t, 8..=128),
            "The minimum length of new passwords, in characters.";
        breached_passwords: Option<PathBuf> = Plain "ROSTERD_BREACHED_PASSWORDS_FILE", "", |t| optional(t, path),
            "A list of breached passwords that new passwords must not be on: lines HASH:COUNT sorted by SHA-1 hash, as downloaded from Have I Been Pwned.";
        hash_memory_kib: u32 = Plain "ROSTERD_HASH_MEMORY_KIB", "19456", |t| integer(t, 1..=4_194_304),
            "The memory cost of Argon2id, in KiB.";
        hash_iterations: u32 = Plain "ROSTERD_HASH_ITERATIONS", "2", |t| integer(t, 1..=1024),
            "The number of iterations of Argon2id.";
        hash_parallelism: u32 = Plain "ROSTERD_HASH_PARALLELISM", "1", |t| integer(t, 1..=64),
            "The degree of parallelism (lanes) of Argon2id.";
        password_pepper: bool = Plain "ROSTERD_PASSWORD_PEPPER", "off", switch,
            "Whether new password hashes are computed with a random secret that is stored encrypted: on or off. All replicas must have this version before it is on.";
        hash_threads: usize = Plain "ROSTERD_HASH_THREADS", "auto", |t| auto_or_integer(t, cores(), 1..=1024),
            "The number of threads that hash passwords. auto: one per CPU core.";
        hash_queue_timeout: Duration = Plain "ROSTERD_HASH_QUEUE_MS", "1000", milliseconds,
            "How long a sign-in waits for a hashing thread before it fails with 503, in milliseconds.";
    }
    "Sessions and tokens" {
        access_token_ttl: Duration = Plain "ROSTERD_ACCESS_TOKEN_TTL", "15m", |t| duration(t, Duration::from_secs(900)),
            "The lifetime of access tokens: seconds, or a number with the unit s, m, h or d. At most 15m.";
        session_idle: Duration = Plain "ROSTERD_SESSION_IDLE", "24h", |t| duration(t, MAX_SESSION),
            "How long an unused session lasts.";
        session_max: Duration = Plain "ROSTERD_SESSION_MAX", "7d", |t| duration(t, MAX_SESSION),
            "The maximum lifetime of a session.";
        session_remember_idle: Duration = Plain "ROSTERD_SESSION_REMEMBER_IDLE", "14d", |t| duration(t, MAX_SESSION),
            "How long an unused session lasts if the user signed in with rememberMe.";
        session_remember_max: Duration = Plain "ROSTERD_SESSION_REMEMBER_MAX", "30d", |t| duration(t, MAX_SESSION),
            "The maximum lifetime of a session if the user signed in with rememberMe.";
        max_sessions: u32 = Plain "ROSTERD_MAX_SESSIONS", "50", |t| integer(t, 1..=10_000),
            "The maximum number of sessions of an account.";
    }
    "Registration" {
        registration: Registration = Plain "ROSTERD_REGISTRATION", "closed", registration,
            "Who may register an account: no one (closed), users with an invite (invite), or anyone (open).";
        registration_confirm: Option<bool> = Plain "ROSTERD_REGISTRATION_CONFIRM", "", |t| optional(t, switch),
            "Whether an account that was registered can sign in only after its email address is confirmed: on or off. Unset: on with ROSTERD_SMTP_URL, otherwise off.";
        registration_approval: bool = Plain "ROSTERD_REGISTRATION_APPROVAL", "off", switch,
            "Whether an account that was registered is disabled until an administrator enables it: on or off.";
        registration_domains: Vec<String> = Plain "ROSTERD_REGISTRATION_DOMAINS", "", names,
            "The domains of the email addresses with which people may register, separated by commas. Unset: all.";
        invite_url: LinkTemplate = Plain "ROSTERD_INVITE_URL", "", |t| optional(t, link_template).map(Option::unwrap_or_default),
            "The page of your application for invite links, with {token} for the token. Unset: /register?invite={token} under ROSTERD_PUBLIC_URL.";
    }
    "Mail and links" {
        reset_url: LinkTemplate = Plain "ROSTERD_RESET_URL", "", |t| optional(t, link_template).map(Option::unwrap_or_default),
            "The page of your application for password reset links, with {token} for the token. Unset: /reset-password?token={token} under ROSTERD_PUBLIC_URL.";
        confirm_url: LinkTemplate = Plain "ROSTERD_CONFIRM_URL", "", |t| optional(t, link_template).map(Option::unwrap_or_default),
            "The page of your application for email confirmation links, with {token} for the token. Unset: /confirm-email?token={token} under ROSTERD_PUBLIC_URL.";
        smtp_server: Option<SmtpServer> = Secret "ROSTERD_SMTP_URL", "", |t| optional(t, smtp_server),
            "The mail server: smtps://user:password@mail.example.org (TLS) or smtp://… (STARTTLS; unencrypted for localhost or with ?tls=none). Unset: no mail is sent.";
        smtp_ca_file: Option<PathBuf> = Plain "ROSTERD_SMTP_CA_FILE", "", |t| optional(t, path),
            "A PEM file of the certificate authorities that may certify the mail server. Unset: those of the system.";
        mail_from: Option<Mailbox> = Plain "ROSTERD_MAIL_FROM", "", |t| optional(t, mailbox),
            "The sender of mail, such as Accounts <id@example.org>. Required with ROSTERD_SMTP_URL.";
        mail_templates: Option<PathBuf> = Plain "ROSTERD_MAIL_TEMPLATES", "", |t| optional(t, path),
            "A directory of mail templates: password-reset.txt, email-confirmation.txt, email-changed.txt, address-taken.txt, new-device.txt, password-changed.txt, token-created.txt, second-factor-removed.txt, email-change-requested.txt. Built-in templates are used for missing files.";
    }
    "Audit log" {
        audit_retention_days: Option<u32> = Plain "ROSTERD_AUDIT_RETENTION_DAYS", "", |t| optional(t, |t| integer(t, 1..=36_500)),
            "After how many days audit log entries are deleted. Unset: never.";
    }
    "Deleted accounts" {
        purge_deleted_days: Option<u32> = Plain "ROSTERD_PURGE_DELETED_DAYS", "", |t| optional(t, |t| integer(t, 1..=36_500)),
            "After how many days deleted accounts are purged, with their personal data. Unset: never.";
    }
    "Process" {
        workers: usize = Plain "ROSTERD_WORKERS", "auto", |t| auto_or_integer(t, cores(), 1..=1024),
            "The number of threads that handle requests. auto: one per CPU core.";
        max_connections: usize = Plain "ROSTERD_MAX_CONNECTIONS", "auto", |t| auto_or_integer(t, automatic_max_connections(open_files_limit()), 10..=1_000_000),
            "The maximum number of open connections. Further ones get 503. auto: three quarters of the hard limit on open files, at most 10000.";
        max_connections_per_peer: usize = Plain "ROSTERD_MAX_CONNECTIONS_PER_PEER", "200", |t| integer(t, 1..=1_000_000),
            "The maximum number of open connections of one IPv4 address or IPv6 /64 network. Loopback addresses and trusted proxies have no such limit.";
        write_timeout: Duration = Plain "ROSTERD_WRITE_TIMEOUT_SECONDS", "30", |t| integer(t, 1..=3600).map(Duration::from_secs),
            "After how many seconds a connection is closed whose client does not accept data (on Linux).";
        drain_timeout: Duration = Plain "ROSTERD_DRAIN_SECONDS", "10", seconds,
            "How long open requests may take to finish after SIGTERM, in seconds, and how long unused connections stay open before.";
        drain_delay: Duration = Plain "ROSTERD_DRAIN_DELAY_SECONDS", "1", seconds,
            "How long new connections are accepted after SIGTERM at least, in seconds. During this time /readyz returns 503, so that load balancers stop sending requests. Then the service waits for ROSTERD_DRAIN_SECONDS for unused connections to be used or closed. 0: it stops at once.";
        log: String = Plain "ROSTERD_LOG", "info,actix_server=warn", log_directives,
            "The log filter: a level, or directives such as info,rosterd=debug.";
        log_format: LogFormat = Plain "ROSTERD_LOG_FORMAT", "auto", log_format,
            "The log format: json, text, or auto (text on a terminal, JSON otherwise).";
    }
}

/// A user who can change this file can choose the key, so its owner and mode are checked. Those of other secret files are not.
const SECRET_KEY_FILE: &str = "ROSTERD_SECRET_KEY_FILE";

/// Keeps every time that is computed from a session's lifetime in the supported range.
const MAX_SESSION: Duration = Duration::from_secs(366 * 86_400);

impl Config {
    /// Reads the environment, and a file for settings that the environment does not set: `env_file`, or else `.env` in the
    /// working directory, or else `/etc/rosterd/rosterd.env` unless the environment says where the data is.
    ///
    /// # Errors
    /// A setting is wrong, missing, unknown or set twice; the file cannot be read.
    pub fn from_env(env_file: Option<&Path>) -> Result<Self, ConfigError> {
        let (vars, settings_file) = environment::read(VARIABLES, env_file)?;
        let secret_files = RefCell::new(Vec::new());
        let key_file = vars.get(SECRET_KEY_FILE).map(PathBuf::from);
        let read_file = |path: &Path| {
            secret_files.borrow_mut().push(path.to_owned());
            if key_file.as_deref() == Some(path) {
                private_file::read_unchangeable_by_others(path, None).map(|text| text.to_string())
            } else {
                std::fs::read_to_string(path)
            }
        };
        let mut config = Self::from_vars(vars, &read_file)?;
        config.system_variables = SystemVariables::read();
        config.secret_files = secret_files.into_inner();
        config.settings_file = settings_file;
        Ok(config)
    }

    /// Reads the settings from `vars`, which may contain other variables, and secrets from files with `read_file`.
    ///
    /// # Errors
    /// A setting is wrong, missing, unknown or set twice.
    pub fn from_vars(
        vars: impl IntoIterator<Item = (String, String)>,
        read_file: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::parse(&RawSettings::collect(VARIABLES, vars, read_file)?)?;
        config.check()?;
        if config.public_url.is_empty() {
            config.public_url = config.default_public_url();
        }
        let base_url = &config.public_url;
        for (template, path) in [
            (&mut config.reset_url, "reset-password?token"),
            (&mut config.confirm_url, "confirm-email?token"),
            (&mut config.invite_url, "register?invite"),
        ] {
            template.set_default(base_url, path);
        }
        config.warnings = config.insecure_settings();
        Ok(config)
    }

    /// Replaces the listen address, after the operating system has assigned a port for port 0. Also updates the default of
    /// `public_url`.
    #[must_use]
    pub fn with_addr(mut self, addr: SocketAddr) -> Self {
        let is_default = self.public_url == self.default_public_url();
        self.addr = addr;
        if is_default {
            self.public_url = self.default_public_url();
        }
        self
    }

    /// The certificate and the key, if the service uses TLS itself.
    #[must_use]
    pub fn tls_files(&self) -> Option<TlsFiles> {
        let (certificate, key) = self.tls_cert.clone().zip(self.tls_key.clone())?;
        Some(TlsFiles { certificate, key })
    }

    /// The scheme of the service's own address.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls_cert.is_some() {
            "https"
        } else {
            "http"
        }
    }

    fn default_public_url(&self) -> String {
        format!("{}://{}", self.scheme(), self.addr)
    }

    /// Whether the interactive page `/docs/` is served.
    #[must_use]
    pub fn serves_docs(&self) -> bool {
        self.docs && self.openapi
    }

    /// The username and password of the first `SuperAdmin`, if they are set.
    #[must_use]
    pub fn bootstrap_credentials(&self) -> Option<(&str, &Secret)> {
        self.bootstrap_username
            .as_deref()
            .zip(self.bootstrap_password.as_ref())
    }
}

/// The text of `.env.example`: all settings with their defaults and descriptions, commented out.
#[must_use]
pub fn env_example() -> String {
    variable::env_example(VARIABLES)
}

/// Environment variables of the operating system that are not settings of rosterd.
#[derive(Clone, Debug, Default)]
pub struct SystemVariables {
    /// `PATH`, for finding programs.
    pub search_path: OsString,
    /// `XDG_DATA_HOME`.
    pub xdg_data_home: Option<PathBuf>,
    /// `NOTIFY_SOCKET`, where the service manager waits for the message that the service is ready.
    pub notify_socket: Option<OsString>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `SUDO_USER`, at most 100 characters.
    pub sudo_user: Option<String>,
}

impl SystemVariables {
    #[expect(
        clippy::disallowed_methods,
        reason = "this module reads the environment for the configuration"
    )]
    fn read() -> Self {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            search_path: var("PATH").unwrap_or_default(),
            xdg_data_home: var("XDG_DATA_HOME").map(PathBuf::from),
            notify_socket: var("NOTIFY_SOCKET"),
            home: var("HOME").map(PathBuf::from),
            sudo_user: var("SUDO_USER")
                .map(|name| name.to_string_lossy().chars().take(100).collect()),
        }
    }
}
