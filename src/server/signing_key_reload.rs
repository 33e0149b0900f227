//! The thread that loads the signing keys again: when they have changed, and every minute in case a notification was lost.
//! A failed attempt is repeated until it succeeds.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crate::access::authentication::TokenIssuer;
use crate::access::signing_keys::service as keys;
use crate::platform::crypto::Vault;
use crate::platform::db::Db;

const INTERVAL: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Starts the thread. It reloads the keys at each message and ends when the sender is dropped.
///
/// # Errors
/// When the thread can't be started.
pub fn start(db: Db, vault: Arc<Vault>, issuer: Weak<TokenIssuer>) -> io::Result<Sender<()>> {
    let (sender, requests) = mpsc::channel();
    thread::Builder::new()
        .name("signing keys".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || {
            let mut pause = INTERVAL;
            loop {
                if requests.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
                // One reload answers all requests that were made before it.
                while requests.try_recv().is_ok() {}
                let Some(issuer) = issuer.upgrade() else {
                    return;
                };
                pause = match db.read_now(|tx| keys::load(tx, &vault)) {
                    Ok(keys) => {
                        issuer.set_keys(keys);
                        INTERVAL
                    }
                    Err(error) => {
                        tracing::error!(?error, "can't reload the signing keys, will retry");
                        RETRY_INTERVAL
                    }
                };
            }
        })?;
    Ok(sender)
}
