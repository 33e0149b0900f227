//! The thread that sends queued messages. Each replica runs one; row locks keep them from sending the same message.

use std::io;
use std::sync::Weak;
use std::thread;
use std::time::Duration;

use super::Mail;
use crate::platform::db::Db;

/// The interval between polls of an empty outbox.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The delay after a database error.
const ERROR_DELAY: Duration = Duration::from_secs(5);

/// Starts the thread, which ends when `mail` is dropped. Does nothing if no mail server is configured.
///
/// # Errors
/// When the thread can't be started.
pub fn start_worker(db: Db, mail: Weak<Mail>) -> io::Result<()> {
    if !mail.upgrade().is_some_and(|mail| mail.is_enabled()) {
        return Ok(());
    }
    thread::Builder::new()
        .name("mail-worker".to_owned())
        .spawn(move || {
            while let Some(mail) = mail.upgrade() {
                let delay = match mail.send_next(&db) {
                    Ok(true) => Duration::ZERO,
                    Ok(false) => POLL_INTERVAL,
                    Err(error) => {
                        tracing::warn!(?error, "can't read the mail outbox; retrying");
                        ERROR_DELAY
                    }
                };
                drop(mail);
                thread::sleep(delay);
            }
        })
        .map(drop)
}
