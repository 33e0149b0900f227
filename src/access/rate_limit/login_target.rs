//! Whose password is checked: the key of the failure counters.

use uuid::Uuid;

use crate::audit::Subject;
use crate::platform::crypto::{KeyPurpose, Vault};
use crate::platform::ids::UserId;

/// The owner of the password that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginTarget {
    /// An account.
    Account(UserId),
    /// A username or email address that no account has, as a keyed hash.
    UnknownUsername(Uuid),
}

impl LoginTarget {
    /// The target for a name that no account has. The name is stored only as a keyed hash in the form of a UUID
    /// (version 8), because users sometimes type their password into the username field.
    #[must_use]
    pub fn unknown_username(vault: &Vault, name: &str) -> Self {
        let hash = vault.mac(KeyPurpose::UnknownUsername, name.as_bytes());
        Self::UnknownUsername(uuid_from_hash(hash))
    }

    /// The account, if there is one.
    #[must_use]
    pub const fn account(self) -> Option<UserId> {
        match self {
            Self::Account(id) => Some(id),
            Self::UnknownUsername(_) => None,
        }
    }

    /// The subject of audit entries about this target.
    #[must_use]
    pub const fn subject(self) -> Subject {
        match self {
            Self::Account(id) => Subject::User(id),
            Self::UnknownUsername(id) => Subject::UnknownUsername(id),
        }
    }

    pub(super) const fn id(self) -> Uuid {
        match self {
            Self::Account(UserId(id)) | Self::UnknownUsername(id) => id,
        }
    }
}

/// The first half of a hash in the form of a UUID (version 8).
pub(super) fn uuid_from_hash(hash: [u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(hash) {
        *byte = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
