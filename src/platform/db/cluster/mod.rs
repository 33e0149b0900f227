//! The private PostgreSQL cluster, used when `DATABASE_URL` is not set, and by the tests. It runs from the installed
//! PostgreSQL programs and listens on a Unix socket only. It keeps running when rosterd is killed, and the next rosterd
//! takes it over. It opens no network port and does not depend on other modules.
//!
//! # Access control
//!
//! The socket is in a directory of mode 700 that belongs to the user who runs PostgreSQL, so only that user and root can
//! reach the server. The server requires a password (`scram-sha-256`). The password is random, generated when the cluster
//! is created, and stored in a file of mode 600. `peer` authentication would need no password, but when root runs rosterd,
//! the users of rosterd and of PostgreSQL differ, and a mapping from root to a database role would admit every process
//! with uid 0. The role `rosterd` owns its database, may create databases, and is not a superuser, so that an SQL
//! injection does not give access to a shell.
//!
//! # The data directory
//!
//! | entry | content |
//! |---|---|
//! | `pgdata/` | the cluster |
//! | `socket/` | the socket; in `/tmp` instead if the path would be too long for a socket |
//! | `password` | the password of the roles `rosterd` and `postgres` |
//! | `postgres.log` | the server's log |
//! | `start.lock` | locked by the process that creates, starts or stops the cluster |
//! | `users.lock` | locked by the processes that use the cluster |

mod create;
mod data_dir;
mod error;
mod guard_process;
mod installation;
mod os_user;
mod server;
mod start;

use std::{
    ffi::OsString,
    fmt,
    fs::{File, TryLockError},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use self::{
    data_dir::{DataDir, START_LOCK, USERS_LOCK},
    guard_process::GuardProcess,
    server::Server,
};
pub use self::{error::ClusterError, installation::OLDEST_MAJOR, os_user::is_root};

/// The name of the role and of its database.
const NAME: &str = "rosterd";

/// Every byte but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What to do if the cluster does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterMode {
    /// Create it: for `rosterd serve` and for tests.
    CreateIfMissing,
    /// Fail with [`ClusterError::NoDatabase`] and create no file: for commands.
    Existing,
}

/// Which failures a committed transaction survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power failure.
    Durable,
    /// None: a killed server loses its last commits, and a power failure can corrupt the cluster. For tests only.
    Fast,
}

impl Durability {
    /// The server's command-line options.
    fn settings(self) -> [&'static str; 6] {
        match self {
            Self::Durable => [
                "-c",
                "fsync=on",
                "-c",
                "synchronous_commit=on",
                "-c",
                "full_page_writes=on",
            ],
            Self::Fast => [
                "-c",
                "fsync=off",
                "-c",
                "synchronous_commit=off",
                "-c",
                "full_page_writes=off",
            ],
        }
    }
}

/// Where the cluster is and how to run it. A cluster that is already running keeps the settings of its start.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The data directory; see [`default_data_dir`].
    pub data_dir: PathBuf,
    /// The value of `PATH`, in which programs are searched first.
    pub search_path: OsString,
    /// What to do if the cluster does not exist.
    pub mode: ClusterMode,
    /// [`Durability::Durable`], except in tests.
    pub durability: Durability,
    /// `max_connections` of the server, including 3 that are reserved for superusers.
    pub max_connections: u32,
    /// Whether the cluster is stopped a few seconds after this process has ended without [`Cluster::stop`], even by
    /// `kill -9`, unless another process uses it. For tests; needs the program `flock`.
    pub stop_with_parent: bool,
}

impl ClusterOptions {
    /// A durable cluster with 100 connections that keeps running when this process is killed.
    pub fn new(
        data_dir: impl Into<PathBuf>,
        search_path: impl Into<OsString>,
        mode: ClusterMode,
    ) -> Self {
        Self {
            data_dir: data_dir.into(),
            search_path: search_path.into(),
            mode,
            durability: Durability::Durable,
            max_connections: 100,
            stop_with_parent: false,
        }
    }
}

/// The default data directory: `/var/lib/rosterd` for root, otherwise `rosterd` in `$XDG_DATA_HOME`. If that is unset or
/// relative, it is `$HOME/.local/share` (XDG Base Directory Specification). `None` if neither variable is set.
#[must_use]
pub fn default_data_dir(
    is_root: bool,
    xdg_data_home: Option<&Path>,
    home: Option<&Path>,
) -> Option<PathBuf> {
    if is_root {
        return Some(PathBuf::from("/var/lib/rosterd"));
    }
    let xdg_data_home = xdg_data_home
        .filter(|path| path.is_absolute())
        .map(Path::to_path_buf);
    let data_home = xdg_data_home.or_else(|| Some(home?.join(".local/share")));
    data_home.map(|data_home| data_home.join(NAME))
}

