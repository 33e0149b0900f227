//! `rosterd doctor`: checks the settings, the database, the keys, mail and the running service, and changes nothing.

mod database;
mod finding;
mod service;
mod settings;

use std::path::Path;

use clap::Args;

use super::output::{self, FormatFlags};
use super::{CliError, print_stderr};
use crate::platform::config::Config;
use crate::platform::data_source::{self, DataSource};
use crate::platform::db::private_cluster::MissingCluster;
use finding::{Finding, Verdict};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd doctor
  rosterd doctor --json

The exit status is 1 if a check fails; warnings do not count.")]
pub struct DoctorArgs {
    #[command(flatten)]
    format: FormatFlags,
}

pub fn run(args: &DoctorArgs, env_file: Option<&Path>) -> Result<(), CliError> {
    let findings = run_checks(env_file);
    output::list(args.format, &findings)?;
    let is_wrong = |finding: &&Finding| finding.verdict == Verdict::Wrong;
    match findings.iter().filter(is_wrong).count() {
        0 => Ok(()),
        1 => Err(CliError::Failed("1 check failed".to_owned())),
        count => Err(CliError::Failed(format!("{count} checks failed"))),
    }
}

/// Runs the checks in order. A check depends on those before it, so some failures end the run.
fn run_checks(env_file: Option<&Path>) -> Vec<Finding> {
    let config = match Config::from_env(env_file) {
        Ok(config) => config,
        Err(error) => return vec![Finding::new("settings", Verdict::Wrong, error.to_string())],
    };
    let mut findings = settings::check(&config);
    findings.extend(service::check_mail(&config));
    // Before PostgreSQL is started, which a full disk prevents.
    let data_dir = data_source::private_data_dir(&config).filter(|path| path.exists());
    findings.extend(data_dir.as_deref().map(service::check_disk));
    let mut data_source = match DataSource::open(&config, MissingCluster::Fail, &print_stderr) {
        Ok(data_source) => data_source,
        Err(error) => {
            findings.push(Finding::new("database", Verdict::Wrong, error.to_string()));
            return findings;
        }
    };
    if let Some(path) = data_source.key_file() {
        let (verdict, detail) = settings::check_secret_file(path, Verdict::Wrong);
        findings.push(Finding::new("secret file", verdict, detail));
    }
    findings.extend(database::check(&config, &data_source));
    if let Err(error) = data_source.close() {
        findings.push(Finding::new("database", Verdict::Wrong, error.to_string()));
    }
    findings
}
