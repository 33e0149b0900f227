//! Makes, starts, watches and stops the server of one data folder. Refuses to decide who may do that: its callers hold
//! the start lock.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::{ffi::OsStrExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{self, Child},
    thread,
    time::{Duration, Instant},
};

use super::{
    ClusterError, Durability, NAME, Options, Password,
    folder::{Folder, LOG, PGDATA, telling_line},
    programs::Programs,
};

/// What a cluster is called until it is whole; a start that was interrupted leaves one.
const HALF_MADE: &str = "pgdata.new.";
const PID_FILE: &str = "postmaster.pid";
const LONGEST_START: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const BETWEEN_REPORTS: Duration = Duration::from_secs(5);
/// A log that is larger at a start, in bytes, is set aside (one such is kept).
const LARGE_LOG: u64 = 16 << 20;

pub(super) struct Server {
    pub folder: Folder,
    programs: Programs,
    durability: Durability,
    max_connections: u32,
}

/// How a server takes a new connection.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Ready,
    /// It starts, recovers or stops.
    NotYet,
    /// Nothing listens.
    Nobody,
}

impl Server {
    /// The server for the data in `folder`, or for a new cluster if there is none yet.
    pub fn find(folder: Folder, options: &Options) -> Result<Self, ClusterError> {
        let version = fs::read_to_string(folder.path(PGDATA).join("PG_VERSION"));
        let programs = match version.ok().and_then(|version| version.trim().parse().ok()) {
            Some(major) => Programs::of_major(&options.search_path, major).ok_or_else(|| {
                ClusterError::NoProgramsOf {
                    major,
                    data_dir: folder.root.clone(),
                }
            })?,
            None => Programs::newest(&options.search_path).ok_or(ClusterError::NoPrograms)?,
        };
        let (durability, max_connections) = (options.durability, options.max_connections);
        Ok(Self {
            folder,
            programs,
            durability,
            max_connections,
        })
    }

    pub fn pg_ctl(&self) -> PathBuf {
        self.programs.path("pg_ctl")
    }

    pub fn has_database(&self) -> bool {
        self.folder.path(PGDATA).join("PG_VERSION").is_file()
    }

    /// Makes the cluster under another name and renames it when it is whole, so that an interrupted start leaves none.
    pub fn create(&self, progress: &dyn Fn(&str)) -> Result<(), ClusterError> {
        let folder = &self.folder;
        progress(&format!(
            "creating the database cluster in {} (once)",
            folder.root.display()
        ));
        self.remove_half_made()?;
        let name = format!("{HALF_MADE}{}", process::id());
        folder.private_folder(&folder.path(&name))?;
        let password = folder.new_password()?;
        self.initdb(&name, "C.UTF-8")
            .or_else(|_| self.initdb(&name, "C"))?;
        self.add_role_and_database(&name, &password)?;
        let rename = || {
            fs::rename(folder.path(&name), folder.path(PGDATA))?;
            File::open(&folder.root)?.sync_all()
        };
        rename().map_err(ClusterError::at(folder.path(PGDATA)))
    }

