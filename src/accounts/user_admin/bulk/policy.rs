//! What can be done to many accounts at once. No database, no clock.

/// One act, done to each of many accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkAction {
    /// Switch it off.
    Disable,
    /// Switch it on.
    Enable,
    /// Delete it; it can be restored.
    Delete,
    /// Bring it back from deletion.
    Restore,
    /// Remove it for ever.
    Purge,
    /// Add these tags.
    Tag(Vec<String>),
    /// Take these tags away.
    Untag(Vec<String>),
    /// End its sessions.
    SignOut,
    /// Give it this role.
    SetRole(String),
    /// Say whether its address was proven.
    ConfirmEmail(bool),
}
