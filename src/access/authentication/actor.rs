//! Who acts, and on what authority.

use std::net::IpAddr;
use std::sync::Arc;

use crate::accounts::roles::{PermissionSet, SUPER_ADMIN, SUPER_ADMIN_RANK};
use crate::platform::http::TraceId;
use crate::platform::ids::{ClientId, GrantId, SessionId, TokenId, UserId};

/// Somebody or something that acts, as known when the request arrived.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Who it is.
    pub identity: Identity,
    /// The name of the account or client, if it is one.
    pub username: Option<Arc<str>>,
    /// On what authority. An act decides by a fresh copy of it, read in its own transaction.
    pub authority: Arc<Authority>,
    /// From where.
    pub origin: Origin,
}

/// What kind of actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A person who signed in.
    User {
        /// The account.
        id: UserId,
        /// The session.
        session: SessionId,
    },
    /// A program with a personal access token.
    Token {
        /// The token.
        id: TokenId,
        /// The account that it acts for.
        owner: UserId,
    },
    /// A service client.
    Client {
        /// The client.
        id: ClientId,
        /// What it was given with this access token.
        grant: GrantId,
    },
    /// The operator at the command line.
    Operator {
        /// The name of the operating system's user.
        os_user: String,
    },
    /// rosterd itself.
    System,
    /// Nobody known, such as whoever fails to sign in.
    Anonymous,
}

/// The authority of an actor: what every decision about others is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The role's name.
    pub role: String,
    /// The role's rank.
    pub rank: i32,
    /// What is permitted, by role and by direct grant.
    pub permissions: PermissionSet,
}

/// Where a request comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The address; `None` at the command line.
    pub ip: Option<IpAddr>,
    /// What the client calls itself, cut to 512 characters.
    pub user_agent: Option<Arc<str>>,
    /// The trace (W3C Trace Context) that the act belongs to.
    pub trace_id: Option<TraceId>,
    /// The account that lately signed in on the same device, as a signed cookie says.
    pub device_of: Option<UserId>,
}

impl Authority {
    /// The authority of whoever holds the machine: the operator, and rosterd itself.
    #[must_use]
    pub fn system() -> Self {
        Self {
            role: SUPER_ADMIN.to_owned(),
            rank: SUPER_ADMIN_RANK,
            permissions: PermissionSet::All,
        }
    }

    /// The authority of nobody.
    #[must_use]
    pub fn none() -> Self {
        Self {
            role: String::new(),
            rank: 0,
            permissions: PermissionSet::Only(std::collections::BTreeSet::new()),
        }
    }

    /// Whether this is a `SuperAdmin`'s.
    #[must_use]
    pub fn is_super_admin(&self) -> bool {
        self.role == SUPER_ADMIN
    }

    /// Whether it stands above what has this rank: strictly, and above rank 0 in any case; a `SuperAdmin` above all.
    #[must_use]
    pub fn ranks_above(&self, rank: i32) -> bool {
        self.is_super_admin() || rank == 0 || rank < self.rank
    }
}

impl Actor {
    /// The operator at the command line.
    #[must_use]
    pub fn operator(os_user: String) -> Self {
        Self {
            identity: Identity::Operator { os_user },
            username: None,
            authority: Arc::new(Authority::system()),
            origin: Origin::default(),
        }
    }

    /// rosterd itself, for what it does at its start and by the clock.
    #[must_use]
    pub fn system() -> Self {
        Self {
            identity: Identity::System,
            username: None,
            authority: Arc::new(Authority::system()),
            origin: Origin::default(),
        }
    }

    /// Nobody known.
    #[must_use]
    pub fn anonymous(origin: Origin) -> Self {
        Self {
            identity: Identity::Anonymous,
            username: None,
            authority: Arc::new(Authority::none()),
            origin,
        }
    }

    /// The account that acts, or that a token acts for.
    #[must_use]
    pub const fn user_id(&self) -> Option<UserId> {
        match self.identity {
            Identity::User { id, .. } | Identity::Token { owner: id, .. } => Some(id),
            _ => None,
        }
    }

    /// The session that acts, if it is one.
    #[must_use]
    pub const fn session_id(&self) -> Option<SessionId> {
        match self.identity {
            Identity::User { session, .. } => Some(session),
            _ => None,
        }
    }

    /// A name for this caller that no other caller has.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.identity {
            Identity::User { id, .. } => format!("user:{id}"),
            Identity::Token { id, .. } => format!("token:{id}"),
            Identity::Client { id, .. } => format!("client:{id}"),
            Identity::Operator { os_user } => format!("cli:{os_user}"),
            Identity::System => "system".to_owned(),
            Identity::Anonymous => "anonymous".to_owned(),
        }
    }
}
