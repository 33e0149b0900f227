//! The thread that hears what changed, from whatever process changed it, and makes [`AuthCache`] forget it.

use std::sync::Weak;
use std::time::{Duration, Instant};

use super::AuthCache;
use crate::platform::db::{Invalidation, Notifications};
use crate::platform::error::AppError;

/// How often the listener asks for news. News is late by at most this, and memory's lease allows for a few misses.
const EVERY: Duration = Duration::from_millis(15);

/// How long to wait before connecting again.
const PATIENCE: Duration = Duration::from_millis(250);

/// Listens on a connection of its own until `memory` is gone; `on_keys` is told when the signing keys changed, and after
/// each gap in the news, `on_answer` whenever the database has answered, which it does all the time.
///
/// # Errors
/// When the thread can't be started.
pub fn listen(
    url: String,
    memory: Weak<AuthCache>,
    on_keys: impl Fn() + Send + 'static,
    on_answer: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("listener".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || {
            while memory.strong_count() > 0 {
                if let Err(error) = hear(&url, &memory, &on_keys, &on_answer) {
                    tracing::debug!(
                        ?error,
                        "no news from the database; answers come from the database itself"
                    );
                }
                if let Some(memory) = memory.upgrade() {
                    memory.drop_lease();
                }
                std::thread::sleep(PATIENCE);
            }
        })?;
    Ok(())
}

fn hear(
    url: &str,
    memory: &Weak<AuthCache>,
    on_keys: &impl Fn(),
    on_answer: &impl Fn(),
) -> Result<(), AppError> {
    let mut news = Notifications::open(url)?;
    on_answer();
    if let Some(memory) = memory.upgrade() {
        memory.drop_lease();
    }
    on_keys();
    loop {
        let asked = Instant::now();
        let heard = news.ask()?;
        on_answer();
        let Some(memory) = memory.upgrade() else {
            return Ok(());
        };
        for touched in heard {
            match touched {
                Invalidation::Keys => on_keys(),
                touched => memory.invalidate(touched),
            }
        }
        memory.renew_lease(asked);
        drop(memory);
        std::thread::sleep(EVERY);
    }
}
