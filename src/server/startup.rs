//! Builds the shared state from the configuration, and starts the threads that serve it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::replica_settings;
use super::service_metrics;
use super::signing_key_reload::KeyReloadThread;
use crate::access::actor::PermissionName;
use crate::access::authentication::{self, Audiences, AuthCache, NotificationSource, TokenIssuer};
use crate::access::password_check::PasswordService;
use crate::access::passwords::{
    BreachedPasswords, HashParams, Hasher, HasherOptions, PasswordPolicy, Peppers,
};
use crate::access::peppers;
use crate::access::rate_limit::{AdmissionQueue, RefusalLog, UnknownTokens};
use crate::access::sessions::SessionLimits;
use crate::access::sessions::service::TokenContext;
use crate::access::signing_keys::service as keys;
use crate::accounts::mail_values::AccountMailValues;
use crate::accounts::password_reset::LinkContext;
use crate::accounts::registration::service::RegistrationRules;
use crate::accounts::roles;
use crate::app_state::AppState;
use crate::mail::{self, Mail};
use crate::platform::config::{Config, ConfigError, SecretKey};
use crate::platform::crypto::{KeyPurpose, Vault};
use crate::platform::db::{Db, DbOptions, Readiness, measure_clock};
use crate::platform::error::{AppError, Code};
use crate::platform::http::Cursors;
use crate::platform::start_error::StartError;

/// Builds the shared state on a database whose schema is up to date. Creates the signing keys if there are none, and
/// registers the permissions of `ROSTERD_PERMISSIONS`.
///
/// # Errors
/// Invalid settings; database errors.
pub fn build_app_state(
    config: &Config,
    url: &str,
    secret_key: &[u8; 32],
) -> Result<AppState, StartError> {
    let db = connect_database(config, url)?;
    db.read_now(measure_clock)?;
    let previous_key = config.secret_key_previous.as_ref().map(SecretKey::expose);
    let vault = Arc::new(Vault::with_previous(secret_key, previous_key)?);
    let permissions = permission_names(config)?;
    db.write_now(|tx| roles::service::register_missing(tx, &permissions))
        .map_err(permissions_error)?;
    let issuer = Arc::new(build_issuer(config, &db, &vault)?);
    let reset_links = LinkContext {
        vault: vault.clone(),
        reset_url: config.reset_url.clone(),
    };
    let replica = Uuid::new_v4();
    replica_settings::register(config, &db, &vault, replica)?;
    let passwords = build_passwords(config, &db, &vault)?;
    Ok(AppState {
        auth_cache: build_auth_cache(&db),
        refusal_log: RefusalLog::default(),
        readiness: Readiness::default(),
        unknown_tokens: UnknownTokens::default(),
        cookie_origins: public_origin(config)
            .into_iter()
            .chain(config.cors_origins.iter().cloned())
            .collect(),
        token_context: Arc::new(TokenContext {
            issuer: issuer.clone(),
            vault: vault.clone(),
            limits: session_limits(config),
        }),
        issuer,
        mail: Arc::new(Mail::new(
            config,
            vault.clone(),
            Box::new(AccountMailValues::new(config, reset_links.clone())),
        )?),
        reset_links,
        invite_url: config.invite_url.clone(),
        registration: RegistrationRules::new(config),
        cursors: Cursors::with_previous(
            &vault.mac(KeyPurpose::Cursor, b""),
            vault
                .previous_mac(KeyPurpose::Cursor, b"")
                .as_ref()
                .map(<[u8; 32]>::as_slice),
        ),
        vault,
        metrics: service_metrics::build(&db, &passwords)
            .map_err(|error| StartError::Other(error.to_string()))?,
        passwords,
        db,
        replica,
        is_accepting_requests: Arc::new(AtomicBool::new(true)),
    })
}

/// Starts the threads that every running service needs: one receives change notifications from the database, one sends
/// mail if a mail server is configured. `listen_url` leads to the same database as `url`, but not to a pooler. Without notifications every request reads its caller from the database.
///
/// # Errors
/// When a thread can't be started.
pub fn start_workers(app: &AppState, url: &str, listen_url: &str) -> Result<(), StartError> {
    listen_for_changes(app, url, listen_url)?;
    mail::start_worker(app.db.clone(), Arc::downgrade(&app.mail))
        .map_err(|error| StartError::Io("can't start the mail thread", error))
}

fn listen_for_changes(app: &AppState, url: &str, listen_url: &str) -> Result<(), StartError> {
    let thread_error = |error| StartError::Io("can't start the notification threads", error);
    let source = NotificationSource {
        url: url.to_owned(),
        listen_url: listen_url.to_owned(),
        schema: app.db.table_schema()?,
        replica: app.replica,
        guard: Arc::clone(app.db.server_guard()),
    };
    let keys = KeyReloadThread::start(
        app.db.clone(),
        app.vault.clone(),
        Arc::downgrade(&app.issuer),
    )
    .map_err(thread_error)?;
    app.db.start_watchdog().map_err(thread_error)?;
    let proof = authentication::listen(source, Arc::downgrade(&app.auth_cache), keys)
        .map_err(thread_error)?;
    app.metrics
        .register_callback(
            "rosterd_notifications_received",
            "1 if change notifications of the database arrive, else 0. At 0, every request reads its caller from the database.",
            move || f64::from(u8::from(proof.is_proven())),
        )
        .map_err(|error| StartError::Other(error.to_string()))
}

