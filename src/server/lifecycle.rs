//! Runs the service from start to shutdown: signals, sockets, database, HTTP server, drain.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::rt;

use super::bootstrap_super_admin::{self, GeneratedSuperAdmin};
use super::listeners::{BoundSockets, Listeners};
use super::service_manager::notify_ready;
use super::shutdown_signals::{ShutdownRequest, ShutdownSignals};
use super::{
    as_metric, background_jobs, build_app_state, open_files, replica_settings, start_http_server,
    start_workers,
};
use crate::app_state::AppState;
use crate::platform::config::Config;
use crate::platform::data_source::DataSource;
use crate::platform::db::private_cluster::{MissingCluster, is_root};
use crate::platform::db::server_info;
use crate::platform::http::OpenConnections;
use crate::platform::metrics;
use crate::platform::start_error::StartError;
use crate::platform::telemetry;

/// Runs the service until it is shut down. Calls `announce` when callers can connect, with the `SuperAdmin` that was
/// created with a random password, if one was.
///
/// # Errors
/// Anything that prevents the start or a clean shutdown.
pub fn run(
    config: Config,
    announce: impl FnOnce(&Config, Option<&GeneratedSuperAdmin>) -> Result<(), StartError>,
) -> Result<(), StartError> {
    telemetry::init(&config.log, config.log_format)
        .map_err(|error| StartError::Other(error.to_string()))?;
    open_files::raise_limit();
    let signals = ShutdownSignals::install()
        .map_err(|error| StartError::Io("can't install the signal handlers", error))?;
    if let Some(files) = config.tls_files() {
        files.load()?;
    }
    let sockets = BoundSockets::bind(&config)?;
    let config = config.with_addr(sockets.service_addr());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if is_root() {
        tracing::warn!(
            "rosterd runs as root, which it does not need: run it as a user of its own (systemd: User=rosterd), who owns \
             ROSTERD_DATA_DIR and the file of the secret key"
        );
    }
    let mut data_source = DataSource::open(&config, MissingCluster::Create, &log_progress)?;
    data_source
        .supervise(signals.stop_function())
        .map_err(|error| StartError::Io("can't start the supervisor of PostgreSQL", error))?;
    let is_cancelled = || signals.is_shutdown_requested();
    data_source.wait_until_reachable(config.start_timeout, &is_cancelled, &log_progress)?;
    if !is_cancelled() {
        run_on(&data_source, &config, sockets, signals, announce)?;
    }
    data_source.close()
}

fn log_progress(step: &str) {
    tracing::info!("{step}");
}

fn run_on(
    data_source: &DataSource,
    config: &Config,
    sockets: BoundSockets,
    signals: ShutdownSignals,
    announce: impl FnOnce(&Config, Option<&GeneratedSuperAdmin>) -> Result<(), StartError>,
) -> Result<(), StartError> {
    data_source.prepare_schema(config, &log_progress)?;
    let app = build_app_state(config, data_source.url(), data_source.secret_key())?;
    let (db, replica) = (app.db.clone(), app.replica);
    let result = serve(app, data_source, config, sockets, signals, announce);
    replica_settings::unregister(&db, replica);
    result
}

/// Starts the workers and serves requests until a shutdown is requested.
fn serve(
    app: AppState,
    data_source: &DataSource,
    config: &Config,
    sockets: BoundSockets,
    signals: ShutdownSignals,
    announce: impl FnOnce(&Config, Option<&GeneratedSuperAdmin>) -> Result<(), StartError>,
) -> Result<(), StartError> {
    if !data_source.is_private() && app.db.read_now(server_info)?.is_superuser {
        tracing::warn!(
            "the role in DATABASE_URL is a superuser of PostgreSQL: use a role that only owns the database or has the \
             grants of the operating guide"
        );
    }
    if let Some(restarts) = data_source.database_restarts() {
        app.metrics
            .register_callback(
                "rosterd_postgresql_restarts_total",
                "Restarts of the private PostgreSQL after it had died.",
                move || as_metric(restarts.load(Ordering::Relaxed)),
            )
            .map_err(|error| StartError::Other(error.to_string()))?;
    }
    start_workers(&app, data_source.url(), data_source.listen_url())?;
    background_jobs::start(&app, config)
        .map_err(|error| StartError::Io("can't start the background jobs", error))?;
    let generated = bootstrap_super_admin::create_if_missing(config, &app, data_source)?;
    let listeners = sockets.listen()?;
    announce(config, generated.as_ref())?;
    notify_ready(config.system_variables.notify_socket.as_deref());
    rt::System::new()
        .block_on(serve_until_shutdown(app, config, listeners, signals))
        .map_err(|error| StartError::Io("the HTTP server failed", error))
}

/// Serves requests until a shutdown is requested and the requests in flight have been answered or cut off.
async fn serve_until_shutdown(
    app: AppState,
    config: &Config,
    listeners: Listeners,
    mut signals: ShutdownSignals,
) -> io::Result<()> {
    if let Some(listener) = listeners.metrics {
        rt::spawn(metrics::serve(app.metrics.clone(), listener)?);
    }
    let is_accepting_requests = Arc::clone(&app.is_accepting_requests);
    let (mut server, connections) = start_http_server(app, config, listeners.service)?;
    let handle = server.handle();
    signals.set_serving(true);

    let request = tokio::select! {
        result = &mut server => return result,
        request = signals.wait_for(ShutdownRequest::Drain) => request,
    };
    tracing::info!("shutting down: requests in flight may finish");
    is_accepting_requests.store(false, Ordering::Relaxed);
    if request == ShutdownRequest::Drain && !config.drain_delay.is_zero() {
        let drain = async {
            tokio::time::sleep(config.drain_delay).await;
            wait_until_closed(&connections, config.drain_timeout).await;
        };
        tokio::select! {
            result = &mut server => return result,
            _ = signals.wait_for(ShutdownRequest::Abort) => {}
            () = drain => {}
        }
    }
    // The call starts the shutdown, and polling the server completes it; the returned future is not needed.
    drop(handle.stop(true));
    let result = tokio::select! {
        result = &mut server => result,
        _ = signals.wait_for(ShutdownRequest::Abort) => {
            tracing::warn!("shutting down now: requests in flight are cut off");
            Ok(())
        }
    };
    signals.set_serving(false);
    result
}

/// Waits until no connection is open, at most for `timeout`. Each response of a service that shuts down closes its connection,
/// so only unused connections remain. A proxy may send a request on one at the moment that it is closed, and cannot repeat a
/// POST then, so they stay open as long as possible.
async fn wait_until_closed(connections: &OpenConnections, timeout: Duration) {
    const CHECK_INTERVAL: Duration = Duration::from_millis(50);
    let are_closed = async {
        while connections.count() > 0 {
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    };
    // After the timeout, the remaining connections are closed.
    let _ = tokio::time::timeout(timeout, are_closed).await;
}
