//! How to run the private cluster, and where it is by default.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The name of the role and of its database.
pub(super) const NAME: &str = "rosterd";

/// What to do if the cluster does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingCluster {
    /// Create it: for `rosterd serve` and for tests.
    Create,
    /// Fail with `ClusterError::NoDatabase` and create no file: for commands.
    Fail,
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
    pub(super) fn settings(self) -> [&'static str; 6] {
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
    pub mode: MissingCluster,
    /// [`Durability::Durable`], except in tests.
    pub durability: Durability,
    /// `max_connections` of the server, including 3 that are reserved for superusers.
    pub max_connections: u32,
    /// Whether the cluster is stopped a few seconds after this process has ended without [`Cluster::stop`](super::Cluster::stop), even by
    /// `kill -9`, unless another process uses it. For tests; needs the program `flock`.
    pub stop_with_parent: bool,
}

impl ClusterOptions {
    /// A durable cluster with 100 connections that keeps running when this process is killed.
    pub fn new(
        data_dir: impl Into<PathBuf>,
        search_path: impl Into<OsString>,
        mode: MissingCluster,
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
pub(super) struct Password(pub(super) String);

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
}
