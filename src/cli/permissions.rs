//! `rosterd permissions`: manages the permission catalogue.

use clap::Subcommand;

use super::context::with_context;
use super::output::{self, Column, FormatFlags, TableRow};
use super::prompt::YesFlag;
use super::{CliError, print_stderr};
use crate::access::authentication::{Can, needs};
use crate::accounts::roles::{NewPermission, Permission, service};
use crate::platform::config::Config;
use crate::platform::error::Code;
use crate::platform::http::validate;

#[derive(Subcommand)]
pub enum PermissionsCommand {
    /// List all permissions by name.
    #[command(after_help = "Examples:\n  rosterd permissions ls\n  rosterd permissions ls --csv")]
    Ls {
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Register a permission of an application.
    #[command(
        after_help = "Example:\n  rosterd permissions add assets.read --description 'Read assets'"
    )]
    Add {
        /// The name, in the form resource.action.
        name: String,
        /// What the permission allows.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Remove a permission from the catalogue; refused while a user or a role has it.
    #[command(after_help = "Example:\n  rosterd permissions rm assets.read")]
    Rm {
        /// The name of the permission.
        name: String,
        #[command(flatten)]
        yes: YesFlag,
    },
}

pub fn run(config: &Config, command: PermissionsCommand) -> Result<(), CliError> {
    with_context(config, |context| {
        let actor: Can<needs::ManageRoles> = context.authorize()?;
        match command {
            PermissionsCommand::Ls { format } => {
                output::list(format, &context.db.read_now(service::list_permissions)?)
            }
            PermissionsCommand::Add {
                name,
                description,
                format,
            } => {
                let new_permission = validate(NewPermission { name, description })?;
                let created = context
                    .db
                    .write_now(|tx| service::register_permission(tx, &actor, &new_permission))?;
                if format.is_set() {
                    return output::show(format, &created);
                }
                print_stderr(&format!("Permission {} registered.", created.name));
                Ok(())
            }
            PermissionsCommand::Rm { name, yes } => {
                yes.confirm(&format!("Remove {name} from the catalogue?"))?;
                context
                    .db
                    .write_now(|tx| service::unregister_permission(tx, &actor, &name))
                    .map_err(|error| match error.code() {
                        Code::NotFound => {
                            CliError::Failed(format!("there is no permission called {name}"))
                        }
                        _ => error.into(),
                    })?;
                print_stderr(&format!("Permission {name} removed."));
                Ok(())
            }
        }
    })
}

impl TableRow for Permission {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("name", "NAME", |permission| (&permission.name).into()),
        Column::shown("description", "DESCRIPTION", |permission| {
            (&permission.description).into()
        }),
        Column::extra("isBuiltIn", |permission| permission.is_built_in.into()),
        Column::extra("createdAtUtc", |permission| {
            permission.created_at_utc.into()
        }),
    ];
}
