//! The thread that loads the signing keys again: when they have changed, and every minute in case a notification was lost.
//! A failed attempt is repeated until it succeeds.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crate::access::authentication::{KeyReload, TokenIssuer};
use crate::access::signing_keys::service as keys;
use crate::platform::crypto::Vault;
use crate::platform::db::Db;

const INTERVAL: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Requests reloads. The thread ends when it is dropped.
pub struct KeyReloadThread {
    requests: Sender<u64>,
    /// The number of the last request.
    requested: AtomicU64,
    /// The number of the last request that was made before the current keys were read.
    completed: Arc<AtomicU64>,
}

impl KeyReloadThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(db: Db, vault: Arc<Vault>, issuer: Weak<TokenIssuer>) -> io::Result<Self> {
        let (sender, requests) = mpsc::channel();
        let completed = Arc::new(AtomicU64::new(0));
        let thread_completed = Arc::clone(&completed);
        thread::Builder::new()
            .name("signing keys".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || reload_keys(&requests, &thread_completed, &db, &vault, &issuer))?;
        Ok(Self {
            requests: sender,
            requested: AtomicU64::new(0),
            completed,
        })
    }
}

impl KeyReload for KeyReloadThread {
    fn request(&self) {
        let number = self.requested.fetch_add(1, Ordering::SeqCst) + 1;
        // Sending fails only after the thread has ended, at shutdown.
        let _ = self.requests.send(number);
    }

    fn is_complete(&self) -> bool {
        self.completed.load(Ordering::SeqCst) == self.requested.load(Ordering::SeqCst)
    }
}

fn reload_keys(
    requests: &Receiver<u64>,
    completed: &AtomicU64,
    db: &Db,
    vault: &Arc<Vault>,
    issuer: &Weak<TokenIssuer>,
) {
    let (mut pause, mut last_request) = (INTERVAL, 0);
    loop {
        match requests.recv_timeout(pause) {
            Ok(request) => last_request = request,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // One reload answers all requests that were made before it.
        last_request = requests.try_iter().last().unwrap_or(last_request);
        let Some(issuer) = issuer.upgrade() else {
            return;
        };
        let vault = Arc::clone(vault);
        pause = match db.read_on_thread(move |tx| keys::load(tx, &vault)) {
            Ok(keys) => {
                issuer.set_keys(keys);
                completed.store(last_request, Ordering::SeqCst);
                INTERVAL
            }
            Err(error) => {
                tracing::error!(?error, "can't reload the signing keys, will retry");
                RETRY_INTERVAL
            }
        };
    }
}
