//! The recipients and links of email about accounts.

use super::password_reset::LinkContext;
use super::users::UserRow;
use super::{email_confirmations, password_reset, users};
use crate::mail::{MailContentSource, MailLink, MailTemplateValues, OutboxMessage};
use crate::platform::config::{Config, LinkTemplate};
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// Resolves outbox messages from the account data at the time of sending.
pub struct AccountMailValues {
    reset_links: LinkContext,
    confirm_url: LinkTemplate,
}

impl AccountMailValues {
    /// With the link addresses of the configuration.
    #[must_use]
    pub fn new(config: &Config, reset_links: LinkContext) -> Self {
        Self {
            reset_links,
            confirm_url: config.confirm_url.clone(),
        }
    }
}

impl MailContentSource for AccountMailValues {
    fn content(
        &self,
        tx: &mut Tx<'_>,
        message: OutboxMessage,
    ) -> Result<Option<MailTemplateValues>, AppError> {
        match message {
            OutboxMessage::PasswordReset { email } => {
                let created =
                    password_reset::service::create_for_email(tx, &self.reset_links, &email)?;
                Ok(created.and_then(|(user, link)| {
                    let link = MailLink {
                        url: link.url,
                        expires_at: link.expires_at_utc,
                    };
                    content_with_link(user, link)
                }))
            }
            OutboxMessage::EmailConfirmation { user, email } => {
                let created =
                    email_confirmations::service::create(tx, &self.confirm_url, user, &email)?;
                // The address may be one that the account gets only when it is confirmed.
                Ok(created.map(|(user, link)| MailTemplateValues {
                    to: email,
                    username: users::name_in_mail(&user.username),
                    link: Some(link),
                }))
            }
            OutboxMessage::EmailChanged { user, email } => {
                let user = users::service::find(tx, user)?;
                Ok(user.map(|user| MailTemplateValues {
                    to: email,
                    username: users::name_in_mail(&user.username),
                    link: None,
                }))
            }
            OutboxMessage::Notice { user, .. } => {
                let user = users::service::find(tx, user)?;
                Ok(user
                    .filter(|user| user.email_confirmed && user.deleted_at.is_none())
                    .and_then(|user| {
                        Some(MailTemplateValues {
                            to: user.email?,
                            username: users::name_in_mail(&user.username),
                            link: None,
                        })
                    }))
            }
            OutboxMessage::AddressTaken { user, email } => {
                let user = users::service::find(tx, user)?;
                Ok(user.and_then(|user| address_taken_content(user, &email)))
            }
        }
    }
}

/// Sends to the address as the account has it, not as the requester wrote it.
fn content_with_link(user: UserRow, link: MailLink) -> Option<MailTemplateValues> {
    Some(MailTemplateValues {
        to: user.email?,
        username: users::name_in_mail(&user.username),
        link: Some(link),
    })
}

/// `None` if the account no longer has the address.
fn address_taken_content(user: UserRow, email: &str) -> Option<MailTemplateValues> {
    let has_address = |own: &String| own.to_lowercase() == email.to_lowercase();
    Some(MailTemplateValues {
        to: user.email.filter(has_address)?,
        username: users::name_in_mail(&user.username),
        link: None,
    })
}
