//! `rosterd auth`: manages sessions and personal access tokens.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::{CliContext, with_context};
use super::output::{self, Cell, Column, FormatFlags, TableRow};
use super::paging::{self, ListFlags};
use super::prompt::YesFlag;
use super::{CliError, clients, print_stderr, report_revoked, time_argument};
use crate::access::authentication::{Can, needs};
use crate::access::clients::service::NewClient;
use crate::access::sessions::{self, Session};
use crate::access::tokens::{self, NewToken, PersonalToken, TokenWithSecret};
use crate::accounts::lifecycle;
use crate::accounts::lifecycle::service::RevokedCredentials;
use crate::accounts::users;
use crate::platform::config::Config;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code};
use crate::platform::http::{IfMatch, validate};
use crate::platform::ids::{PersonalTokenId, SessionId, UserId};
use crate::platform::timestamp::Timestamp;

#[derive(Subcommand)]
pub enum AuthCommand {
    /// List sessions and access tokens: first the sessions, then the tokens, newest first.
    #[command(after_help = "Examples:\n  rosterd auth ls\n  rosterd auth ls ada --json")]
    Ls {
        /// Only entries whose username, token name or user agent contains this text.
        search: Option<String>,
        #[command(flatten)]
        flags: ListFlags,
    },
    /// Create an access token, and print it; it is shown only once.
    Add(AddTokenArgs),
    /// Show one session or access token.
    #[command(
        after_help = "Example:\n  rosterd auth show 0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de --json"
    )]
    Show {
        /// The id, or its first eight or more characters if no other id begins so.
        id: String,
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Revoke a session or an access token.
    #[command(after_help = "Example:\n  rosterd auth rm 0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de")]
    Rm {
        /// The id, or its first eight or more characters if no other id begins so.
        id: String,
    },
    /// Revoke all sessions, access tokens, links and invites of all users and service clients.
    #[command(
        after_help = "Examples:\n  rosterd auth reset\n  rosterd auth reset --end-credentials --yes"
    )]
    Reset {
        /// End all passwords and client secrets too, for example after restoring a backup in which old ones are valid.
        #[arg(long)]
        end_credentials: bool,
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
pub struct AddTokenArgs {
    /// The user: username, id or email address. Without it, a service client is created, as with `rosterd clients add`.
    #[arg(value_name = "NAME")]
    account: Option<String>,
    /// The name of the token [default: "command line"] or of the service client.
    #[arg(short = 'n', long, required_unless_present = "account")]
    name: Option<String>,
    /// The permissions, separated by spaces or commas; can be repeated.
    #[arg(short = 's', long, value_name = "PERMISSIONS")]
    scope: Vec<String>,
    /// When the token expires: seconds from now, the last day, a time, or a duration such as 30d [default: never].
    #[arg(short = 'e', long, value_name = "TIME", value_parser = time_argument::parse_token_expiry, requires = "account")]
    expires: Option<Timestamp>,
    #[command(flatten)]
    format: FormatFlags,
}

/// A session or an access token, as one entry of the common list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionOrTokenEntry {
    id: String,
    kind: &'static str,
    user_id: UserId,
    username: String,
    /// The name of the token, or the user agent of the session.
    name: Option<String>,
    /// The permissions of the token; empty for a session, which has all permissions of its user.
    permissions: Vec<String>,
    created_at_utc: DateTime<Utc>,
    last_used_at_utc: Option<DateTime<Utc>>,
    expires_at_utc: Option<DateTime<Utc>>,
    #[serde(skip)]
    cursor: AccessCursor,
}

/// The position of an entry in the list.
#[derive(Clone, Copy)]
enum AccessCursor {
    Session(SessionId),
    Token(PersonalTokenId),
}

pub fn run(config: &Config, command: AuthCommand) -> Result<(), CliError> {
    with_context(config, |context| match command {
        AuthCommand::Ls { search, flags } => ls(context, search.as_deref(), flags),
        AuthCommand::Add(args) => add(context, args),
        AuthCommand::Show { id, format } => output::show(format, &find_entry(context, &id)?),
        AuthCommand::Rm { id } => revoke(context, &id),
        AuthCommand::Reset {
            end_credentials,
            yes,
        } => reset(context, end_credentials, yes),
    })
}

