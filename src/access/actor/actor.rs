//! Who performs an operation: a user, a token, a service client, the operator or the service itself.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::authority::Authority;
use crate::platform::http::TraceId;
use crate::platform::ids::{ClientGrantId, ClientId, PersonalTokenId, SessionId, UserId};

/// The caller of an operation, as known when the request arrived.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The kind of caller and its ids.
    pub identity: Identity,
    /// The name of the account or client, if there is one.
    pub username: Option<Arc<str>>,
    /// The authority when the request arrived. Operations read it again in their own transaction.
    pub authority: Arc<Authority>,
    /// What applications are told about the credential of the caller, besides its authority.
    pub credential: CredentialFacts,
    /// The source of the request.
    pub origin: Origin,
}

/// What applications are told about a credential, besides its authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CredentialFacts {
    /// Whether it has fewer permissions than the account that owns it. The role of the account then says nothing about what
    /// the credential permits, so it is not shown.
    pub is_narrowed: bool,
    /// When the owner of the account proved its identity for this credential; `None` if a program uses it.
    pub authenticated_at: Option<DateTime<Utc>>,
}

/// The kind of caller and its ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A person with a session.
    User {
        /// The account.
        id: UserId,
        /// The session.
        session: SessionId,
    },
    /// A program with a personal access token.
    Token {
        /// The token.
        id: PersonalTokenId,
        /// The account that owns the token.
        owner: UserId,
    },
    /// A service client.
    Client {
        /// The client.
        id: ClientId,
        /// The grant that its access token belongs to.
        grant: ClientGrantId,
    },
    /// The operator at the command line.
    Operator {
        /// The operating system user.
        os_user: OsUser,
    },
    /// rosterd itself.
    System,
    /// An unauthenticated caller, such as one whose sign-in fails.
    Anonymous,
}

/// The operating system user of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsUser {
    /// The user id of the process.
    pub uid: u32,
    /// The name of this user id in `/etc/passwd`, or else the number.
    pub name: String,
    /// `SUDO_USER`: who called `sudo`. Anyone can set it, so it only adds to the name.
    pub sudo_user: Option<String>,
}

/// The source of a request.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The client address; `None` at the command line.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, cut to 512 characters.
    pub user_agent: Option<Arc<str>>,
    /// The trace id (W3C Trace Context) of the request.
    pub trace_id: Option<TraceId>,
    /// The account that recently signed in on the same device, from a signed cookie.
    pub device_of: Option<UserId>,
}

impl Actor {
    /// The operator at the command line.
    #[must_use]
    pub fn operator(os_user: OsUser) -> Self {
        Self {
            identity: Identity::Operator { os_user },
            username: None,
            authority: Arc::new(Authority::system()),
            credential: CredentialFacts::default(),
            origin: Origin::default(),
        }
    }

    /// rosterd itself, for start-up and scheduled jobs.
    #[must_use]
    pub fn system() -> Self {
        Self {
            identity: Identity::System,
            username: None,
            authority: Arc::new(Authority::system()),
            credential: CredentialFacts::default(),
            origin: Origin::default(),
        }
    }

    /// An unauthenticated caller.
    #[must_use]
    pub fn anonymous(origin: Origin) -> Self {
        Self {
            identity: Identity::Anonymous,
            username: None,
            authority: Arc::new(Authority::none()),
            credential: CredentialFacts::default(),
            origin,
        }
    }

    /// The account that acts, or that owns the token that acts.
    #[must_use]
    pub const fn user_id(&self) -> Option<UserId> {
        match self.identity {
            Identity::User { id, .. } | Identity::Token { owner: id, .. } => Some(id),
            _ => None,
        }
    }

    /// The session that acts, if there is one.
    #[must_use]
    pub const fn session_id(&self) -> Option<SessionId> {
        match self.identity {
            Identity::User { session, .. } => Some(session),
            _ => None,
        }
    }

    /// The role that applications are told; empty if the caller has none or has fewer permissions than its role.
    #[must_use]
    pub fn shown_role(&self) -> &str {
        if self.credential.is_narrowed {
            ""
        } else {
            &self.authority.role
        }
    }

    /// A text that identifies this caller uniquely.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.identity {
            Identity::User { id, .. } => format!("user:{id}"),
            Identity::Token { id, .. } => format!("token:{id}"),
            Identity::Client { id, .. } => format!("client:{id}"),
            Identity::Operator { os_user } => format!("cli:{}", os_user.name),
            Identity::System => "system".to_owned(),
            Identity::Anonymous => "anonymous".to_owned(),
        }
    }
}
