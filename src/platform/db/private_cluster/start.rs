//! Starts the server, or takes over a running one, and waits until it accepts connections.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::data_dir::failure_line;
use super::error::ClusterError;
use super::layout::{LOG, PGDATA};
use super::server::{Server, ServerStatus};

const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// A log with more bytes than this is renamed at the next start. One old log is kept.
const MAX_LOG_BYTES: u64 = 16 << 20;

impl Server {
    /// Returns when the server accepts connections: uses a running one, waits for one that recovers, starts one
    /// otherwise.
    pub fn start_and_wait(&self, progress: &dyn Fn(&str)) -> Result<(), ClusterError> {
        let mut timer = PollTimer::new();
        let mut attempt = None;
        loop {
            match self.status()? {
                ServerStatus::AcceptsConnections => return Ok(()),
                ServerStatus::NotReady => {}
                ServerStatus::NotListening => {
                    attempt = Some(self.continue_start(attempt, progress)?);
                }
            }
            if !timer.wait(progress) {
                let seconds = START_TIMEOUT.as_secs();
                return Err(ClusterError::TimedOut {
                    seconds,
                    log: self.data_dir.path(LOG),
                });
            }
        }
    }

    /// Called while the server does not listen. Starts it if there was no attempt yet, or if the last attempt failed for a
    /// temporary reason. Keeps an attempt that is in progress. Any other failure is returned.
    fn continue_start(
        &self,
        attempt: Option<StartAttempt>,
        progress: &dyn Fn(&str),
    ) -> Result<StartAttempt, ClusterError> {
        let Some(mut attempt) = attempt else {
            let path = self.data_dir.root.display();
            progress(&format!(
                "starting PostgreSQL {} in {path}",
                self.installation.major
            ));
            return self.begin_start();
        };
        if attempt.is_in_progress() {
            return Ok(attempt);
        }
        let log = self.data_dir.path(LOG);
        let output = attempt.log_output(&log);
        if is_temporary_failure(&output) {
            return self.begin_start();
        }
        Err(ClusterError::DidNotStart {
            message: failure_line(&output),
            log,
        })
    }

    /// Runs `pg_ctl start`, which starts the server in its own session, so that a terminal's Ctrl-C does not reach it.
    fn begin_start(&self) -> Result<StartAttempt, ClusterError> {
        self.remove_stale_files()?;
        self.data_dir
            .create_private_dir(&self.data_dir.socket_dir.path)?;
        self.rotate_log();
        let log = self.data_dir.open_private_file(LOG)?.metadata();
        let log_offset = log
            .map_err(ClusterError::at(self.data_dir.path(LOG)))?
            .len();
        let mut start = self.data_dir.command(self.pg_ctl());
        start.args(["start", "-D", PGDATA, "-l", LOG, "-w", "-t", "60", "-o"]);
        let pg_ctl = start.arg(self.server_options()).spawn();
        let pg_ctl = pg_ctl.map_err(ClusterError::at(self.pg_ctl()))?;
        Ok(StartAttempt { pg_ctl, log_offset })
    }

    /// The command-line options of the server. They are passed at each start, so that no setting depends on a file that
    /// an older version of rosterd wrote. They pass through a shell, so none may need quoting. The last two keep the
    /// values in statements, which are personal data, out of the log.
    fn server_options(&self) -> String {
        let settings = [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            &format!(
                "unix_socket_directories={}",
                self.data_dir.socket_dir.setting
            ),
            &format!("max_connections={}", self.max_connections),
            "log_error_verbosity=terse",
            "log_min_error_statement=panic",
        ];
        let options = settings.iter().flat_map(|setting| ["-c", setting]);
        options
            .chain(self.durability.settings())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Stops a server that runs without its socket, which a cleanup of `/tmp` may have deleted. Otherwise removes the
    /// files of a dead server: its pid may belong to another process now, and then PostgreSQL refuses to start. If the
    /// check is wrong, a second server still detects the first one by its shared memory and exits.
    fn remove_stale_files(&self) -> Result<(), ClusterError> {
        let pid_file = self.data_dir.path(PGDATA).join("postmaster.pid");
        let pid = fs::read_to_string(&pid_file).ok();
        let pid = pid.and_then(|text| text.lines().next()?.trim().parse().ok());
        if pid.is_some_and(|pid| self.runs_in_pgdata(pid)) {
            return self.run_pg_ctl_stop();
        }
        let socket = self.data_dir.socket_dir.socket();
        for stale in [&pid_file, &socket, &socket.with_extension("5432.lock")] {
            match fs::remove_file(stale) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    return Err(ClusterError::at(stale)(cause));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the working directory of the process is `pgdata`. Runs `readlink` as the cluster's user, because root in a
    /// container may lack the privilege to inspect another user's process.
    fn runs_in_pgdata(&self, pid: u32) -> bool {
        let mut readlink = self.data_dir.command("readlink");
        let output = readlink
            .arg(format!("/proc/{pid}/cwd"))
            .stdout(Stdio::piped())
            .output();
        let path =
            |output: Output| PathBuf::from(OsStr::from_bytes(output.stdout.trim_ascii_end()));
        output.is_ok_and(|output| path(output) == self.data_dir.path(PGDATA))
    }

    fn rotate_log(&self) {
        let log = self.data_dir.path(LOG);
        if fs::metadata(&log).is_ok_and(|metadata| metadata.len() > MAX_LOG_BYTES) {
            // If this fails, the log keeps growing.
            let _ = fs::rename(&log, log.with_extension("log.old"));
        }
    }
}

/// Whether the start failed only because processes of an earlier server still exist: those of a server that was killed
/// end a little later, and one that an interrupted rosterd started may finish its start.
fn is_temporary_failure(output: &str) -> bool {
    output.contains("pre-existing shared memory block") || output.contains("already exists")
}

/// A running or finished `pg_ctl start`.
struct StartAttempt {
    pg_ctl: Child,
    /// The length of the log in bytes before the start.
    log_offset: u64,
}

impl StartAttempt {
    fn is_in_progress(&mut self) -> bool {
        matches!(self.pg_ctl.try_wait(), Ok(None))
    }

    /// What the server has written to its log since the start, empty if the log cannot be read.
    fn log_output(&self, log: &Path) -> String {
        let read = || {
            let mut output = Vec::new();
            let mut log = File::open(log)?;
            log.seek(SeekFrom::Start(self.log_offset))?;
            log.read_to_end(&mut output)?;
            io::Result::Ok(output)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }
}

impl Drop for StartAttempt {
    fn drop(&mut self) {
        // `pg_ctl` ends when the server has started or its own timeout has passed. Without the wait it would stay a zombie.
        let _ = self.pg_ctl.wait();
    }
}

/// Waits between two checks of the server's status, reports progress, and limits the total time.
struct PollTimer {
    start: Instant,
    next_progress: Duration,
}

impl PollTimer {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            next_progress: PROGRESS_INTERVAL,
        }
    }

    /// Waits for the poll interval. Returns `false` when the start timeout has passed.
    fn wait(&mut self, progress: &dyn Fn(&str)) -> bool {
        let elapsed = self.start.elapsed();
        if elapsed > self.next_progress {
            let seconds = elapsed.as_secs();
            progress(&format!(
                "waiting for PostgreSQL to accept connections ({seconds} s)"
            ));
            self.next_progress += PROGRESS_INTERVAL;
        }
        thread::sleep(POLL_INTERVAL);
        elapsed < START_TIMEOUT
    }
}
