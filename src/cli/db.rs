//! `rosterd db`: database migrations.

use clap::Subcommand;

use super::{print_stderr, print_stdout};
use crate::platform::config::Config;
use crate::platform::data_source::DataSource;
use crate::platform::db::private_cluster::MissingCluster;
use crate::platform::start_error::StartError;

#[derive(Subcommand)]
pub enum DbCommand {
    /// Apply the pending migrations, and print their names.
    #[command(after_help = "Example:\n  rosterd db migrate --plan")]
    Migrate {
        /// Print the pending migrations without applying them.
        #[arg(long)]
        plan: bool,
    },
}

pub fn run(config: &Config, command: &DbCommand) -> Result<(), StartError> {
    let DbCommand::Migrate { plan } = command;
    let mut data_source = DataSource::open(config, MissingCluster::Fail, &print_stderr)?;
    let names = if *plan {
        data_source.migration_plan()?.pending
    } else {
        data_source.migrate(&print_stderr)?
    };
    for name in &names {
        print_stdout(&format!("{name}\n"))?;
    }
    if names.is_empty() {
        print_stderr("The schema is up to date.");
    }
    data_source.close()
}
