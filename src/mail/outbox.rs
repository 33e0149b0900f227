//! What is to be told to whom, before anybody has written it down.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::templates::{Letter, Words};
use crate::accounts::email_confirmations;
use crate::accounts::password_reset;
use crate::accounts::users;
use crate::accounts::users::UserRow;
use crate::platform::config::TokenPage;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::ids::UserId;

/// Something to tell somebody.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum OutboxMessage {
    /// A reset link, to whoever has confirmed this address, if anybody has.
    PasswordReset {
        /// The address, as somebody gave it.
        email: String,
    },
    /// A link to confirm the account's address with, as long as it is this one.
    EmailConfirmation {
        /// The account.
        user: UserId,
        /// The address.
        email: String,
    },
    /// Word to the address that an account has left.
    EmailChanged {
        /// The account.
        user: UserId,
        /// What it is called.
        username: String,
        /// The address that it has left.
        email: String,
    },
    /// Word to the owner of an address that somebody wanted to register with, as long as it is this one.
    AddressTaken {
        /// The account that has it.
        user: UserId,
        /// The address.
        email: String,
    },
}

/// Where links lead.
pub struct Pages {
    /// Those that set a password.
    pub reset: TokenPage,
    /// Those that confirm an address.
    pub confirm: TokenPage,
}

/// What a letter is written from.
pub struct Draft {
    pub to: String,
    pub letter: Letter,
    pub words: Words,
}

impl OutboxMessage {
    /// The account that it is about, as far as that is known.
    pub(super) fn user(&self) -> Option<UserId> {
        match self {
            Self::PasswordReset { .. } => None,
            Self::EmailConfirmation { user, .. }
            | Self::EmailChanged { user, .. }
            | Self::AddressTaken { user, .. } => Some(*user),
        }
    }

    /// What there is to write now, with the link made for it. `None`: nothing, or nothing any more.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) fn draft(self, tx: &mut Tx<'_>, pages: &Pages) -> Result<Option<Draft>, AppError> {
        Ok(match self {
            Self::PasswordReset { email } => {
                let made = password_reset::service::make_for_owner_of(tx, &pages.reset, &email)?;
                made.and_then(|(owner, link)| {
                    with_link(Letter::PasswordReset, owner, link.url, link.expires_at_utc)
                })
            }
            Self::EmailConfirmation { user, email } => {
                let made = email_confirmations::service::make(tx, &pages.confirm, user, &email)?;
                made.and_then(|(owner, link)| {
                    with_link(Letter::EmailConfirmation, owner, link.url, link.expires_at)
                })
            }
            Self::EmailChanged {
                username, email, ..
            } => Some(word(Letter::EmailChanged, username, email)),
            Self::AddressTaken { user, email } => {
                let owner = users::service::find(tx, user)?;
                owner.and_then(|owner| {
                    let has_it = |own: &String| own.to_lowercase() == email.to_lowercase();
                    let to = owner.email.filter(has_it)?;
                    Some(word(Letter::AddressTaken, owner.username, to))
                })
            }
        })
    }
}

/// A letter without a link.
fn word(letter: Letter, username: String, to: String) -> Draft {
    let link = None;
    Draft {
        to,
        letter,
        words: Words { username, link },
    }
}

/// A letter to the address that the account has: never to what somebody else wrote instead of it.
fn with_link(letter: Letter, owner: UserRow, url: String, end: DateTime<Utc>) -> Option<Draft> {
    Some(Draft {
        to: owner.email?,
        letter,
        words: Words {
            username: owner.username,
            link: Some((url, end)),
        },
    })
}
