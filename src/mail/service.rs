//! Queues messages in the outbox, and sends those that are due.

use std::sync::{Arc, Once};

use super::notices;
use super::outbox::OutboxMessage;
use super::retry::{self, LEASE, MAX_AGE};
use super::smtp::{RenderedMail, SendError, Smtp};
use super::store::{self, OutboxRow};
use super::template_values::MailContentSource;
use super::templates::{TemplateKind, Templates};
use crate::platform::config::{Config, ConfigError};
use crate::platform::crypto::{KeyPurpose, Vault};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{AppError, TxResult};
use crate::platform::ids::MailId;
use crate::platform::start_error::StartError;

/// How many messages are encrypted again in one transaction.
const RESEAL_BATCH: i64 = 500;

/// The outbox and the mail server connection.
pub struct Mail {
    vault: Arc<Vault>,
    smtp: Option<Smtp>,
    templates: Templates,
    content_source: Box<dyn MailContentSource>,
    disabled_warning: Once,
}

/// A message that is reserved for one attempt by this process.
struct ClaimedMail {
    id: MailId,
    /// The number of attempts, including this one.
    attempts: i32,
    /// `None` if there is nothing to send; the message is then already deleted.
    mail: Option<RenderedMail>,
}

/// Connects to the configured mail server, with the credentials, and sends nothing. Succeeds if no mail server is configured.
///
/// # Errors
/// The settings are wrong, or the server cannot be used.
pub fn check_server(config: &Config) -> Result<(), String> {
    match build_smtp(config).map_err(|error| error.to_string())? {
        Some(smtp) => smtp.test_connection(),
        None => Ok(()),
    }
}

fn build_smtp(config: &Config) -> Result<Option<Smtp>, StartError> {
    let Some((server, from)) = config.smtp_server.as_ref().zip(config.mail_from.clone()) else {
        return Ok(None);
    };
    let ca_pem = read_ca_file(config)?;
    let setting = match ca_pem {
        Some(_) => "ROSTERD_SMTP_CA_FILE",
        None => "ROSTERD_SMTP_URL",
    };
    let smtp = Smtp::new(server, from, ca_pem.as_deref());
    Ok(Some(smtp.map_err(|error| {
        ConfigError::new(setting, error.to_string())
    })?))
}

impl Mail {
    /// Reads the mail settings and loads the templates. `content_source` resolves the messages when they are sent.
    ///
    /// # Errors
    /// Invalid mail settings or templates.
    pub fn new(
        config: &Config,
        vault: Arc<Vault>,
        content_source: Box<dyn MailContentSource>,
    ) -> Result<Self, StartError> {
        Ok(Self {
            vault,
            smtp: build_smtp(config)?,
            templates: Templates::load(config.mail_templates.as_deref())?,
            content_source,
            disabled_warning: Once::new(),
        })
    }

    /// Whether a mail server is configured.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.smtp.is_some()
    }

    /// Queues a message, which is sent after the commit. Without a mail server the message is dropped; the first time, a
    /// warning is logged.
    ///
    /// # Errors
    /// Database errors.
    pub fn enqueue(&self, tx: &mut Tx<'_>, message: &OutboxMessage) -> Result<(), AppError> {
        if !self.is_enabled() {
            self.disabled_warning.call_once(|| {
                tracing::warn!("mail is disabled: ROSTERD_SMTP_URL is not set");
            });
            return Ok(());
        }
        let id = MailId::new(tx.now);
        let plaintext = serde_json::to_vec(message).map_err(AppError::internal)?;
        let row = OutboxRow {
            id,
            user_id: message.user_id(),
            encrypted_message: self.vault.seal(
                KeyPurpose::OutgoingMail,
                id.0.as_bytes(),
                &plaintext,
            )?,
            attempts: 0,
            next_attempt_at: tx.now,
            created_at: tx.now,
        };
        store::insert(tx.conn, &row)?;
        Ok(())
    }

    /// Sends the message that has been due for longest. Returns whether there was one.
    ///
    /// # Errors
    /// Database errors. SMTP errors are logged, and decide whether the message is retried.
    pub fn send_next(self: &Arc<Self>, db: &Db) -> Result<bool, AppError> {
        let Some(smtp) = &self.smtp else {
            return Ok(false);
        };
        let (queue, claim) = (Arc::clone(self), Arc::clone(self));
        db.write_on_thread(move |tx| Ok(queue.queue_notices(tx)?))?;
        let Some(claimed) = db.write_on_thread(move |tx| claim.claim_next(tx))? else {
            return Ok(false);
        };
        if let Some(mail) = claimed.mail {
            let result = smtp.send(mail);
            let (id, attempts) = (claimed.id, claimed.attempts);
            db.write_on_thread(move |tx| Ok(finish(tx, id, attempts, &result)?))?;
        }
        Ok(true)
    }

    /// Turns recorded notices into messages.
    fn queue_notices(&self, tx: &mut Tx<'_>) -> Result<(), AppError> {
        for (user, notice, email) in notices::take(tx)? {
            let message = match email {
                None => OutboxMessage::Notice { user, notice },
                Some(email) => OutboxMessage::EmailChanged { user, email },
            };
            self.enqueue(tx, &message)?;
        }
        Ok(())
    }

    /// Claims and renders the next message. Deletes it if it is too old or has nothing to send.
    fn claim_next(&self, tx: &mut Tx<'_>) -> TxResult<Option<ClaimedMail>> {
        let Some(row) = store::lock_next_due(tx.conn, tx.now)? else {
            return Ok(None);
        };
        let (id, attempts) = (row.id, row.attempts + 1);
        let mail = if row.created_at + MAX_AGE > tx.now {
            self.render(tx, &row)?
        } else {
            None
        };
        if mail.is_some() {
            store::reschedule(tx.conn, id, attempts, tx.now + LEASE)?;
        } else {
            store::delete(tx.conn, id)?;
        }
        Ok(Some(ClaimedMail { id, attempts, mail }))
    }

    fn render(&self, tx: &mut Tx<'_>, row: &OutboxRow) -> Result<Option<RenderedMail>, AppError> {
        let message = match self.decrypt(row) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(mail = %row.id, ?error, "can't decrypt a queued message; dropping it");
                return Ok(None);
            }
        };
        let template = TemplateKind::for_message(&message);
        let content = self.content_source.content(tx, message)?;
        Ok(content.map(|content| {
            let (subject, text) = self.templates.render(template, &content);
            RenderedMail {
                id: row.id,
                to: content.to,
                subject,
                text,
            }
        }))
    }

    fn decrypt(&self, row: &OutboxRow) -> Result<OutboxMessage, AppError> {
        let plaintext = self.vault.open(
            KeyPurpose::OutgoingMail,
            row.id.0.as_bytes(),
            &row.encrypted_message,
        )?;
        serde_json::from_slice(&plaintext).map_err(AppError::internal)
    }
}

