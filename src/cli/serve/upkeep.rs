//! What goes by the clock while the service runs, each on a thread of its own. A thread that fails says so and tries again.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::app_state::AppState;
use crate::audit::chain;
use crate::platform::crypto::Vault;
use crate::platform::db::Db;
use crate::platform::error::AppError;
use crate::server;

/// How often what is too old is forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(600);
/// How often what was written to the audit log is sealed.
const SEALING: Duration = Duration::from_secs(1);

/// Starts the threads.
pub fn start(app: &AppState, audit_retention_days: Option<u32>) -> io::Result<()> {
    let (db, vault) = (app.db.clone(), Arc::clone(&app.vault));
    every(HOUSEKEEPING, "housekeeping", move || {
        server::keep_house(&db)?;
        audit_retention_days.map_or(Ok(()), |days| expire(&db, &vault, days))
    })?;
    let (db, vault) = (app.db.clone(), Arc::clone(&app.vault));
    every(SEALING, "sealing", move || seal(&db, &vault))
}

/// Seals what was written to the audit log.
fn seal(db: &Db, vault: &Vault) -> Result<(), AppError> {
    while db.read_now(chain::service::is_any_waiting)?
        && db.write_now(|tx| Ok(chain::service::seal(tx, vault)?))?
    {}
    Ok(())
}

/// Removes from the audit log what is too old.
fn expire(db: &Db, vault: &Vault, days: u32) -> Result<(), AppError> {
    while db.write_now(|tx| Ok(chain::service::expire(tx, vault, days)?))? {}
    Ok(())
}

fn every(
    pause: Duration,
    name: &'static str,
    work: impl Fn() -> Result<(), AppError> + Send + 'static,
) -> io::Result<()> {
    const AFTER_A_FAILURE: Duration = Duration::from_secs(10);
    let keep = move || {
        loop {
            let done = work();
            if let Err(error) = &done {
                tracing::warn!(?error, "{name} has to wait");
            }
            thread::sleep(if done.is_ok() {
                pause
            } else {
                pause.max(AFTER_A_FAILURE)
            });
        }
    };
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(256 * 1024)
        .spawn(keep)
        .map(drop)
}