fn ls(context: &CliContext<'_>, search: Option<&str>, flags: ListFlags) -> Result<(), CliError> {
    let matches = |entry: &SessionOrTokenEntry| {
        let name = entry.name.as_deref().unwrap_or_default();
        paging::contains_ignoring_case(&entry.username, search)
            || paging::contains_ignoring_case(name, search)
    };
    paging::print_pages(
        flags,
        |after, limit| read_page(context, after, limit),
        |entry: &SessionOrTokenEntry| entry.cursor,
        matches,
    )
}

/// Up to `limit` entries after the cursor: sessions and, when there are no more sessions, tokens.
fn read_page(
    context: &CliContext<'_>,
    after: Option<AccessCursor>,
    limit: i64,
) -> Result<Vec<SessionOrTokenEntry>, CliError> {
    let mut entries = Vec::new();
    if let None | Some(AccessCursor::Session(_)) = after {
        let after = match after {
            Some(AccessCursor::Session(id)) => Some(id),
            _ => None,
        };
        let actor: Can<needs::ReadSessions> = context.authorize()?;
        let all = sessions::SessionFilter {
            user: None,
            ip: None,
        };
        let (sessions, _) = context.db.write_now(|tx| {
            sessions::session_admin::service::list(tx, &actor, &all, after, limit, false)
        })?;
        entries.extend(sessions.into_iter().map(SessionOrTokenEntry::from));
    }
    let remaining = limit - i64::try_from(entries.len()).unwrap_or(limit);
    let after = match after {
        Some(AccessCursor::Token(id)) => Some(id),
        _ => None,
    };
    if remaining > 0 {
        let actor: Can<needs::ReadTokens> = context.authorize()?;
        let tokens = context
            .db
            .read_now(|tx| tokens::token_admin::service::list_all(tx, &actor, after, remaining))?;
        entries.extend(tokens.into_iter().map(SessionOrTokenEntry::from));
    }
    with_usernames(context, entries)
}

/// Fills in the usernames.
fn with_usernames(
    context: &CliContext<'_>,
    mut entries: Vec<SessionOrTokenEntry>,
) -> Result<Vec<SessionOrTokenEntry>, CliError> {
    let ids: Vec<UserId> = entries.iter().map(|entry| entry.user_id).collect();
    let usernames = context
        .db
        .read_now(|tx| users::service::usernames(tx, &ids))?;
    for entry in &mut entries {
        if let Some(username) = usernames.get(&entry.user_id) {
            entry.username.clone_from(username);
        }
    }
    Ok(entries)
}

impl From<Session> for SessionOrTokenEntry {
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
            cursor: AccessCursor::Session(session.id),
        }
    }
}

impl From<PersonalToken> for SessionOrTokenEntry {
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
            cursor: AccessCursor::Token(token.id),
        }
    }
}

fn add(context: &CliContext<'_>, args: AddTokenArgs) -> Result<(), CliError> {
    let names = args
        .scope
        .iter()
        .flat_map(|scope| scope.split([' ', ',']))
        .filter(|name| !name.is_empty());
    let permissions = names.map(str::to_owned).collect();
    let Some(account) = args.account else {
        let new_client = NewClient {
            name: args.name.unwrap_or_default(),
            permissions,
            rank: None,
        };
        return clients::create(context, new_client, args.format);
    };
    let actor: Can<needs::ManageTokens> = context.authorize()?;
    let owner = context.find_account(&account)?;
    let new_token = NewToken {
        name: args.name.unwrap_or_else(|| "command line".to_owned()),
        permissions,
        expires_at_utc: args.expires,
    };
    let draft = validate(new_token)?.check()?;
    let created = context.db.write_now(|tx| {
        tokens::token_admin::service::create(tx, &actor, owner.id, &draft, &IfMatch::Absent)
    })?;
    output::show(args.format, &created)
}

fn find_entry(context: &CliContext<'_>, id: &str) -> Result<SessionOrTokenEntry, CliError> {
    let find_ids = |tx: &mut Tx<'_>, prefix| {
        let mut ids = sessions::session_admin::service::find_ids(tx, prefix)?;
        ids.extend(tokens::service::find_ids(tx, prefix)?);
        Ok(ids)
    };
    let completed = context.complete_id(id, find_ids)?;
    let id = completed.as_deref().unwrap_or(id);
    let entry = match find_session(context, SessionId::from_path(id)) {
        Err(error) if error.code() == Code::NotFound => {
            find_token(context, PersonalTokenId::from_path(id))
        }
        result => result,
    };
    let entry = entry.map_err(|error| id_not_found(error, id))?;
    with_usernames(context, vec![entry])?
        .into_iter()
        .next()
        .ok_or_else(|| id_not_found(Code::NotFound.into(), id))
}

