//! The errors of the private cluster. Each message is one line that says what to do, and contains no secret.

use std::{io, path::PathBuf};

use super::installation::OLDEST_MAJOR;

/// Why the private cluster cannot be created, started or stopped.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each variant describes it")]
pub enum ClusterError {
    #[error(
        "PostgreSQL {OLDEST_MAJOR} or later is not installed: install the package `postgresql`, or set DATABASE_URL"
    )]
    NotInstalled,
    #[error(
        "the database in {data_dir} needs PostgreSQL {major}, which is not installed: install PostgreSQL {major}, or set DATABASE_URL"
    )]
    VersionNotInstalled { major: u32, data_dir: PathBuf },
    #[error("no database at {data_dir}: run `rosterd serve` once, or set DATABASE_URL")]
    NoDatabase { data_dir: PathBuf },
    #[error(
        "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as: create one, or set DATABASE_URL"
    )]
    NoUnprivilegedUser,
    #[error(
        "PostgreSQL runs as the user {user}, who cannot enter {dir}: run `chmod o+x {dir}`, or set another ROSTERD_DATA_DIR"
    )]
    Unreachable { user: String, dir: PathBuf },
    #[error(
        "{dir} must be a directory of mode 700 that belongs to the user who runs PostgreSQL: remove it and start again"
    )]
    NotPrivate { dir: PathBuf },
    #[error(
        "{path} belongs to another user: run rosterd as that user, or set another ROSTERD_DATA_DIR"
    )]
    Denied { path: PathBuf },
    #[error("{path}: {cause}")]
    Io { path: PathBuf, cause: io::Error },
    #[error("{program} failed: {message}")]
    CommandFailed { program: PathBuf, message: String },
    #[error("the backup is incomplete, perhaps because the disk is full: {message}")]
    IncompleteBackup { message: String },
    #[error("PostgreSQL did not start: {message} (the full log is {log})")]
    DidNotStart { message: String, log: PathBuf },
    #[error("PostgreSQL was started several times and died each time: see {log}")]
    DiesRepeatedly { log: PathBuf },
    #[error(
        "PostgreSQL does not accept connections after {seconds} s: see {log}, then start rosterd again"
    )]
    TimedOut { seconds: u64, log: PathBuf },
    #[error("another rosterd process uses the database: stop it first")]
    InUse,
    #[error(
        "the option to stop the cluster with its parent needs the program `flock`: install `util-linux` (Homebrew: `flock`)"
    )]
    NoFlock,
}

impl ClusterError {
    /// For `map_err`: an I/O error about `path`.
    pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| match cause.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            _ => Self::Io { path, cause },
        }
    }
}
