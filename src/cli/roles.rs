//! `rosterd roles`: what roles there are, and making, changing and deleting one's own.

use clap::{Args, Subcommand};

use super::ask::YesFlag;
use super::context::CliContext;
use super::output::{self, Column, FormFlags, Row};
use super::{Failure, context, edited, tell};
use crate::access::authentication::{Can, needs};
use crate::accounts::roles::Role;
use crate::accounts::roles::service::{self, NewRole, RolePatch};
use crate::platform::config::Config;
use crate::platform::error::{AppError, Code};
use crate::platform::http::{IfMatch, Patch, Versioned, validated};

#[derive(Subcommand)]
pub enum Command {
    /// List the roles, the highest rank first.
    #[command(after_help = "Examples:\n  rosterd roles ls\n  rosterd roles ls --json")]
    Ls {
        #[command(flatten)]
        form: FormFlags,
    },
    /// Show a role.
    #[command(after_help = "Example:\n  rosterd roles show Admin")]
    Show {
        /// The role.
        name: String,
        #[command(flatten)]
        form: FormFlags,
    },
    /// Make a role.
    Add(Add),
    /// Change a role; whoever has it feels it at the next request.
    Mod(Mod),
    /// Delete a role.
    Rm(Rm),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  rosterd roles add Editor --rank 20 --permission users.read --description 'Keeps the texts'")]
pub struct Add {
    /// 2 to 50 letters, digits, - or _, a letter first.
    name: String,
    /// From 0 to 999: whoever manages an account must rank strictly above it.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    rank: i32,
    /// What it gives; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    form: FormFlags,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd roles mod Editor --permission users.update --no-permission users.read
  rosterd roles mod Editor --rank 30 --no-description
  rosterd roles mod Editor --name Writer --move-to Writer")]
#[group(id = "change", multiple = true)]
pub struct Mod {
    /// The role.
    #[arg(value_name = "NAME")]
    role: String,
    /// Call it this.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where accounts go that have the role when it gets another name: that name, or another role.
    #[arg(long, value_name = "ROLE", requires = "name")]
    move_to: Option<String>,
    /// Give it this rank, from 0 to 999.
    #[arg(long, allow_negative_numbers = true)]
    rank: Option<i32>,
    /// Let it give this too; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// Let it not give this any more; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    no_permission: Vec<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Clear the description.
    #[arg(long, conflicts_with = "description")]
    no_description: bool,
    #[command(flatten)]
    form: FormFlags,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd roles rm Editor
  rosterd roles rm Editor --move-to User --yes")]
pub struct Rm {
    /// The role.
    name: String,
    /// Where accounts go that have it.
    #[arg(long, value_name = "ROLE")]
    move_to: Option<String>,
    #[command(flatten)]
    yes: YesFlag,
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    context::at(config, |desk| match command {
        Command::Ls { form } => output::list(form, &desk.db.read_now(service::list)?),
        Command::Show { name, form } => output::show(form, &role(desk, &name)?),
        Command::Add(arguments) => add(desk, arguments),
        Command::Mod(arguments) => change(desk, arguments),
        Command::Rm(arguments) => rm(desk, &arguments),
    })
}

fn role(desk: &CliContext<'_>, name: &str) -> Result<Role, Failure> {
    desk.db
        .read_now(|tx| service::show(tx, name))
        .map_err(|error| unknown(error, name))
}

fn unknown(error: AppError, name: &str) -> Failure {
    match error.code() {
        Code::NotFound => Failure::Failed(format!(
            "there is no role called {name}; `rosterd roles ls` shows the roles"
        )),
        _ => error.into(),
    }
}

fn add(desk: &CliContext<'_>, arguments: Add) -> Result<(), Failure> {
    let by: Can<needs::ManageRoles> = desk.may()?;
    let new = NewRole {
        name: arguments.name,
        rank: arguments.rank,
        permissions: arguments.permission,
        description: arguments.description,
    };
    let draft = validated(new)?.check()?;
    let role = desk.db.write_now(|tx| service::create(tx, &by, &draft))?;
    report(arguments.form, &role, "made")
}

fn change(desk: &CliContext<'_>, arguments: Mod) -> Result<(), Failure> {
    let by: Can<needs::ManageRoles> = desk.may()?;
    let now = role(desk, &arguments.role)?;
    let given = |text: Option<String>| text.map_or(Patch::Keep, Patch::Set);
    let permissions = edited(
        &now.permissions,
        &arguments.permission,
        &arguments.no_permission,
    );
    let patch = RolePatch {
        name: given(arguments.name),
        rank: arguments.rank.map_or(Patch::Keep, Patch::Set),
        permissions: permissions.map_or(Patch::Keep, Patch::Set),
        description: if arguments.no_description {
            Patch::Clear
        } else {
            given(arguments.description)
        },
    };
    let is_nothing = patch.name.is_keep()
        && patch.rank.is_keep()
        && patch.permissions.is_keep()
        && patch.description.is_keep();
    if is_nothing {
        return Err(Failure::nothing_to_change("rosterd roles mod"));
    }
    let change = validated(patch)?.check()?;
    let as_read = IfMatch::Versions(vec![now.version()]);
    let move_to = arguments.move_to.as_deref();
    let role = desk
        .db
        .write_now(|tx| service::change(tx, &by, &now.name, &change, move_to, &as_read))
        .map_err(|error| unknown(error, &now.name))?;
    report(arguments.form, &role, "changed")
}

fn rm(desk: &CliContext<'_>, arguments: &Rm) -> Result<(), Failure> {
    let by: Can<needs::ManageRoles> = desk.may()?;
    let name = &arguments.name;
    role(desk, name)?;
    arguments.yes.confirm(&format!("Delete the role {name}?"))?;
    let move_to = arguments.move_to.as_deref();
    desk.db
        .write_now(|tx| service::delete(tx, &by, name, move_to, &IfMatch::Absent))
        .map_err(|error| match error.code() {
            Code::RoleInUse => Failure::from(error).and_do("say with --move-to where they go"),
            _ => unknown(error, name),
        })?;
    tell(&format!("The role {name} is deleted."));
    Ok(())
}

fn report(form: FormFlags, role: &Role, done: &str) -> Result<(), Failure> {
    if form.is_asked() {
        return output::show(form, role);
    }
    tell(&format!("The role {} is {done}.", role.name));
    Ok(())
}

impl Row for Role {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("name", "NAME", |role| (&role.name).into()),
        Column::shown("rank", "RANK", |role| role.rank.into()),
        Column::shown("description", "DESCRIPTION", |role| {
            (&role.description).into()
        }),
        Column::shown("permissions", "PERMISSIONS", |role| {
            (&role.permissions).into()
        }),
        Column::extra("isBuiltIn", |role| role.is_built_in.into()),
        Column::extra("createdAtUtc", |role| role.created_at_utc.into()),
        Column::extra("updatedAtUtc", |role| role.updated_at_utc.into()),
    ];
}
