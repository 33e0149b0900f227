//! Who created a credential of an account: set its password, or created its reset link.

use uuid::Uuid;

use super::{Actor, Identity};
use crate::platform::ids::{ClientId, PersonalTokenId, UserId};

/// Who created a credential of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creator {
    /// The owner of the account.
    Owner,
    /// The operator at the command line, or rosterd itself.
    Operator,
    /// Another account, in a session.
    User(UserId),
    /// A personal access token of another account.
    Token(PersonalTokenId),
    /// A service client.
    Client(ClientId),
    /// Someone who might not set the password any more when the account got more authority. Only passwords have this creator.
    Withdrawn,
}

impl Creator {
    /// No account has this id, so the credential is never accepted.
    pub const UNKNOWN: Self = Self::User(UserId(Uuid::nil()));

    /// The creator of a credential that `actor` creates for an account other than its own.
    #[must_use]
    pub fn of(actor: &Actor) -> Self {
        match actor.identity {
            Identity::User { id, .. } => Self::User(id),
            Identity::Token { id, .. } => Self::Token(id),
            Identity::Client { id, .. } => Self::Client(id),
            Identity::Operator { .. } | Identity::System => Self::Operator,
            Identity::Anonymous => Self::UNKNOWN,
        }
    }

    /// The values of the two columns in the database: kind and id.
    #[must_use]
    pub const fn to_columns(self) -> (&'static str, Option<Uuid>) {
        match self {
            Self::Owner => ("owner", None),
            Self::Operator => ("operator", None),
            Self::User(id) => ("user", Some(id.0)),
            Self::Token(id) => ("token", Some(id.0)),
            Self::Client(id) => ("client", Some(id.0)),
            Self::Withdrawn => ("withdrawn", None),
        }
    }

    /// The creator with these column values; `None` for values that [`Self::to_columns`] never returns.
    #[must_use]
    pub fn from_columns(kind: &str, id: Option<Uuid>) -> Option<Self> {
        match (kind, id) {
            ("owner", None) => Some(Self::Owner),
            ("operator", None) => Some(Self::Operator),
            ("withdrawn", None) => Some(Self::Withdrawn),
            ("user", Some(id)) => Some(Self::User(UserId(id))),
            ("token", Some(id)) => Some(Self::Token(PersonalTokenId(id))),
            ("client", Some(id)) => Some(Self::Client(ClientId(id))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_values_have_exactly_one_creator() {
        let id = Uuid::max();
        for creator in [
            Creator::Owner,
            Creator::Operator,
            Creator::User(UserId(id)),
            Creator::Token(PersonalTokenId(id)),
            Creator::Client(ClientId(id)),
            Creator::Withdrawn,
        ] {
            let (kind, id) = creator.to_columns();
            assert_eq!(Creator::from_columns(kind, id), Some(creator));
        }
        assert_eq!(Creator::from_columns("owner", Some(id)), None);
        assert_eq!(Creator::from_columns("user", None), None);
        assert_eq!(Creator::from_columns("", None), None);
    }
}
