//! A PostgreSQL server of one test, with its own environment and settings. It listens on a Unix socket only.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::Connection;
use diesel::pg::PgConnection;
use rosterd::platform::db::private_cluster::is_root;

use super::binary::signal;
use super::programs::find_program;
use super::wait_until;

/// The user and group id of `nobody` on Linux. PostgreSQL does not run as root.
const NOBODY: u32 = 65534;

/// A running server. It is stopped and its directory removed when the value is dropped.
pub struct PostgresServer {
    server: Child,
    directory: PathBuf,
    /// The directory of the programs.
    bin: PathBuf,
}

impl PostgresServer {
    /// Starts a server with these environment variables and settings, with the superuser `rosterd` and the database `postgres`.
    /// `None` if PostgreSQL is not installed (see [`find_program`]).
    pub fn start(variables: &[(&str, &str)], settings: &[&str]) -> Option<Self> {
        let directory = create_directory();
        let data = directory.join("data");
        let initdb = find_program(&initdb_candidates(), "postgresql")?;
        let bin = initdb.parent().unwrap().to_path_buf();
        let created = command(&initdb, &directory)
            .args(["--no-sync", "--auth=trust", "--username=rosterd"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&created.stderr);
        assert!(created.status.success(), "{errors}");
        Some(Self::run(bin, directory, variables, settings))
    }

    /// Starts a standby that replicates this server asynchronously.
    pub fn start_standby(&self) -> Self {
        let directory = create_directory();
        let copied = command(&self.bin.join("pg_basebackup"), &directory)
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .arg("--dbname")
            .arg(self.url())
            .arg("--pgdata")
            .arg(directory.join("data"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "{errors}");
        Self::run(self.bin.clone(), directory, &[], &[])
    }

    fn run(
        bin: PathBuf,
        directory: PathBuf,
        variables: &[(&str, &str)],
        settings: &[&str],
    ) -> Self {
        let mut postgres = command(&bin.join("postgres"), &directory);
        let data = directory.join("data");
        postgres.arg("-D").arg(&data).arg("-k").arg(&directory);
        for setting in ["listen_addresses=", "fsync=off"].iter().chain(settings) {
            postgres.arg("-c").arg(setting);
        }
        let log = fs::File::create(directory.join("log")).unwrap();
        let server = postgres.envs(variables.iter().copied()).stderr(log).spawn();
        let server = Self {
            server: server.unwrap(),
            directory,
            bin,
        };
        wait_until(|| PgConnection::establish(&server.url()).is_ok());
        server
    }

    /// The URL of the database on these servers.
    pub fn url_of_all(servers: &[&Self]) -> String {
        let hosts: Vec<String> = servers.iter().map(|server| server.host()).collect();
        format!("postgres://rosterd@{}/postgres", hosts.join(","))
    }

    /// Stops all processes of the server, so that it accepts connections and answers nothing, as on a machine that hangs.
    pub fn freeze(&self) {
        // Without the first process, no others are started.
        signal(self.server.id(), "-STOP");
        self.signal_processes("-STOP");
    }

    /// Continues all processes.
    pub fn thaw(&self) {
        self.signal_processes("-CONT");
        signal(self.server.id(), "-CONT");
    }

    /// Sends a signal to the processes of the server besides the first.
    fn signal_processes(&self, name: &str) {
        let processes = self.processes();
        // The status is ignored: a process may have ended.
        let _ = Command::new("kill").arg(name).args(processes).status();
    }

    fn processes(&self) -> Vec<String> {
        let parent = self.server.id().to_string();
        let found = Command::new("pgrep").args(["-P", &parent]).output();
        let found = String::from_utf8(found.unwrap().stdout).unwrap();
        found.lines().map(str::to_owned).collect()
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        Self::url_of_all(&[self])
    }

    fn host(&self) -> String {
        self.directory.to_str().unwrap().replace('/', "%2F")
    }

    /// A new connection.
    pub fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url()).unwrap()
    }

    /// The directory of the socket. The server can create directories in it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.thaw();
        // A fast shutdown.
        signal(self.server.id(), "-INT");
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Creates a directory that belongs to the user of the server.
fn create_directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("rosterd-pg-{}-{number}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir(&directory).unwrap();
    if is_root() {
        chown(&directory, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    directory
}

/// `initdb` of the installed versions, the newest first.
fn initdb_candidates() -> Vec<&'static str> {
    vec![
        "/usr/lib/postgresql/18/bin/initdb",
        "/usr/lib/postgresql/17/bin/initdb",
        "/usr/lib/postgresql/16/bin/initdb",
        "/usr/lib/postgresql/15/bin/initdb",
        "/usr/lib/postgresql/14/bin/initdb",
        "/usr/lib/postgresql/13/bin/initdb",
        "initdb",
    ]
}

/// A command that does not run as root, and in which only the given variables are set.
fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}