    fn remove_half_made(&self) -> Result<(), ClusterError> {
        let entries =
            fs::read_dir(&self.folder.root).map_err(ClusterError::at(&self.folder.root))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(HALF_MADE) {
                fs::remove_dir_all(entry.path()).map_err(ClusterError::at(entry.path()))?;
            }
        }
        Ok(())
    }

    fn initdb(&self, name: &str, locale: &str) -> Result<(), ClusterError> {
        let mut initdb = self.folder.command(self.programs.path("initdb"));
        initdb.args([
            "-D",
            name,
            "--username=postgres",
            "--pwfile=password",
            "--data-checksums",
            "--encoding=UTF8",
        ]);
        initdb
            .args(["--auth-local=scram-sha-256", "--auth-host=reject"])
            .arg(format!("--locale={locale}"));
        if self.durability == Durability::Fast {
            initdb.arg("--no-sync");
        }
        self.folder.run(&mut initdb, "")
    }

    /// Adds the role that rosterd connects as, which is no superuser, and its database.
    fn add_role_and_database(&self, name: &str, password: &Password) -> Result<(), ClusterError> {
        let mut postgres = self.folder.command(self.programs.path("postgres"));
        postgres.args([
            "--single",
            "-D",
            name,
            "-c",
            "exit_on_error=on",
            "-c",
            "password_encryption=scram-sha-256",
        ]);
        let statements = format!(
            "CREATE ROLE {NAME} LOGIN CREATEDB PASSWORD '{}'\nCREATE DATABASE {NAME} OWNER {NAME}\n",
            password.0
        );
        self.folder.run(
            postgres.args(self.durability.settings()).arg("postgres"),
            &statements,
        )
    }

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
                return Err(ClusterError::TimedOut {
                    seconds: LONGEST_START.as_secs(),
                    log: self.folder.path(LOG),
                });
            }
        }
    }

    /// While nobody listens: lets the start that is under way go on, and begins one if there is none.
    fn go_on(&self, start: Option<Start>, progress: &dyn Fn(&str)) -> Result<Start, ClusterError> {
        let Some(mut start) = start else {
            return self.launch(progress);
        };
        if start.is_under_way() {
            return Ok(start);
        }
        let log = self.folder.path(LOG);
        let said = start.said(&log);
        if passes_by_itself(&said) {
            return self.launch(progress);
        }
        Err(ClusterError::DidNotStart {
            said: telling_line(&said),
            log,
        })
    }

    /// Stops the server, which finishes no client's transaction and leaves everything on disk.
    pub fn shut_down(&self) -> Result<(), ClusterError> {
        if self.answer()? != Answer::Nobody {
            self.pg_ctl_stop()?;
        }
        // Made again at the next start; a short one under /tmp would be litter.
        let _ = fs::remove_dir(&self.folder.sockets.folder);
        Ok(())
    }

    fn pg_ctl_stop(&self) -> Result<(), ClusterError> {
        let mut stop = self.folder.command(self.pg_ctl());
        self.folder.run(
            stop.args(["stop", "-D", PGDATA, "-m", "fast", "-w", "-t", "60"]),
            "",
        )
    }

    /// Starts the server in a session of its own (`pg_ctl` does that), so that a terminal's Ctrl-C does not reach it.
    fn launch(&self, progress: &dyn Fn(&str)) -> Result<Start, ClusterError> {
        progress(&format!(
            "starting PostgreSQL {} in {}",
            self.programs.major,
            self.folder.root.display()
        ));
        self.clear_the_way()?;
        self.folder.private_folder(&self.folder.sockets.folder)?;
        let log = self.folder.private_file(LOG)?;
        let log_begin = log
            .metadata()
            .map_err(ClusterError::at(self.folder.path(LOG)))?
            .len();
        let mut start = self.folder.command(self.pg_ctl());
        start
            .args(["start", "-D", PGDATA, "-l", LOG, "-w", "-t", "60", "-o"])
            .arg(self.settings());
        let pg_ctl = start.spawn().map_err(ClusterError::at(self.pg_ctl()))?;
        Ok(Start { pg_ctl, log_begin })
    }

    /// What the server is told at each start, so that it does not depend on a file made by an earlier rosterd. Passes
    /// through a shell: none of it may need quoting. The log gets no values of statements, which are personal data.
    fn settings(&self) -> String {
        let max_connections = format!("max_connections={}", self.max_connections);
        let sockets = format!("unix_socket_directories={}", self.folder.sockets.setting);
        let privacy = ["log_error_verbosity=terse", "log_min_error_statement=panic"];
        let mut settings = vec![
            "listen_addresses=",
            "unix_socket_permissions=0700",
            &sockets,
            &max_connections,
        ];
        settings.extend(privacy);
        let settings = settings.iter().flat_map(|setting| ["-c", setting]);
        settings
            .chain(self.durability.settings())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Removes what a dead server left, and stops a live one whose socket is gone (a cleaner of `/tmp` may do that):
    /// nobody can reach it. The number in a stale pid file may be another process's by now, and PostgreSQL would then
    /// refuse to start. Even a wrong guess is harmless: a second server sees by the shared memory that there is a first.
    fn clear_the_way(&self) -> Result<(), ClusterError> {
        let log = self.folder.path(LOG);
        if fs::metadata(&log).is_ok_and(|found| found.len() > LARGE_LOG) {
            fs::rename(&log, log.with_extension("log.old")).map_err(ClusterError::at(&log))?;
        }
        let pid_file = self.folder.path(PGDATA).join(PID_FILE);
        let pid = fs::read_to_string(&pid_file).ok();
        let pid = pid.and_then(|text| text.lines().next()?.trim().parse().ok());
        if pid.is_some_and(|pid: u32| self.works_in_pgdata(pid)) {
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

    /// Asked as the owner: without that, root in a container may not look at another user's process.
    fn works_in_pgdata(&self, pid: u32) -> bool {
        let mut readlink = self.folder.command("readlink");
        let said = readlink
            .arg(format!("/proc/{pid}/cwd"))
            .stdout(process::Stdio::piped())
            .output();
        let cwd =
            |said: process::Output| PathBuf::from(OsStr::from_bytes(said.stdout.trim_ascii_end()));
        said.is_ok_and(|said| cwd(said) == self.folder.path(PGDATA))
    }

    /// Asks by a connection. Only the owner can listen in the socket's folder, so an answer is this cluster's.
    fn answer(&self) -> Result<Answer, ClusterError> {
        let socket = self.folder.sockets.socket();
        match UnixStream::connect(&socket) {
            Ok(stream) => Ok(greet(stream).unwrap_or(Answer::NotYet)),
            Err(cause) => match cause.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(Answer::Nobody),
                io::ErrorKind::WouldBlock => Ok(Answer::NotYet),
                _ => Err(ClusterError::at(socket)(cause)),
            },
        }
    }
}

/// Waits between two looks, tells of it now and then, and ends.
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
            progress(&format!(
                "waiting for PostgreSQL to accept connections ({} s)",
                waited.as_secs()
            ));
            self.next_report += BETWEEN_REPORTS;
        }
        thread::sleep(BETWEEN_LOOKS);
        waited < LONGEST_START
    }
}

