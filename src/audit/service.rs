//! Writing to the audit log.

use serde_json::{Value, json};
use uuid::Uuid;

use super::store::{self, EventRow, WordsRow};
use crate::auth::{Actor, Who};
use crate::db::Tx;
use crate::error::{AppError, Code, Halt, Kind};
use crate::http::TraceId;
use crate::ids::{ClientId, EventId, InviteId, SessionId, TokenId, UserId};

/// What an act was done to.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An account.
    User(UserId),
    /// A session.
    Session(SessionId),
    /// A personal access token.
    Token(TokenId),
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
    const fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::User(_) => "user",
            Self::Session(_) => "session",
            Self::Token(_) => "token",
            Self::Client(_) => "client",
            Self::Role(_) => "role",
            Self::Permission(_) => "permission",
            Self::Invite(_) => "invite",
            Self::SigningKey(_) => "signingKey",
            Self::Name(_) => "name",
            Self::Nothing => return None,
        })
    }

    fn id(&self) -> Option<String> {
        Some(match self {
            Self::User(id) => id.to_string(),
            Self::Session(id) => id.to_string(),
            Self::Name(id) => id.to_string(),
            Self::Invite(id) => id.to_string(),
            Self::Token(id) => id.to_string(),
            Self::Client(id) => id.to_string(),
            Self::Role(name) | Self::Permission(name) | Self::SigningKey(name) => name.clone(),
            Self::Nothing => return None,
        })
    }

    const fn person(&self) -> Option<UserId> {
        match self {
            Self::User(id) => Some(*id),
            _ => None,
        }
    }
}

/// One act, as the log keeps it.
#[derive(Debug)]
pub struct Act {
    /// `thing.verb`, such as `user.create`.
    pub action: &'static str,
    /// What it was done to.
    pub subject: Subject,
    /// What it changed, before: no secret, no name, no address.
    pub before: Option<Value>,
    /// What it changed, after.
    pub after: Option<Value>,
    /// Words about the person that a purge removes: `{"username": …}`.
    pub words: Option<Value>,
}

impl Act {
    /// An act that says no more than that it was done.
    #[must_use]
    pub const fn new(action: &'static str, subject: Subject) -> Self {
        Self {
            action,
            subject,
            before: None,
            after: None,
            words: None,
        }
    }

    /// Adds what changed.
    #[must_use]
    pub fn changing(mut self, before: Value, after: Value) -> Self {
        self.before = Some(before);
        self.after = Some(after);
        self
    }

    /// Adds words about the person.
    #[must_use]
    pub fn words(mut self, words: Value) -> Self {
        self.words = Some(words);
        self
    }
}

/// Records that `by` did this.
///
/// # Errors
/// When it can't be written; the act then does not happen either.
pub fn record(tx: &mut Tx<'_>, by: &Actor, act: Act) -> Result<(), AppError> {
    write(tx, by, act, None)
}

/// Records that `by` was refused this, and says to keep that record.
pub fn refuse(tx: &mut Tx<'_>, by: &Actor, act: Act, why: impl Into<AppError>) -> Halt {
    let why = why.into();
    match write(tx, by, act, Some(why.code().as_str())) {
        Ok(()) => Halt::Commit(why),
        Err(error) => Halt::RollBack(error),
    }
}

/// [`refuse`] when `why` is that the caller may not; any other failure just fails.
pub fn fail(tx: &mut Tx<'_>, by: &Actor, act: impl FnOnce() -> Act, why: AppError) -> Halt {
    match why.code().kind() {
        Kind::Forbidden => refuse(tx, by, act(), why),
        _ => Halt::RollBack(why),
    }
}

/// Records that `by` was refused this, where the answer must not tell.
///
/// # Errors
/// As [`record`].
pub fn record_refused(tx: &mut Tx<'_>, by: &Actor, act: Act, why: Code) -> Result<(), AppError> {
    write(tx, by, act, Some(why.as_str()))
}

/// Removes every word about this person; the rows, with their ids, stay.
///
/// # Errors
/// When the database fails.
pub fn forget(tx: &mut Tx<'_>, person: UserId) -> Result<usize, AppError> {
    Ok(store::forget(tx.conn, person.0)?)
}

fn write(tx: &mut Tx<'_>, by: &Actor, act: Act, refusal: Option<&str>) -> Result<(), AppError> {
    let id = EventId::new(tx.now);
    let (kind, actor_id, session_id) = match &by.who {
        Who::User { id, session } => ("user", Some(id.0), Some(session.0)),
        Who::Token { id, .. } => ("token", Some(id.0), None),
        Who::Client { id, .. } => ("client", Some(id.0), None),
        Who::Operator { .. } => ("cli", None, None),
        Who::System => ("system", None, None),
        Who::Anonymous => ("anonymous", None, None),
    };
    let row = EventRow {
        id,
        at: tx.now,
        actor_kind: kind,
        actor_id,
        session_id,
        action: act.action,
        subject_kind: act.subject.kind(),
        subject_id: act.subject.id(),
        outcome: if refusal.is_none() { "done" } else { "refused" },
        code: refusal,
        before: act.before,
        after: act.after,
        trace_id: by.origin.trace_id.as_ref().map(TraceId::as_str),
    };
    let mut words = vec![WordsRow {
        event_id: id,
        user_id: by.user_id().map(|id| id.0),
        part: "actor",
        words: actor_words(by),
    }];
    if let Some(said) = act.words {
        words.push(WordsRow {
            event_id: id,
            user_id: act.subject.person().map(|person| person.0),
            part: "subject",
            words: said,
        });
    }
    Ok(store::insert(tx.conn, &row, &words)?)
}

fn actor_words(by: &Actor) -> Value {
    let name = match &by.who {
        Who::Operator { os_user } => Some(os_user.as_str()),
        _ => by.username.as_deref(),
    };
    json!({
        "name": name,
        "ip": by.origin.ip.map(|ip| ip.to_string()),
        "userAgent": by.origin.user_agent.as_deref(),
    })
}
