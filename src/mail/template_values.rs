//! What a message says: determined when it is sent, by the module that owns the data.

use chrono::{DateTime, Utc};

use super::outbox::OutboxMessage;
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// The recipient of a message and the values for its template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailTemplateValues {
    /// The email address to send to.
    pub to: String,
    /// The username of the account that the message is about.
    pub username: String,
    /// The link, for messages that have one.
    pub link: Option<MailLink>,
}

/// A link with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailLink {
    /// The URL, with the token in it.
    pub url: String,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
}

/// Resolves outbox messages. Implemented outside this module, which knows neither accounts nor tokens.
pub trait MailContentSource: Send + Sync {
    /// The content of a message that is about to be sent. Creates the token of its link, so that no token is stored in the
    /// outbox. `None` if there is nothing to send, for example because the account no longer has the address.
    ///
    /// # Errors
    /// Database errors.
    fn content(
        &self,
        tx: &mut Tx<'_>,
        message: OutboxMessage,
    ) -> Result<Option<MailTemplateValues>, AppError>;
}
