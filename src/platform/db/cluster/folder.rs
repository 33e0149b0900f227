//! The data folder: what is in it, and commands that run in it. Refuses folders that other users can enter.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::ffi::OsStringExt,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    ClusterError, Mode, Options, Password,
    owner::{self, Owner},
    programs,
};

pub(super) const PGDATA: &str = "pgdata";
pub(super) const LOG: &str = "postgres.log";
/// Held by whoever makes, starts or stops the cluster, for as long as that takes.
pub(super) const START_LOCK: &str = "start.lock";
/// Shared by all who use the cluster: whoever can have it alone is the last, and may stop the cluster.
pub(super) const USERS_LOCK: &str = "users.lock";
/// What PostgreSQL calls the socket of its default port (no network port is opened).
pub(super) const SOCKET: &str = ".s.PGSQL.5432";
pub(super) const PASSWORD: &str = "password";

/// `sockaddr_un.sun_path` has 108 bytes on Linux and 104 on macOS, with the closing NUL.
const LONGEST_SOCKET_PATH: usize = 103;

pub(super) struct Folder {
    /// Absolute and without symbolic links.
    pub root: PathBuf,
    pub sockets: Sockets,
    search_path: OsString,
    owner: Owner,
}

/// Where the socket is.
pub(super) struct Sockets {
    pub folder: PathBuf,
    /// The same as seen from `pgdata`: no character in it means anything to a shell or in a list of folders.
    pub setting: String,
}

impl Folder {
    /// Opens the folder, made before if it is missing and `mode` allows that. As root the folder itself stays root's
    /// (mode 711: others may pass but not list it) and all that is in it belongs to the [`Owner`].
    pub fn open(options: &Options) -> Result<Self, ClusterError> {
        let data_dir = &options.data_dir;
        if options.mode == Mode::CreateIfMissing {
            make_data_dir(data_dir).map_err(ClusterError::at(data_dir))?;
        }
        let root = fs::canonicalize(data_dir).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => ClusterError::NoDatabase {
                data_dir: data_dir.clone(),
            },
            _ => ClusterError::at(data_dir)(cause),
        })?;
        Ok(Self {
            sockets: Sockets::of(&root)?,
            owner: Owner::of(&root)?,
            search_path: options.search_path.clone(),
            root,
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn has_program(&self, program: &str) -> bool {
        programs::on_path(&self.search_path, program).is_some()
    }

    /// A command that runs in the folder as its owner. It gets nothing of our terminal and of our environment, which
    /// has secrets, and `PG…` variables that PostgreSQL's programs would obey.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env_clear();
        command
            .env("PATH", &self.search_path)
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.owner.run_as(&mut command);
        command
    }

    /// Checks that the owner can pass every folder down to this one.
    pub fn check_reachable(&self) -> Result<(), ClusterError> {
        let closed = |folder: &Path| {
            let entered = self.command("true").current_dir(folder).status();
            entered.is_err_and(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
        };
        if !closed(&self.root) {
            return Ok(());
        }
        let mut from_the_top: Vec<&Path> = self.root.ancestors().collect();
        from_the_top.reverse();
        let first_closed = from_the_top.into_iter().find(|folder| closed(folder));
        Err(ClusterError::Unreachable {
            user: self.owner.name(),
            folder: first_closed.unwrap_or(&self.root).to_path_buf(),
        })
    }

    /// Makes `folder` for the owner with mode 700 if it is missing, and refuses one that is not so.
    pub fn private_folder(&self, folder: &Path) -> Result<(), ClusterError> {
        let open = || {
            make_folder(folder, 0o700)?;
            self.owner.adopt_folder(folder)?;
            fs::symlink_metadata(folder)
        };
        let found = open().map_err(ClusterError::at(folder))?;
        if found.is_dir() && found.uid() == self.owner.uid && found.mode() & 0o777 == 0o700 {
            Ok(())
        } else {
            Err(ClusterError::NotPrivate {
                folder: folder.to_path_buf(),
            })
        }
    }

    /// Opens the file for appending, made before for the owner with mode 600 if it is missing. Refuses another user's,
    /// and follows no symbolic link.
    pub fn private_file(&self, name: &str) -> Result<File, ClusterError> {
        let path = self.path(name);
        let open = || {
            let mut how = OpenOptions::new();
            let file = how
                .append(true)
                .create(true)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path)?;
            self.owner.adopt_file(&file)?;
            if file.metadata()?.uid() == self.owner.uid {
                Ok(file)
            } else {
                Err(io::ErrorKind::PermissionDenied.into())
            }
        };
        open().map_err(ClusterError::at(&path))
    }

    /// Waits until nobody else makes, starts or stops the cluster; this lasts until the file is closed.
    pub fn lock_start(&self, progress: &dyn Fn(&str)) -> Result<File, ClusterError> {
        let lock = self.private_file(START_LOCK)?;
        let locked = match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                progress("waiting for another rosterd process that starts or stops the database");
                lock.lock()
            }
            Err(TryLockError::Error(cause)) => Err(cause),
            Ok(()) => Ok(()),
        };
        locked.map_err(ClusterError::at(self.path(START_LOCK)))?;
        Ok(lock)
    }

    /// Makes a random password and keeps it in the place of any earlier one.
    pub fn new_password(&self) -> Result<Password, ClusterError> {
        const RANDOM: &str = "/dev/urandom";
        let mut bits = [0; 16];
        let read = File::open(RANDOM).and_then(|mut random| random.read_exact(&mut bits));
        read.map_err(ClusterError::at(RANDOM))?;
        let password = format!("{:032x}", u128::from_ne_bytes(bits));

        let mut file = self.private_file(PASSWORD)?;
        let mut keep = || {
            file.set_len(0)?;
            file.write_all(password.as_bytes())?;
            file.sync_all()
        };
        keep().map_err(ClusterError::at(self.path(PASSWORD)))?;
        Ok(Password(password))
    }

    pub fn password(&self) -> Result<Password, ClusterError> {
        let path = self.path(PASSWORD);
        let kept = fs::read_to_string(&path).map_err(ClusterError::at(path))?;
        Ok(Password(kept.trim().to_owned()))
    }
}

