//! The state that all request handlers share. `server` builds it; routes and the command line use it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::web;

use crate::access::authentication::{AuthCache, Issuer};
use crate::access::passwords::Passwords;
use crate::access::sessions::service::TokenContext;
use crate::mail::Mail;
use crate::platform::config::{Registration, TokenPage};
use crate::platform::crypto::Vault;
use crate::platform::db::Db;
use crate::platform::http::Cursors;
use crate::platform::metrics::Metrics;

/// The shared state, as handlers take it.
pub type State = web::Data<AppState>;

/// Everything that requests share.
pub struct AppState {
    /// The database.
    pub db: Db,
    /// The keys derived from `ROSTERD_SECRET_KEY`.
    pub vault: Arc<Vault>,
    /// Hashing, and what may be chosen.
    pub passwords: Passwords,
    /// Makes and reads access tokens.
    pub issuer: Arc<Issuer>,
    /// What is known of callers without asking the database.
    pub auth_cache: Arc<AuthCache>,
    /// What signing in needs.
    pub token_context: Arc<TokenContext>,
    /// Letters.
    pub mail: Arc<Mail>,
    /// Where reset links lead.
    pub reset_page: TokenPage,
    /// Where invites lead.
    pub invite_page: TokenPage,
    /// Who may register.
    pub registration: Registration,
    /// Seals the cursors of lists.
    pub cursors: Cursors,
    /// The origins whose pages may use the refresh cookie: our own and those of `ROSTERD_CORS_ORIGINS`.
    pub origins: Vec<String>,
    /// What Prometheus can ask.
    pub metrics: Metrics,
    /// Whether new requests are welcome: no longer once the end has begun. Then `/readyz` says so, and every answer ends
    /// its connection.
    pub is_open: Arc<AtomicBool>,
    /// The API document, written out.
    pub document: Arc<str>,
}
