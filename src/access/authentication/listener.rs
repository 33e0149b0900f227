//! The threads that receive invalidations from other processes and apply them to [`AuthCache`], and that prove that
//! invalidations arrive.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use uuid::Uuid;

use super::AuthCache;
use super::delivery_proof::{Delivery, DeliveryProof};
use crate::platform::db::{
    HeartbeatWriter, Invalidation, LeaseInstant, NotificationListener, ServerGuard, TableSchema,
};
use crate::platform::error::AppError;

/// How often the listener polls. The lease is long enough for a few late polls.
const POLL_INTERVAL: Duration = Duration::from_millis(15);

/// How long to wait before reconnecting.
const RECONNECT_DELAY: Duration = Duration::from_millis(250);

/// Where to listen.
#[derive(Clone)]
pub struct NotificationSource {
    /// The libpq URL of the database, for heartbeats. They take the way of all changes.
    pub url: String,
    /// The libpq URL to listen on. A pooler in transaction mode does not deliver notifications.
    pub listen_url: String,
    /// The schema whose triggers send the notifications.
    pub schema: TableSchema,
    /// The id of this process in the table `replicas`.
    pub replica: Uuid,
    /// Decides which server's answers count.
    pub guard: Arc<ServerGuard>,
}

/// Loads the signing keys into memory. The functions return without delay.
pub trait KeyReload: Send + Sync + 'static {
    /// The keys have changed or may have changed.
    fn request(&self);

    /// Whether the keys in memory were read after the last request.
    fn is_complete(&self) -> bool;
}

/// What the threads of one epoch share. They can block in a call to a server that does not respond. Then others take their
/// place in the next epoch, and what the call returns later is discarded.
struct Threads<K> {
    source: NotificationSource,
    cache: Weak<AuthCache>,
    proof: Arc<DeliveryProof>,
    keys: Arc<K>,
    /// The epoch of the [`ServerGuard`] in which the threads run.
    epoch: u64,
}

/// Starts the threads. Each has its own connection and ends when the cache is dropped. `keys` are reloaded when they have
/// changed and after each reconnection, and there is no lease until that has succeeded.
///
/// # Errors
/// When a thread cannot be started.
pub fn listen(
    source: NotificationSource,
    cache: Weak<AuthCache>,
    keys: impl KeyReload,
) -> io::Result<Arc<DeliveryProof>> {
    let proof = Arc::new(DeliveryProof::default());
    let epoch = source.guard.epoch();
    let first = Threads {
        source,
        cache,
        proof: Arc::clone(&proof),
        keys: Arc::new(keys),
        epoch,
    };
    first.start()?;
    spawn("listener epochs", move || first.restart_in_each_epoch())?;
    Ok(proof)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.stack_size(256 * 1024).spawn(run).map(drop)
}

impl<K> Clone for Threads<K> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            cache: Weak::clone(&self.cache),
            proof: Arc::clone(&self.proof),
            keys: Arc::clone(&self.keys),
            epoch: self.epoch,
        }
    }
}

impl<K: KeyReload> Threads<K> {
    fn start(&self) -> io::Result<()> {
        let (heartbeat, listener) = (self.clone(), self.clone());
        spawn("heartbeat", move || heartbeat.send_heartbeats())?;
        spawn("listener", move || listener.listen())
    }

    fn restart_in_each_epoch(mut self) {
        const CHECK_INTERVAL: Duration = Duration::from_secs(1);
        while self.cache.strong_count() > 0 {
            let guard = &self.source.guard;
            guard.wait_for_epoch_after(self.epoch, CHECK_INTERVAL);
            let epoch = guard.epoch();
            if epoch == self.epoch {
                continue;
            }
            self.epoch = epoch;
            if let Err(error) = self.start() {
                tracing::error!(%error, "cannot start the threads that receive notifications");
            }
        }
    }

    /// Whether the threads must go on.
    fn is_needed(&self) -> bool {
        self.cache.strong_count() > 0 && self.source.guard.epoch() == self.epoch
    }

    fn listen(&self) {
        while self.is_needed() {
            let result = self.poll_until_error();
            if let Err(error) = result {
                tracing::debug!(
                    ?error,
                    "the listener lost its connection; requests read the database until it reconnects"
                );
            }
            if !self.is_needed() {
                return;
            }
            self.proof.disconnect();
            if let Some(cache) = self.cache.upgrade() {
                cache.drop_lease();
            }
            std::thread::sleep(RECONNECT_DELAY);
        }
    }

    fn poll_until_error(&self) -> Result<(), AppError> {
        let NotificationSource {
            listen_url,
            schema,
            guard,
            ..
        } = &self.source;
        let mut listener = NotificationListener::open(listen_url, schema, guard)?;
        if listener.epoch() != self.epoch || !self.is_needed() {
            return Ok(());
        }
        guard.record_response();
        if let Some(cache) = self.cache.upgrade() {
            cache.drop_lease();
        }
        self.proof.restart();
        self.keys.request();
        loop {
            let polled_at = LeaseInstant::now();
            let invalidations = listener.poll()?;
            if !self.is_needed() {
                return Ok(());
            }
            guard.record_response();
            let Some(cache) = self.cache.upgrade() else {
                return Ok(());
            };
            for invalidation in invalidations {
                match invalidation {
                    Invalidation::Principal(id) if self.proof.receive(id) => {}
                    Invalidation::SigningKeys => self.keys.request(),
                    other => cache.invalidate(other),
                }
            }
            match self.proof.check() {
                // After a silence, another server may be the primary.
                Delivery::Proven if self.keys.is_complete() && guard.is_current(self.epoch) => {
                    cache.renew_lease(polled_at);
                }
                Delivery::Proven | Delivery::Unproven => {}
                Delivery::Failed => {
                    return Err(AppError::internal("a heartbeat was not received"));
                }
            }
            drop(cache);
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sends heartbeats until the cache is dropped, and then removes the row of this replica.
    fn send_heartbeats(&self) {
        let NotificationSource {
            url,
            schema,
            replica,
            guard,
            ..
        } = &self.source;
        while self.is_needed() {
            let result =
                HeartbeatWriter::open(url, schema, *replica, guard).and_then(|mut writer| {
                    while self.is_needed() && writer.epoch() == self.epoch {
                        self.proof.expect(writer.next_announcement());
                        writer.send()?;
                        self.proof.wait_until_due();
                    }
                    match self.cache.strong_count() {
                        0 => writer.remove(),
                        _ => Ok(()),
                    }
                });
            if let Err(error) = result {
                tracing::debug!(?error, "could not send a heartbeat");
                std::thread::sleep(RECONNECT_DELAY);
            }
        }
    }
}