/// The password of the cluster's roles. Implements neither `Debug` nor `Display`, so that it cannot be logged.
struct Password(String);

/// A running cluster that this process uses until [`Cluster::stop`] or drop.
pub struct Cluster {
    server: Server,
    password: Password,
    /// Holds the shared lock of the cluster's users; `None` after the stop.
    users_lock: Option<File>,
    guard: Option<GuardProcess>,
}

impl Cluster {
    /// Creates the cluster if it is missing and the mode allows that, starts it if it does not run, and waits until it
    /// accepts connections. `progress` is called with a message before each step that takes long.
    ///
    /// # Errors
    /// See [`ClusterError`]. If the server still recovers after 60 seconds, this fails and the recovery continues.
    pub fn open(options: &ClusterOptions, progress: &dyn Fn(&str)) -> Result<Self, ClusterError> {
        let data_dir = DataDir::open(options)?;
        let no_database = ClusterError::NoDatabase {
            data_dir: data_dir.root.clone(),
        };
        if options.mode == ClusterMode::Existing && !data_dir.path(START_LOCK).exists() {
            return Err(no_database);
        }
        let start_lock = data_dir.lock_start(progress)?;
        let users_lock = data_dir.open_private_file(USERS_LOCK)?;
        // Does not wait: a process takes this lock in exclusive mode only while it holds the start lock.
        users_lock
            .lock_shared()
            .map_err(ClusterError::at(data_dir.path(USERS_LOCK)))?;
        data_dir.check_reachable()?;

        let server = Server::new(data_dir, options)?;
        let guard = if options.stop_with_parent {
            Some(GuardProcess::start(&server)?)
        } else {
            None
        };
        if !server.has_database() {
            match options.mode {
                ClusterMode::CreateIfMissing => server.create(&start_lock, progress)?,
                ClusterMode::Existing => return Err(no_database),
            }
        }
        let password = server.data_dir.read_password()?;
        server.start_and_wait(progress)?;
        Ok(Self {
            server,
            password,
            users_lock: Some(users_lock),
            guard,
        })
    }

    /// The libpq URL of the database `rosterd`. It contains the password and must not be logged.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for(NAME)
    }

    /// The libpq URL of another database of the cluster. It contains the password and must not be logged.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        let host = self.server.data_dir.socket_dir.path.as_os_str().as_bytes();
        format!(
            "postgresql://{NAME}:{}@{}/{}",
            percent_encode(self.password.0.as_bytes(), RESERVED),
            percent_encode(host, RESERVED),
            percent_encode(database.as_bytes(), RESERVED),
        )
    }

    /// Releases the cluster, and stops the server if no other process uses it. A second call does nothing.
    ///
    /// # Errors
    /// The server does not stop within 60 seconds, or a lock file cannot be used.
    pub fn stop(&mut self) -> Result<(), ClusterError> {
        let Some(users_lock) = self.users_lock.take() else {
            return Ok(());
        };
        let data_dir = &self.server.data_dir;
        let lock_error = || ClusterError::at(data_dir.path(USERS_LOCK));
        let _start_lock = data_dir.lock_start(&|_| ())?;
        users_lock.unlock().map_err(lock_error())?;
        let result = match users_lock.try_lock() {
            Ok(()) => self.server.stop(),
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(cause)) => Err(lock_error()(cause)),
        };
        if let Some(guard) = self.guard.take() {
            guard.kill();
        }
        result
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "cannot stop the database cluster");
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("data_dir", &self.server.data_dir.root)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_data_dir_depends_on_the_user_and_xdg_data_home() {
        let path = |text| Some(Path::new(text));
        for (is_root, xdg_data_home, home, expected) in [
            (true, path("/x"), path("/root"), path("/var/lib/rosterd")),
            (false, path("/x"), path("/home/a"), path("/x/rosterd")),
            (
                false,
                path("x"),
                path("/home/a"),
                path("/home/a/.local/share/rosterd"),
            ),
            (
                false,
                None,
                path("/home/a"),
                path("/home/a/.local/share/rosterd"),
            ),
            (false, None, None, None),
        ] {
            let data_dir = default_data_dir(is_root, xdg_data_home, home);
            assert_eq!(data_dir.as_deref(), expected);
        }
    }

    #[test]
    fn reserved_bytes_are_percent_encoded() {
        assert_eq!(
            percent_encode("/a b%é@:?#-._~Z9".as_bytes(), RESERVED).to_string(),
            "%2Fa%20b%25%C3%A9%40%3A%3F%23-._~Z9"
        );
    }
}
