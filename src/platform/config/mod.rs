//! The settings, and the only reader of the environment and of `.env`. One table says everything about each of them.
//! What is wrong is refused at once, in one line that names the variable and never shows a value.

mod environment;
mod mail;
mod secret;
mod source;
mod values;
mod variable;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use lettre::message::Mailbox;

use crate::platform::http::Network;
pub use mail::{Encryption, MailServer};
use mail::{mail_server, mailbox};
pub use secret::{Secret, SecretKey};
pub use source::ConfigError;
use source::Source;
pub use values::{LogFormat, Registration, TokenPage};
use values::{
    address, auto_or_whole, database_url, log_directives, log_format, milliseconds, names,
    networks, optional, origins, path, public_url, registration, seconds, secret, secret_key, span,
    switch, text, token_page, whole,
};
use variable::{Kind, Variable};

macro_rules! settings {
    ($($group:literal {$(
        $field:ident: $type:ty = $kind:ident $name:literal $(or $alias:literal)?, $default:literal, $parse:expr,
        $why:literal;
    )*})*) => {
        /// Every setting of the service, checked.
        pub struct Config {
            $($(#[doc = concat!("`", $name, "`: ", $why)] pub $field: $type,)*)*
            /// What the operator should know about these settings, one line each.
            pub warnings: Vec<String>,
            /// What the machine says of itself.
            pub machine: Machine,
        }

        const VARIABLES: &[Variable] = &[$($(Variable {
            group: $group,
            name: $name,
            aliases: &[$($alias)?],
            kind: Kind::$kind,
            default: $default,
            why: $why,
        },)*)*];

        impl Config {
            fn read(source: &Source) -> Result<Self, ConfigError> {
                Ok(Self {
                    $($($field: source.value($name, $default, $parse)?,)*)*
                    warnings: Vec::new(),
                    machine: Machine::default(),
                })
            }
        }
    };
}

settings! {
    "Addresses" {
        addr: SocketAddr = Plain "ROSTERD_ADDR", "127.0.0.1:8080", address,
            "Where the service listens.";
        metrics_addr: Option<SocketAddr> = Plain "ROSTERD_METRICS_ADDR", "", |t| optional(t, address),
            "Where GET /metrics is answered for Prometheus; nowhere when unset.";
        public_url: String = Plain "ROSTERD_PUBLIC_URL", "", |t| optional(t, public_url).map(Option::unwrap_or_default),
            "What callers see as the base of every address, and the issuer of tokens; http:// and ROSTERD_ADDR when unset.";
        audience: String = Plain "ROSTERD_AUDIENCE", "rosterd", text,
            "The audience of access tokens; whoever verifies them asks for it.";
        trusted_proxies: Vec<Network> = Plain "ROSTERD_TRUSTED_PROXIES", "", networks,
            "The proxies whose word on the caller's address counts: addresses or networks, separated by commas.";
    }
    "Browser apps" {
        cors_origins: Vec<String> = Plain "ROSTERD_CORS_ORIGINS", "", origins,
            "The origins whose pages may call: exact, with their scheme, separated by commas.";
    }
    "Secrets and the first account" {
        secret_key: Option<SecretKey> = Secret "ROSTERD_SECRET_KEY", "", |t| optional(t, secret_key),
            "What keys and kept answers are encrypted under: 32 bytes as hex or base64. Needed with DATABASE_URL.";
        bootstrap_username: Option<String> = Plain "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME" or "Auth__BootstrapSuperAdmin__Username", "", |t| optional(t, text),
            "The first super-administrator, made while there is none. Also read as Auth__BootstrapSuperAdmin__Username.";
        bootstrap_password: Option<Secret> = Secret "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD" or "Auth__BootstrapSuperAdmin__Password", "", |t| optional(t, secret),
            "The password of that account. Also read as Auth__BootstrapSuperAdmin__Password.";
        permissions: Vec<String> = Plain "ROSTERD_PERMISSIONS", "", names,
            "Permissions of the apps behind, registered in the catalogue at the start, such as assets.read, assets.write.";
    }
    "Database" {
        database_url: Option<Secret> = Secret "DATABASE_URL", "", |t| optional(t, database_url),
            "The PostgreSQL database; a private cluster under ROSTERD_DATA_DIR when unset.";
        data_dir: Option<PathBuf> = Plain "ROSTERD_DATA_DIR", "", |t| optional(t, path),
            "Where the private cluster is kept; /var/lib/rosterd for root, else $XDG_DATA_HOME/rosterd when unset.";
        migrate: bool = Plain "ROSTERD_MIGRATE", "on", switch,
            "Whether the start brings the schema up to date: on or off.";
        db_pool_size: usize = Plain "ROSTERD_DB_POOL_SIZE", "auto", |t| auto_or_whole(t, automatic_pool_size(cores()), 1..=1024),
            "The most connections to the database; auto: four for each core, at least 8.";
        db_acquire: Duration = Plain "ROSTERD_DB_ACQUIRE_MS", "2000", milliseconds,
            "How long a request waits for a connection before it is answered 503, in milliseconds.";
        db_statement: Duration = Plain "ROSTERD_DB_STATEMENT_MS", "10000", milliseconds,
            "How long one statement may run, in milliseconds.";
    }
    "Passwords" {
        password_min_length: usize = Plain "ROSTERD_PASSWORD_MIN_LENGTH", "15", |t| whole(t, 8..=256),
            "The least number of characters of a new password.";
        hash_memory_kib: u32 = Plain "ROSTERD_HASH_MEMORY_KIB", "19456", |t| whole(t, 1..=4_194_304),
            "The memory of one Argon2id hash, in KiB.";
        hash_iterations: u32 = Plain "ROSTERD_HASH_ITERATIONS", "2", |t| whole(t, 1..=1024),
            "The passes of one Argon2id hash.";
        hash_parallelism: u32 = Plain "ROSTERD_HASH_PARALLELISM", "1", |t| whole(t, 1..=64),
            "The lanes of one Argon2id hash.";
        hash_threads: usize = Plain "ROSTERD_HASH_THREADS", "auto", |t| auto_or_whole(t, cores(), 1..=1024),
            "How many passwords are hashed at once; auto: one for each core.";
        hash_queue: Duration = Plain "ROSTERD_HASH_QUEUE_MS", "1000", milliseconds,
            "How long a sign-in waits for its turn to hash before it is answered 503, in milliseconds.";
    }
    "Sessions and tokens" {
        access_token_ttl: Duration = Plain "ROSTERD_ACCESS_TOKEN_TTL", "15m", |t| span(t, Duration::from_secs(900)),
            "How long an access token is good: seconds, or a number with s, m, h or d; 15m at most.";
        session_idle: Duration = Plain "ROSTERD_SESSION_IDLE", "24h", |t| span(t, LONGEST_SESSION),
            "How long a session lives without being used.";
        session_max: Duration = Plain "ROSTERD_SESSION_MAX", "7d", |t| span(t, LONGEST_SESSION),
            "How long a session lives at most.";
        session_remember_idle: Duration = Plain "ROSTERD_SESSION_REMEMBER_IDLE", "14d", |t| span(t, LONGEST_SESSION),
            "The same for a sign-in with rememberMe: without being used.";
        session_remember_max: Duration = Plain "ROSTERD_SESSION_REMEMBER_MAX", "30d", |t| span(t, LONGEST_SESSION),
            "The same for a sign-in with rememberMe: at most.";
        max_sessions: u32 = Plain "ROSTERD_MAX_SESSIONS", "50", |t| whole(t, 1..=10_000),
            "The most sessions that one account has at once.";
    }
    "Registration" {
        registration: Registration = Plain "ROSTERD_REGISTRATION", "closed", registration,
            "Who may register an account: nobody (closed), whoever has an invite (invite), everybody (open).";
        invite_page: TokenPage = Plain "ROSTERD_INVITE_URL", "", |t| optional(t, token_page).map(Option::unwrap_or_default),
            "The page of yours that an invite opens, with {token} where the token goes; /register?invite={token} under ROSTERD_PUBLIC_URL when unset.";
    }
    "Mail and links" {
        reset_page: TokenPage = Plain "ROSTERD_RESET_URL", "", |t| optional(t, token_page).map(Option::unwrap_or_default),
            "The page of yours that a reset link opens, with {token} where the token goes; /reset-password?token={token} under ROSTERD_PUBLIC_URL when unset.";
        confirm_page: TokenPage = Plain "ROSTERD_CONFIRM_URL", "", |t| optional(t, token_page).map(Option::unwrap_or_default),
            "The same for links that confirm an email address; /confirm-email?token={token} when unset.";
        mail_server: Option<MailServer> = Secret "ROSTERD_SMTP_URL", "", |t| optional(t, mail_server),
            "The mail server: smtps://user:password@mail.example.org, or smtp:// with STARTTLS (off with ?tls=none, and on this machine); no mail when unset.";
        mail_from: Option<Mailbox> = Plain "ROSTERD_MAIL_FROM", "", |t| optional(t, mailbox),
            "The sender of mail, such as Accounts <id@example.org>. Needed with ROSTERD_SMTP_URL.";
        mail_templates: Option<PathBuf> = Plain "ROSTERD_MAIL_TEMPLATES", "", |t| optional(t, path),
            "A folder of texts for mail: password-reset.txt, email-confirmation.txt, email-changed.txt, address-taken.txt; built-in ones are used for those it has not.";
    }
    "Audit log" {
        audit_retention_days: Option<u32> = Plain "ROSTERD_AUDIT_RETENTION_DAYS", "", |t| optional(t, |t| whole(t, 1..=36_500)),
            "After how many days what is in the audit log is removed; never when unset.";
    }
    "The process" {
        workers: usize = Plain "ROSTERD_WORKERS", "auto", |t| auto_or_whole(t, cores(), 1..=1024),
            "The threads that answer requests; auto: one for each core.";
        drain: Duration = Plain "ROSTERD_DRAIN_SECONDS", "10", seconds,
            "How long open requests may take to end after SIGTERM, in seconds.";
        drain_delay: Duration = Plain "ROSTERD_DRAIN_DELAY_SECONDS", "1", seconds,
            "How long requests are still accepted before that, while /readyz says 503 and load balancers notice, in seconds.";
        log: String = Plain "ROSTERD_LOG", "info,actix_server=warn", log_directives,
            "What is logged: a level, or directives such as info,rosterd=debug.";
        log_format: LogFormat = Plain "ROSTERD_LOG_FORMAT", "auto", log_format,
            "How log lines are written: json, text, or auto for text on a terminal and JSON elsewhere.";
    }
}

/// Far beyond what is wise; keeps every point in time that is computed from it in range.
const LONGEST_SESSION: Duration = Duration::from_secs(366 * 86_400);

impl Config {
    /// Reads the environment, and `.env` in the working directory for what the environment leaves open.
    ///
    /// # Errors
    /// The first setting that is wrong, missing, unknown or given twice.
    pub fn from_env() -> Result<Self, ConfigError> {
        let vars = environment::read(Path::new(".env"))?;
        let secret_files = RefCell::new(Vec::new());
        let read = |path: &Path| {
            secret_files.borrow_mut().push(path.to_owned());
            std::fs::read_to_string(path)
        };
        let mut config = Self::from_vars(vars, &read)?;
        config.machine = Machine::read();
        config.machine.secret_files = secret_files.into_inner();
        Ok(config)
    }

    /// Reads the settings from `vars`, which may hold other variables too, and secrets from files through `read_file`.
    ///
    /// # Errors
    /// The first setting that is wrong, missing, unknown or given twice.
    pub fn from_vars(
        vars: impl IntoIterator<Item = (String, String)>,
        read_file: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::read(&Source::collect(VARIABLES, vars, read_file)?)?;
        config.check()?;
        if config.public_url.is_empty() {
            config.public_url = plain_url(config.addr);
        }
        config
            .reset_page
            .or_under(&config.public_url, "reset-password?token");
        config
            .confirm_page
            .or_under(&config.public_url, "confirm-email?token");
        config
            .invite_page
            .or_under(&config.public_url, "register?invite");
        config.warnings = config.concerns();
        Ok(config)
    }

    /// The same settings for a service that listens on `addr`: on the port that the system chose where 0 was asked for.
    #[must_use]
    pub fn on(mut self, addr: SocketAddr) -> Self {
        if self.public_url == plain_url(self.addr) {
            self.public_url = plain_url(addr);
        }
        self.addr = addr;
        self
    }

    /// The name and password of the first `SuperAdmin`, if they are set.
    #[must_use]
    pub fn bootstrap(&self) -> Option<(&str, &Secret)> {
        self.bootstrap_username
            .as_deref()
            .zip(self.bootstrap_password.as_ref())
    }

    /// The rules that span settings.
    fn check(&self) -> Result<(), ConfigError> {
        if self.database_url.is_some() && self.secret_key.is_none() {
            return Err(ConfigError::new(
                "ROSTERD_SECRET_KEY",
                "is needed with DATABASE_URL: 32 bytes as 64 hexadecimal digits or as base64",
            ));
        }
        if self.mail_server.is_some() && self.mail_from.is_none() {
            return Err(ConfigError::new(
                "ROSTERD_MAIL_FROM",
                "is needed with ROSTERD_SMTP_URL: an address such as id@example.org",
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
                "is missing; the name and the password of the first account go together",
            ));
        }
        for (name, idle, max_name, max) in [
            (
                "ROSTERD_SESSION_IDLE",
                self.session_idle,
                "ROSTERD_SESSION_MAX",
                self.session_max,
            ),
            (
                "ROSTERD_SESSION_REMEMBER_IDLE",
                self.session_remember_idle,
                "ROSTERD_SESSION_REMEMBER_MAX",
                self.session_remember_max,
            ),
        ] {
            if idle > max {
                let max = values::show_span(max);
                return Err(ConfigError::new(
                    name,
                    format!("expected at most {max_name}, which is {max}"),
                ));
            }
        }
        Ok(())
    }

    fn concerns(&self) -> Vec<String> {
        let exposed = !self.addr.ip().to_canonical().is_loopback();
        let warning = "ROSTERD_ADDR listens beyond this machine while ROSTERD_PUBLIC_URL is not https: \
                       passwords and tokens travel in the clear unless something in front adds TLS";
        (exposed && !self.public_url.starts_with("https://"))
            .then(|| warning.to_owned())
            .into_iter()
            .collect()
    }
}

/// The text of `.env.example`: every setting with its default and why it is there, commented out.
#[must_use]
pub fn env_example() -> String {
    variable::example(VARIABLES)
}

fn plain_url(addr: SocketAddr) -> String {
    format!("http://{addr}")
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// A statement of ours takes well under a millisecond, so that a few for each core keep the database busy while others wait
/// for the disk (8 on 2 cores reach the most that was measured); eight let short reads pass a few slow writes anywhere.
fn automatic_pool_size(cores: usize) -> usize {
    (4 * cores).max(8)
}

/// What the environment says of the machine and its user, besides our settings.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// `PATH`: where programs are looked for.
    pub search_path: OsString,
    /// `XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `LOGNAME`, else `USER`: who is at the command line.
    pub user: Option<String>,
    /// The files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
}

impl Machine {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the room that reads the environment"
    )]
    fn read() -> Self {
        let var = |name| std::env::var_os(name).filter(|text| !text.is_empty());
        let user = var("LOGNAME").or_else(|| var("USER"));
        Self {
            search_path: var("PATH").unwrap_or_default(),
            data_home: var("XDG_DATA_HOME").map(PathBuf::from),
            home: var("HOME").map(PathBuf::from),
            user: user.map(|name| name.to_string_lossy().into_owned()),
            secret_files: Vec::new(),
        }
    }
}

fn setting(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.has_form(name))
}