/// A start that `pg_ctl` is busy with.
struct Start {
    pg_ctl: Child,
    /// How long the log was before, in bytes.
    log_begin: u64,
}

impl Start {
    fn is_under_way(&mut self) -> bool {
        matches!(self.pg_ctl.try_wait(), Ok(None))
    }

    /// What the server wrote to its log since this start.
    fn said(&self, log: &Path) -> String {
        let mut said = Vec::new();
        let mut read = || {
            let mut log = File::open(log)?;
            log.seek(SeekFrom::Start(self.log_begin))?;
            log.read_to_end(&mut said)
        };
        // Without a log there is nothing to quote, and the failure itself is told anyway.
        let _: io::Result<usize> = read();
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        // `pg_ctl` sees the server's start or its own time limit a moment after us; left alone it would stay a zombie.
        let _ = self.pg_ctl.wait();
    }
}

/// A server that was killed leaves processes which end a little later, and one that an interrupted rosterd was starting
/// may come up meanwhile.
fn passes_by_itself(said: &str) -> bool {
    said.contains("pre-existing shared memory block") || said.contains("already exists")
}

/// Sends the first message of a session (PostgreSQL's `StartupMessage`, protocol 3.0) and looks at the answer.
fn greet(mut stream: UnixStream) -> io::Result<Answer> {
    let body = format!("user\0{NAME}\0database\0{NAME}\0\0");
    let length = u32::try_from(body.len() + 8).map_err(io::Error::other)?;
    let message = [
        &length.to_be_bytes()[..],
        &(3u32 << 16).to_be_bytes(),
        body.as_bytes(),
    ]
    .concat();
    stream.set_read_timeout(Some(BETWEEN_REPORTS))?;
    stream.write_all(&message)?;
    let mut answer = [0; 512];
    let read = stream.read(&mut answer)?;
    let answer = answer.get(..read).unwrap_or_default();
    // An error whose SQLSTATE is 57P03 (cannot_connect_now), or no answer: not yet. Any other one comes from a server
    // that is up, such as 53300 (too_many_connections).
    let not_yet = answer.is_empty() || answer.windows(6).any(|field| field == b"C57P03");
    Ok(if not_yet {
        Answer::NotYet
    } else {
        Answer::Ready
    })
}
