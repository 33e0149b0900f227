//! `rosterd db`: database migrations, backup and restore.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::prompt::YesFlag;
use super::{CliError, context, print_stderr, print_stdout, report_revoked};
use crate::access::signing_keys::service as keys;
use crate::accounts::lifecycle::service::{RevokedCounts, RevokedCredentials, revoke_all};
use crate::platform::config::{Config, SecretKey};
use crate::platform::crypto::Vault;
use crate::platform::data_source::DataSource;
use crate::platform::db::private_cluster::MissingCluster;
use crate::platform::db::{migrate, open_unpooled_connection};
use crate::platform::start_error::StartError;
use crate::server;

#[derive(Subcommand)]
pub enum DbCommand {
    /// Apply the pending migrations, and print their names.
    #[command(after_help = "Example:\n  rosterd db migrate --plan")]
    Migrate {
        /// Print the pending migrations without applying them.
        #[arg(long)]
        plan: bool,
    },
    /// Write the private cluster's database to a new file. The service may run at the same time.
    #[command(after_help = "\
Example:
  rosterd db backup /var/backups/rosterd.dump

The file contains password hashes and personal data; it has mode 600. The secret key is not part of it.")]
    Backup {
        /// The new file.
        file: PathBuf,
    },
    /// Move the private cluster to the newest installed version of PostgreSQL. The service must be stopped.
    #[command(after_help = "\
Examples:
  rosterd db upgrade
  rosterd db upgrade --rebuild

The programs of the old version must still be installed. Sessions and tokens stay valid. The old cluster is kept in the data directory.")]
    Upgrade {
        /// Create a new cluster even if the version stays the same, for example to return unused space to the disk.
        #[arg(long)]
        rebuild: bool,
    },
    /// Replace the private cluster's database by a backup, and end what must not become valid again.
    Restore(RestoreArgs),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd db restore /var/backups/rosterd.dump
  rosterd db restore /var/backups/rosterd.dump --end-credentials --yes

All sessions, reset and confirmation links and invites end. Passwords, client secrets and personal access tokens are those of the
backup, unless --end-credentials ends them too. The service must be stopped.")]
pub struct RestoreArgs {
    /// A file of `rosterd db backup`.
    file: PathBuf,
    /// End all passwords, client secrets and personal access tokens too, because some may have been changed or revoked since
    /// the backup.
    #[arg(long)]
    end_credentials: bool,
    #[command(flatten)]
    yes: YesFlag,
}

pub fn run(config: &Config, command: DbCommand) -> Result<(), CliError> {
    match command {
        DbCommand::Migrate { plan } => Ok(migrate(config, plan)?),
        DbCommand::Backup { file } => Ok(backup(config, &file)?),
        DbCommand::Upgrade { rebuild } => Ok(upgrade(config, rebuild)?),
        DbCommand::Restore(args) => restore(config, &args),
    }
}

fn migrate(config: &Config, is_plan: bool) -> Result<(), StartError> {
    let mut data_source = DataSource::open(config, MissingCluster::Fail, &print_stderr)?;
    let names = if is_plan {
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

/// Writes to the file only if it is new. Removes an incomplete file.
fn backup(config: &Config, path: &Path) -> Result<(), StartError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let file = options
        .open(path)
        .map_err(|error| StartError::Io("can't create the backup file", error))?;
    let write = || {
        let mut data_source = DataSource::open(config, MissingCluster::Fail, &print_stderr)?;
        let copy = file
            .try_clone()
            .map_err(|error| StartError::Io("can't write the backup file", error))?;
        data_source.backup(copy)?;
        file.sync_all()
            .map_err(|error| StartError::Io("can't write the backup file", error))?;
        data_source.close()
    };
    let result = write();
    match &result {
        Ok(()) => print_stderr(&format!("The backup is in {}.", path.display())),
        // The file is incomplete; the first error is reported.
        Err(_) => drop(fs::remove_file(path)),
    }
    result
}

fn upgrade(config: &Config, is_rebuilt: bool) -> Result<(), StartError> {
    let mut data_source = DataSource::open(config, MissingCluster::Fail, &print_stderr)?;
    let moved = data_source.upgrade(config, is_rebuilt, &print_stderr);
    data_source.close()?;
    print_stderr(&match moved? {
        Some(moved) => format!(
            "The database is now in PostgreSQL {}. The old cluster is in {}: delete it when the service runs well.",
            moved.major,
            moved.old.display()
        ),
        None => {
            "The private cluster has the newest version of PostgreSQL that is installed.".to_owned()
        }
    });
    Ok(())
}

fn restore(config: &Config, args: &RestoreArgs) -> Result<(), CliError> {
    let backup = File::open(&args.file)
        .map_err(|error| StartError::Io("can't read the backup file", error))?;
    args.yes
        .confirm_by_typing("This replaces all data by that of the backup.", "restore")?;
    let credentials = if args.end_credentials {
        RevokedCredentials::All
    } else {
        RevokedCredentials::None
    };
    let mut data_source = DataSource::open(config, MissingCluster::Fail, &print_stderr)?;
    let result = data_source.restore(backup, |url| {
        prepare(config, &data_source, url, credentials)
    });
    data_source.close()?;
    report_revoked(result?);
    print_stderr(if args.end_credentials {
        "No account has a password now: set one with `rosterd passwd NAME`, and give each service client a new secret."
    } else {
        "Passwords, client secrets and personal access tokens are those of the backup, also those that were changed or \
         revoked since then: `rosterd auth reset --end-credentials` ends them."
    });
    Ok(())
}

/// Migrates the restored database and ends what was valid at the time of the backup.
fn prepare(
    config: &Config,
    data_source: &DataSource,
    url: &str,
    credentials: RevokedCredentials,
) -> Result<RevokedCounts, CliError> {
    let plan = migrate::plan(&mut open_unpooled_connection(url)?)?;
    if !plan.unknown.is_empty() {
        return Err(CliError::Failed(
            "the backup was made by a later release of rosterd".to_owned(),
        ));
    }
    migrate::run(url, None, &print_stderr)?;
    let db = server::connect_database(config, url)?;
    let previous_key = config.secret_key_previous.as_ref().map(SecretKey::expose);
    let vault = Vault::with_previous(data_source.secret_key(), previous_key)?;
    db.read_now(|tx| keys::count_readable(tx, &vault))
        .map_err(|_| {
            CliError::Failed(
                "the backup was made with another secret key: restore that key first".to_owned(),
            )
        })?;
    let operator = context::operator(config);
    Ok(db.write_now(|tx| revoke_all(tx, &operator, credentials))?)
}
