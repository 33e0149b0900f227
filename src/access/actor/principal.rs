//! What `sub` says in an access token. Accounts and service clients are written differently, so that no client can ever be
//! taken for an account, nor an account for a client (RFC 9700, section 4.15).

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::Identity;
use crate::platform::ids::{ClientId, UserId};

/// How the id of a client begins where one of an account could stand.
const CLIENT: &str = "client:";

/// Whom a token acts for: an account is written as its id, a service client as `client:` and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An account.
    User(UserId),
    /// A service client.
    Client(ClientId),
}

impl Principal {
    /// Whom this actor acts for, if it is one or acts for one.
    #[must_use]
    pub const fn of(identity: &Identity) -> Option<Self> {
        match identity {
            Identity::User { id, .. } | Identity::Token { owner: id, .. } => Some(Self::User(*id)),
            Identity::Client { id, .. } => Some(Self::Client(*id)),
            Identity::Operator { .. } | Identity::System | Identity::Anonymous => None,
        }
    }

    /// Its id, of whatever kind.
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
            Self::Client(id) => write!(f, "{CLIENT}{id}"),
        }
    }
}

impl FromStr for Principal {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(CLIENT) {
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

    #[test]
    fn j11_an_account_and_a_client_of_one_id_are_written_differently_and_read_back() {
        let id = Uuid::max();
        let both = [Principal::User(UserId(id)), Principal::Client(ClientId(id))];
        assert_ne!(both[0].to_string(), both[1].to_string());
        for one in both {
            assert_eq!(one.to_string().parse(), Ok(one));
        }
        for wrong in ["", "client:", "client:x", "Client:", "client", "x"] {
            assert!(wrong.parse::<Principal>().is_err(), "{wrong}");
        }
        let twice = format!("client:client:{id}");
        assert!(twice.parse::<Principal>().is_err());
    }
}
