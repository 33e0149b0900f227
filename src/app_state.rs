//! The state that all request handlers share. `server::startup` builds it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::web;
use uuid::Uuid;

use crate::access::authentication::{AuthCache, TokenIssuer};
use crate::access::password_check::PasswordService;
use crate::access::rate_limit::{RefusalLog, UnknownTokens};
use crate::access::sessions::service::TokenContext;
use crate::accounts::password_reset::LinkContext;
use crate::accounts::registration::service::RegistrationRules;
use crate::mail::Mail;
use crate::platform::config::LinkTemplate;
use crate::platform::crypto::Vault;
use crate::platform::db::{Db, Readiness};
use crate::platform::http::Cursors;
use crate::platform::metrics::Metrics;

/// The shared state, as handlers take it.
pub type State = web::Data<AppState>;

/// Everything that requests share.
pub struct AppState {
    /// The database.
    pub db: Db,
    /// The id of this process in the table `replicas`.
    pub replica: Uuid,
    /// The keys derived from `ROSTERD_SECRET_KEY`.
    pub vault: Arc<Vault>,
    /// Password hashing and the password policy.
    pub passwords: PasswordService,
    /// Issues and verifies access tokens.
    pub issuer: Arc<TokenIssuer>,
    /// Callers and their permissions, cached between requests.
    pub auth_cache: Arc<AuthCache>,
    /// Limits the records of requests without the required permission.
    pub refusal_log: RefusalLog,
    /// Whether the database schema is up to date, as last read.
    pub readiness: Readiness,
    /// Limits lookups of personal access tokens that do not exist.
    pub unknown_tokens: UnknownTokens,
    /// Issues the tokens of a sign-in.
    pub token_context: Arc<TokenContext>,
    /// Writes mail to the outbox.
    pub mail: Arc<Mail>,
    /// Derives password reset links.
    pub reset_links: LinkContext,
    /// The page that invite links open.
    pub invite_url: LinkTemplate,
    /// The rules for people who register.
    pub registration: RegistrationRules,
    /// Encrypts the cursors of lists.
    pub cursors: Cursors,
    /// The origins that may use the refresh cookie: that of `ROSTERD_PUBLIC_URL` and those of `ROSTERD_CORS_ORIGINS`.
    pub cookie_origins: Vec<String>,
    /// The Prometheus metrics.
    pub metrics: Metrics,
    /// False once the shutdown has begun: `/readyz` answers 503, and every response closes its connection.
    pub is_accepting_requests: Arc<AtomicBool>,
}
