//! `rosterd roles`: manages roles.

use clap::{Args, Subcommand};

use super::context::{CliContext, with_context};
use super::output::{self, Column, FormatFlags, TableRow};
use super::prompt::YesFlag;
use super::{CliError, edit_list, print_stderr};
use crate::access::authentication::{Can, needs};
use crate::accounts::role_update_delete;
use crate::accounts::roles::{NewRole, Role, RolePatch, service};
use crate::platform::config::Config;
use crate::platform::error::{AppError, Code};
use crate::platform::http::{IfMatch, PatchField, Versioned, validate};

#[derive(Subcommand)]
pub enum RolesCommand {
    /// List roles, highest rank first.
    #[command(after_help = "Examples:\n  rosterd roles ls\n  rosterd roles ls --json")]
    Ls {
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Show one role.
    #[command(after_help = "Example:\n  rosterd roles show Admin")]
    Show {
        /// The name of the role.
        name: String,
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Create a role.
    Add(AddRoleArgs),
    /// Update a role; the change applies to its users from their next request.
    Mod(ModifyRoleArgs),
    /// Delete a role.
    Rm(DeleteRoleArgs),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  rosterd roles add Editor --rank 20 --permission users.read --description 'Edits the texts'")]
pub struct AddRoleArgs {
    /// The name: 2 to 50 letters, digits, - or _, starting with a letter.
    name: String,
    /// The rank, 0 to 999: users can only manage users of a lower rank.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    rank: i32,
    /// Include this permission; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// A description for administrators.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    format: FormatFlags,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd roles mod Editor --permission users.update --no-permission users.read
  rosterd roles mod Editor --rank 30 --no-description
  rosterd roles mod Editor --name Writer --move-to Writer")]
#[group(id = "change", multiple = true)]
pub struct ModifyRoleArgs {
    /// The name of the role.
    #[arg(value_name = "NAME")]
    role: String,
    /// Change the name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The role for users of the renamed role: the new name or another role.
    #[arg(long, value_name = "ROLE", requires = "name")]
    move_to: Option<String>,
    /// Change the rank, 0 to 999.
    #[arg(long, allow_negative_numbers = true)]
    rank: Option<i32>,
    /// Add this permission; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// Remove this permission; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    no_permission: Vec<String>,
    /// A description for administrators.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Clear the description.
    #[arg(long, conflicts_with = "description")]
    no_description: bool,
    #[command(flatten)]
    format: FormatFlags,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd roles rm Editor
  rosterd roles rm Editor --move-to User --yes")]
pub struct DeleteRoleArgs {
    /// The name of the role.
    name: String,
    /// The role for users of the deleted role.
    #[arg(long, value_name = "ROLE")]
    move_to: Option<String>,
    #[command(flatten)]
    yes: YesFlag,
}

pub fn run(config: &Config, command: RolesCommand) -> Result<(), CliError> {
    with_context(config, |context| match command {
        RolesCommand::Ls { format } => output::list(format, &context.db.read_now(service::list)?),
        RolesCommand::Show { name, format } => output::show(format, &find_role(context, &name)?),
        RolesCommand::Add(args) => add(context, args),
        RolesCommand::Mod(args) => modify(context, args),
        RolesCommand::Rm(args) => delete(context, &args),
    })
}

fn find_role(context: &CliContext<'_>, name: &str) -> Result<Role, CliError> {
    context
        .db
        .read_now(|tx| service::show(tx, name))
        .map_err(|error| name_not_found(error, name))
}

fn name_not_found(error: AppError, name: &str) -> CliError {
    match error.code() {
        Code::NotFound => CliError::Failed(format!(
            "there is no role called {name}; `rosterd roles ls` lists the roles"
        )),
        _ => error.into(),
    }
}

fn add(context: &CliContext<'_>, args: AddRoleArgs) -> Result<(), CliError> {
    let actor: Can<needs::ManageRoles> = context.authorize()?;
    let new_role = NewRole {
        name: args.name,
        rank: args.rank,
        permissions: args.permission,
        description: args.description,
    };
    let draft = validate(new_role)?.check()?;
    let role = context
        .db
        .write_now(|tx| service::create(tx, &actor, &draft))?;
    report(args.format, &role, "created")
}

fn modify(context: &CliContext<'_>, args: ModifyRoleArgs) -> Result<(), CliError> {
    let actor: Can<needs::ManageRoles> = context.authorize()?;
    let current = find_role(context, &args.role)?;
    let set_if_given = |text: Option<String>| text.map_or(PatchField::Keep, PatchField::Set);
    let permissions = edit_list(&current.permissions, &args.permission, &args.no_permission);
    let patch = RolePatch {
        name: set_if_given(args.name),
        rank: args.rank.map_or(PatchField::Keep, PatchField::Set),
        permissions: permissions.map_or(PatchField::Keep, PatchField::Set),
        description: if args.no_description {
            PatchField::Clear
        } else {
            set_if_given(args.description)
        },
    };
    let is_empty = patch.name.is_keep()
        && patch.rank.is_keep()
        && patch.permissions.is_keep()
        && patch.description.is_keep();
    if is_empty {
        return Err(CliError::nothing_to_change("rosterd roles mod"));
    }
    let change = validate(patch)?.check()?;
    let if_match = IfMatch::Versions(vec![current.version()]);
    let move_to = args.move_to.as_deref();
    let role = context
        .db
        .write_now(|tx| {
            role_update_delete::service::update(
                tx,
                &actor,
                &current.name,
                &change,
                move_to,
                &if_match,
            )
        })
        .map_err(|error| name_not_found(error, &current.name))?;
    report(args.format, &role, "updated")
}

fn delete(context: &CliContext<'_>, args: &DeleteRoleArgs) -> Result<(), CliError> {
    let actor: Can<needs::ManageRoles> = context.authorize()?;
    let name = &args.name;
    find_role(context, name)?;
    args.yes.confirm(&format!("Delete the role {name}?"))?;
    let move_to = args.move_to.as_deref();
    context
        .db
        .write_now(|tx| {
            role_update_delete::service::delete(tx, &actor, name, move_to, &IfMatch::Absent)
        })
        .map_err(|error| match error.code() {
            Code::RoleInUse => {
                CliError::from(error).with_advice("use --move-to to give its users another role")
            }
            _ => name_not_found(error, name),
        })?;
    print_stderr(&format!("Role {name} deleted."));
    Ok(())
}

fn report(format: FormatFlags, role: &Role, verb: &str) -> Result<(), CliError> {
    if format.is_set() {
        return output::show(format, role);
    }
    print_stderr(&format!("Role {} {verb}.", role.name));
    Ok(())
}

impl TableRow for Role {
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
