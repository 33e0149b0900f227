//! `rosterd serve`: from nothing to a running service, and from there to its end.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::rt;
use tokio::signal::unix::{SignalKind, signal};

use super::{print, tell};
use crate::app::{self, App, StartError};
use crate::config::Config;
use crate::db::cluster::Mode;
use crate::passwords::{Chooser, Password};
use crate::place::Place;
use crate::secrets;
use crate::users::{self, Username};
use crate::{metrics, telemetry};

/// Runs the service until it is told to end.
pub fn run(config: &Config) -> Result<(), StartError> {
    telemetry::init(&config.log, config.log_format)
        .map_err(|error| StartError::Other(error.to_string()))?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let listener = TcpListener::bind(config.addr)
        .map_err(|error| StartError::Io("ROSTERD_ADDR can't be listened on", error))?;
    let mut place = Place::open(config, Mode::CreateIfMissing, &tell)?;
    place.migrate(config, &tell)?;
    let app = App::new(config, place.url(), place.secret_key())?;
    app.listen(place.url())
        .map_err(|error| StartError::Io("the listening thread", error))?;
    app.send_mail()
        .map_err(|error| StartError::Io("the thread that sends mail", error))?;
    let invented = bootstrap(config, &app, &place)?;
    announce(config, invented.as_ref())?;
    rt::System::new().block_on(serve(app, config, listener))?;
    place.close()
}

/// The first `SuperAdmin`, whose password nobody chose.
struct Invented {
    username: &'static str,
    password: String,
}

/// Makes the first `SuperAdmin` if there is none: the one that the settings name or, on the private cluster, one with a
/// random password.
fn bootstrap(config: &Config, app: &App, place: &Place) -> Result<Option<Invented>, StartError> {
    const NAME: &str = "admin";
    if app.db.read_now(users::service::any_super_admin)? {
        return Ok(None);
    }
    if let Some((username, password)) = config.bootstrap() {
        make_first(app, username, password.expose().to_owned())?;
        return Ok(None);
    }
    if !place.is_private() {
        tracing::warn!(
            "there is no SuperAdmin yet: set ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME and \
             ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD and start again"
        );
        return Ok(None);
    }
    let password = secrets::passphrase()?;
    let made = make_first(app, NAME, password.clone())?;
    Ok(made.then_some(Invented {
        username: NAME,
        password,
    }))
}

fn make_first(app: &App, username: &str, password: String) -> Result<bool, StartError> {
    let name = Username::parse(username).map_err(|wrong| {
        crate::config::ConfigError::new("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", wrong.to_string())
    })?;
    let who = Chooser::New {
        username: name.as_str().to_owned(),
        email: None,
    };
    let hash = rt::System::new()
        .block_on(
            app.passwords
                .choose(&app.db, who, Password::new(password), "/password"),
        )
        .map_err(|error| match error.faults() {
            [] => error.into(),
            faults => {
                let why: Vec<&str> = faults.iter().map(|fault| &*fault.detail).collect();
                StartError::from(crate::config::ConfigError::new(
                    "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD",
                    why.join("; "),
                ))
            }
        })?;
    let made = app
        .db
        .write_now(|tx| users::service::create_first_super_admin(tx, &name, &hash))
        .map_err(|error| match error.code() {
            crate::error::Code::UserUsernameConflict => {
                StartError::from(crate::config::ConfigError::new(
                    "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME",
                    "is the name of an account that is not a SuperAdmin",
                ))
            }
            _ => error.into(),
        })?;
    Ok(made.is_some())
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

async fn serve(app: App, config: &Config, listener: TcpListener) -> Result<(), StartError> {
    let failed = |error| StartError::Io("the server", error);
    let is_open = Arc::clone(&app.is_open);
    let db = app.db.clone();
    if let Some(addr) = config.metrics_addr {
        let server = metrics::serve(app.metrics.clone(), addr)
            .map_err(|error| StartError::Io("ROSTERD_METRICS_ADDR can't be listened on", error))?;
        rt::spawn(server);
    }
    rt::spawn(async move {
        loop {
            if let Err(error) = app::keep_house(&db).await {
                tracing::warn!(?error, "housekeeping has to wait");
            }
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
    });
    let server = app::serve(app, config, listener).map_err(failed)?;
    let handle = server.handle();
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let server = rt::spawn(server);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending: what is in flight may finish");
    is_open.store(false, Ordering::Relaxed);
    handle.stop(true).await;
    server
        .await
        .map_err(|error| StartError::Other(error.to_string()))?
        .map_err(failed)
}
