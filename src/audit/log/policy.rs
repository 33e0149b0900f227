//! How the log is asked: filters, and where a page begins. No database, no clock.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::entry::ActorKind;
use crate::platform::ids::EventId;

/// Which lines of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// With this as a part of the action, of the words beside it, or of the name of the account that it is about.
    pub query: Option<String>,
    /// About this account, its sessions and tokens: its id, or a name it signs in with. A name that no account has is
    /// found by what stands for it.
    pub user: Option<String>,
    /// Done by these.
    pub actor: Option<ByWhom>,
    /// What was done.
    pub action: Option<ActionFilter>,
    /// Whether it was done, or refused.
    pub done: Option<bool>,
    /// From this address.
    pub ip: Option<IpAddr>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ByWhom {
    /// The account, token or client of this id; for an account, with whatever its tokens did.
    Id(Uuid),
    /// Everybody of this kind.
    Kind(ActorKind),
    /// Whoever was called so then: a username, a client's name, the operating system's user.
    Name(String),
}

impl ByWhom {
    /// Reads an id, a kind, or a name (for the operating system's user also as `cli:<name>`).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if let Ok(id) = text.parse::<Uuid>() {
            return Self::Id(id);
        }
        match (ActorKind::parse(text), text.strip_prefix("cli:")) {
            (Some(kind), _) => Self::Kind(kind),
            (None, Some(os_user)) => Self::Name(os_user.to_owned()),
            (None, None) => Self::Name(text.to_owned()),
        }
    }
}

/// Which acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ActionFilter {
    /// This one.
    Exactly(String),
    /// All whose name begins so.
    BeginsWith(String),
}

impl ActionFilter {
    /// Reads `user.update`, or `user.*` for all that begin with `user.`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(beginning) => Self::BeginsWith(beginning.to_owned()),
            None => Self::Exactly(text.to_owned()),
        }
    }
}

/// The last line of a page: the next one begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// When it was written.
    pub at: DateTime<Utc>,
    /// Which line.
    pub id: EventId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_an_id_a_kind_or_a_name() {
        let id = "0195f0b4-7d1c-7000-8000-000000000001";
        assert_eq!(ByWhom::parse(id), ByWhom::Id(id.parse().unwrap()));
        assert_eq!(ByWhom::parse("cli"), ByWhom::Kind(ActorKind::Cli));
        assert_eq!(
            ByWhom::parse("anonymous"),
            ByWhom::Kind(ActorKind::Anonymous)
        );
        assert_eq!(ByWhom::parse("cli:root"), ByWhom::Name("root".to_owned()));
        assert_eq!(ByWhom::parse("ada"), ByWhom::Name("ada".to_owned()));
    }

    #[test]
    fn a_star_at_the_end_stands_for_the_rest() {
        let all = ActionFilter::BeginsWith("user.".to_owned());
        assert_eq!(ActionFilter::parse("user.*"), all);
        let one = ActionFilter::Exactly("user.tag".to_owned());
        assert_eq!(ActionFilter::parse("user.tag"), one);
    }
}
