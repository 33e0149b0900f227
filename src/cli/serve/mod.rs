//! `rosterd serve`: from nothing to a running service, and from there to its end.

mod ending;
mod first;
mod port;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use actix_web::rt;

use super::print;
use crate::app::{self, App, StartError};
use crate::config::Config;
use crate::db::Db;
use crate::db::cluster::Mode;
use crate::place::Place;
use crate::{metrics, telemetry};
use ending::{Asked, Ending};
use first::Invented;
use port::Port;

/// Runs the service until it is told to end.
pub fn run(config: Config) -> Result<(), StartError> {
    telemetry::init(&config.log, config.log_format)
        .map_err(|error| StartError::Other(error.to_string()))?;
    let ending = Ending::hear().map_err(|error| StartError::Io("the signals", error))?;
    let port = Port::take(config.addr).map_err(cannot_listen)?;
    let config = config.on(port.addr());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let tell = |step: &str| tracing::info!("{step}");
    let mut place = Place::open(&config, Mode::CreateIfMissing, &tell)?;
    if !ending.is_asked() {
        place.fit(&config, &tell)?;
        let app = App::new(&config, place.url(), place.secret_key())?;
        app.listen(place.url())
            .map_err(|error| StartError::Io("the listening thread", error))?;
        let invented = first::make_if_none(&config, &app, &place)?;
        let listener = port.listen().map_err(cannot_listen)?;
        announce(&config, invented.as_ref())?;
        let runtime = rt::System::new();
        let served = runtime.block_on(serve(app, &config, listener, ending));
        // Its end would wait for threads that wait for a database that hangs.
        std::mem::forget(runtime);
        served?;
    }
    place.close()
}

fn cannot_listen(error: std::io::Error) -> StartError {
    StartError::Io("ROSTERD_ADDR can't be listened on", error)
}

/// Says where the service is and what to try.
fn announce(config: &Config, invented: Option<&Invented>) -> Result<(), StartError> {
    let base = &config.public_url;
    let (name, password) =
        invented.map_or(("NAME", "PASSWORD"), |made| (made.username, &made.password));
    if invented.is_some() {
        print(&format!(
            "\nThe first SuperAdmin is made. This is shown once:\n\n  username  {name}\n  password  {password}\n"
        ))?;
    }
    print(&format!(
        "\nrosterd serves on {base} (its API is shown at {base}/docs/). Try:\n\n  \
         curl -s {base}/api/v1/auth/login -H 'Content-Type: application/json' \\\n    \
         -d '{{\"username\": \"{name}\", \"password\": \"{password}\"}}'\n\n"
    ))
}

/// Answers requests until the end is asked for and what was in flight has been answered.
async fn serve(
    app: App,
    config: &Config,
    listener: TcpListener,
    mut ending: Ending,
) -> Result<(), StartError> {
    let failed = |error| StartError::Io("the server", error);
    if let Some(addr) = config.metrics_addr {
        let server = metrics::serve(app.metrics.clone(), addr)
            .map_err(|error| StartError::Io("ROSTERD_METRICS_ADDR can't be listened on", error))?;
        rt::spawn(server);
    }
    keep_house(app.db.clone()).map_err(failed)?;
    let is_open = Arc::clone(&app.is_open);
    let mut server = app::serve(app, config, listener).map_err(failed)?;
    let handle = server.handle();
    ending.serve(true);

    let asked = tokio::select! {
        ended = &mut server => return ended.map_err(failed),
        asked = ending.asked(Asked::ToLeave) => asked,
    };
    tracing::info!("ending: what is in flight may finish");
    is_open.store(false, Ordering::Relaxed);
    if asked == Asked::ToLeave {
        tokio::select! {
            ended = &mut server => return ended.map_err(failed),
            _ = ending.asked(Asked::AtOnce) => {}
            () = tokio::time::sleep(config.drain_delay) => {}
        }
    }
    // It begins with the call, and goes on as the server is polled.
    drop(handle.stop(true));
    let ended = tokio::select! {
        ended = &mut server => ended.map_err(failed),
        _ = ending.asked(Asked::AtOnce) => {
            tracing::warn!("ending at once: what is in flight is cut off");
            Ok(())
        }
    };
    ending.serve(false);
    ended
}

/// Starts the thread that does what goes by the clock.
fn keep_house(db: Db) -> std::io::Result<()> {
    const EVERY: Duration = Duration::from_secs(600);
    let keep = move || {
        loop {
            if let Err(error) = app::keep_house(&db) {
                tracing::warn!(?error, "housekeeping has to wait");
            }
            thread::sleep(EVERY);
        }
    };
    thread::Builder::new()
        .name("housekeeping".to_owned())
        .stack_size(256 * 1024)
        .spawn(keep)
        .map(drop)
}
