//! Filters and cursors of the audit log. No database, no clock.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::entry::ActorKind;
use crate::platform::ids::AuditEventId;

/// Which events to return. Conditions that are set must all match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditFilter {
    /// A part of the action, of the personal data, or of the current username of the account concerned.
    pub query: Option<String>,
    /// Events about this account, its sessions and tokens: an id, a username or a confirmed email address. A name that no
    /// account has finds the sign-in attempts with it.
    pub user: Option<String>,
    /// Who acted.
    pub actor: Option<ActorFilter>,
    /// The action.
    pub action: Option<ActionFilter>,
    /// `true` for actions that were done, `false` for those that were refused.
    pub done: Option<bool>,
    /// The IP address of the caller.
    pub ip: Option<IpAddr>,
    /// Events at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Events before this time.
    pub until: Option<DateTime<Utc>>,
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ActorFilter {
    /// The account, token or client with this id. An account includes its tokens.
    Id(Uuid),
    /// Every actor of this kind.
    Kind(ActorKind),
    /// Actors with this name at that time: a username, a client's name or an operating system user.
    Name(String),
}

impl ActorFilter {
    /// Parses an id, a kind, or a name. `cli:<name>` is also accepted for an operating system user.
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

/// Which actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ActionFilter {
    /// This action.
    Exactly(String),
    /// Actions that start with this text.
    BeginsWith(String),
}

impl ActionFilter {
    /// Parses `user.update`, or `user.*` for all actions that start with `user.`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(beginning) => Self::BeginsWith(beginning.to_owned()),
            None => Self::Exactly(text.to_owned()),
        }
    }
}

/// The position of the last event of a page. The next page starts after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCursor {
    /// When the event happened.
    pub at: DateTime<Utc>,
    /// The event's id.
    pub id: AuditEventId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actor_filter_is_an_id_a_kind_or_a_name() {
        let id = "0195f0b4-7d1c-7000-8000-000000000001";
        assert_eq!(ActorFilter::parse(id), ActorFilter::Id(id.parse().unwrap()));
        assert_eq!(ActorFilter::parse("cli"), ActorFilter::Kind(ActorKind::Cli));
        assert_eq!(
            ActorFilter::parse("anonymous"),
            ActorFilter::Kind(ActorKind::Anonymous)
        );
        assert_eq!(
            ActorFilter::parse("cli:root"),
            ActorFilter::Name("root".to_owned())
        );
        assert_eq!(
            ActorFilter::parse("ada"),
            ActorFilter::Name("ada".to_owned())
        );
    }

    #[test]
    fn trailing_asterisk_matches_a_prefix() {
        let all = ActionFilter::BeginsWith("user.".to_owned());
        assert_eq!(ActionFilter::parse("user.*"), all);
        let one = ActionFilter::Exactly("user.tag".to_owned());
        assert_eq!(ActionFilter::parse("user.tag"), one);
    }
}
