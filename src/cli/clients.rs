//! `rosterd clients`: the programs that act for themselves.

use clap::{Args, Subcommand};

use super::ask::YesFlag;
use super::context::CliContext;
use super::output::{self, Column, FormFlags, Row};
use super::paging::{self, ListFlags};
use super::{Failure, context, edited, tell};
use crate::access::authentication::{Can, needs};
use crate::access::clients::service::{self, ClientPatch, NewClient};
use crate::access::clients::{Client, ClientWithSecret};
use crate::platform::config::Config;
use crate::platform::error::{AppError, Code};
use crate::platform::http::{IfMatch, Patch, Versioned, validated};

#[derive(Subcommand)]
pub enum Command {
    /// List the service clients, the newest first.
    #[command(after_help = "Examples:\n  rosterd clients ls\n  rosterd clients ls media --json")]
    Ls {
        /// Part of the name.
        search: Option<String>,
        #[command(flatten)]
        flags: ListFlags,
    },
    /// Show a service client.
    #[command(after_help = "Example:\n  rosterd clients show 'media server'")]
    Show {
        /// The client: name or id.
        client: String,
        #[command(flatten)]
        form: FormFlags,
    },
    /// Make a service client, and print its secret, which is shown once.
    Add(Add),
    /// Change a service client; it feels it at its next request.
    Mod(Mod),
    /// Give a service client another secret; the old one and its access tokens are dead at once.
    #[command(after_help = "Example:\n  rosterd clients rotate-secret 'media server' --yes")]
    RotateSecret {
        /// The client: name or id.
        client: String,
        #[command(flatten)]
        yes: YesFlag,
        #[command(flatten)]
        form: FormFlags,
    },
    /// Delete a service client; its access tokens are dead at once.
    #[command(after_help = "Example:\n  rosterd clients rm 'media server' --yes")]
    Rm {
        /// The client: name or id.
        client: String,
        #[command(flatten)]
        yes: YesFlag,
    },
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd clients add 'media server' --permission users.read
  rosterd clients add provisioning --permission users.create --permission users.disable --rank 50 --json")]
pub struct Add {
    /// What it is called.
    name: String,
    /// What it may; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// From 0 to 999: it manages accounts that rank below it, and those of rank 0.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    rank: i32,
    #[command(flatten)]
    form: FormFlags,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd clients mod 'media server' --permission sessions.read --no-permission users.read
  rosterd clients mod 'media server' --no-active")]
pub struct Mod {
    /// The client: name or id.
    client: String,
    /// Call it this.
    #[arg(long)]
    name: Option<String>,
    /// Let it do this too; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// Let it not do this any more; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    no_permission: Vec<String>,
    /// Give it this rank, from 0 to 999.
    #[arg(long, allow_negative_numbers = true)]
    rank: Option<i32>,
    /// Switch it on.
    #[arg(long, conflicts_with = "no_active")]
    active: bool,
    /// Switch it off; its access tokens are dead for good.
    #[arg(long)]
    no_active: bool,
    #[command(flatten)]
    form: FormFlags,
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    context::at(config, |desk| match command {
        Command::Ls { search, flags } => ls(desk, search.as_deref(), flags),
        Command::Show { client, form } => output::show(form, &named(desk, &client)?),
        Command::Add(arguments) => add(desk, arguments),
        Command::Mod(arguments) => change(desk, arguments),
        Command::RotateSecret { client, yes, form } => rotate(desk, &client, yes, form),
        Command::Rm { client, yes } => rm(desk, &client, yes),
    })
}

fn named(desk: &CliContext<'_>, name: &str) -> Result<Client, Failure> {
    desk.db
        .read_now(|tx| service::named(tx, name))
        .map_err(|error: AppError| match error.code() {
            Code::NotFound => Failure::Failed(format!(
                "there is no service client called {name}; `rosterd clients ls` shows them"
            )),
            _ => error.into(),
        })
}

fn ls(desk: &CliContext<'_>, search: Option<&str>, flags: ListFlags) -> Result<(), Failure> {
    paging::print(
        flags,
        |after, rows| {
            let (page, _) = desk
                .db
                .read_now(|tx| service::list(tx, after, rows, false))?;
            Ok(page)
        },
        |client: &Client| client.id,
        |client| paging::has(&client.name, search),
    )
}

fn add(desk: &CliContext<'_>, arguments: Add) -> Result<(), Failure> {
    let new = NewClient {
        name: arguments.name,
        permissions: arguments.permission,
        rank: Some(arguments.rank),
    };
    make(desk, new, arguments.form)
}

/// Makes a service client, and prints it with its secret.
pub fn make(desk: &CliContext<'_>, new: NewClient, form: FormFlags) -> Result<(), Failure> {
    let by: Can<needs::ManageClients> = desk.may()?;
    let draft = validated(new)?.check()?;
    let made = desk.db.write_now(|tx| service::create(tx, &by, &draft))?;
    output::show(form, &made)
}

fn change(desk: &CliContext<'_>, arguments: Mod) -> Result<(), Failure> {
    let by: Can<needs::ManageClients> = desk.may()?;
    let now = named(desk, &arguments.client)?;
    let permissions = edited(
        &now.permissions,
        &arguments.permission,
        &arguments.no_permission,
    );
    let is_active = (arguments.active || arguments.no_active).then_some(arguments.active);
    if arguments.name.is_none()
        && permissions.is_none()
        && arguments.rank.is_none()
        && is_active.is_none()
    {
        return Err(Failure::nothing_to_change("rosterd clients mod"));
    }
    let patch = ClientPatch {
        name: arguments.name.map_or(Patch::Keep, Patch::Set),
        permissions: permissions.map_or(Patch::Keep, Patch::Set),
        rank: arguments.rank.map_or(Patch::Keep, Patch::Set),
        is_active: is_active.map_or(Patch::Keep, Patch::Set),
    };
    let change = validated(patch)?.check()?;
    let as_read = IfMatch::Versions(vec![now.version()]);
    let client = desk
        .db
        .write_now(|tx| service::change(tx, &by, now.id, &change, &as_read))?;
    if arguments.form.is_asked() {
        return output::show(arguments.form, &client);
    }
    tell(&format!("The service client {} is changed.", client.name));
    Ok(())
}

fn rotate(desk: &CliContext<'_>, name: &str, yes: YesFlag, form: FormFlags) -> Result<(), Failure> {
    let by: Can<needs::ManageClients> = desk.may()?;
    let client = named(desk, name)?;
    yes.confirm(&format!(
        "Give {} another secret? What uses the old one stops working.",
        client.name
    ))?;
    let made = desk
        .db
        .write_now(|tx| service::rotate_secret(tx, &by, client.id, &IfMatch::Absent))?;
    output::show(form, &made)
}

fn rm(desk: &CliContext<'_>, name: &str, yes: YesFlag) -> Result<(), Failure> {
    let by: Can<needs::ManageClients> = desk.may()?;
    let client = named(desk, name)?;
    yes.confirm(&format!("Delete the service client {}?", client.name))?;
    desk.db
        .write_now(|tx| service::delete(tx, &by, client.id, &IfMatch::Absent))?;
    tell(&format!("The service client {} is deleted.", client.name));
    Ok(())
}

impl Row for Client {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("clientId", "CLIENT ID", |client| {
            client.client_id.to_string().as_str().into()
        }),
        Column::shown("name", "NAME", |client| (&client.name).into()),
        Column::shown("permissions", "PERMISSIONS", |client| {
            (&client.permissions).into()
        }),
        Column::shown("rank", "RANK", |client| client.rank.into()),
        Column::shown("isActive", "ACTIVE", |client| client.is_active.into()),
        Column::extra("createdAtUtc", |client| client.created_at_utc.into()),
        Column::extra("updatedAtUtc", |client| client.updated_at_utc.into()),
        Column::extra("secretMadeAtUtc", |client| client.secret_made_at_utc.into()),
        Column::shown("lastUsedAtUtc", "LAST USED", |client| {
            client.last_used_at_utc.into()
        }),
    ];
}

impl Row for ClientWithSecret {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("clientId", "CLIENT ID", |made| {
            made.client.client_id.to_string().as_str().into()
        }),
        Column::shown("clientSecret", "CLIENT SECRET", |made| {
            (&made.client_secret).into()
        }),
        Column::shown("name", "NAME", |made| (&made.client.name).into()),
        Column::shown("permissions", "PERMISSIONS", |made| {
            (&made.client.permissions).into()
        }),
        Column::shown("rank", "RANK", |made| made.client.rank.into()),
    ];
}
