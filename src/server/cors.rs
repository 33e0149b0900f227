//! Cross-origin requests (CORS): allowed for the origins of `ROSTERD_CORS_ORIGINS` only.

use actix_cors::Cors;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header;
use actix_web::middleware::Next;

use crate::app_state::State;
use crate::platform::error::{AppError, Code};
use crate::platform::http::unlisted_origin;

/// Answers a preflight request of a page whose origin is not allowed with the reason. The browser refuses the actual request in
/// any case, but shows only this answer to the developer.
///
/// # Errors
/// [`Code::CrossSiteForbidden`].
pub async fn refuse_unlisted_preflight<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let headers = request.headers();
    let is_preflight = *request.method() == Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if let (true, Some(origin)) = (is_preflight, headers.get(header::ORIGIN)) {
        let origin = origin.to_str().unwrap_or("?");
        let app = request.app_data::<State>();
        let is_listed =
            app.is_some_and(|app| app.cookie_origins.iter().any(|listed| listed == origin));
        if !is_listed {
            let error = AppError::new(Code::CrossSiteForbidden);
            return Err(error.with_detail(unlisted_origin(origin)).into());
        }
    }
    next.call(request).await
}

/// Allows exactly these origins, with credentials.
pub fn middleware(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
        ])
        .expose_headers([
            "x-request-id",
            "ratelimit",
            "ratelimit-policy",
            "idempotency-replayed",
        ])
        .supports_credentials()
        .max_age(600);
    origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}
