//! `rosterd invites`: manages invites.

use clap::{Args, Subcommand};

use super::context::{CliContext, with_context};
use super::output::{self, Column, FormatFlags, TableRow};
use super::paging::{self, ListFlags};
use super::{CliError, print_stderr, time_argument};
use crate::access::authentication::{Can, needs};
use crate::accounts::invites::{Invite, InviteState, InviteWithToken, NewInvite, service};
use crate::platform::config::Config;
use crate::platform::error::Code;
use crate::platform::http::{IfMatch, validate};
use crate::platform::timestamp::Timestamp;

#[derive(Subcommand)]
pub enum InvitesCommand {
    /// List invites, newest first.
    #[command(after_help = "Examples:\n  rosterd invites ls\n  rosterd invites ls -n 10 --csv")]
    Ls {
        #[command(flatten)]
        flags: ListFlags,
    },
    /// Create an invite and print its token and link, which are shown only once.
    Add(AddInviteArgs),
    /// Revoke an invite; users who registered with it are not affected.
    #[command(
        after_help = "Example:\n  rosterd invites revoke 0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de"
    )]
    Revoke {
        /// Token or id.
        token_or_id: String,
    },
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd invites add
  rosterd invites add --expires-at 2027-01-31 --max-use 20
  rosterd invites add --role Admin --email ada@example.org --json")]
pub struct AddInviteArgs {
    /// When the invite expires: a date, a time, or a duration such as 30d [default: 7d].
    #[arg(long, value_name = "TIME", value_parser = time_argument::parse_expiry)]
    expires_at: Option<Timestamp>,
    /// How many users can register with the invite.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    max_use: i32,
    /// The role of the new users [default: User].
    #[arg(long)]
    role: Option<String>,
    /// Grant this permission to the new users; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// Restrict the invite to this email address.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    #[command(flatten)]
    format: FormatFlags,
}

pub fn run(config: &Config, command: InvitesCommand) -> Result<(), CliError> {
    with_context(config, |context| match command {
        InvitesCommand::Ls { flags } => ls(context, flags),
        InvitesCommand::Add(args) => add(context, args),
        InvitesCommand::Revoke { token_or_id } => revoke(context, &token_or_id),
    })
}

fn ls(context: &CliContext<'_>, flags: ListFlags) -> Result<(), CliError> {
    paging::print_pages(
        flags,
        |after, rows| {
            let (page, _) = context
                .db
                .read_now(|tx| service::list(tx, after, rows, false))?;
            Ok(page)
        },
        |invite: &Invite| invite.id,
        |_| true,
    )
}

fn add(context: &CliContext<'_>, args: AddInviteArgs) -> Result<(), CliError> {
    let actor: Can<needs::ManageInvites> = context.authorize()?;
    let new_invite = NewInvite {
        expires_at_utc: args.expires_at,
        max_uses: Some(args.max_use),
        role: args.role,
        permissions: args.permission,
        email: args.email,
    };
    let draft = validate(new_invite)?.check()?;
    let link = &context.config.invite_url;
    let created = context
        .db
        .write_now(|tx| service::create(tx, &actor, link, &draft))?;
    if let Some(warning) = service::closed_warning(context.config.registration) {
        print_stderr(warning);
    }
    output::show(args.format, &created)
}

fn revoke(context: &CliContext<'_>, token_or_id: &str) -> Result<(), CliError> {
    let actor: Can<needs::ManageInvites> = context.authorize()?;
    let completed = context.complete_id(token_or_id, service::find_ids)?;
    let token_or_id = completed.as_deref().unwrap_or(token_or_id);
    context
        .db
        .write_now(|tx| service::revoke(tx, &actor, token_or_id, &IfMatch::Absent))
        .map_err(|error| match error.code() {
            // Does not repeat the argument: it may be a mistyped token.
            Code::NotFound => CliError::Failed(
                "there is no such invite; `rosterd invites ls` lists them".to_owned(),
            ),
            _ => error.into(),
        })?;
    print_stderr("Invite revoked.");
    Ok(())
}

const fn state_name(state: InviteState) -> &'static str {
    match state {
        InviteState::Open => "open",
        InviteState::Revoked => "revoked",
        InviteState::Expired => "expired",
        InviteState::Exhausted => "exhausted",
    }
}

impl TableRow for Invite {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("id", "ID", |invite| invite.id.to_string().as_str().into()),
        Column::shown("state", "STATE", |invite| state_name(invite.state).into()),
        Column::shown("role", "ROLE", |invite| (&invite.role).into()),
        Column::shown("permissions", "PERMISSIONS", |invite| {
            (&invite.permissions).into()
        }),
        Column::shown("email", "EMAIL", |invite| (&invite.email).into()),
        Column::shown("uses", "USES", |invite| invite.uses.into()),
        Column::shown("maxUses", "OF", |invite| invite.max_uses.into()),
        Column::extra("madeBy", |invite| {
            let creator = invite.made_by.as_ref();
            creator
                .map(|creator| creator.username.clone())
                .as_ref()
                .map_or(output::Cell::Empty, Into::into)
        }),
        Column::extra("createdAtUtc", |invite| invite.created_at_utc.into()),
        Column::shown("expiresAtUtc", "EXPIRES", |invite| {
            invite.expires_at_utc.into()
        }),
        Column::extra("revokedAtUtc", |invite| invite.revoked_at_utc.into()),
    ];
}

impl TableRow for InviteWithToken {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("token", "TOKEN", |created| (&created.token).into()),
        Column::shown("url", "LINK", |created| (&created.url).into()),
        Column::shown("id", "ID", |created| {
            created.invite.id.to_string().as_str().into()
        }),
        Column::shown("role", "ROLE", |created| (&created.invite.role).into()),
        Column::shown("maxUses", "USES", |created| created.invite.max_uses.into()),
        Column::shown("expiresAtUtc", "EXPIRES", |created| {
            created.invite.expires_at_utc.into()
        }),
    ];
}
