//! The actions that can be performed on many accounts at once.

use crate::access::tokens::PersonalTokens;

/// An action on each of many accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkAction {
    /// Disable the account.
    Disable,
    /// Enable it.
    Enable,
    /// Delete it. It can be restored.
    Delete,
    /// Restore it.
    Restore,
    /// Remove it permanently.
    Purge,
    /// Add these tags.
    Tag(Vec<String>),
    /// Remove these tags.
    Untag(Vec<String>),
    /// End its sessions, and its personal access tokens if requested.
    SignOut(PersonalTokens),
    /// Assign this role.
    SetRole(String),
    /// Set whether its email address is confirmed.
    ConfirmEmail(bool),
}

impl BulkAction {
    /// Whether the action takes away access.
    #[must_use]
    pub const fn revokes(&self) -> bool {
        match self {
            Self::Disable | Self::Delete | Self::Purge | Self::SignOut(_) | Self::SetRole(_) => {
                true
            }
            Self::Enable
            | Self::Restore
            | Self::Tag(_)
            | Self::Untag(_)
            | Self::ConfirmEmail(_) => false,
        }
    }
}
