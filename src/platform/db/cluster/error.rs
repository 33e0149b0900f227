//! Why the private cluster cannot be had. Each text is one line that says what to do, and none carries a secret.

use std::{io, path::PathBuf};

use super::programs::OLDEST_MAJOR;

/// Everything that can go wrong between [`super::Options`] and a cluster that answers.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each says what it is")]
pub enum ClusterError {
    #[error(
        "PostgreSQL {OLDEST_MAJOR} or later is not installed: install the package `postgresql`, or set DATABASE_URL"
    )]
    NoPrograms,
    #[error(
        "the database in {data_dir} needs PostgreSQL {major}, which is not installed: install PostgreSQL {major}, or set DATABASE_URL"
    )]
    NoProgramsOf { major: u32, data_dir: PathBuf },
    #[error("no database at {data_dir}: run `rosterd serve` once, or set DATABASE_URL")]
    NoDatabase { data_dir: PathBuf },
    #[error(
        "PostgreSQL refuses to run as root and there is no user `postgres` or `nobody` to run it as: add one, or set DATABASE_URL"
    )]
    NoUser,
    #[error(
        "PostgreSQL runs as the user {user}, who cannot pass {folder}: run `chmod o+x {folder}`, or set another ROSTERD_DATA_DIR"
    )]
    Unreachable { user: String, folder: PathBuf },
    #[error(
        "{folder} must be a folder of mode 700 that belongs to the user who runs PostgreSQL: remove it and start again"
    )]
    NotPrivate { folder: PathBuf },
    #[error(
        "{path} belongs to another user: run rosterd as that user, or set another ROSTERD_DATA_DIR"
    )]
    Denied { path: PathBuf },
    #[error("{path}: {cause}")]
    Io { path: PathBuf, cause: io::Error },
    #[error("{program} failed: {said}")]
    Program { program: PathBuf, said: String },
    #[error("PostgreSQL did not start: {said} (all of it is in {log})")]
    DidNotStart { said: String, log: PathBuf },
    #[error(
        "PostgreSQL does not accept connections after {seconds} s: see {log}, then start rosterd again"
    )]
    TimedOut { seconds: u64, log: PathBuf },
    #[error(
        "to end the cluster with its parent needs the program `flock`: install `util-linux` (Homebrew: `flock`)"
    )]
    NoFlock,
}

impl ClusterError {
    /// For `map_err`: an operating system's error about `path`.
    pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| match cause.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            _ => Self::Io { path, cause },
        }
    }
}
