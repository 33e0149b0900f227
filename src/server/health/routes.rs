//! `/livez`, `/readyz` and `/.well-known/jwks.json`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app_state::State;
use crate::platform::clock;
use crate::platform::db::migrate;
use crate::platform::error::{AppError, Code};
use crate::platform::http::{Data, Reply};

/// Mounts and documents the operations.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(live).service(ready).service(jwks);
}

/// The state of the service.
#[derive(Serialize, ToSchema)]
#[schema(as = Liveness)]
struct Health {
    /// Always `ok`; failures are problem details.
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

/// Check that the process responds.
///
/// It does not use the database. `GET /readyz` says whether the service can do its work.
#[utoipa::path(
    operation_id = "isLive", tag = "health", security(()),
    responses((status = 200, description = "The process responds.", body = Data<Health>))
)]
#[get("/livez")]
async fn live() -> Result<Reply, AppError> {
    Reply::ok(&OK)
}

/// Whether the service can handle requests.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
struct ReadinessState {
    /// `ok`, or `degraded` if the service cannot do everything. Failures are problem details.
    #[schema(example = "ok")]
    status: &'static str,
    /// Why the service is degraded. `storage_full`: in the last 30 seconds a change failed because the database has no storage
    /// left; reading is still possible.
    degraded: &'static [&'static str],
}

/// Check that the service can handle requests: the database responds, its schema is up to date, its clock
/// and that of this machine agree, and no shutdown has begun.
///
/// The state of the database is read at most once a second. A service that can still read is ready, but `degraded`.
#[utoipa::path(
    operation_id = "isReady", tag = "health", security(()),
    responses((status = 200, description = "The service can handle requests.", body = Data<ReadinessState>))
)]
#[get("/readyz")]
async fn ready(app: State) -> Result<Reply, AppError> {
    if !app.is_accepting_requests.load(Ordering::Relaxed) {
        return Err(not_ready("The service is shutting down."));
    }
    if clock::offset().abs() > clock::MAX_OFFSET {
        return Err(not_ready(
            "The clock of this machine differs from that of the database by more than 30 seconds.",
        ));
    }
    let is_schema_current = app
        .db
        .read(|tx| Ok(migrate::plan(tx.conn)?.pending.is_empty()));
    if !app.readiness.get_or_read(is_schema_current).await? {
        return Err(not_ready("The database schema is not up to date."));
    }
    Reply::ok(&ReadinessState::of(&app))
}

impl ReadinessState {
    fn of(app: &State) -> Self {
        if app.db.is_storage_full() {
            Self {
                status: "degraded",
                degraded: &["storage_full"],
            }
        } else {
            Self {
                status: "ok",
                degraded: &[],
            }
        }
    }
}

fn not_ready(detail: &'static str) -> AppError {
    AppError::new(Code::Overloaded)
        .with_detail(detail)
        .with_retry_after(Duration::from_secs(1))
}

/// Get the public keys that verify access tokens (RFC 7517).
///
/// A new key is in the set before the first token is signed with it.
#[utoipa::path(
    operation_id = "getJwks", tag = "health", security(()),
    responses((status = 200, description = "The JWK set, cacheable for 5 minutes.", content_type = "application/jwk-set+json", body = serde_json::Value))
)]
#[get("/.well-known/jwks.json")]
async fn jwks(app: State) -> HttpResponse {
    let jwks = app.issuer.jwks();
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((CONTENT_TYPE, "application/jwk-set+json"))
        .body(jwks.to_string())
}
