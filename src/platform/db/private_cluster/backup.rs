//! Backup and restore of the database, with `pg_dump` and `pg_restore`. A backup is restored into a new database, which
//! replaces the current one in one transaction when it is complete.

use std::{
    fs::File,
    io::Seek,
    path::PathBuf,
    process::{Command, Stdio},
};

use super::Cluster;
use super::data_dir::{StartLock, failure_line, run};
use super::error::ClusterError;
use super::options::NAME;

/// The database that a backup is restored into.
const RESTORED: &str = "rosterd_restored";
/// The replaced database until it is dropped.
const REPLACED: &str = "rosterd_replaced";
/// A database that every cluster has. Databases cannot be renamed or dropped from a connection to themselves.
const MAINTENANCE: &str = "postgres";

/// A cluster that no other process uses. Others that open the cluster wait until this value is dropped.
pub struct ExclusiveCluster<'c> {
    pub(super) cluster: &'c Cluster,
    users_lock: &'c File,
    _start_lock: StartLock,
}

impl Cluster {
    /// Writes the database to the file, in the custom format of `pg_dump`. The service may run at the same time. The file must
    /// be open for reading too: the backup is read at the end.
    ///
    /// # Errors
    /// `pg_dump` fails, or the backup cannot be read completely.
    pub fn backup(&self, file: File) -> Result<(), ClusterError> {
        let mut pg_dump = self.client("pg_dump", NAME);
        pg_dump.args(["--format=custom", "--no-owner", "--no-privileges"]);
        let program = || PathBuf::from("pg_dump");
        let copy = file.try_clone().map_err(ClusterError::at(program()))?;
        let child = pg_dump.stdout(copy).stderr(Stdio::piped()).spawn();
        let program = || PathBuf::from(pg_dump.get_program());
        let output = child
            .and_then(std::process::Child::wait_with_output)
            .map_err(ClusterError::at(program()))?;
        if output.status.success() {
            return self.verify_backup(file);
        }
        let message = failure_line(&String::from_utf8_lossy(&output.stderr));
        Err(ClusterError::CommandFailed {
            program: program(),
            message,
        })
    }

    /// Reads the backup to its end. `pg_dump` does not notice that the disk is full if that happens when it writes its last
    /// buffer.
    fn verify_backup(&self, mut file: File) -> Result<(), ClusterError> {
        let server = &self.server;
        let program = server.installation.path("pg_restore");
        file.rewind().map_err(ClusterError::at(&program))?;
        let mut pg_restore = server.data_dir.command(program);
        // Without `--dbname`, it writes a script.
        pg_restore.arg("--file=/dev/null").stdin(file);
        run(&mut pg_restore).map_err(|error| match error {
            ClusterError::CommandFailed { message, .. } => {
                ClusterError::IncompleteBackup { message }
            }
            error => error,
        })
    }

    /// Excludes all other users of the cluster.
    ///
    /// # Errors
    /// [`ClusterError::InUse`] if another process uses the cluster.
    pub fn exclude_others(&self) -> Result<ExclusiveCluster<'_>, ClusterError> {
        let users_lock = self.users_lock.as_ref().ok_or(ClusterError::InUse)?;
        let start_lock = self.server.data_dir.lock_start(&|_| ())?;
        let at_root = || ClusterError::at(&self.server.data_dir.root);
        users_lock.unlock().map_err(at_root())?;
        if users_lock.try_lock().is_err() {
            users_lock.lock_shared().map_err(at_root())?;
            return Err(ClusterError::InUse);
        }
        Ok(ExclusiveCluster {
            cluster: self,
            users_lock,
            _start_lock: start_lock,
        })
    }

    /// A PostgreSQL client program that connects to a database of this cluster. The password is passed in the
    /// environment, because other users can read a command line.
    fn client(&self, program: &str, database: &str) -> Command {
        let data_dir = &self.server.data_dir;
        let mut command = data_dir.command(self.server.installation.path(program));
        command
            .env("PGPASSWORD", &self.password.0)
            .arg("--host")
            .arg(&data_dir.socket_dir.path)
            .args(["--username", NAME, "--no-password", "--dbname", database]);
        command
    }
}

impl ExclusiveCluster<'_> {
    /// Restores the backup into a new database beside the current one, and returns its URL.
    ///
    /// # Errors
    /// The file is not a backup, or `pg_restore` fails.
    pub fn restore(&self, backup: File) -> Result<String, ClusterError> {
        self.drop_other_databases()?;
        self.execute(&[&format!("CREATE DATABASE {RESTORED} TEMPLATE template0")])?;
        let mut pg_restore = self.cluster.client("pg_restore", RESTORED);
        pg_restore.args(["--no-owner", "--no-privileges", "--single-transaction"]);
        run(pg_restore.arg("--exit-on-error").stdin(backup))?;
        Ok(self.cluster.url_for(RESTORED))
    }

    /// Replaces the current database by the restored one.
    ///
    /// # Errors
    /// Database errors.
    pub fn replace_database(&self) -> Result<(), ClusterError> {
        self.execute(&[
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('{NAME}', '{RESTORED}')"
            ),
            &format!("ALTER DATABASE {NAME} RENAME TO {REPLACED}"),
            &format!("ALTER DATABASE {RESTORED} RENAME TO {NAME}"),
        ])?;
        self.drop_other_databases()
    }

    /// Drops what an earlier restore has left.
    fn drop_other_databases(&self) -> Result<(), ClusterError> {
        for name in [RESTORED, REPLACED] {
            self.execute(&[&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")])?;
        }
        Ok(())
    }

    /// Executes the statements; more than one in a transaction.
    fn execute(&self, statements: &[&str]) -> Result<(), ClusterError> {
        let mut psql = self.cluster.client("psql", MAINTENANCE);
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]);
        if statements.len() > 1 {
            psql.arg("--single-transaction");
        }
        for statement in statements {
            psql.args(["--command", statement]);
        }
        run(&mut psql)
    }
}

impl Drop for ExclusiveCluster<'_> {
    fn drop(&mut self) {
        let shared = self
            .users_lock
            .unlock()
            .and_then(|()| self.users_lock.lock_shared());
        if let Err(error) = shared {
            tracing::warn!(%error, "cannot share the lock of the database cluster");
        }
    }
}
