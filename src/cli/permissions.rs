//! `rosterd permissions`: the catalogue that roles and accounts draw from.

use clap::Subcommand;

use super::ask::YesFlag;
use super::output::{self, Column, FormFlags, Row};
use super::{Failure, context, tell};
use crate::access::authentication::{Can, needs};
use crate::accounts::roles::service::{self, NewPermission, Permission};
use crate::platform::config::Config;
use crate::platform::error::Code;
use crate::platform::http::validated;

#[derive(Subcommand)]
pub enum Command {
    /// List the catalogue, by name.
    #[command(after_help = "Examples:\n  rosterd permissions ls\n  rosterd permissions ls --csv")]
    Ls {
        #[command(flatten)]
        form: FormFlags,
    },
    /// Register a permission of an app.
    #[command(
        after_help = "Example:\n  rosterd permissions add assets.read --description 'See the assets'"
    )]
    Add {
        /// Of the form resource.action.
        name: String,
        /// What it permits.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        #[command(flatten)]
        form: FormFlags,
    },
    /// Take a permission out of the catalogue; one that accounts or roles have stays.
    #[command(after_help = "Example:\n  rosterd permissions rm assets.read")]
    Rm {
        /// The permission.
        name: String,
        #[command(flatten)]
        yes: YesFlag,
    },
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    context::at(config, |desk| {
        let by: Can<needs::ManageRoles> = desk.may()?;
        match command {
            Command::Ls { form } => output::list(form, &desk.db.read_now(service::catalogue)?),
            Command::Add {
                name,
                description,
                form,
            } => {
                let new = validated(NewPermission { name, description })?;
                let made = desk.db.write_now(|tx| service::register(tx, &by, &new))?;
                if form.is_asked() {
                    return output::show(form, &made);
                }
                tell(&format!("The permission {} is registered.", made.name));
                Ok(())
            }
            Command::Rm { name, yes } => {
                yes.confirm(&format!("Take {name} out of the catalogue?"))?;
                desk.db
                    .write_now(|tx| service::unregister(tx, &by, &name))
                    .map_err(|error| match error.code() {
                        Code::NotFound => {
                            Failure::Failed(format!("there is no permission called {name}"))
                        }
                        _ => error.into(),
                    })?;
                tell(&format!("The permission {name} is removed."));
                Ok(())
            }
        }
    })
}

impl Row for Permission {
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
