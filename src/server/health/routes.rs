//! Health and public keys over HTTP.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app_state::State;
use crate::platform::db::migrate;
use crate::platform::error::{AppError, Code};
use crate::platform::http::{Data, Reply};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(live).service(ready).service(jwks);
}

/// How the service is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

/// Whether the process answers.
#[utoipa::path(
    operation_id = "isLive", tag = "health", security(()),
    responses((status = 200, description = "It does.", body = Data<Health>))
)]
#[get("/livez")]
async fn live() -> Result<Reply, AppError> {
    std::future::ready(Reply::ok(&OK)).await
}

/// Whether requests are welcome: the database answers, its schema fits, and the end has not begun.
#[utoipa::path(
    operation_id = "isReady", tag = "health", security(()),
    responses((status = 200, description = "They are.", body = Data<Health>))
)]
#[get("/readyz")]
async fn ready(app: State) -> Result<Reply, AppError> {
    let not_yet = |detail: &'static str| {
        AppError::new(Code::Overloaded)
            .detail(detail)
            .retry_after(Duration::from_secs(1))
    };
    if !app.is_open.load(Ordering::Relaxed) {
        return Err(not_yet("The service is about to end."));
    }
    let plan = app.db.read(|tx| migrate::plan(tx.conn)).await?;
    if plan.pending.is_empty() {
        Reply::ok(&OK)
    } else {
        Err(not_yet("The database schema is not up to date."))
    }
}

/// The public keys that access tokens are verified with (RFC 7517).
#[utoipa::path(
    operation_id = "getJwks", tag = "health", security(()),
    responses((status = 200, description = "A JWK set; cacheable for five minutes.", content_type = "application/jwk-set+json", body = serde_json::Value))
)]
#[get("/.well-known/jwks.json")]
async fn jwks(app: State) -> HttpResponse {
    let keys = std::future::ready(app.issuer.jwks()).await;
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((CONTENT_TYPE, "application/jwk-set+json"))
        .body(keys.to_string())
}
