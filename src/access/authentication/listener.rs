//! The thread that receives invalidations from other processes and applies them to [`AuthCache`].

use std::sync::Weak;
use std::time::{Duration, Instant};

use super::AuthCache;
use crate::platform::db::{Invalidation, NotificationListener};
use crate::platform::error::AppError;

/// How often the listener polls. The lease is long enough for a few late polls.
const POLL_INTERVAL: Duration = Duration::from_millis(15);

/// How long to wait before reconnecting.
const RECONNECT_DELAY: Duration = Duration::from_millis(250);

/// Starts the thread. It has its own connection and ends when the cache is dropped. `reload_keys` is called when the signing
/// keys have changed and after each reconnection, `on_response` whenever the database has answered.
///
/// # Errors
/// When the thread cannot be started.
pub fn listen(
    url: String,
    cache: Weak<AuthCache>,
    reload_keys: impl Fn() + Send + 'static,
    on_response: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("listener".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || {
            while cache.strong_count() > 0 {
                if let Err(error) = poll_until_error(&url, &cache, &reload_keys, &on_response) {
                    tracing::debug!(
                        ?error,
                        "the listener lost its connection; requests read the database until it reconnects"
                    );
                }
                if let Some(cache) = cache.upgrade() {
                    cache.drop_lease();
                }
                std::thread::sleep(RECONNECT_DELAY);
            }
        })?;
    Ok(())
}

fn poll_until_error(
    url: &str,
    cache: &Weak<AuthCache>,
    reload_keys: &impl Fn(),
    on_response: &impl Fn(),
) -> Result<(), AppError> {
    let mut listener = NotificationListener::open(url)?;
    on_response();
    if let Some(cache) = cache.upgrade() {
        cache.drop_lease();
    }
    reload_keys();
    loop {
        let polled_at = Instant::now();
        let invalidations = listener.poll()?;
        on_response();
        let Some(cache) = cache.upgrade() else {
            return Ok(());
        };
        for invalidation in invalidations {
            match invalidation {
                Invalidation::SigningKeys => reload_keys(),
                other => cache.invalidate(other),
            }
        }
        cache.renew_lease(polled_at);
        drop(cache);
        std::thread::sleep(POLL_INTERVAL);
    }
}
