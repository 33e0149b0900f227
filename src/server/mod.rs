//! The whole service: its shared state, the list of its slices, and how it starts, serves and ends.

pub mod health;
pub mod openapi;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use actix_cors::Cors;
use actix_web::HttpServer;
use actix_web::http::header;
use actix_web::middleware::{Condition, from_fn};
use chrono::TimeDelta;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::authentication::middleware::identify;
use crate::access::authentication::{self, AuthCache, Issuer, keys};
use crate::access::clients;
use crate::access::forward_auth;
use crate::access::oauth;
use crate::access::passwords::{HashParams, Hasher, HasherOptions, Passwords, Policy};
use crate::access::rate_limit::{self, AdmissionQueue};
use crate::access::revocation_feed;
use crate::access::sessions;
use crate::access::sessions::SessionLimits;
use crate::access::sessions::service::TokenContext;
use crate::access::tokens;
use crate::accounts::email_confirmations;
use crate::accounts::invites;
use crate::accounts::password_reset;
use crate::accounts::profile;
use crate::accounts::registration;
use crate::accounts::roles;
use crate::accounts::roles::PermissionName;
use crate::accounts::users;
use crate::app_state::{AppState, State};
use crate::audit;
use crate::idempotency;
use crate::mail::{self, Mail};
use crate::platform::config::{Config, ConfigError};
use crate::platform::crypto::{Purpose, Vault};
use crate::platform::db::{Db, DbOptions};
use crate::platform::error::AppError;
use crate::platform::http::{Cursors, Envelope, Settings, fallback};
use crate::platform::metrics::Metrics;
use crate::platform::start_error::StartError;

/// Mounts and documents every operation.
pub fn slices(config: &mut ServiceConfig<'_>) {
    // Routes are tried in this order: first those that are asked most.
    config
        .configure(forward_auth::routes)
        .configure(profile::routes)
        .configure(sessions::routes)
        .configure(tokens::routes)
        .configure(users::routes)
        .configure(password_reset::routes)
        .configure(email_confirmations::routes)
        .configure(roles::routes)
        .configure(invites::routes)
        .configure(clients::routes)
        .configure(oauth::routes)
        .configure(revocation_feed::routes)
        .configure(registration::routes)
        .configure(audit::routes)
        .configure(health::routes);
}

impl AppState {
    /// Puts the service together on a database whose schema is up to date: reads or makes the signing keys, and
    /// registers the permissions that `ROSTERD_PERMISSIONS` names.
    ///
    /// # Errors
    /// A setting that is wrong, or the database's failures.
    pub fn new(config: &Config, url: &str, secret: &[u8; 32]) -> Result<Self, StartError> {
        let db = database(config, url)?;
        let vault = Arc::new(Vault::new(secret)?);
        let permissions = permission_names(config)?;
        db.write_now(|tx| roles::service::register_missing(tx, &permissions))?;
        let keys = db.write_now(|tx| keys::load_or_make(tx, &vault))?;
        let issuer = Arc::new(Issuer::new(
            config.public_url.clone(),
            config.audience.clone(),
            delta(config.access_token_ttl),
            keys,
        ));
        let auth_cache = Arc::new(AuthCache::default());
        // Not held by the database's side: the listener, which holds the database, ends when nobody remembers any more.
        let weak_cache = Arc::downgrade(&auth_cache);
        db.watch(move |change| {
            if let Some(auth_cache) = weak_cache.upgrade() {
                auth_cache.invalidate(change);
            }
        });
        let token_context = TokenContext {
            issuer: issuer.clone(),
            vault: vault.clone(),
            limits: SessionLimits {
                idle: delta(config.session_idle),
                max: delta(config.session_max),
                remember_idle: delta(config.session_remember_idle),
                remember_max: delta(config.session_remember_max),
                most: config.max_sessions,
            },
        };
        Ok(Self {
            passwords: passwords(config, &vault)?,
            issuer,
            auth_cache,
            origins: own_origin(config)
                .into_iter()
                .chain(config.cors_origins.iter().cloned())
                .collect(),
            token_context: Arc::new(token_context),
            mail: Arc::new(Mail::new(config, vault.clone())?),
            reset_page: config.reset_page.clone(),
            invite_page: config.invite_page.clone(),
            registration: config.registration,
            cursors: Cursors::new(&vault.mac(Purpose::Cursor, b"")),
            vault,
            metrics: metrics(&db)?,
            db,
            is_open: Arc::new(AtomicBool::new(true)),
            document: openapi::text().into(),
        })
    }

    /// Starts to hear what other processes change; until then, and whenever that fails, every request asks the database.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn listen(&self, url: &str) -> std::io::Result<()> {
        let (db, vault, issuer) = (self.db.clone(), self.vault.clone(), self.issuer.clone());
        let reload = move || match db.read_now(|tx| keys::load(tx, &vault)) {
            Ok(keys) => issuer.set_keys(keys),
            Err(error) => tracing::error!(?error, "the signing keys can't be read"),
        };
        let db = self.db.clone();
        db.heard();
        authentication::listen(
            url.to_owned(),
            Arc::downgrade(&self.auth_cache),
            reload,
            move || db.heard(),
        )
    }

    /// Starts to send mail, if there is a mail server.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn send_mail(&self) -> std::io::Result<()> {
        mail::start(self.db.clone(), Arc::downgrade(&self.mail))
    }
}