/// Builds the connection pool.
///
/// # Errors
/// When the pool can't be built.
pub fn connect_database(config: &Config, url: &str) -> Result<Db, AppError> {
    Db::connect(&DbOptions {
        url: url.to_owned(),
        pool_size: u32::try_from(config.db_pool_size).unwrap_or(u32::MAX),
        acquire_timeout: config.db_acquire_timeout,
        statement_timeout: config.db_statement_timeout,
        prepared: config.db_prepared,
    })
}

/// Starts the hashing threads, loads the peppers, and builds the password policy.
///
/// # Errors
/// Settings that are too weak; threads that can't be started.
pub fn build_passwords(
    config: &Config,
    db: &Db,
    vault: &Arc<Vault>,
) -> Result<PasswordService, StartError> {
    let params = HashParams::new(
        config.hash_memory_kib,
        config.hash_iterations,
        config.hash_parallelism,
    )
    .map_err(|error| ConfigError::new("ROSTERD_HASH_MEMORY_KIB", error.to_string()))?;
    let policy = PasswordPolicy::new(config.password_min_length)
        .map_err(|error| ConfigError::new("ROSTERD_PASSWORD_MIN_LENGTH", error.to_string()))?;
    let hasher = Hasher::start(HasherOptions {
        params,
        threads: config.hash_threads.try_into().unwrap_or(NonZeroUsize::MIN),
        max_wait: config.hash_queue_timeout,
    })
    .map_err(|error| StartError::Io("can't start the hashing threads", error))?;
    let peppers = if config.password_pepper {
        db.write_now(|tx| peppers::service::load_or_create(tx, vault))?
    } else {
        db.read_now(|tx| peppers::service::load(tx, vault))?
    };
    Ok(PasswordService {
        hasher: hasher.with_peppers(Peppers::new(peppers, config.password_pepper)),
        policy,
        breached_passwords: open_breached_passwords(config)?,
        admission_queue: Arc::new(AdmissionQueue::new(config.hash_queue_timeout)),
        vault: vault.clone(),
    })
}

fn open_breached_passwords(config: &Config) -> Result<Option<Arc<BreachedPasswords>>, ConfigError> {
    let open = |path: &PathBuf| {
        BreachedPasswords::open(path)
            .map(Arc::new)
            .map_err(|error| ConfigError::new("ROSTERD_BREACHED_PASSWORDS_FILE", error.to_string()))
    };
    config.breached_passwords.as_ref().map(open).transpose()
}

fn build_issuer(config: &Config, db: &Db, vault: &Vault) -> Result<TokenIssuer, AppError> {
    let keys = db.write_now(|tx| keys::load_or_create(tx, vault))?;
    Ok(TokenIssuer::new(
        config.public_url.clone(),
        Audiences::new(&config.audience, &config.app_audiences),
        time_delta(config.access_token_ttl),
        keys,
    ))
}

/// The cache drops what each committed transaction of this process changed.
fn build_auth_cache(db: &Db) -> Arc<AuthCache> {
    let auth_cache = Arc::new(AuthCache::default());
    // A weak reference: the notification thread holds the database and ends when the cache is dropped.
    let weak_cache = Arc::downgrade(&auth_cache);
    db.on_invalidation(move |change| {
        if let Some(auth_cache) = weak_cache.upgrade() {
            auth_cache.invalidate(change);
        }
    });
    auth_cache
}

fn session_limits(config: &Config) -> SessionLimits {
    SessionLimits {
        idle: time_delta(config.session_idle),
        max: time_delta(config.session_max),
        remember_idle: time_delta(config.session_remember_idle),
        remember_max: time_delta(config.session_remember_max),
        max_sessions: config.max_sessions,
    }
}

/// The origin (RFC 6454) of `ROSTERD_PUBLIC_URL`.
fn public_origin(config: &Config) -> Option<String> {
    let url = url::Url::parse(&config.public_url).ok()?;
    Some(url.origin().ascii_serialization())
}

fn permission_names(config: &Config) -> Result<Vec<PermissionName>, ConfigError> {
    config
        .permissions
        .iter()
        .map(|name| {
            PermissionName::parse(name).map_err(|error| {
                ConfigError::new("ROSTERD_PERMISSIONS", format!("{name:?}: {error}"))
            })
        })
        .collect()
}

fn permissions_error(error: AppError) -> StartError {
    match error.code() {
        Code::PermissionLimitReached => {
            let detail = error.detail().unwrap_or_default().to_owned();
            ConfigError::new("ROSTERD_PERMISSIONS", detail).into()
        }
        _ => error.into(),
    }
}

fn time_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
