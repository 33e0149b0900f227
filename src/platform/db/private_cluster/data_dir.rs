//! The data directory of the cluster, its private files and its locks, and the commands that run in it. Rejects
//! directories that other users can access.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::ffi::OsStringExt,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::error::ClusterError;
use super::installation;
use super::layout::{PASSWORD, SOCKET, START_LOCK};
use super::options::{ClusterOptions, MissingCluster, Password};
use super::os_user::{self, OsUser};

/// `sockaddr_un.sun_path` has 108 bytes on Linux and 104 on macOS, including the terminating NUL.
const MAX_SOCKET_PATH_BYTES: usize = 103;

/// The lock that a process holds while it creates, starts or stops the cluster. Released on drop.
pub(super) struct StartLock(File);

pub(super) struct DataDir {
    /// The absolute path without symbolic links.
    pub root: PathBuf,
    pub socket_dir: SocketDir,
    search_path: OsString,
    os_user: OsUser,
}

/// The directory of the server's socket.
pub(super) struct SocketDir {
    pub path: PathBuf,
    /// The value for `unix_socket_directories`, relative to `pgdata`. It has no characters that are special in a shell or
    /// in a list of directories.
    pub setting: String,
}

impl DataDir {
    /// Opens the directory, and creates it first if it is missing and the mode allows that. As root, the directory itself
    /// belongs to root with mode 711, so that other users can pass through it but not list it, and its content belongs to
    /// the [`OsUser`].
    pub fn open(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let data_dir = &options.data_dir;
        if options.mode == MissingCluster::Create {
            create_data_dir(data_dir).map_err(ClusterError::at(data_dir))?;
        }
        let root = fs::canonicalize(data_dir).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => ClusterError::NoDatabase {
                data_dir: data_dir.clone(),
            },
            _ => ClusterError::at(data_dir)(cause),
        })?;
        Ok(Self {
            socket_dir: SocketDir::for_data_dir(&root)?,
            os_user: OsUser::for_data_dir(&root)?,
            search_path: options.search_path.clone(),
            root,
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn has_program(&self, program: &str) -> bool {
        installation::find_in_path(&self.search_path, program).is_some()
    }

    /// A command that runs in the directory as its [`OsUser`], without the terminal and the environment of this process:
    /// the environment contains secrets, and `PG…` variables would configure PostgreSQL's programs.
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
        self.os_user.apply_to(&mut command);
        command
    }

    /// Checks that the [`OsUser`] can enter the directory and all its parents.
    pub fn check_reachable(&self) -> Result<(), ClusterError> {
        let is_denied = |dir: &Path| {
            let status = self.command("true").current_dir(dir).status();
            status.is_err_and(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
        };
        if !is_denied(&self.root) {
            return Ok(());
        }
        let mut from_the_root: Vec<&Path> = self.root.ancestors().collect();
        from_the_root.reverse();
        let first_denied = from_the_root.into_iter().find(|dir| is_denied(dir));
        Err(ClusterError::Unreachable {
            user: self.os_user.name(),
            dir: first_denied.unwrap_or(&self.root).to_path_buf(),
        })
    }

    /// Creates the directory for the [`OsUser`] with mode 700 if it is missing. Fails if an existing one has another mode
    /// or owner.
    pub fn create_private_dir(&self, dir: &Path) -> Result<(), ClusterError> {
        let open = || {
            create_dir(dir, 0o700)?;
            self.os_user.chown_dir(dir)?;
            fs::symlink_metadata(dir)
        };
        let metadata = open().map_err(ClusterError::at(dir))?;
        let is_own = metadata.is_dir() && metadata.uid() == self.os_user.uid;
        if is_own && metadata.mode() & 0o777 == 0o700 {
            Ok(())
        } else {
            Err(ClusterError::NotPrivate {
                dir: dir.to_path_buf(),
            })
        }
    }

    /// Opens the file for appending, and creates it with mode 600 if it is missing. Fails if it belongs to another user
    /// or is a symbolic link.
    pub fn open_private_file(&self, name: &str) -> Result<File, ClusterError> {
        let path = self.path(name);
        let open = || {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path)?;
            self.os_user.chown_file(&file)?;
            if file.metadata()?.uid() == self.os_user.uid {
                Ok(file)
            } else {
                Err(io::ErrorKind::PermissionDenied.into())
            }
        };
        open().map_err(ClusterError::at(&path))
    }

    /// Takes the start lock, and waits while another process creates, starts or stops the cluster.
    pub fn lock_start(&self, progress: &dyn Fn(&str)) -> Result<StartLock, ClusterError> {
        let lock = self.open_private_file(START_LOCK)?;
        let result = match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                progress("waiting for another rosterd process that starts or stops the database");
                lock.lock()
            }
            Err(TryLockError::Error(cause)) => Err(cause),
            Ok(()) => Ok(()),
        };
        result.map_err(ClusterError::at(self.path(START_LOCK)))?;
        Ok(StartLock(lock))
    }

    /// Generates a random password and writes it to the password file, replacing an earlier one.
    pub fn create_password(&self) -> Result<Password, ClusterError> {
        let mut file = self.open_private_file(PASSWORD)?;
        let mut write = || {
            let mut bytes = [0; 16];
            aws_lc_rs::rand::fill(&mut bytes)
                .map_err(|_| io::Error::other("the operating system has no random bytes"))?;
            let password = hex::encode(bytes);
            file.set_len(0)?;
            file.write_all(password.as_bytes())?;
            file.sync_all()?;
            io::Result::Ok(password)
        };
        let password = write().map_err(ClusterError::at(self.path(PASSWORD)))?;
        Ok(Password(password))
    }

    pub fn read_password(&self) -> Result<Password, ClusterError> {
        let path = self.path(PASSWORD);
        let text = fs::read_to_string(&path).map_err(ClusterError::at(path))?;
        Ok(Password(text.trim().to_owned()))
    }
}