/// Encrypts one batch of messages after this one with the current secret key. Returns how many were encrypted with the
/// previous one, and the last message of the batch; `None` if there are no more. Ignores messages that cannot be decrypted.
///
/// # Errors
/// Database errors.
pub fn reseal_batch(
    tx: &mut Tx<'_>,
    vault: &Vault,
    after: Option<MailId>,
) -> Result<(usize, Option<MailId>), AppError> {
    let (mut resealed, mut last) = (0, None);
    for row in store::lock_after(tx.conn, after, RESEAL_BATCH)? {
        last = Some(row.id);
        let context = row.id.0.as_bytes();
        let result = vault.reseal(KeyPurpose::OutgoingMail, context, &row.encrypted_message);
        if let Ok(Some(sealed)) = result {
            resealed += store::set_message(tx.conn, row.id, &sealed)?;
        }
    }
    Ok((resealed, last))
}

/// The content of `ROSTERD_SMTP_CA_FILE`.
fn read_ca_file(config: &Config) -> Result<Option<Vec<u8>>, ConfigError> {
    let has_certificate = |pem: &Vec<u8>| {
        let text = String::from_utf8_lossy(pem);
        text.contains("-----BEGIN CERTIFICATE-----")
    };
    let Some(path) = &config.smtp_ca_file else {
        return Ok(None);
    };
    let error = |problem: String| ConfigError::new("ROSTERD_SMTP_CA_FILE", problem);
    let pem = std::fs::read(path)
        .map_err(|cause| error(format!("the file cannot be read: {}", cause.kind())))?;
    if has_certificate(&pem) {
        Ok(Some(pem))
    } else {
        Err(error(
            "the file contains no certificate in PEM form".to_owned(),
        ))
    }
}

/// Deletes all messages that were not sent.
///
/// # Errors
/// Database errors.
pub fn delete_all(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_all(tx.conn)?)
}

/// The number of messages that were not sent.
///
/// # Errors
/// Database errors.
pub fn count_unsent(tx: &mut Tx<'_>) -> Result<i64, AppError> {
    Ok(store::count(tx.conn)?)
}

/// Deletes messages and notices that are too old to send and returns their number.
///
/// # Errors
/// Database errors.
pub fn delete_stale(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    let limit = tx.now - MAX_AGE;
    Ok(store::delete_created_before(tx.conn, limit)?
        + store::delete_notices_before(tx.conn, limit)?)
}

/// Reschedules the message after a temporary failure, and otherwise deletes it.
fn finish(
    tx: &mut Tx<'_>,
    id: MailId,
    attempts: i32,
    result: &Result<(), SendError>,
) -> Result<(), AppError> {
    let delay = match result {
        Err(SendError::Temporary(error)) => {
            tracing::warn!(mail = %id, attempts, error, "can't send a message");
            retry::retry_delay(attempts)
        }
        Err(SendError::Permanent(error)) => {
            tracing::warn!(mail = %id, attempts, error, "the mail server refused a message");
            None
        }
        Ok(()) => None,
    };
    match delay {
        Some(delay) => store::reschedule(tx.conn, id, attempts, tx.now + delay)?,
        None => store::delete(tx.conn, id)?,
    };
    Ok(())
}
