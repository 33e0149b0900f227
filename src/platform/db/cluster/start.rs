//! Starts a server, or takes over one that runs, and waits until it accepts connections.

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

use super::{
    ClusterError,
    folder::{LOG, PGDATA, telling_line},
    server::{Answer, Server},
};

const LONGEST_START: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const BETWEEN_REPORTS: Duration = Duration::from_secs(5);
/// A log that has more bytes than this at a start is set aside; one such is kept.
const LARGE_LOG: u64 = 16 << 20;

impl Server {
    /// Returns when the server accepts connections: takes over one that runs, waits for one that recovers, starts one
    /// otherwise.
    pub fn bring_up(&self, progress: &dyn Fn(&str)) -> Result<(), ClusterError> {
        let mut patience = Patience::new();
        let mut start = None;
        loop {
            match self.answer()? {
                Answer::Ready => return Ok(()),
                Answer::NotYet => {}
                Answer::Nobody => start = Some(self.go_on(start, progress)?),
            }
            if !patience.wait(progress) {
                let seconds = LONGEST_START.as_secs();
                return Err(ClusterError::TimedOut {
                    seconds,
                    log: self.folder.path(LOG),
                });
            }
        }
    }

    /// While nobody listens: lets the start that is under way go on, and begins one if there is none.
    fn go_on(&self, start: Option<Start>, progress: &dyn Fn(&str)) -> Result<Start, ClusterError> {
        let Some(mut start) = start else {
            let place = self.folder.root.display();
            progress(&format!(
                "starting PostgreSQL {} in {place}",
                self.programs.major
            ));
            return self.launch();
        };
        if start.is_under_way() {
            return Ok(start);
        }
        let log = self.folder.path(LOG);
        let said = start.said(&log);
        if passes_by_itself(&said) {
            return self.launch();
        }
        Err(ClusterError::DidNotStart {
            said: telling_line(&said),
            log,
        })
    }

    /// `pg_ctl` starts the server in a session of its own, so that a terminal's Ctrl-C does not reach it.
    fn launch(&self) -> Result<Start, ClusterError> {
        self.clear_the_way()?;
        self.folder.private_folder(&self.folder.sockets.folder)?;
        self.set_large_log_aside();
        let log = self.folder.private_file(LOG)?.metadata();
        let log_begin = log.map_err(ClusterError::at(self.folder.path(LOG)))?.len();
        let mut start = self.folder.command(self.pg_ctl());
        start.args(["start", "-D", PGDATA, "-l", LOG, "-w", "-t", "60", "-o"]);
        let pg_ctl = start.arg(self.settings()).spawn();
        let pg_ctl = pg_ctl.map_err(ClusterError::at(self.pg_ctl()))?;
        Ok(Start { pg_ctl, log_begin })
    }

    /// What the server is told at each start, so that nothing of it depends on a file that an earlier rosterd made. It
    /// passes through a shell: none of it may need quoting. The last two keep values in statements, which are personal
    /// data, out of the log.
    fn settings(&self) -> String {
        let settings = [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            &format!("unix_socket_directories={}", self.folder.sockets.setting),
            &format!("max_connections={}", self.max_connections),
            "log_error_verbosity=terse",
            "log_min_error_statement=panic",
        ];
        let settings = settings.iter().flat_map(|setting| ["-c", setting]);
        settings
            .chain(self.durability.settings())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Stops a server that lives but whose socket is gone (a cleaner of `/tmp` may do that), and removes what a dead one
    /// left: the number in its pid file may be another process's by now, and PostgreSQL would refuse to start. A wrong
    /// guess does no harm: a second server sees by the shared memory that there is a first.
    fn clear_the_way(&self) -> Result<(), ClusterError> {
        let pid_file = self.folder.path(PGDATA).join("postmaster.pid");
        let pid = fs::read_to_string(&pid_file).ok();
        let pid = pid.and_then(|text| text.lines().next()?.trim().parse().ok());
        if pid.is_some_and(|pid| self.works_in_pgdata(pid)) {
            return self.pg_ctl_stop();
        }
        let socket = self.folder.sockets.socket();
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

    /// Asked as the owner: root in a container may not look at another user's process.
    fn works_in_pgdata(&self, pid: u32) -> bool {
        let mut readlink = self.folder.command("readlink");
        let said = readlink
            .arg(format!("/proc/{pid}/cwd"))
            .stdout(Stdio::piped())
            .output();
        let path = |said: Output| PathBuf::from(OsStr::from_bytes(said.stdout.trim_ascii_end()));
        said.is_ok_and(|said| path(said) == self.folder.path(PGDATA))
    }

    fn set_large_log_aside(&self) {
        let log = self.folder.path(LOG);
        if fs::metadata(&log).is_ok_and(|found| found.len() > LARGE_LOG) {
            // Where this fails the log only grows on.
            let _ = fs::rename(&log, log.with_extension("log.old"));
        }
    }
}

/// A server that was killed leaves processes that end a little later, and one that an interrupted rosterd was starting
/// may come up meanwhile.
fn passes_by_itself(said: &str) -> bool {
    said.contains("pre-existing shared memory block") || said.contains("already exists")
}

/// A start that `pg_ctl` is busy with.
struct Start {
    pg_ctl: Child,
    /// How many bytes the log had before.
    log_begin: u64,
}

impl Start {
    fn is_under_way(&mut self) -> bool {
        matches!(self.pg_ctl.try_wait(), Ok(None))
    }

    /// What the server has written to its log; nothing if that cannot be read.
    fn said(&self, log: &Path) -> String {
        let read = || {
            let mut said = Vec::new();
            let mut log = File::open(log)?;
            log.seek(SeekFrom::Start(self.log_begin))?;
            log.read_to_end(&mut said)?;
            io::Result::Ok(said)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        // It ends a moment after us, by the server's start or its own limit; not waited for it would stay a zombie.
        let _ = self.pg_ctl.wait();
    }
}

/// Waits between two looks, tells of it now and then, and has an end.
struct Patience {
    began: Instant,
    next_report: Duration,
}

impl Patience {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            next_report: BETWEEN_REPORTS,
        }
    }

    /// Whether there was time left to wait.
    fn wait(&mut self, progress: &dyn Fn(&str)) -> bool {
        let waited = self.began.elapsed();
        if waited > self.next_report {
            let seconds = waited.as_secs();
            progress(&format!(
                "waiting for PostgreSQL to accept connections ({seconds} s)"
            ));
            self.next_report += BETWEEN_REPORTS;
        }
        thread::sleep(BETWEEN_LOOKS);
        waited < LONGEST_START
    }
}