/// Starts to serve on `listener`; the server runs for as long as it is polled, and leaves signals to others.
///
/// # Errors
/// When the listener can't be used.
pub fn serve(
    app: AppState,
    config: &Config,
    listener: TcpListener,
) -> std::io::Result<actix_web::dev::Server> {
    let envelope = Envelope::new(Settings {
        trusted_proxies: config.trusted_proxies.clone(),
        observer: Some(Arc::new(app.metrics.clone())),
        is_open: Arc::clone(&app.is_open),
    });
    let state = State::new(app);
    let document = Arc::new(openapi::document());
    let origins = config.cors_origins.clone();
    let server = HttpServer::new(move || {
        use utoipa_actix_web::AppExt;
        actix_web::App::new()
            .app_data(state.clone())
            .into_utoipa_app()
            .configure(slices)
            .into_app()
            .configure(openapi::mount)
            .default_service(fallback(&document))
            .wrap(from_fn(identify))
            .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
            .wrap(envelope.clone())
    });
    Ok(server
        .workers(config.workers)
        .client_request_timeout(Duration::from_secs(5))
        .client_disconnect_timeout(Duration::from_secs(1))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(config.drain.as_secs())
        .disable_signals()
        .listen(listener)?
        .run())
}

/// What goes by the clock: forgetting what nobody may ask for any more.
///
/// # Errors
/// When the database fails; the next time it is tried again.
pub fn keep_house(db: &Db) -> Result<(), AppError> {
    db.write_now(|tx| {
        idempotency::service::forget_old(tx)?;
        sessions::service::forget_old(tx)?;
        rate_limit::service::forget_old(tx)?;
        tokens::service::forget_old(tx)?;
        clients::service::forget_old(tx)?;
        revocation_feed::service::forget_old(tx)?;
        keys::forget_old(tx)?;
        password_reset::service::forget_old(tx)?;
        email_confirmations::service::forget_old(tx)?;
        mail::service::forget_old(tx)?;
        invites::service::forget_old(tx)?;
        Ok(())
    })
}

/// The pool of connections that the settings ask for.
///
/// # Errors
/// When it can't be built.
pub fn database(config: &Config, url: &str) -> Result<Db, AppError> {
    Db::connect(&DbOptions {
        url: url.to_owned(),
        size: u32::try_from(config.db_pool_size).unwrap_or(u32::MAX),
        acquire: config.db_acquire,
        statement: config.db_statement,
    })
}

/// The hashing threads and the policy that the settings ask for.
///
/// # Errors
/// Settings that are too weak, or threads that can't be started.
pub fn passwords(config: &Config, vault: &Arc<Vault>) -> Result<Passwords, StartError> {
    let params = HashParams::new(
        config.hash_memory_kib,
        config.hash_iterations,
        config.hash_parallelism,
    )
    .map_err(|wrong| ConfigError::new("ROSTERD_HASH_MEMORY_KIB", wrong.to_string()))?;
    let policy = Policy::new(config.password_min_length)
        .map_err(|wrong| ConfigError::new("ROSTERD_PASSWORD_MIN_LENGTH", wrong.to_string()))?;
    let hasher = Hasher::start(HasherOptions {
        params,
        threads: config
            .hash_threads
            .try_into()
            .unwrap_or(std::num::NonZeroUsize::MIN),
        max_wait: config.hash_queue,
    })
    .map_err(|error| StartError::Io("the hashing threads can't be started", error))?;
    Ok(Passwords {
        hasher,
        policy,
        gate: Arc::new(AdmissionQueue::new(config.hash_queue)),
        vault: vault.clone(),
    })
}

/// The origin (RFC 6454) of `ROSTERD_PUBLIC_URL`.
fn own_origin(config: &Config) -> Option<String> {
    let url = url::Url::parse(&config.public_url).ok()?;
    Some(url.origin().ascii_serialization())
}

/// Which pages of other origins may call: exactly those that are listed, none by default.
fn cors(origins: &[String]) -> Cors {
    let exposed = [
        header::ETAG,
        header::LOCATION,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
    ];
    let own = [
        "x-request-id",
        "ratelimit",
        "ratelimit-policy",
        "idempotency-replayed",
    ];
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(exposed)
        .expose_headers(own)
        .supports_credentials()
        .max_age(600);
    origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}

fn permission_names(config: &Config) -> Result<Vec<PermissionName>, ConfigError> {
    config
        .permissions
        .iter()
        .map(|name| {
            PermissionName::parse(name).map_err(|wrong| {
                ConfigError::new("ROSTERD_PERMISSIONS", format!("{name:?}: {wrong}"))
            })
        })
        .collect()
}

fn metrics(db: &Db) -> Result<Metrics, StartError> {
    let watch = || {
        let metrics = Metrics::new(start_of_process())?;
        let (open, idle) = (db.clone(), db.clone());
        metrics.watch(
            "rosterd_db_connections",
            "Connections to the database.",
            move || f64::from(open.load().0),
        )?;
        metrics.watch(
            "rosterd_db_connections_idle",
            "Those not in use.",
            move || f64::from(idle.load().1),
        )?;
        Ok::<_, crate::platform::metrics::Error>(metrics)
    };
    watch().map_err(|error| StartError::Other(error.to_string()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "when this process began is a fact about it, not about a request"
)]
fn start_of_process() -> SystemTime {
    SystemTime::now()
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
