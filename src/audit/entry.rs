//! What the log is told: an act, what it was done to, and what it changed. No secret, and no name outside [`Words`].

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::authentication::Identity;
use crate::platform::ids::{ClientId, InviteId, SessionId, TokenId, UserId};

/// What an act was done to.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An account.
    User(UserId),
    /// A session of an account.
    Session(SessionId, UserId),
    /// A personal access token of an account.
    Token(TokenId, UserId),
    /// A service client.
    Client(ClientId),
    /// A role, by name.
    Role(String),
    /// A permission in the catalogue, by name.
    Permission(String),
    /// An invite.
    Invite(InviteId),
    /// A signing key, by its `kid`.
    SigningKey(String),
    /// A name that no account has, by what stands for it.
    Name(Uuid),
    /// Nothing in particular, or nothing that exists.
    Nothing,
}

impl Subject {
    /// What sort of thing it is.
    #[must_use]
    pub const fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::User(_) => "user",
            Self::Session(..) => "session",
            Self::Token(..) => "token",
            Self::Client(_) => "client",
            Self::Role(_) => "role",
            Self::Permission(_) => "permission",
            Self::Invite(_) => "invite",
            Self::SigningKey(_) => "signingKey",
            Self::Name(_) => "name",
            Self::Nothing => return None,
        })
    }

    /// Which of them.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        Some(match self {
            Self::User(id) => id.to_string(),
            Self::Session(id, _) => id.to_string(),
            Self::Token(id, _) => id.to_string(),
            Self::Name(id) => id.to_string(),
            Self::Client(id) => id.to_string(),
            Self::Invite(id) => id.to_string(),
            Self::Role(name) | Self::Permission(name) | Self::SigningKey(name) => name.clone(),
            Self::Nothing => return None,
        })
    }

    /// The account that it is, or that it belongs to.
    #[must_use]
    pub const fn owner(&self) -> Option<UserId> {
        match self {
            Self::User(id) | Self::Session(_, id) | Self::Token(_, id) => Some(*id),
            _ => None,
        }
    }
}

/// What kind of actor did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ActorKind {
    /// A person who signed in.
    User,
    /// A program with a personal access token.
    Token,
    /// A service client.
    Client,
    /// The operator at the command line.
    Cli,
    /// rosterd itself.
    System,
    /// Nobody known.
    Anonymous,
}

impl ActorKind {
    const ALL: [Self; 6] = [
        Self::User,
        Self::Token,
        Self::Client,
        Self::Cli,
        Self::System,
        Self::Anonymous,
    ];

    /// How it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Client => "client",
            Self::Cli => "cli",
            Self::System => "system",
            Self::Anonymous => "anonymous",
        }
    }

    /// Reads what [`ActorKind::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl From<&Identity> for ActorKind {
    fn from(identity: &Identity) -> Self {
        match identity {
            Identity::User { .. } => Self::User,
            Identity::Token { .. } => Self::Token,
            Identity::Client { .. } => Self::Client,
            Identity::Operator { .. } => Self::Cli,
            Identity::System => Self::System,
            Identity::Anonymous => Self::Anonymous,
        }
    }
}

/// Why a sign-in failed, for those who may know; whoever tried is told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No account has this name.
    UnknownName,
    /// The password is another one.
    WrongPassword,
    /// The account has no password.
    NoPassword,
    /// The account is deleted.
    AccountDeleted,
    /// The password was right, and the account is switched off.
    AccountDisabled,
    /// The password was right, and the account's time is over.
    AccountExpired,
    /// The password was right, and has to be changed first.
    PasswordChangeRequired,
    /// There were too many attempts; the password was not looked at. Of a stream of these one a minute is noted.
    RateLimited,
    /// The password was right, and the second factor is missing or wrong.
    SecondFactor,
}

impl Reason {
    const ALL: [Self; 9] = [
        Self::UnknownName,
        Self::WrongPassword,
        Self::NoPassword,
        Self::AccountDeleted,
        Self::AccountDisabled,
        Self::AccountExpired,
        Self::PasswordChangeRequired,
        Self::RateLimited,
        Self::SecondFactor,
    ];

    /// How it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownName => "unknown_name",
            Self::WrongPassword => "wrong_password",
            Self::NoPassword => "no_password",
            Self::AccountDeleted => "account_deleted",
            Self::AccountDisabled => "account_disabled",
            Self::AccountExpired => "account_expired",
            Self::PasswordChangeRequired => "password_change_required",
            Self::RateLimited => "rate_limited",
            Self::SecondFactor => "second_factor",
        }
    }

    /// Reads what [`Reason::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Words about a person before and after an act: names, addresses, whatever a purge removes.
#[derive(Clone, Debug, Serialize)]
pub struct Words {
    /// As they were.
    pub before: Value,
    /// As they are then.
    pub after: Value,
}

/// One act, as the log keeps it.
#[derive(Debug)]
pub struct AuditEntry {
    /// `thing.verb`, such as `user.create`.
    pub action: &'static str,
    /// What it was done to.
    pub subject: Subject,
    /// What it changed, before: no secret, no name, no address.
    pub before: Option<Value>,
    /// What it changed, after.
    pub after: Option<Value>,
    /// The same for words about the person that a purge removes.
    pub words: Option<Words>,
    /// Why it was refused, where the code that is answered does not say.
    pub reason: Option<Reason>,
}

impl AuditEntry {
    /// An act that says no more than that it was done.
    #[must_use]
    pub const fn new(action: &'static str, subject: Subject) -> Self {
        Self {
            action,
            subject,
            before: None,
            after: None,
            words: None,
            reason: None,
        }
    }

    /// Adds what changed.
    #[must_use]
    pub fn changing(mut self, before: Value, after: Value) -> Self {
        self.before = Some(before);
        self.after = Some(after);
        self
    }

    /// Adds which words about the person changed.
    #[must_use]
    pub fn words(mut self, before: Value, after: Value) -> Self {
        self.words = Some(Words { before, after });
        self
    }

    /// Adds why it is refused.
    #[must_use]
    pub const fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }
}
