//! `rosterd invites`: who may register, and what they are given.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::context::CliContext;
use super::output::{self, Column, FormFlags, Row};
use super::paging::{self, ListFlags};
use super::{Failure, context, tell, when};
use crate::access::authentication::{Can, needs};
use crate::accounts::invites::{Invite, InviteState, InviteWithToken, NewInvite, service};
use crate::platform::config::Config;
use crate::platform::error::Code;
use crate::platform::http::{IfMatch, validated};

#[derive(Subcommand)]
pub enum Command {
    /// List the invites, the newest first.
    #[command(after_help = "Examples:\n  rosterd invites ls\n  rosterd invites ls -n 10 --csv")]
    Ls {
        #[command(flatten)]
        flags: ListFlags,
    },
    /// Make an invite, and print its token and link, which are shown once.
    Add(Add),
    /// End an invite; accounts that were made with it stay as they are.
    #[command(
        after_help = "Example:\n  rosterd invites revoke 0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de"
    )]
    Revoke {
        /// The invite: its token or its id.
        token_or_id: String,
    },
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd invites add
  rosterd invites add --expires-at 2027-01-31 --max-use 20
  rosterd invites add --role Admin --email ada@example.org --json")]
pub struct Add {
    /// When it ends: a day, a time, or a span such as 30d; 7d without it.
    #[arg(long, value_name = "TIME", value_parser = when::moment)]
    expires_at: Option<DateTime<Utc>>,
    /// For how many accounts it is good.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    max_use: i32,
    /// The role that it gives; User without it.
    #[arg(long)]
    role: Option<String>,
    /// A permission that it gives; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// The only address that it is good for.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    #[command(flatten)]
    form: FormFlags,
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    context::at(config, |desk| match command {
        Command::Ls { flags } => ls(desk, flags),
        Command::Add(arguments) => add(desk, arguments),
        Command::Revoke { token_or_id } => revoke(desk, &token_or_id),
    })
}

fn ls(desk: &CliContext<'_>, flags: ListFlags) -> Result<(), Failure> {
    paging::print(
        flags,
        |after, rows| {
            let (page, _) = desk
                .db
                .read_now(|tx| service::list(tx, after, rows, false))?;
            Ok(page)
        },
        |invite: &Invite| invite.id,
        |_| true,
    )
}

fn add(desk: &CliContext<'_>, arguments: Add) -> Result<(), Failure> {
    let by: Can<needs::ManageInvites> = desk.may()?;
    let new = NewInvite {
        expires_at_utc: arguments.expires_at,
        max_uses: Some(arguments.max_use),
        role: arguments.role,
        permissions: arguments.permission,
        email: arguments.email,
    };
    let draft = validated(new)?.check()?;
    let page = &desk.config.invite_page;
    let fresh = desk
        .db
        .write_now(|tx| service::create(tx, &by, page, &draft))?;
    output::show(arguments.form, &fresh)
}

fn revoke(desk: &CliContext<'_>, token_or_id: &str) -> Result<(), Failure> {
    let by: Can<needs::ManageInvites> = desk.may()?;
    desk.db
        .write_now(|tx| service::revoke(tx, &by, token_or_id, &IfMatch::Absent))
        .map_err(|error| match error.code() {
            // What was typed may be a token.
            Code::NotFound => Failure::Failed(
                "there is no such invite; `rosterd invites ls` shows them".to_owned(),
            ),
            _ => error.into(),
        })?;
    tell("The invite is revoked.");
    Ok(())
}

const fn word(state: InviteState) -> &'static str {
    match state {
        InviteState::Open => "open",
        InviteState::Revoked => "revoked",
        InviteState::Expired => "expired",
        InviteState::Exhausted => "exhausted",
    }
}

impl Row for Invite {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("id", "ID", |invite| invite.id.to_string().as_str().into()),
        Column::shown("state", "STATE", |invite| word(invite.state).into()),
        Column::shown("role", "ROLE", |invite| (&invite.role).into()),
        Column::shown("permissions", "PERMISSIONS", |invite| {
            (&invite.permissions).into()
        }),
        Column::shown("email", "EMAIL", |invite| (&invite.email).into()),
        Column::shown("uses", "USES", |invite| invite.uses.into()),
        Column::shown("maxUses", "OF", |invite| invite.max_uses.into()),
        Column::extra("madeBy", |invite| {
            let maker = invite.made_by.as_ref();
            maker
                .map(|maker| maker.username.clone())
                .as_ref()
                .map_or(output::Cell::Nothing, Into::into)
        }),
        Column::extra("createdAtUtc", |invite| invite.created_at_utc.into()),
        Column::shown("expiresAtUtc", "EXPIRES", |invite| {
            invite.expires_at_utc.into()
        }),
        Column::extra("revokedAtUtc", |invite| invite.revoked_at_utc.into()),
    ];
}

impl Row for InviteWithToken {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("token", "TOKEN", |fresh| (&fresh.token).into()),
        Column::shown("url", "LINK", |fresh| (&fresh.url).into()),
        Column::shown("id", "ID", |fresh| {
            fresh.invite.id.to_string().as_str().into()
        }),
        Column::shown("role", "ROLE", |fresh| (&fresh.invite.role).into()),
        Column::shown("maxUses", "USES", |fresh| fresh.invite.max_uses.into()),
        Column::shown("expiresAtUtc", "EXPIRES", |fresh| {
            fresh.invite.expires_at_utc.into()
        }),
    ];
}