fn find_session(context: &CliContext<'_>, id: SessionId) -> Result<SessionOrTokenEntry, AppError> {
    let actor: Can<needs::ReadSessions> = context.authorize()?;
    let session = context
        .db
        .write_now(|tx| sessions::session_admin::service::show(tx, &actor, id));
    session.map(SessionOrTokenEntry::from)
}

fn find_token(
    context: &CliContext<'_>,
    id: PersonalTokenId,
) -> Result<SessionOrTokenEntry, AppError> {
    let actor: Can<needs::ReadTokens> = context.authorize()?;
    let token = context.db.write_now(|tx| {
        let owner = tokens::service::find_owner(tx, id)?;
        tokens::token_admin::service::show(tx, &actor, owner, id)
    });
    token.map(SessionOrTokenEntry::from)
}

fn revoke(context: &CliContext<'_>, id: &str) -> Result<(), CliError> {
    let entry = find_entry(context, id)?;
    let result = match entry.cursor {
        AccessCursor::Session(session) => {
            let actor: Can<needs::RevokeSessions> = context.authorize()?;
            context.db.write_now(|tx| {
                sessions::session_admin::service::end_session(tx, &actor, session, &IfMatch::Absent)
            })
        }
        AccessCursor::Token(token) => {
            let actor: Can<needs::ManageTokens> = context.authorize()?;
            context.db.write_now(|tx| {
                tokens::token_admin::service::revoke(
                    tx,
                    &actor,
                    entry.user_id,
                    token,
                    &IfMatch::Absent,
                )
            })
        }
    };
    result.map_err(|error| id_not_found(error, id))?;
    print_stderr(&format!("The {} {} was revoked.", entry.kind, entry.id));
    Ok(())
}

fn reset(context: &CliContext<'_>, end_credentials: bool, yes: YesFlag) -> Result<(), CliError> {
    let (warning, credentials) = if end_credentials {
        (
            "This signs out all users and service clients, and ends their passwords and secrets.",
            RevokedCredentials::All,
        )
    } else {
        (
            "This signs out all users and service clients.",
            RevokedCredentials::PersonalTokens,
        )
    };
    yes.confirm_by_typing(warning, "reset")?;
    let revoked = context
        .db
        .write_now(|tx| lifecycle::service::revoke_all(tx, &context.operator, credentials))?;
    report_revoked(revoked);
    Ok(())
}

fn id_not_found(error: AppError, id: &str) -> CliError {
    match error.code() {
        Code::NotFound => CliError::Failed(format!(
            "there is no session or access token {id}; `rosterd auth ls` lists them"
        )),
        _ => error.into(),
    }
}

impl TableRow for SessionOrTokenEntry {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("id", "ID", |entry| (&entry.id).into()),
        Column::shown("kind", "KIND", |entry| entry.kind.into()),
        Column::shown("username", "USER", |entry| (&entry.username).into()),
        Column::extra("userId", |entry| entry.user_id.to_string().as_str().into()),
        Column::shown("name", "NAME", |entry| (&entry.name).into()),
        Column::shown("permissions", "PERMISSIONS", |entry| {
            (&entry.permissions).into()
        }),
        Column::extra("createdAtUtc", |entry| entry.created_at_utc.into()),
        Column::shown("lastUsedAtUtc", "LAST USED", |entry| {
            entry.last_used_at_utc.into()
        }),
        Column::shown("expiresAtUtc", "EXPIRES", |entry| {
            entry.expires_at_utc.into()
        }),
    ];
}

impl TableRow for TokenWithSecret {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("id", "ID", |created| created.id.to_string().as_str().into()),
        Column::shown("token", "TOKEN", |created| (&created.token).into()),
        Column::shown("name", "NAME", |created| (&created.name).into()),
        Column::shown("permissions", "PERMISSIONS", |created| {
            (&created.permissions).into()
        }),
        Column::shown("expiresAtUtc", "EXPIRES", |created| {
            created.expires_at_utc.map_or(Cell::Empty, Cell::from)
        }),
    ];
}
