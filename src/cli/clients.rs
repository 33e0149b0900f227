//! `rosterd clients`: manages service clients.

use clap::{Args, Subcommand};

use super::context::{CliContext, with_context};
use super::output::{self, Column, FormatFlags, TableRow};
use super::paging::{self, ListFlags};
use super::prompt::YesFlag;
use super::{CliError, edit_list, print_stderr};
use crate::access::authentication::{Can, needs};
use crate::access::clients::service::{self, ClientPatch, NewClient};
use crate::access::clients::{Client, ClientWithSecret};
use crate::platform::config::Config;
use crate::platform::error::{AppError, Code};
use crate::platform::http::{IfMatch, PatchField, Versioned, validate};

#[derive(Subcommand)]
pub enum ClientsCommand {
    /// List service clients, newest first.
    #[command(after_help = "Examples:\n  rosterd clients ls\n  rosterd clients ls media --json")]
    Ls {
        /// Only clients whose name contains this text.
        search: Option<String>,
        #[command(flatten)]
        flags: ListFlags,
    },
    /// Show one service client.
    #[command(after_help = "Example:\n  rosterd clients show 'media server'")]
    Show {
        /// Name or id.
        client: String,
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Create a service client and print its secret, which is shown only once.
    Add(AddClientArgs),
    /// Update a service client; the change applies from its next request.
    Mod(ModifyClientArgs),
    /// Replace the secret of a service client; the old secret and its access tokens stop working at once.
    #[command(after_help = "Example:\n  rosterd clients rotate-secret 'media server' --yes")]
    RotateSecret {
        /// Name or id.
        client: String,
        #[command(flatten)]
        yes: YesFlag,
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Delete a service client; its access tokens stop working at once.
    #[command(after_help = "Example:\n  rosterd clients rm 'media server' --yes")]
    Rm {
        /// Name or id.
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
pub struct AddClientArgs {
    /// The name, unique among service clients.
    name: String,
    /// Grant this permission; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// The rank, 0 to 999: the client can manage users of a lower rank and of rank 0.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    rank: i32,
    #[command(flatten)]
    format: FormatFlags,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd clients mod 'media server' --permission sessions.read --no-permission users.read
  rosterd clients mod 'media server' --no-active")]
pub struct ModifyClientArgs {
    /// Name or id.
    client: String,
    /// Change the name.
    #[arg(long)]
    name: Option<String>,
    /// Add this permission; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// Remove this permission; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    no_permission: Vec<String>,
    /// Change the rank, 0 to 999.
    #[arg(long, allow_negative_numbers = true)]
    rank: Option<i32>,
    /// Enable the client.
    #[arg(long, conflicts_with = "no_active")]
    active: bool,
    /// Disable the client; its access tokens stop working, also after it is enabled again.
    #[arg(long)]
    no_active: bool,
    #[command(flatten)]
    format: FormatFlags,
}

pub fn run(config: &Config, command: ClientsCommand) -> Result<(), CliError> {
    with_context(config, |context| match command {
        ClientsCommand::Ls { search, flags } => ls(context, search.as_deref(), flags),
        ClientsCommand::Show { client, format } => {
            output::show(format, &find_client(context, &client)?)
        }
        ClientsCommand::Add(args) => add(context, args),
        ClientsCommand::Mod(args) => modify(context, args),
        ClientsCommand::RotateSecret {
            client,
            yes,
            format,
        } => rotate_secret(context, &client, yes, format),
        ClientsCommand::Rm { client, yes } => delete(context, &client, yes),
    })
}

fn find_client(context: &CliContext<'_>, name: &str) -> Result<Client, CliError> {
    let by_name = context
        .db
        .read_now(|tx| service::find_by_id_or_name(tx, name));
    let completed = context.complete_id(name, service::find_ids)?;
    let found = match (by_name, completed) {
        (Ok(client), Some(id)) if client.id.to_string() != id => {
            return Err(CliError::Failed(format!(
                "{name} can mean the client of that name or {id}: use the whole id"
            )));
        }
        (Err(error), Some(id)) if error.code() == Code::NotFound => context
            .db
            .read_now(|tx| service::find_by_id_or_name(tx, &id)),
        (by_name, _) => by_name,
    };
    found.map_err(|error: AppError| match error.code() {
        Code::NotFound => CliError::Failed(format!(
            "there is no service client called {name}; `rosterd clients ls` lists them"
        )),
        _ => error.into(),
    })
}

fn ls(context: &CliContext<'_>, search: Option<&str>, flags: ListFlags) -> Result<(), CliError> {
    paging::print_pages(
        flags,
        |after, rows| {
            let (page, _) = context
                .db
                .read_now(|tx| service::list(tx, after, rows, false))?;
            Ok(page)
        },
        |client: &Client| client.id,
        |client| paging::contains_ignoring_case(&client.name, search),
    )
}

fn add(context: &CliContext<'_>, args: AddClientArgs) -> Result<(), CliError> {
    let new_client = NewClient {
        name: args.name,
        permissions: args.permission,
        rank: Some(args.rank),
    };
    create(context, new_client, args.format)
}

/// Creates a service client and prints it with its secret.
pub fn create(
    context: &CliContext<'_>,
    new_client: NewClient,
    format: FormatFlags,
) -> Result<(), CliError> {
    let actor: Can<needs::ManageClients> = context.authorize()?;
    let draft = validate(new_client)?.check()?;
    let created = context
        .db
        .write_now(|tx| service::create(tx, &actor, &draft))?;
    output::show(format, &created)
}

fn modify(context: &CliContext<'_>, args: ModifyClientArgs) -> Result<(), CliError> {
    let actor: Can<needs::ManageClients> = context.authorize()?;
    let current = find_client(context, &args.client)?;
    let permissions = edit_list(&current.permissions, &args.permission, &args.no_permission);
    let is_active = (args.active || args.no_active).then_some(args.active);
    if args.name.is_none() && permissions.is_none() && args.rank.is_none() && is_active.is_none() {
        return Err(CliError::nothing_to_change("rosterd clients mod"));
    }
    let patch = ClientPatch {
        name: args.name.map_or(PatchField::Keep, PatchField::Set),
        permissions: permissions.map_or(PatchField::Keep, PatchField::Set),
        rank: args.rank.map_or(PatchField::Keep, PatchField::Set),
        is_active: is_active.map_or(PatchField::Keep, PatchField::Set),
    };
    let change = validate(patch)?.check()?;
    let if_match = IfMatch::Versions(vec![current.version()]);
    let client = context
        .db
        .write_now(|tx| service::update(tx, &actor, current.id, &change, &if_match))?;
    if args.format.is_set() {
        return output::show(args.format, &client);
    }
    print_stderr(&format!("Service client {} updated.", client.name));
    Ok(())
}

fn rotate_secret(
    context: &CliContext<'_>,
    name: &str,
    yes: YesFlag,
    format: FormatFlags,
) -> Result<(), CliError> {
    let actor: Can<needs::ManageClients> = context.authorize()?;
    let client = find_client(context, name)?;
    yes.confirm(&format!(
        "Replace the secret of {}? The old secret stops working at once.",
        client.name
    ))?;
    let created = context
        .db
        .write_now(|tx| service::rotate_secret(tx, &actor, client.id, &IfMatch::Absent))?;
    output::show(format, &created)
}

fn delete(context: &CliContext<'_>, name: &str, yes: YesFlag) -> Result<(), CliError> {
    let actor: Can<needs::ManageClients> = context.authorize()?;
    let client = find_client(context, name)?;
    yes.confirm(&format!("Delete the service client {}?", client.name))?;
    context
        .db
        .write_now(|tx| service::delete(tx, &actor, client.id, &IfMatch::Absent))?;
    print_stderr(&format!("Service client {} deleted.", client.name));
    Ok(())
}

impl TableRow for Client {
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

impl TableRow for ClientWithSecret {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("clientId", "CLIENT ID", |created| {
            created.client.client_id.to_string().as_str().into()
        }),
        Column::shown("clientSecret", "CLIENT SECRET", |created| {
            (&created.client_secret).into()
        }),
        Column::shown("name", "NAME", |created| (&created.client.name).into()),
        Column::shown("permissions", "PERMISSIONS", |created| {
            (&created.client.permissions).into()
        }),
        Column::shown("rank", "RANK", |created| created.client.rank.into()),
    ];
}
