//! Which user of the machine owns the cluster's files and runs its programs: PostgreSQL refuses to be root.

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

use super::{ClusterError, folder::PGDATA};

const USERS: &str = "/etc/passwd";

/// Whether this process runs as root (its effective user has the number 0).
#[must_use]
pub fn is_root() -> bool {
    effective_uid().is_ok_and(|uid| uid == 0)
}

fn effective_uid() -> Result<u32, ClusterError> {
    let said = Command::new("id")
        .arg("-u")
        .output()
        .map_err(ClusterError::at("id"))?;
    let said = String::from_utf8_lossy(&said.stdout);
    said.trim().parse().map_err(|_| ClusterError::Program {
        program: "id".into(),
        said: said.into(),
    })
}

/// We ourselves, or as root another user.
pub(super) struct Owner {
    pub uid: u32,
    /// The group to change to together with `uid`; `None` when we already are the owner.
    gid: Option<u32>,
}

impl Owner {
    /// The owner for the data folder `root`. As root: whoever owns the data in it already, else the folder, unless that
    /// is root too; else `postgres`, else `nobody`.
    pub fn of(root: &Path) -> Result<Self, ClusterError> {
        let uid = effective_uid()?;
        if uid != 0 {
            return Ok(Self { uid, gid: None });
        }
        let (uid, gid) = [&root.join(PGDATA), root]
            .into_iter()
            .filter_map(|path| fs::metadata(path).ok())
            .map(|found| (found.uid(), found.gid()))
            .find(|(uid, _)| *uid != 0)
            .or_else(|| user_named("postgres"))
            .or_else(|| user_named("nobody"))
            .ok_or(ClusterError::NoUser)?;
        Ok(Self {
            uid,
            gid: Some(gid),
        })
    }

    /// Lets the command run as the owner, without our supplementary groups.
    pub fn run_as(&self, command: &mut Command) {
        if let Some(gid) = self.gid {
            command.uid(self.uid).gid(gid);
        }
    }

    /// Hands over what we made as root.
    pub fn adopt_file(&self, file: &File) -> io::Result<()> {
        match self.gid {
            Some(gid) if file.metadata()?.uid() == 0 => fchown(file, Some(self.uid), Some(gid)),
            _ => Ok(()),
        }
    }

    /// Hands over the folder that we made as root. Follows no symbolic link.
    pub fn adopt_folder(&self, folder: &Path) -> io::Result<()> {
        match self.gid {
            Some(gid) if fs::symlink_metadata(folder)?.uid() == 0 => {
                lchown(folder, Some(self.uid), Some(gid))
            }
            _ => Ok(()),
        }
    }

    pub fn name(&self) -> String {
        let users = fs::read_to_string(USERS).unwrap_or_default();
        let mut users = users.lines().filter_map(user);
        let found = users.find(|(_, uid, _)| *uid == self.uid);
        found.map_or_else(|| self.uid.to_string(), |(name, ..)| name.to_owned())
    }
}

fn user_named(wanted: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string(USERS).ok()?;
    let found = users
        .lines()
        .filter_map(user)
        .find(|(name, ..)| *name == wanted);
    found.map(|(_, uid, gid)| (uid, gid))
}

/// The name, uid and gid in a line of `/etc/passwd`.
fn user(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    Some((
        name,
        fields.nth(1)?.parse().ok()?,
        fields.next()?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_a_line_of_etc_passwd() {
        let line = "postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash";
        assert_eq!(user(line), Some(("postgres", 101, 104)));
        assert_eq!(
            user("nobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false"),
            None
        );
        assert_eq!(user("# a comment"), None);
    }
}
