//! `rosterd db`: look after the database.

use clap::Subcommand;

use super::{print, tell};
use crate::platform::config::Config;
use crate::platform::data_source::DataSource;
use crate::platform::db::cluster::Mode;
use crate::platform::start_error::StartError;

#[derive(Subcommand)]
pub enum Command {
    /// Bring the schema up to date.
    #[command(after_help = "Example:\n  rosterd db migrate --plan")]
    Migrate {
        /// Only say what would be done.
        #[arg(long)]
        plan: bool,
    },
}

pub fn run(config: &Config, command: &Command) -> Result<(), StartError> {
    let Command::Migrate { plan } = command;
    let mut place = DataSource::open(config, Mode::Existing, &tell)?;
    let done = if *plan {
        place.plan()?.pending
    } else {
        place.migrate(&tell)?
    };
    for name in &done {
        print(&format!("{name}\n"))?;
    }
    if done.is_empty() {
        tell("The schema is up to date.");
    }
    place.close()
}
