//! Makes a cluster, once.

use std::{
    fs::{self, File},
    io::{self, Write},
    process,
};

use super::{
    ClusterError, Durability, NAME, Password,
    folder::{PASSWORD, PGDATA, run},
    server::Server,
};

/// What a cluster is called until it is whole: only a start that was interrupted leaves one.
const HALF_MADE: &str = "pgdata.new.";

impl Server {
    /// Makes the cluster under another name and renames it when it is whole. `start_lock` is the lock that the caller
    /// holds.
    pub fn create(&self, start_lock: &File, progress: &dyn Fn(&str)) -> Result<(), ClusterError> {
        let folder = &self.folder;
        let place = folder.root.display();
        progress(&format!("creating the database cluster in {place} (once)"));
        self.remove_half_made()?;
        let name = format!("{HALF_MADE}{}", process::id());
        folder.private_folder(&folder.path(&name))?;
        let password = folder.new_password()?;
        self.initdb(&name, "C.UTF-8", start_lock)
            .or_else(|_| self.initdb(&name, "C", start_lock))?;
        self.add_role_and_database(&name, &password)?;
        let rename = || {
            fs::rename(folder.path(&name), folder.path(PGDATA))?;
            File::open(&folder.root)?.sync_all()
        };
        rename().map_err(ClusterError::at(folder.path(PGDATA)))
    }

    fn remove_half_made(&self) -> Result<(), ClusterError> {
        let root = &self.folder.root;
        for entry in fs::read_dir(root)
            .map_err(ClusterError::at(root))?
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(HALF_MADE) {
                fs::remove_dir_all(entry.path()).map_err(ClusterError::at(entry.path()))?;
            }
        }
        Ok(())
    }

    /// `initdb` gets the start lock as its standard input, which it does not read. Should it outlive us, nobody removes
    /// the folder in which it still writes.
    fn initdb(&self, name: &str, locale: &str, start_lock: &File) -> Result<(), ClusterError> {
        let lock = start_lock
            .try_clone()
            .map_err(ClusterError::at(&self.folder.root))?;
        let mut initdb = self.folder.command(self.programs.path("initdb"));
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

    /// Adds the role that rosterd connects as, which is no superuser, and its database.
    fn add_role_and_database(&self, name: &str, password: &Password) -> Result<(), ClusterError> {
        let statements = || {
            let (reader, mut writer) = io::pipe()?;
            // Far less than a pipe takes without a reader.
            writeln!(
                writer,
                "CREATE ROLE {NAME} LOGIN CREATEDB PASSWORD '{}'",
                password.0
            )?;
            writeln!(writer, "CREATE DATABASE {NAME} OWNER {NAME}")?;
            Ok(reader)
        };
        let mut postgres = self.folder.command(self.programs.path("postgres"));
        postgres.args(["--single", "-D", name, "-c", "exit_on_error=on"]);
        postgres.args(["-c", "password_encryption=scram-sha-256"]);
        postgres.args(self.durability.settings()).arg("postgres");
        let statements = statements().map_err(ClusterError::at(postgres.get_program()))?;
        run(postgres.stdin(statements))
    }
}
