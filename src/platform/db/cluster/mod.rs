//! The private PostgreSQL cluster: what rosterd stores in when it is given no `DATABASE_URL`, and what the tests use. It
//! runs from the machine's own PostgreSQL programs, is reached by a Unix socket only, and outlives a rosterd that is
//! killed; the next one takes it over. Refuses network ports, and knows nothing of the rest of rosterd.
//!
//! # Who can connect
//!
//! The socket is in a folder of mode 700 that belongs to the user who runs PostgreSQL, so only that user and root come
//! as far as the server. It then asks for a password (`scram-sha-256`), a random one made with the cluster and kept in a
//! file of mode 600. `peer` would ask no secret, but rosterd's user and PostgreSQL's differ when root runs rosterd, and
//! a map from root to a database role would let every process of root in by no more than its number. The role `rosterd`
//! owns its database and may make others, and is no superuser: whoever finds a hole in a query gets no shell by it.
//!
//! # The data folder
//!
//! | entry | what it is |
//! |---|---|
//! | `pgdata/` | the cluster |
//! | `socket/` | the socket; under `/tmp` instead if the path would be too long for one |
//! | `password` | of the role `rosterd`, and of the superuser `postgres` |
//! | `postgres.log` | what the server says |
//! | `start.lock`, `users.lock` | who makes, starts or stops the cluster, and who uses it |

mod create;
mod error;
mod folder;
mod owner;
mod programs;
mod server;
mod start;
mod watcher;

use std::{
    ffi::OsString,
    fmt::{self, Write},
    fs::{File, TryLockError},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

pub use self::{error::ClusterError, owner::is_root, programs::OLDEST_MAJOR};
use self::{
    folder::{Folder, START_LOCK, USERS_LOCK},
    server::Server,
    watcher::Watcher,
};

/// The name of the role, and of the database that is made with the cluster.
const NAME: &str = "rosterd";

/// What to do when there is no cluster yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Make it: for `rosterd serve` and for tests.
    CreateIfMissing,
    /// Fail with [`ClusterError::NoDatabase`], and leave no file: for commands.
    Existing,
}

/// What a committed transaction survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power.
    Durable,
    /// Nothing: a server that is killed forgets its last commits, and a loss of power can destroy the whole cluster. Only
    /// tests may use it.
    Fast,
}

impl Durability {
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

/// Which cluster, and how to run it. A cluster that runs already keeps the settings it was started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything is kept; see [`default_data_dir`].
    pub data_dir: PathBuf,
    /// The value of `PATH`: where programs are looked for first.
    pub search_path: OsString,
    /// Whether a missing cluster is made.
    pub mode: Mode,
    /// [`Durability::Durable`], but for tests.
    pub durability: Durability,
    /// How many sessions the server allows at once; 3 of them are for superusers only.
    pub max_connections: u32,
    /// Whether the cluster is stopped some seconds after this process ended without [`Cluster::stop`], even by
    /// `kill -9`, unless another process uses it. For tests: needs the program `flock`.
    pub stop_with_parent: bool,
}

