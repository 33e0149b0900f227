//! The HTTP server: routes, middleware and timeouts.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, HttpServer, dev};
use utoipa_actix_web::AppExt;

use super::{cors, openapi, routes};
use crate::access::authentication::middleware::authenticate;
use crate::app_state::{AppState, State};
use crate::platform::config::Config;
use crate::platform::http::{RequestMiddleware, RequestMiddlewareConfig, fallback_route};

/// Starts the HTTP server on `listener`. It runs while the returned future is polled, and installs no signal handlers.
///
/// # Errors
/// When the listener can't be used.
pub fn start_http_server(
    app: AppState,
    config: &Config,
    listener: TcpListener,
) -> std::io::Result<dev::Server> {
    let middleware = RequestMiddleware::new(RequestMiddlewareConfig {
        trusted_proxies: config.trusted_proxies.clone(),
        observer: Some(Arc::new(app.metrics.clone())),
        is_accepting_requests: Arc::clone(&app.is_accepting_requests),
    });
    let state = State::new(app);
    let document = Arc::new(openapi::document());
    let cors_origins = config.cors_origins.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .into_utoipa_app()
            .configure(routes::mount)
            .into_app()
            .configure(openapi::mount)
            .default_service(fallback_route(&document))
            .wrap(from_fn(authenticate))
            .wrap(Condition::new(
                !cors_origins.is_empty(),
                cors::middleware(&cors_origins),
            ))
            .wrap(middleware.clone())
    });
    Ok(server
        .workers(config.workers)
        .client_request_timeout(Duration::from_secs(5))
        .client_disconnect_timeout(Duration::from_secs(1))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(config.drain_timeout.as_secs())
        .disable_signals()
        .listen(listener)?
        .run())
}
