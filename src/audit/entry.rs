//! An audit entry: an action, its subject and what changed. Secrets are never stored, and names and addresses only in
//! [`PersonalData`].

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::diff::FieldDiff;
use crate::access::actor::Identity;
use crate::platform::ids::{ClientId, InviteId, PersonalTokenId, SessionId, UserId};

/// The resource that an action affected.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An account.
    User(UserId),
    /// A session of an account.
    Session(SessionId, UserId),
    /// A personal access token of an account.
    Token(PersonalTokenId, UserId),
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
    /// A login name that no account has, as a keyed hash. Users sometimes type their password into the username field.
    UnknownUsername(Uuid),
    /// No resource, or one that does not exist.
    None,
}

impl Subject {
    /// The kind of the resource.
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
            Self::UnknownUsername(_) => "name",
            Self::None => return None,
        })
    }

    /// The id of the resource; its name where the name is the key.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        Some(match self {
            Self::User(id) => id.to_string(),
            Self::Session(id, _) => id.to_string(),
            Self::Token(id, _) => id.to_string(),
            Self::UnknownUsername(id) => id.to_string(),
            Self::Client(id) => id.to_string(),
            Self::Invite(id) => id.to_string(),
            Self::Role(name) | Self::Permission(name) | Self::SigningKey(name) => name.clone(),
            Self::None => return None,
        })
    }

    /// The account that is affected, or that owns the resource.
    #[must_use]
    pub const fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User(id) | Self::Session(_, id) | Self::Token(_, id) => Some(*id),
            _ => None,
        }
    }
}

/// The kind of the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ActorKind {
    /// A signed-in user.
    User,
    /// A personal access token.
    Token,
    /// A service client.
    Client,
    /// The operator at the command line.
    Cli,
    /// rosterd itself, for example a background job.
    System,
    /// An unauthenticated caller.
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

    /// The stored form.
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

    /// Parses the form that [`ActorKind::as_str`] returns.
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

/// Why a sign-in failed. Shown to holders of `audit.read` only; the caller gets a less specific error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignInFailureReason {
    /// No account has this username or email address.
    UnknownName,
    /// The password is wrong.
    WrongPassword,
    /// The account has no password.
    NoPassword,
    /// The account is deleted.
    AccountDeleted,
    /// The password was correct; the account is disabled.
    AccountDisabled,
    /// The password was correct; the account has expired.
    AccountExpired,
    /// The password was correct; it must be changed first.
    PasswordChangeRequired,
    /// Too many attempts. The password was not checked. At most one such entry per minute is recorded.
    RateLimited,
    /// The password was correct; the second factor is missing or wrong.
    SecondFactor,
}

impl SignInFailureReason {
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

    /// The stored form.
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

    /// Parses the form that [`SignInFailureReason::as_str`] returns.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Personal data that an action changed, such as names and addresses. A purge of the account deletes it.
#[derive(Clone, Debug, Serialize)]
pub struct PersonalData {
    /// The old values.
    pub before: Value,
    /// The new values.
    pub after: Value,
}

/// One action to record in the audit log.
#[derive(Debug)]
pub struct AuditEntry {
    /// `thing.verb`, such as `user.create`.
    pub action: &'static str,
    /// The affected resource.
    pub subject: Subject,
    /// The old values of what changed, without secrets and personal data.
    pub before: Option<Value>,
    /// The new values.
    pub after: Option<Value>,
    /// Changed personal data. A purge of the account deletes it.
    pub personal_data: Option<PersonalData>,
    /// Why a sign-in was denied, where the error code does not say it.
    pub reason: Option<SignInFailureReason>,
}

impl AuditEntry {
    /// An entry without details.
    #[must_use]
    pub const fn new(action: &'static str, subject: Subject) -> Self {
        Self {
            action,
            subject,
            before: None,
            after: None,
            personal_data: None,
            reason: None,
        }
    }

    /// Sets the old and new values of what changed.
    #[must_use]
    pub fn with_change(mut self, before: Value, after: Value) -> Self {
        self.before = Some(before);
        self.after = Some(after);
        self
    }

    /// Sets the old and new values of changed personal data.
    #[must_use]
    pub fn with_personal_data(mut self, before: Value, after: Value) -> Self {
        self.personal_data = Some(PersonalData { before, after });
        self
    }

    /// Sets the fields that changed.
    #[must_use]
    pub fn with_diff(self, diff: FieldDiff) -> Self {
        let (before, after) = diff.into_values();
        self.with_change(before, after)
    }

    /// Sets the personal data fields that changed, if there are any.
    #[must_use]
    pub fn with_personal_diff(self, diff: FieldDiff) -> Self {
        if diff.is_empty() {
            return self;
        }
        let (before, after) = diff.into_values();
        self.with_personal_data(before, after)
    }

    /// Sets why a sign-in was denied.
    #[must_use]
    pub const fn with_reason(mut self, reason: SignInFailureReason) -> Self {
        self.reason = Some(reason);
        self
    }
}
