//! Moves the database to a new cluster, of the newest installed version of PostgreSQL. The new cluster is created in a directory
//! of its own and takes the place of the old one when it is complete. The old one is kept.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::Cluster;
use super::backup::ExclusiveCluster;
use super::error::ClusterError;
use super::installation::Installation;
use super::layout::{PASSWORD, PGDATA};
use super::options::{ClusterOptions, MissingCluster};

/// The directory of the new cluster until it is complete.
const NEW: &str = "upgrade";
/// The copy of the database.
const DUMP: &str = "upgrade.dump";

/// A finished move.
#[derive(Debug)]
pub struct MovedCluster {
    /// The major version of the new cluster.
    pub major: u32,
    /// Where the old cluster is.
    pub old: PathBuf,
}

impl Cluster {
    /// The major version of the cluster.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.server.installation.major
    }

    /// The newest installed major version.
    #[must_use]
    pub fn newest_installed_major(options: &ClusterOptions) -> Option<u32> {
        Installation::newest(&options.search_path).map(|installation| installation.major)
    }
}

impl ExclusiveCluster<'_> {
    /// Copies the database to a new cluster of the newest installed version, which then takes the place of this one. Until then
    /// an error leaves this one as it is. The server of this cluster is stopped at the end.
    ///
    /// # Errors
    /// The old cluster of an earlier move is still there; programs of PostgreSQL fail; files cannot be created or renamed.
    pub fn move_to_new_cluster(
        &self,
        options: &ClusterOptions,
        progress: &dyn Fn(&str),
    ) -> Result<MovedCluster, ClusterError> {
        let data_dir = &self.cluster.server.data_dir;
        let old = data_dir.path(&format!("{PGDATA}.{}", self.cluster.major()));
        if old.exists() {
            let cause = io::Error::other(
                "the cluster of an earlier upgrade is still there: delete it first",
            );
            return Err(ClusterError::Io { path: old, cause });
        }
        let (new_dir, dump) = (data_dir.path(NEW), data_dir.path(DUMP));
        remove_leftovers(&new_dir, &dump)?;
        progress("copying the database");
        let file = create_private(&dump).map_err(ClusterError::at(&dump))?;
        self.cluster.backup(file)?;
        let mut new_options =
            ClusterOptions::new(&new_dir, &options.search_path, MissingCluster::Create);
        new_options.durability = options.durability;
        let mut new_cluster = Cluster::open(&new_options, progress)?;
        let major = new_cluster.major();
        progress(&format!("restoring the database into PostgreSQL {major}"));
        let exclusive = new_cluster.exclude_others()?;
        exclusive.restore(File::open(&dump).map_err(ClusterError::at(&dump))?)?;
        exclusive.replace_database()?;
        drop(exclusive);
        new_cluster.stop()?;
        self.cluster.server.stop()?;
        let replace = || {
            fs::rename(data_dir.path(PGDATA), &old)?;
            fs::rename(new_dir.join(PASSWORD), data_dir.path(PASSWORD))?;
            fs::rename(new_dir.join(PGDATA), data_dir.path(PGDATA))?;
            File::open(&data_dir.root)?.sync_all()
        };
        replace().map_err(ClusterError::at(&data_dir.root))?;
        remove_leftovers(&new_dir, &dump)?;
        Ok(MovedCluster { major, old })
    }
}

/// Removes what an interrupted move has left. A complete cluster is never there.
fn remove_leftovers(new_dir: &PathBuf, dump: &PathBuf) -> Result<(), ClusterError> {
    let ignore_missing = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    ignore_missing(fs::remove_dir_all(new_dir)).map_err(ClusterError::at(new_dir))?;
    ignore_missing(fs::remove_file(dump)).map_err(ClusterError::at(dump))
}

fn create_private(path: &PathBuf) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}
