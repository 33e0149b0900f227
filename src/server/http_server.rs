//! The HTTP server: routes, middleware and timeouts.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, HttpServer, dev};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use utoipa_actix_web::AppExt;

use super::link_pages::LinkPages;
use super::{cors, openapi, routes};
use crate::access::authentication::middleware::authenticate;
use crate::app_state::{AppState, State};
use crate::platform::config::Config;
use crate::platform::http::{
    ConnectionLimits, DocumentedQueries, OpenConnections, RequestMiddleware,
    RequestMiddlewareConfig, TrustedProxies, fallback_route, refuse_unexpected_query,
};
use crate::platform::tls;

/// Starts the HTTP server on `listener`. It runs while the returned future is polled, and installs no signal handlers. Also
/// returns its open connections.
///
/// # Errors
/// When the listener can't be used.
pub fn start_http_server(
    app: AppState,
    config: &Config,
    listener: TcpListener,
) -> std::io::Result<(dev::Server, OpenConnections)> {
    let middleware = RequestMiddleware::new(RequestMiddlewareConfig {
        trusted_proxies: TrustedProxies::new(
            config.trusted_proxies.clone(),
            config.forwarded_header,
        ),
        is_https: config.public_url.starts_with("https://"),
        observer: Some(Arc::new(app.metrics.clone())),
        is_accepting_requests: Arc::clone(&app.is_accepting_requests),
    });
    set_write_timeout(&listener, config.write_timeout)?;
    let connections = OpenConnections::new(ConnectionLimits {
        max_total: config.max_connections,
        max_per_peer: config.max_connections_per_peer,
        trusted_proxies: config.trusted_proxies.clone(),
    });
    let open_connections = connections.clone();
    let state = State::new(app);
    let document = Arc::new(openapi::document());
    let queries = DocumentedQueries::from_document(&document);
    let cors_origins = config.cors_origins.clone();
    let pages = openapi::Pages::new(config);
    let link_pages = LinkPages::new(config);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .into_utoipa_app()
            .configure(routes::mount)
            .into_app()
            .configure(|routes| pages.mount(routes))
            .configure(|routes| link_pages.mount(routes))
            .default_service(fallback_route(&document))
            .wrap(from_fn({
                let queries = queries.clone();
                move |request, next| refuse_unexpected_query(queries.clone(), request, next)
            }))
            .wrap(from_fn(authenticate))
            .wrap(Condition::new(
                !cors_origins.is_empty(),
                cors::middleware(&cors_origins),
            ))
            .wrap(from_fn(cors::refuse_unlisted_preflight))
            .wrap(middleware.clone())
    });
    let server = server
        .workers(config.workers)
        .on_connect(move |io, extensions| connections.accept(io, extensions))
        .client_request_timeout(Duration::from_secs(5))
        .client_disconnect_timeout(Duration::from_secs(1))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(config.drain_timeout.as_secs())
        .disable_signals();
    let server = match config.tls_files() {
        Some(files) => server.listen_rustls_0_23(listener, tls::server_config(files)?)?,
        None => server.listen(listener)?,
    };
    Ok((server.run(), open_connections))
}

/// Ends connections whose client does not accept data for this time. The timeouts of the server end with the last byte of a
/// request, so without this a client that never reads would keep its connection. The accepted connections inherit the option.
#[cfg(target_os = "linux")]
fn set_write_timeout(listener: &TcpListener, timeout: Duration) -> std::io::Result<()> {
    SockRef::from(listener).set_tcp_user_timeout(Some(timeout))
}

/// Only Linux has the option.
#[cfg(not(target_os = "linux"))]
fn set_write_timeout(_: &TcpListener, _: Duration) -> std::io::Result<()> {
    Ok(())
}
