//! Creates a new cluster with `initdb`.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process, thread,
    time::Duration,
};

use super::data_dir::{StartLock, run};
use super::error::ClusterError;
use super::layout::{PASSWORD, PGDATA};
use super::options::{Durability, NAME, Password};
use super::server::Server;

/// The name prefix of a cluster directory until the cluster is complete. An interrupted start leaves such a directory.
const INCOMPLETE_PREFIX: &str = "pgdata.new.";

impl Server {
    /// Creates the cluster in a temporary directory and renames it when it is complete. `start_lock` is the lock that the
    /// caller holds.
    pub fn create(
        &self,
        start_lock: &StartLock,
        progress: &dyn Fn(&str),
    ) -> Result<(), ClusterError> {
        let data_dir = &self.data_dir;
        let path = data_dir.root.display();
        progress(&format!("creating the database cluster in {path} (once)"));
        self.remove_incomplete_clusters()?;
        let name = format!("{INCOMPLETE_PREFIX}{}", process::id());
        data_dir.create_private_dir(&data_dir.path(&name))?;
        let password = data_dir.create_password()?;
        self.initdb(&name, "C.UTF-8", start_lock)
            .or_else(|_| self.initdb(&name, "C", start_lock))?;
        self.create_role_and_database(&name, &password)?;
        let rename = || {
            fs::rename(data_dir.path(&name), data_dir.path(PGDATA))?;
            File::open(&data_dir.root)?.sync_all()
        };
        rename().map_err(ClusterError::at(data_dir.path(PGDATA)))
    }

    fn remove_incomplete_clusters(&self) -> Result<(), ClusterError> {
        let root = &self.data_dir.root;
        let entries = fs::read_dir(root).map_err(ClusterError::at(root))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(INCOMPLETE_PREFIX) {
                let removed = remove_dir_in_use(&entry.path());
                removed.map_err(ClusterError::at(entry.path()))?;
            }
        }
        Ok(())
    }

    /// Runs `initdb` with the start lock as its standard input, which it does not read. If this process is killed,
    /// `initdb` still holds the lock, so that no other process removes the directory that it writes to.
    fn initdb(&self, name: &str, locale: &str, start_lock: &StartLock) -> Result<(), ClusterError> {
        let lock = start_lock
            .try_clone()
            .map_err(ClusterError::at(&self.data_dir.root))?;
        let mut initdb = self.data_dir.command(self.installation.path("initdb"));
        initdb.args([
            "--pgdata",
            name,
            "--username=postgres",
            "--pwfile",
            PASSWORD,
        ]);
        initdb.args(["--auth-local=scram-sha-256", "--auth-host=reject"]);
        initdb.args(["--data-checksums", "--encoding=UTF8", "--locale", locale]);
        if self.durability == Durability::Fast {
            initdb.arg("--no-sync");
        }
        run(initdb.stdin(lock))
    }

    /// Creates the role that rosterd connects as, which is not a superuser, and its database.
    fn create_role_and_database(
        &self,
        name: &str,
        password: &Password,
    ) -> Result<(), ClusterError> {
        let statements = || {
            let (reader, mut writer) = io::pipe()?;
            // The statements fit into the buffer of the pipe, so the writes do not wait for a reader.
            writeln!(
                writer,
                "CREATE ROLE {NAME} LOGIN CREATEDB PASSWORD '{}'",
                password.0
            )?;
            writeln!(writer, "CREATE DATABASE {NAME} OWNER {NAME}")?;
            Ok(reader)
        };
        let mut postgres = self.data_dir.command(self.installation.path("postgres"));
        postgres.args(["--single", "-D", name, "-c", "exit_on_error=on"]);
        postgres.args(["-c", "password_encryption=scram-sha-256"]);
        postgres.args(self.durability.settings()).arg("postgres");
        let statements = statements().map_err(ClusterError::at(postgres.get_program()))?;
        run(postgres.stdin(statements))
    }
}

/// Removes a directory. A process of the interrupted start may still write to it for a moment, so the removal is repeated.
fn remove_dir_in_use(path: &Path) -> io::Result<()> {
    const ATTEMPTS: u32 = 100;
    for _ in 1..ATTEMPTS {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                thread::sleep(Duration::from_millis(100));
            }
            result => return result,
        }
    }
    fs::remove_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_is_removed_while_a_process_still_writes_to_it() {
        let path = std::env::temp_dir().join(format!("rosterd-removal-{}", process::id()));
        fs::create_dir(&path).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..2000 {
                    let _ = fs::write(path.join(number.to_string()), "");
                }
            });
            remove_dir_in_use(&path).unwrap();
        });
        assert!(!path.exists());
    }
}
