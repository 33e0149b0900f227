//! Cross-origin requests (CORS): allowed for the origins of `ROSTERD_CORS_ORIGINS` only.

use actix_cors::Cors;
use actix_web::http::header;

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
