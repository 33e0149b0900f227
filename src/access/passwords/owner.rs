//! The account that a new password is for.

use crate::platform::ids::UserId;

/// The account that a new password is for.
#[derive(Clone)]
pub enum PasswordOwner {
    /// An account that is being created.
    NewAccount {
        /// Its username.
        username: String,
        /// Its email address.
        email: Option<String>,
    },
    /// An existing account. If no account has this id, only the rules that need no account are applied.
    ExistingAccount(UserId),
}
