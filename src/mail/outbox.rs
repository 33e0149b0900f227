//! The messages that can be queued in the outbox.

use serde::{Deserialize, Serialize};

use super::notices::Notice;
use crate::platform::ids::UserId;

/// A message to send. Its recipient and link are determined when it is sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum OutboxMessage {
    /// A password reset link for the account that has confirmed this address, if there is one.
    PasswordReset {
        /// The address from the request.
        email: String,
    },
    /// A confirmation link for the address of an account, if the account still has it.
    EmailConfirmation {
        /// The account.
        user: UserId,
        /// The address to confirm.
        email: String,
    },
    /// A notice to the previous address of an account.
    EmailChanged {
        /// The account.
        user: UserId,
        /// The previous address.
        email: String,
    },
    /// A notice to the owner of an account, at its confirmed address.
    Notice {
        /// The account.
        user: UserId,
        /// What the owner is told.
        notice: Notice,
    },
    /// A notice to the owner of an address that was used in a registration, if the account still has it.
    AddressTaken {
        /// The account that has the address.
        user: UserId,
        /// The address.
        email: String,
    },
}

impl OutboxMessage {
    /// The account that the message is about, if it is known before sending.
    pub(super) fn user_id(&self) -> Option<UserId> {
        match self {
            Self::PasswordReset { .. } => None,
            Self::EmailConfirmation { user, .. }
            | Self::EmailChanged { user, .. }
            | Self::Notice { user, .. }
            | Self::AddressTaken { user, .. } => Some(*user),
        }
    }
}
