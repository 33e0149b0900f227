//! The thread that sends letters. Each replica has one; they never send the same letter at the same time.

use std::io;
use std::sync::Weak;
use std::thread;
use std::time::Duration;

use super::Mail;
use crate::platform::db::Db;

/// How often it looks whether something is due.
const EVERY: Duration = Duration::from_millis(500);

/// How long it waits when the database can't be asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts the thread; it ends when `mail` is gone. Without a mail server there is none.
///
/// # Errors
/// When the thread can't be started.
pub fn start(db: Db, mail: Weak<Mail>) -> io::Result<()> {
    if !mail.upgrade().is_some_and(|mail| mail.is_on()) {
        return Ok(());
    }
    thread::Builder::new()
        .name("courier".to_owned())
        .spawn(move || {
            while let Some(mail) = mail.upgrade() {
                let pause = match mail.send_next(&db) {
                    Ok(true) => Duration::ZERO,
                    Ok(false) => EVERY,
                    Err(error) => {
                        tracing::warn!(?error, "mail has to wait");
                        PATIENCE
                    }
                };
                drop(mail);
                thread::sleep(pause);
            }
        })
        .map(drop)
}
