//! `rosterd auth`: what accounts get in with, sessions and personal access tokens alike.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::ask::YesFlag;
use super::context::CliContext;
use super::output::{self, Cell, Column, FormFlags, Row};
use super::paging::{self, ListFlags};
use super::{Failure, clients, context, tell, when};
use crate::access::authentication::{Can, needs};
use crate::access::clients::service::NewClient;
use crate::access::sessions::{self, Session};
use crate::access::tokens::{self, NewToken, PersonalToken, TokenWithSecret};
use crate::accounts::users;
use crate::platform::config::Config;
use crate::platform::error::{AppError, Code};
use crate::platform::http::{IfMatch, validated};
use crate::platform::ids::{SessionId, TokenId, UserId};

#[derive(Subcommand)]
pub enum Command {
    /// List sessions, then access tokens, the newest first.
    #[command(after_help = "Examples:\n  rosterd auth ls\n  rosterd auth ls ada --json")]
    Ls {
        /// Part of the username, or of the name of the token or program.
        search: Option<String>,
        #[command(flatten)]
        flags: ListFlags,
    },
    /// Make an access token of an account, or a service client, and print its secret, which happens once.
    Add(Add),
    /// Show a session or an access token.
    #[command(
        after_help = "Example:\n  rosterd auth show 0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de --json"
    )]
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        form: FormFlags,
    },
    /// End a session or an access token.
    #[command(after_help = "Example:\n  rosterd auth rm 0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de")]
    Rm {
        /// Its id.
        id: String,
    },
    /// End every session and every access token of everybody, service clients' too.
    #[command(after_help = "Examples:\n  rosterd auth reset\n  rosterd auth reset --yes")]
    Reset {
        #[command(flatten)]
        yes: YesFlag,
    },
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd auth add ada -n 'nightly export' -s users.read -e 30d
  rosterd auth add ada -n backup -s 'users.read roles.read' --json
  rosterd auth add -n 'media server' -s users.read")]
pub struct Add {
    /// The account: username, id or email address. Without it, a service client is made, as `rosterd clients add` does.
    #[arg(value_name = "NAME")]
    account: Option<String>,
    /// What the token is for, "command line" if not said; what the service client is called.
    #[arg(short = 'n', long, required_unless_present = "account")]
    name: Option<String>,
    /// What it gives: permissions, separated by spaces or commas; can be repeated.
    #[arg(short = 's', long, value_name = "PERMISSIONS")]
    scope: Vec<String>,
    /// When the token ends: a day, a time, or a span such as 30d; never without it.
    #[arg(short = 'e', long, value_name = "TIME", value_parser = when::moment, requires = "account")]
    expires: Option<DateTime<Utc>>,
    #[command(flatten)]
    form: FormFlags,
}

/// A session or an access token, as both are listed together.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Access {
    id: String,
    kind: &'static str,
    user_id: UserId,
    username: String,
    /// The token's, or what the session's program calls itself.
    name: Option<String>,
    /// The token's; a session gives all that its account holds.
    permissions: Vec<String>,
    created_at_utc: DateTime<Utc>,
    last_used_at_utc: Option<DateTime<Utc>>,
    expires_at_utc: Option<DateTime<Utc>>,
    #[serde(skip)]
    position: Position,
}

/// Where an item of the list is.
#[derive(Clone, Copy)]
enum Position {
    Session(SessionId),
    Token(TokenId),
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    context::at(config, |desk| match command {
        Command::Ls { search, flags } => ls(desk, search.as_deref(), flags),
        Command::Add(arguments) => add(desk, arguments),
        Command::Show { id, form } => output::show(form, &find(desk, &id)?),
        Command::Rm { id } => rm(desk, &id),
        Command::Reset { yes } => reset(desk, yes),
    })
}

