//! The threads that receive invalidations from other processes and apply them to [`AuthCache`], and that prove that
//! invalidations arrive.

use std::sync::{Arc, Weak};
use std::time::Duration;

use uuid::Uuid;

use super::AuthCache;
use super::delivery_proof::{Delivery, DeliveryProof};
use crate::platform::db::{
    HeartbeatWriter, Invalidation, LeaseInstant, NotificationListener, TableSchema,
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
}

/// Loads the signing keys into memory. The functions return without delay.
pub trait KeyReload: Send + 'static {
    /// The keys have changed or may have changed.
    fn request(&self);

    /// Whether the keys in memory were read after the last request.
    fn is_complete(&self) -> bool;
}

/// Starts the threads. Each has its own connection and ends when the cache is dropped. `keys` are reloaded when they have
/// changed and after each reconnection, and there is no lease until that has succeeded. `on_response` is called whenever
/// the database has answered, and must return without delay.
///
/// # Errors
/// When a thread cannot be started.
pub fn listen(
    source: NotificationSource,
    cache: Weak<AuthCache>,
    keys: impl KeyReload,
    on_response: impl Fn() + Send + 'static,
) -> std::io::Result<Arc<DeliveryProof>> {
    let proof = Arc::new(DeliveryProof::default());
    let (heartbeat_source, heartbeat_cache) = (source.clone(), Weak::clone(&cache));
    let heartbeat_proof = Arc::clone(&proof);
    spawn("heartbeat", move || {
        send_heartbeats(&heartbeat_source, &heartbeat_cache, &heartbeat_proof);
    })?;
    let listener_proof = Arc::clone(&proof);
    spawn("listener", move || {
        while cache.strong_count() > 0 {
            let result = poll_until_error(&source, &cache, &listener_proof, &keys, &on_response);
            if let Err(error) = result {
                tracing::debug!(
                    ?error,
                    "the listener lost its connection; requests read the database until it reconnects"
                );
            }
            listener_proof.disconnect();
            if let Some(cache) = cache.upgrade() {
                cache.drop_lease();
            }
            std::thread::sleep(RECONNECT_DELAY);
        }
    })?;
    Ok(proof)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.stack_size(256 * 1024).spawn(run).map(drop)
}

fn poll_until_error(
    source: &NotificationSource,
    cache: &Weak<AuthCache>,
    proof: &DeliveryProof,
    keys: &impl KeyReload,
    on_response: &impl Fn(),
) -> Result<(), AppError> {
    let mut listener = NotificationListener::open(&source.listen_url, &source.schema)?;
    on_response();
    if let Some(cache) = cache.upgrade() {
        cache.drop_lease();
    }
    proof.restart();
    keys.request();
    loop {
        let polled_at = LeaseInstant::now();
        let invalidations = listener.poll()?;
        on_response();
        let Some(cache) = cache.upgrade() else {
            return Ok(());
        };
        for invalidation in invalidations {
            match invalidation {
                Invalidation::Principal(id) if proof.receive(id) => {}
                Invalidation::SigningKeys => keys.request(),
                other => cache.invalidate(other),
            }
        }
        match proof.check() {
            Delivery::Proven if keys.is_complete() => cache.renew_lease(polled_at),
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
fn send_heartbeats(source: &NotificationSource, cache: &Weak<AuthCache>, proof: &DeliveryProof) {
    while cache.strong_count() > 0 {
        let NotificationSource {
            url,
            schema,
            replica,
            ..
        } = source;
        let result = HeartbeatWriter::open(url, schema, *replica).and_then(|mut writer| {
            while cache.strong_count() > 0 {
                proof.expect(writer.next_announcement());
                writer.send()?;
                proof.wait_until_due();
            }
            writer.remove()
        });
        if let Err(error) = result {
            tracing::debug!(?error, "could not send a heartbeat");
            std::thread::sleep(RECONNECT_DELAY);
        }
    }
}
