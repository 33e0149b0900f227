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

mod backup;
mod create;
mod data_dir;
mod error;
mod guard_process;
mod installation;
mod layout;
mod options;
mod os_user;
mod server;
mod start;
mod supervisor;
mod upgrade;

use std::{
    fmt,
    fs::{File, TryLockError},
    io,
    os::unix::ffi::OsStrExt,
    sync::{Arc, atomic::AtomicU64},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use self::{
    data_dir::{DataDir, create_data_dir},
    guard_process::GuardProcess,
    layout::{PGDATA, START_LOCK, USERS_LOCK},
    options::{NAME, Password},
    server::Server,
    supervisor::Supervisor,
};
pub use self::{
    error::ClusterError,
    installation::OLDEST_MAJOR,
    options::{ClusterOptions, Durability, MissingCluster, default_data_dir},
    os_user::is_root,
    upgrade::MovedCluster,
};

/// Every byte but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A running cluster that this process uses until [`Cluster::stop`] or drop.
pub struct Cluster {
    server: Arc<Server>,
    password: Password,
    /// Holds the shared lock of the cluster's users; `None` after the stop.
    users_lock: Option<File>,
    supervisor: Option<Supervisor>,
    restarts: Arc<AtomicU64>,
    guard: Option<GuardProcess>,
}

impl Cluster {
    /// Whether there is a cluster in the data directory.
    ///
    /// # Errors
    /// The data directory belongs to another user.
    pub fn exists(options: &ClusterOptions) -> Result<bool, ClusterError> {
        let version_file = options.data_dir.join(PGDATA).join("PG_VERSION");
        let result = version_file.try_exists();
        result.map_err(ClusterError::at(&options.data_dir))
    }

    /// Creates the data directory if it is missing.
    ///
    /// # Errors
    /// The data directory cannot be created.
    pub fn create_data_dir(options: &ClusterOptions) -> Result<(), ClusterError> {
        let data_dir = &options.data_dir;
        create_data_dir(data_dir).map_err(ClusterError::at(data_dir))
    }

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
        if options.mode == MissingCluster::Fail && !data_dir.path(START_LOCK).exists() {
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
                MissingCluster::Create => server.create(&start_lock, progress)?,
                MissingCluster::Fail => return Err(no_database),
            }
        }
        let password = server.data_dir.read_password()?;
        server.start_and_wait(progress)?;
        Ok(Self {
            server: Arc::new(server),
            password,
            users_lock: Some(users_lock),
            supervisor: None,
            restarts: Arc::default(),
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

    /// Restarts the server when it dies, until the cluster is released. Calls `on_give_up` if the server dies again and
    /// again or cannot be started; [`Cluster::stop`] then returns the error.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn supervise(&mut self, on_give_up: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let supervisor = Supervisor::start(self.server.clone(), self.restarts.clone(), on_give_up)?;
        self.supervisor = Some(supervisor);
        Ok(())
    }

    /// How often the server was restarted because it had died.
    #[must_use]
    pub fn restarts(&self) -> Arc<AtomicU64> {
        self.restarts.clone()
    }

    /// Releases the cluster, and stops the server if no other process uses it. A second call does nothing.
    ///
    /// # Errors
    /// The server was supervised and could not be restarted; it does not stop within 60 seconds; a lock file cannot be
    /// used.
    pub fn stop(&mut self) -> Result<(), ClusterError> {
        let Some(users_lock) = self.users_lock.take() else {
            return Ok(());
        };
        let supervised = self.supervisor.take().map_or(Ok(()), Supervisor::stop);
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
        supervised.and(result)
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
    fn reserved_bytes_are_percent_encoded() {
        assert_eq!(
            percent_encode("/a b%é@:?#-._~Z9".as_bytes(), RESERVED).to_string(),
            "%2Fa%20b%25%C3%A9%40%3A%3F%23-._~Z9"
        );
    }
}