fn ls(desk: &CliContext<'_>, search: Option<&str>, flags: ListFlags) -> Result<(), Failure> {
    let is_wanted = |access: &Access| {
        let name = access.name.as_deref().unwrap_or_default();
        paging::has(&access.username, search) || paging::has(name, search)
    };
    paging::print(
        flags,
        |after, rows| page(desk, after, rows),
        |access: &Access| access.position,
        is_wanted,
    )
}

/// So many sessions after this position and, when there are no more of them, tokens.
fn page(desk: &CliContext<'_>, after: Option<Position>, rows: i64) -> Result<Vec<Access>, Failure> {
    let mut found = Vec::new();
    if let None | Some(Position::Session(_)) = after {
        let after = match after {
            Some(Position::Session(id)) => Some(id),
            _ => None,
        };
        let by: Can<needs::ReadSessions> = desk.may()?;
        let all = sessions::Filter {
            user: None,
            ip: None,
        };
        let (sessions, _) = desk
            .db
            .write_now(|tx| sessions::others::service::list(tx, &by, &all, after, rows, false))?;
        found.extend(sessions.into_iter().map(Access::from));
    }
    let left = rows - i64::try_from(found.len()).unwrap_or(rows);
    let after = match after {
        Some(Position::Token(id)) => Some(id),
        _ => None,
    };
    if left > 0 {
        let by: Can<needs::ReadTokens> = desk.may()?;
        let tokens = desk
            .db
            .read_now(|tx| tokens::others::service::list_all(tx, &by, after, left))?;
        found.extend(tokens.into_iter().map(Access::from));
    }
    named(desk, found)
}

/// The same with the usernames.
fn named(desk: &CliContext<'_>, mut found: Vec<Access>) -> Result<Vec<Access>, Failure> {
    let ids: Vec<UserId> = found.iter().map(|access| access.user_id).collect();
    let names = desk.db.read_now(|tx| users::service::usernames(tx, &ids))?;
    for access in &mut found {
        if let Some(name) = names.get(&access.user_id) {
            access.username.clone_from(name);
        }
    }
    Ok(found)
}

impl From<Session> for Access {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            kind: "session",
            user_id: session.user_id,
            username: String::new(),
            name: session.user_agent,
            permissions: Vec::new(),
            created_at_utc: session.created_at_utc,
            last_used_at_utc: Some(session.last_seen_at_utc),
            expires_at_utc: Some(session.expires_at_utc),
            position: Position::Session(session.id),
        }
    }
}

impl From<PersonalToken> for Access {
    fn from(token: PersonalToken) -> Self {
        Self {
            id: token.id.to_string(),
            kind: "token",
            user_id: token.user_id,
            username: String::new(),
            name: Some(token.name),
            permissions: token.permissions,
            created_at_utc: token.created_at_utc,
            last_used_at_utc: token.last_used_at_utc,
            expires_at_utc: token.expires_at_utc,
            position: Position::Token(token.id),
        }
    }
}

fn add(desk: &CliContext<'_>, arguments: Add) -> Result<(), Failure> {
    let names = arguments
        .scope
        .iter()
        .flat_map(|scope| scope.split([' ', ',']))
        .filter(|name| !name.is_empty());
    let permissions = names.map(str::to_owned).collect();
    let Some(account) = arguments.account else {
        let new = NewClient {
            name: arguments.name.unwrap_or_default(),
            permissions,
            rank: None,
        };
        return clients::make(desk, new, arguments.form);
    };
    let by: Can<needs::ManageTokens> = desk.may()?;
    let owner = desk.account(&account)?;
    let new = NewToken {
        name: arguments.name.unwrap_or_else(|| "command line".to_owned()),
        permissions,
        expires_at_utc: arguments.expires,
    };
    let draft = validated(new)?.check()?;
    let made = desk.db.write_now(|tx| {
        tokens::others::service::create(tx, &by, owner.id, &draft, &IfMatch::Absent)
    })?;
    output::show(arguments.form, &made)
}

