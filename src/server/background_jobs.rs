//! Jobs that run at fixed intervals while the service runs, each on its own thread. A failed run is logged and retried.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::database_metrics::{self, DatabaseMetrics};
use super::housekeeping::Housekeeping;
use crate::access::revocation_feed;
use crate::app_state::AppState;
use crate::audit::chain;
use crate::platform::config::Config;
use crate::platform::crypto::Vault;
use crate::platform::db::Db;
use crate::platform::error::AppError;

const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(600);
const REVOCATION_FEED_INTERVAL: Duration = Duration::from_secs(1);
const AUDIT_SEALING_INTERVAL: Duration = Duration::from_secs(1);

/// Starts all jobs.
///
/// # Errors
/// When a thread can't be started.
pub fn start(app: &AppState, config: &Config) -> io::Result<()> {
    let housekeeping = Housekeeping::new(config, &app.vault).map_err(io::Error::other)?;
    housekeeping
        .register_metrics(&app.metrics)
        .map_err(io::Error::other)?;
    let db = app.db.clone();
    start_job("housekeeping", HOUSEKEEPING_INTERVAL, move || {
        housekeeping.run(&db)
    })?;
    if config.metrics_addr.is_some() {
        let (db, numbers) = (app.db.clone(), DatabaseMetrics::default());
        numbers.register(&app.metrics).map_err(io::Error::other)?;
        start_job(
            "counting for the metrics",
            database_metrics::INTERVAL,
            move || numbers.update(&db),
        )?;
    }
    let db = app.db.clone();
    start_job("revocation feed", REVOCATION_FEED_INTERVAL, move || {
        record_revocation_commits(&db)
    })?;
    let (db, vault) = (app.db.clone(), Arc::clone(&app.vault));
    start_job("audit sealing", AUDIT_SEALING_INTERVAL, move || {
        seal_audit_rows(&db, &vault)
    })
}

/// Records by when the new entries of the revocation feed were committed.
fn record_revocation_commits(db: &Db) -> Result<(), AppError> {
    if db.read_on_thread(revocation_feed::service::has_unrecorded_commits)? {
        db.write_on_thread(|tx| Ok(revocation_feed::service::record_commits(tx)?))?;
    }
    Ok(())
}

/// Adds the new audit rows to the hash chain.
fn seal_audit_rows(db: &Db, vault: &Arc<Vault>) -> Result<(), AppError> {
    let seal = || {
        let vault = Arc::clone(vault);
        db.write_on_thread(move |tx| Ok(chain::service::seal(tx, &vault)?))
    };
    while db.read_on_thread(chain::service::has_unsealed)? && seal()? {}
    Ok(())
}

fn start_job(
    name: &'static str,
    interval: Duration,
    job: impl Fn() -> Result<(), AppError> + Send + 'static,
) -> io::Result<()> {
    const RETRY_INTERVAL: Duration = Duration::from_secs(10);
    let run_forever = move || {
        loop {
            let pause = match job() {
                Ok(()) => interval,
                Err(error) => {
                    tracing::warn!(?error, "{name} failed, will retry");
                    interval.max(RETRY_INTERVAL)
                }
            };
            thread::sleep(pause);
        }
    };
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(256 * 1024)
        .spawn(run_forever)
        .map(drop)
}