impl Options {
    /// A durable cluster for 100 sessions, which outlives a parent that is killed.
    pub fn new(data_dir: impl Into<PathBuf>, search_path: impl Into<OsString>, mode: Mode) -> Self {
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

/// Where the cluster is kept unless told otherwise: `/var/lib/rosterd` for root, else `rosterd` in `$XDG_DATA_HOME`, which
/// counts only if it is absolute (XDG Base Directory Specification) and is `$HOME/.local/share` otherwise. `None` if
/// neither is set.
#[must_use]
pub fn default_data_dir(
    as_root: bool,
    xdg_data_home: Option<&Path>,
    home: Option<&Path>,
) -> Option<PathBuf> {
    if as_root {
        return Some(PathBuf::from("/var/lib/rosterd"));
    }
    let xdg_data_home = xdg_data_home
        .filter(|path| path.is_absolute())
        .map(Path::to_path_buf);
    let data_home = xdg_data_home.or_else(|| Some(home?.join(".local/share")));
    data_home.map(|data_home| data_home.join(NAME))
}

/// Has no `Debug` and no `Display`, so that it gets into no log.
struct Password(String);

/// A running cluster, in use by us until [`Cluster::stop`] or the end of this value.
pub struct Cluster {
    server: Server,
    password: Password,
    /// Holds the lock that tells others of us; `None` after the stop.
    in_use: Option<File>,
    watcher: Option<Watcher>,
}

impl Cluster {
    /// Makes the cluster if it is missing and may be made, starts it if it does not run, and waits until it accepts
    /// connections. `progress` is told, before each, of the steps that take long.
    ///
    /// # Errors
    /// See [`ClusterError`]. A server that still recovers after 60 seconds is an error too, and goes on recovering.
    pub fn open(options: &Options, progress: &dyn Fn(&str)) -> Result<Self, ClusterError> {
        let folder = Folder::open(options)?;
        let missing = ClusterError::NoDatabase {
            data_dir: folder.root.clone(),
        };
        if options.mode == Mode::Existing && !folder.path(START_LOCK).exists() {
            return Err(missing);
        }
        let starting = folder.lock_start(progress)?;
        let in_use = folder.private_file(USERS_LOCK)?;
        // Nobody can have it alone, because whoever tries holds the start lock.
        in_use
            .lock_shared()
            .map_err(ClusterError::at(folder.path(USERS_LOCK)))?;
        folder.check_reachable()?;

        let server = Server::find(folder, options)?;
        let watcher = if options.stop_with_parent {
            Some(Watcher::start(&server)?)
        } else {
            None
        };
        if !server.has_database() {
            match options.mode {
                Mode::CreateIfMissing => server.create(&starting, progress)?,
                Mode::Existing => return Err(missing),
            }
        }
        let password = server.folder.password()?;
        server.bring_up(progress)?;
        Ok(Self {
            server,
            password,
            in_use: Some(in_use),
            watcher,
        })
    }

    /// The URL of the database `rosterd`, for libpq. It has the password: not for a log.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for(NAME)
    }

    /// The URL of another database of the cluster, for libpq. It has the password: not for a log.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        let host = self.server.folder.sockets.folder.as_os_str().as_bytes();
        format!(
            "postgresql://{NAME}:{}@{}/{}",
            percent_encoded(self.password.0.as_bytes()),
            percent_encoded(host),
            percent_encoded(database.as_bytes()),
        )
    }

    /// Ends our use, and stops the server if we are the last to use it. Does nothing the second time.
    ///
    /// # Errors
    /// The server does not stop within 60 seconds, or a lock file cannot be used.
    pub fn stop(&mut self) -> Result<(), ClusterError> {
        let Some(in_use) = self.in_use.take() else {
            return Ok(());
        };
        let folder = &self.server.folder;
        let users_lock = || ClusterError::at(folder.path(USERS_LOCK));
        let _stopping = folder.lock_start(&|_| ())?;
        in_use.unlock().map_err(users_lock())?;
        let stopped = match in_use.try_lock() {
            Ok(()) => self.server.shut_down(),
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(cause)) => Err(users_lock()(cause)),
        };
        if let Some(watcher) = self.watcher.take() {
            watcher.dismiss();
        }
        stopped
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "the database cluster was not stopped");
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("data_dir", &self.server.folder.root)
            .finish_non_exhaustive()
    }
}

/// RFC 3986, section 2.1: every byte but the unreserved characters.
fn percent_encoded(bytes: &[u8]) -> String {
    let mut encoded = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // A String takes everything.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_dir_follows_the_user_and_xdg() {
        let path = |text| Some(Path::new(text));
        for (as_root, xdg, home, expected) in [
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
            assert_eq!(default_data_dir(as_root, xdg, home).as_deref(), expected);
        }
    }

    #[test]
    fn every_reserved_byte_is_percent_encoded() {
        assert_eq!(
            percent_encoded("/a b%é@:?#-._~Z9".as_bytes()),
            "%2Fa%20b%25%C3%A9%40%3A%3F%23-._~Z9"
        );
    }
}