impl StartLock {
    /// Another handle of the locked file, for a child process. The lock stays held if this process is killed, until the
    /// child process ends.
    pub fn try_clone(&self) -> io::Result<File> {
        self.0.try_clone()
    }
}

impl Drop for StartLock {
    /// Unlocks the file explicitly. A child process that another thread starts at this moment has a copy of the handle
    /// until it calls `exec`, so that closing this handle alone would release the lock later.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "cannot release the start lock of the database cluster");
        }
    }
}

impl SocketDir {
    /// `socket` in the data directory. If that path is too long for a socket, or has a comma, at which libpq would split
    /// it: a directory under `/tmp` that is named after the device and the inode of the data directory.
    fn for_data_dir(root: &Path) -> Result<Self, ClusterError> {
        let path = root.join("socket");
        let socket = path.join(SOCKET).into_os_string().into_vec();
        if socket.len() <= MAX_SOCKET_PATH_BYTES && !socket.contains(&b',') {
            return Ok(Self {
                path,
                setting: "../socket".to_owned(),
            });
        }
        let metadata = fs::metadata(root).map_err(ClusterError::at(root))?;
        let setting = format!("/tmp/rosterd-{:x}-{:x}", metadata.dev(), metadata.ino());
        Ok(Self {
            path: PathBuf::from(&setting),
            setting,
        })
    }

    pub fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }
}

/// Runs a command and waits for it. The error contains the line of its output that gives the reason.
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
    let text = [output.stdout, output.stderr].concat();
    let message = failure_line(&String::from_utf8_lossy(&text));
    Err(ClusterError::CommandFailed { program, message })
}

/// The first line of a program's output that reports an error, else the last line. Ignores what PostgreSQL answers to those
/// who connect while it starts.
pub(super) fn failure_line(output: &str) -> String {
    let mut lines = output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let is_error = |line: &&str| {
        let reports_error = ["FATAL:", "PANIC:", "ERROR:", "error:"]
            .iter()
            .any(|word| line.contains(word));
        reports_error && !line.contains("FATAL:  the database system is ")
    };
    let line = lines.clone().find(is_error).or_else(|| lines.next_back());
    line.unwrap_or("no output").to_owned()
}

/// Creates the directory that contains the cluster, unless it exists.
pub(super) fn create_data_dir(data_dir: &Path) -> io::Result<()> {
    if data_dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = data_dir.parent() {
        fs::create_dir_all(parent)?;
    }
    create_dir(data_dir, if os_user::is_root() { 0o711 } else { 0o700 })
}

/// Creates a directory with exactly this mode, regardless of the umask. Leaves an existing one unchanged.
fn create_dir(dir: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(dir) {
        Ok(()) => fs::set_permissions(dir, Permissions::from_mode(mode)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_line_is_the_first_error_or_the_last_line() {
        let log = "LOG:  starting\nFATAL:  data directory has wrong ownership\nHINT:  none\n";
        assert_eq!(
            failure_line(log),
            "FATAL:  data directory has wrong ownership"
        );
        assert_eq!(
            failure_line("sh: postgres: not found\n\n"),
            "sh: postgres: not found"
        );
        assert_eq!(failure_line(""), "no output");
        let log = "FATAL:  the database system is starting up\nFATAL:  the database system is not yet accepting connections\n\
                   PANIC:  could not write to file: No space left on device\nLOG:  startup process was terminated\n";
        assert_eq!(
            failure_line(log),
            "PANIC:  could not write to file: No space left on device"
        );
    }
}