impl Sockets {
    /// In the data folder. If that path is too long for a socket, or has a comma, at which libpq would split it: in a
    /// folder under `/tmp` that is named after the data folder's device and inode.
    fn of(root: &Path) -> Result<Self, ClusterError> {
        let folder = root.join("socket");
        let path = folder.join(SOCKET).into_os_string().into_vec();
        if path.len() <= LONGEST_SOCKET_PATH && !path.contains(&b',') {
            return Ok(Self {
                folder,
                setting: "../socket".to_owned(),
            });
        }
        let found = fs::metadata(root).map_err(ClusterError::at(root))?;
        let setting = format!("/tmp/rosterd-{:x}-{:x}", found.dev(), found.ino());
        Ok(Self {
            folder: PathBuf::from(&setting),
            setting,
        })
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }
}

/// Runs a command to its end. A failure carries the line that says why.
pub(super) fn run(command: &mut Command) -> Result<(), ClusterError> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output();
    let output = output.map_err(ClusterError::at(&program))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = telling_line(&String::from_utf8_lossy(&said));
    Err(ClusterError::Program { program, said })
}

/// The line of a program's output that says why it failed.
pub(super) fn telling_line(output: &str) -> String {
    let mut lines = output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let telling = |line: &&str| {
        ["FATAL:", "PANIC:", "ERROR:", "error:"]
            .iter()
            .any(|word| line.contains(word))
    };
    let found = lines.clone().find(telling).or_else(|| lines.next_back());
    found.unwrap_or("it said nothing").to_owned()
}

fn make_data_dir(data_dir: &Path) -> io::Result<()> {
    if data_dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = data_dir.parent() {
        fs::create_dir_all(parent)?;
    }
    make_folder(data_dir, if owner::is_root() { 0o711 } else { 0o700 })
}

/// Makes a folder of this very mode, whatever the umask; leaves one that is there as it is.
fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(folder) {
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(mode)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_why_is_found() {
        let log = "LOG:  starting\nFATAL:  data directory has wrong ownership\nHINT:  none\n";
        assert_eq!(
            telling_line(log),
            "FATAL:  data directory has wrong ownership"
        );
        assert_eq!(
            telling_line("sh: postgres: not found\n\n"),
            "sh: postgres: not found"
        );
        assert_eq!(telling_line(""), "it said nothing");
    }
}