fn find(desk: &CliContext<'_>, id: &str) -> Result<Access, Failure> {
    let access = match session(desk, SessionId::from_path(id)) {
        Err(error) if error.code() == Code::NotFound => token(desk, TokenId::from_path(id)),
        found => found,
    };
    let access = access.map_err(|error| unknown(error, id))?;
    let found = named(desk, vec![access])?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| unknown(Code::NotFound.into(), id))
}

fn session(desk: &CliContext<'_>, id: SessionId) -> Result<Access, AppError> {
    let by: Can<needs::ReadSessions> = desk.may()?;
    let found = desk
        .db
        .write_now(|tx| sessions::others::service::show(tx, &by, id));
    found.map(Access::from)
}

fn token(desk: &CliContext<'_>, id: TokenId) -> Result<Access, AppError> {
    let by: Can<needs::ReadTokens> = desk.may()?;
    let found = desk.db.write_now(|tx| {
        let owner = tokens::service::owner(tx, id)?;
        tokens::others::service::show(tx, &by, owner, id)
    });
    found.map(Access::from)
}

fn rm(desk: &CliContext<'_>, id: &str) -> Result<(), Failure> {
    let access = find(desk, id)?;
    let ended = match access.position {
        Position::Session(session) => {
            let by: Can<needs::RevokeSessions> = desk.may()?;
            desk.db.write_now(|tx| {
                sessions::others::service::end_one(tx, &by, session, &IfMatch::Absent)
            })
        }
        Position::Token(token) => {
            let by: Can<needs::ManageTokens> = desk.may()?;
            desk.db.write_now(|tx| {
                tokens::others::service::revoke(tx, &by, access.user_id, token, &IfMatch::Absent)
            })
        }
    };
    ended.map_err(|error| unknown(error, id))?;
    tell(&format!("The {} {id} is ended.", access.kind));
    Ok(())
}

fn reset(desk: &CliContext<'_>, yes: YesFlag) -> Result<(), Failure> {
    yes.confirm_by_typing("Everybody and every program is signed out.", "reset")?;
    let ended = desk
        .db
        .write_now(|tx| sessions::service::end_everything(tx, &desk.operator))?;
    tell(&format!(
        "{} sessions, {} access tokens and {} grants of service clients are ended.",
        ended.sessions, ended.tokens, ended.grants
    ));
    Ok(())
}

fn unknown(error: AppError, id: &str) -> Failure {
    match error.code() {
        Code::NotFound => Failure::Failed(format!(
            "there is no session or access token {id}; `rosterd auth ls` shows them"
        )),
        _ => error.into(),
    }
}

impl Row for Access {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("id", "ID", |access| (&access.id).into()),
        Column::shown("kind", "KIND", |access| access.kind.into()),
        Column::shown("username", "USER", |access| (&access.username).into()),
        Column::extra("userId", |access| {
            access.user_id.to_string().as_str().into()
        }),
        Column::shown("name", "NAME", |access| (&access.name).into()),
        Column::shown("permissions", "PERMISSIONS", |access| {
            (&access.permissions).into()
        }),
        Column::extra("createdAtUtc", |access| access.created_at_utc.into()),
        Column::shown("lastUsedAtUtc", "LAST USED", |access| {
            access.last_used_at_utc.into()
        }),
        Column::shown("expiresAtUtc", "EXPIRES", |access| {
            access.expires_at_utc.into()
        }),
    ];
}

impl Row for TokenWithSecret {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("id", "ID", |made| made.id.to_string().as_str().into()),
        Column::shown("token", "TOKEN", |made| (&made.token).into()),
        Column::shown("name", "NAME", |made| (&made.name).into()),
        Column::shown("permissions", "PERMISSIONS", |made| {
            (&made.permissions).into()
        }),
        Column::shown("expiresAtUtc", "EXPIRES", |made| {
            made.expires_at_utc.map_or(Cell::Nothing, Cell::from)
        }),
    ];
}
