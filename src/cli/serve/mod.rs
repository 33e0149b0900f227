//! `rosterd serve`: from nothing to a running service, and from there to its end.

mod first;
mod port;
mod shutdown_signals;
mod upkeep;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::rt;

use super::{print, reachable};
use crate::app_state::AppState;
use crate::platform::config::Config;
use crate::platform::data_source::DataSource;
use crate::platform::db::cluster::Mode;
use crate::platform::metrics;
use crate::platform::start_error::StartError;
use crate::platform::telemetry;
use crate::server;
use first::Invented;
use port::{Listeners, Ports};
use shutdown_signals::{Asked, ShutdownSignals};

/// Runs the service until it is told to end.
pub fn run(config: Config) -> Result<(), StartError> {
    telemetry::init(&config.log, config.log_format)
        .map_err(|error| StartError::Other(error.to_string()))?;
    let shutdown_signals =
        ShutdownSignals::hear().map_err(|error| StartError::Io("the signals", error))?;
    let ports = Ports::take(&config)?;
    let config = config.on(ports.addr());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let mut place = DataSource::open(&config, Mode::CreateIfMissing, &note)?;
    if !shutdown_signals.is_asked() {
        run_in(&place, &config, ports, shutdown_signals)?;
    }
    place.close()
}

fn note(step: &str) {
    tracing::info!("{step}");
}

fn run_in(
    place: &DataSource,
    config: &Config,
    ports: Ports,
    shutdown_signals: ShutdownSignals,
) -> Result<(), StartError> {
    place.fit(config, &note)?;
    let app = AppState::new(config, place.url(), place.secret_key())?;
    app.listen(place.url())
        .map_err(|error| StartError::Io("the listening thread", error))?;
    app.send_mail()
        .map_err(|error| StartError::Io("the thread that sends mail", error))?;
    upkeep::start(&app, config.audit_retention_days)
        .map_err(|error| StartError::Io("the threads that go by the clock", error))?;
    let invented = first::make_if_none(config, &app, place)?;
    let listeners = ports.listen()?;
    announce(config, invented.as_ref())?;
    rt::System::new()
        .block_on(serve(app, config, listeners, shutdown_signals))
        .map_err(|error| StartError::Io("the server", error))
}

/// Says where the service is and what to try.
fn announce(config: &Config, invented: Option<&Invented>) -> Result<(), StartError> {
    let base = format!("http://{}", reachable(config.addr));
    let elsewhere = match &*config.public_url {
        here if here == base => String::new(),
        there => format!(", for callers {there}"),
    };
    let (name, password) =
        invented.map_or(("NAME", "PASSWORD"), |made| (made.username, &made.password));
    if invented.is_some() {
        print(&format!(
            "\nThe first SuperAdmin is made. This is shown once:\n\n  username  {name}\n  password  {password}\n"
        ))?;
    }
    print(&format!(
        "\nrosterd serves on {base} (its API is shown at {base}/docs/){elsewhere}. Try:\n\n  \
         curl -s {base}/api/v1/auth/login -H 'Content-Type: application/json' \\\n    \
         -d '{{\"username\": \"{name}\", \"password\": \"{password}\"}}'\n\n"
    ))
}

/// Answers requests until the end is asked for and what was in flight has been answered.
async fn serve(
    app: AppState,
    config: &Config,
    listeners: Listeners,
    mut shutdown_signals: ShutdownSignals,
) -> io::Result<()> {
    if let Some(listener) = listeners.metrics {
        rt::spawn(metrics::serve(app.metrics.clone(), listener)?);
    }
    let is_open = Arc::clone(&app.is_open);
    let mut server = server::serve(app, config, listeners.service)?;
    let handle = server.handle();
    shutdown_signals.serve(true);

    let asked = tokio::select! {
        ended = &mut server => return ended,
        asked = shutdown_signals.asked(Asked::ToLeave) => asked,
    };
    tracing::info!("ending: what is in flight may finish");
    is_open.store(false, Ordering::Relaxed);
    if asked == Asked::ToLeave {
        tokio::select! {
            ended = &mut server => return ended,
            _ = shutdown_signals.asked(Asked::AtOnce) => {}
            () = tokio::time::sleep(config.drain_delay) => {}
        }
    }
    // It begins with the call, and goes on as the server is polled.
    drop(handle.stop(true));
    let ended = tokio::select! {
        ended = &mut server => ended,
        _ = shutdown_signals.asked(Asked::AtOnce) => {
            tracing::warn!("ending at once: what is in flight is cut off");
            Ok(())
        }
    };
    shutdown_signals.serve(false);
    ended
}
