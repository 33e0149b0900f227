//! The operating system user that owns the cluster's files and runs its programs. PostgreSQL refuses to run as root.

use std::{
    fs::{self, File},
    io,
    os::unix::{
        fs::{MetadataExt, fchown, lchown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use rustix::process::geteuid;

use super::error::ClusterError;
use super::layout::PGDATA;
use crate::platform::passwd_file;

/// Whether the effective user of this process is root.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The current user or, as root, an unprivileged one.
pub(super) struct OsUser {
    pub uid: u32,
    /// The group to switch to together with `uid`; `None` for the current user.
    gid: Option<u32>,
}

impl OsUser {
    /// The user for the data directory `root`: the current user, unless that is root. As root: the owner of the existing
    /// cluster, else the owner of the data directory, unless that is root too, else `postgres`, else `nobody`.
    pub fn for_data_dir(root: &Path) -> Result<Self, ClusterError> {
        if !is_root() {
            return Ok(Self {
                uid: geteuid().as_raw(),
                gid: None,
            });
        }
        let (uid, gid) = [&root.join(PGDATA), root]
            .into_iter()
            .filter_map(|path| fs::metadata(path).ok())
            .map(|metadata| (metadata.uid(), metadata.gid()))
            .find(|(uid, _)| *uid != 0)
            .or_else(|| passwd_file::find("postgres"))
            .or_else(|| passwd_file::find("nobody"))
            .ok_or(ClusterError::NoUnprivilegedUser)?;
        Ok(Self {
            uid,
            gid: Some(gid),
        })
    }

    /// Makes the command run as this user, without root's supplementary groups.
    pub fn apply_to(&self, command: &mut Command) {
        if let Some(gid) = self.gid {
            command.uid(self.uid).gid(gid);
        }
    }

    /// Changes the owner of a file that this process created as root.
    pub fn chown_file(&self, file: &File) -> io::Result<()> {
        match self.gid {
            Some(gid) if file.metadata()?.uid() == 0 => fchown(file, Some(self.uid), Some(gid)),
            _ => Ok(()),
        }
    }

    /// Changes the owner of a directory that this process created as root. Does not follow symbolic links.
    pub fn chown_dir(&self, dir: &Path) -> io::Result<()> {
        match self.gid {
            Some(gid) if fs::symlink_metadata(dir)?.uid() == 0 => {
                lchown(dir, Some(self.uid), Some(gid))
            }
            _ => Ok(()),
        }
    }

    /// The user's name, or the uid if `/etc/passwd` does not list it.
    pub fn name(&self) -> String {
        passwd_file::name_of(self.uid)
    }
}
