//! Posting letters, and sending those that are due.

use std::sync::{Arc, Once};

use super::outbox::{OutboxMessage, Pages};
use super::policy::{self, LEASE, STALE};
use super::smtp::{Failure, Parcel, Smtp};
use super::store::{self, MailRow};
use super::templates::Letters;
use crate::platform::config::{Config, ConfigError};
use crate::platform::crypto::{Purpose, Vault};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{AppError, TxResult};
use crate::platform::ids::MailId;
use crate::platform::start_error::StartError;

/// What posting and sending need besides the database.
pub struct Mail {
    vault: Arc<Vault>,
    smtp: Option<Smtp>,
    letters: Letters,
    pages: Pages,
    said_that_there_is_none: Once,
}

/// A letter that this process alone may send for a while.
struct Job {
    id: MailId,
    /// This attempt included.
    attempts: i32,
    parcel: Option<Parcel>,
}

impl Mail {
    /// Mail as the settings want it.
    ///
    /// # Errors
    /// A setting that is wrong.
    pub fn new(config: &Config, vault: Arc<Vault>) -> Result<Self, StartError> {
        let smtp = match config.mail_server.as_ref().zip(config.mail_from.clone()) {
            None => None,
            Some((server, from)) => Some(
                Smtp::new(server, from)
                    .map_err(|error| ConfigError::new("ROSTERD_SMTP_URL", error.to_string()))?,
            ),
        };
        Ok(Self {
            vault,
            smtp,
            letters: Letters::load(config.mail_templates.as_deref())?,
            pages: Pages {
                reset: config.reset_page.clone(),
                confirm: config.confirm_page.clone(),
            },
            said_that_there_is_none: Once::new(),
        })
    }

    /// Whether there is a mail server.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.smtp.is_some()
    }

    /// Writes an errand into the outbox; it is run after the transaction. Without a mail server it is dropped, and the log
    /// says so once.
    ///
    /// # Errors
    /// When the database fails.
    pub fn post(&self, tx: &mut Tx<'_>, errand: &OutboxMessage) -> Result<(), AppError> {
        if !self.is_on() {
            self.said_that_there_is_none.call_once(|| {
                tracing::warn!("no mail is sent: ROSTERD_SMTP_URL is not set");
            });
            return Ok(());
        }
        let id = MailId::new(tx.now);
        let plain = serde_json::to_vec(errand).map_err(AppError::internal)?;
        let row = MailRow {
            id,
            user_id: errand.user(),
            sealed: self
                .vault
                .seal(Purpose::OutgoingMail, id.0.as_bytes(), &plain)?,
            attempts: 0,
            due_at: tx.now,
            created_at: tx.now,
        };
        store::insert(tx.conn, &row)?;
        Ok(())
    }

    /// Sends the letter that has been due for longest; whether there was one.
    ///
    /// # Errors
    /// When the database fails. What the mail server says is no error: it decides when the letter is tried again.
    pub fn send_next(&self, db: &Db) -> Result<bool, AppError> {
        let Some(smtp) = &self.smtp else {
            return Ok(false);
        };
        let Some(job) = db.write_now(|tx| self.take(tx))? else {
            return Ok(false);
        };
        if let Some(parcel) = job.parcel {
            let sent = smtp.send(parcel);
            db.write_now(|tx| Ok(settle(tx, job.id, job.attempts, &sent)?))?;
        }
        Ok(true)
    }

    /// Takes the next letter and writes it down; what is of no use any more goes.
    fn take(&self, tx: &mut Tx<'_>) -> TxResult<Option<Job>> {
        let Some(row) = store::take(tx.conn, tx.now)? else {
            return Ok(None);
        };
        let (id, attempts) = (row.id, row.attempts + 1);
        let parcel = if row.created_at + STALE > tx.now {
            self.write(tx, &row)?
        } else {
            None
        };
        if parcel.is_some() {
            store::postpone(tx.conn, id, attempts, tx.now + LEASE)?;
        } else {
            store::remove(tx.conn, id)?;
        }
        Ok(Some(Job {
            id,
            attempts,
            parcel,
        }))
    }

    fn write(&self, tx: &mut Tx<'_>, row: &MailRow) -> Result<Option<Parcel>, AppError> {
        let opened = self
            .vault
            .open(Purpose::OutgoingMail, row.id.0.as_bytes(), &row.sealed);
        let errand = opened.and_then(|plain| {
            serde_json::from_slice::<OutboxMessage>(&plain).map_err(AppError::internal)
        });
        let errand = match errand {
            Ok(errand) => errand,
            Err(error) => {
                tracing::error!(mail = %row.id, ?error, "a letter can't be read and is dropped");
                return Ok(None);
            }
        };
        let draft = errand.draft(tx, &self.pages)?;
        Ok(draft.map(|draft| {
            let (subject, text) = self.letters.write(draft.letter, &draft.words);
            Parcel {
                id: row.id,
                to: draft.to,
                subject,
                text,
            }
        }))
    }
}

/// Forgets the letters that say nothing any more.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::forget_before(tx.conn, tx.now - STALE)?)
}

fn settle(
    tx: &mut Tx<'_>,
    id: MailId,
    attempts: i32,
    sent: &Result<(), Failure>,
) -> Result<(), AppError> {
    let wait = match sent {
        Err(Failure::ForNow(why)) => {
            tracing::warn!(mail = %id, attempts, why, "a letter could not be sent");
            policy::wait_after(attempts)
        }
        Err(Failure::ForGood(why)) => {
            tracing::warn!(mail = %id, attempts, why, "a letter was refused");
            None
        }
        Ok(()) => None,
    };
    match wait {
        Some(wait) => store::postpone(tx.conn, id, attempts, tx.now + wait)?,
        None => store::remove(tx.conn, id)?,
    };
    Ok(())
}
