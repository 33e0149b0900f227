//! The `sub` claim of access tokens. Accounts and service clients have different forms, so that a client cannot be mistaken
//! for an account (RFC 9700, section 4.15).

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::Identity;
use crate::platform::ids::{ClientId, UserId};

/// The prefix of a client id.
const CLIENT_PREFIX: &str = "client:";

/// The subject of a token. The text form of an account is its id; of a service client, `client:` and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// An account.
    User(UserId),
    /// A service client.
    Client(ClientId),
}

impl Principal {
    /// The account or client that acts, or that owns the token that acts.
    #[must_use]
    pub const fn of(identity: &Identity) -> Option<Self> {
        match identity {
            Identity::User { id, .. } | Identity::Token { owner: id, .. } => Some(Self::User(*id)),
            Identity::Client { id, .. } => Some(Self::Client(*id)),
            Identity::Operator { .. } | Identity::System | Identity::Anonymous => None,
        }
    }

    /// The id of the account or client.
    #[must_use]
    pub const fn id(self) -> Uuid {
        match self {
            Self::User(UserId(id)) | Self::Client(ClientId(id)) => id,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Client(id) => write!(f, "{CLIENT_PREFIX}{id}"),
        }
    }
}

impl FromStr for Principal {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(CLIENT_PREFIX) {
            Some(id) => id.parse().map(Self::Client),
            None => text.parse().map(Self::User),
        }
    }
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SECURITY: J11
    #[test]
    fn accounts_and_clients_with_the_same_id_have_different_subjects() {
        let id = Uuid::max();
        let principals = [Principal::User(UserId(id)), Principal::Client(ClientId(id))];
        assert_ne!(principals[0].to_string(), principals[1].to_string());
        for principal in principals {
            assert_eq!(principal.to_string().parse(), Ok(principal));
        }
        for invalid in ["", "client:", "client:x", "Client:", "client", "x"] {
            assert!(invalid.parse::<Principal>().is_err(), "{invalid}");
        }
        let double_prefix = format!("client:client:{id}");
        assert!(double_prefix.parse::<Principal>().is_err());
    }
}
