//! The private PostgreSQL cluster, tested with real PostgreSQL programs. No test opens a network port.

mod crash_recovery;
mod security;
mod shared_use;
mod start;
mod supervision;

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use rosterd::platform::db::private_cluster::{Cluster, ClusterOptions, Durability, MissingCluster};

use crate::support::binary::{is_alive, signal};

/// The user id of `nobody` on Linux.
const NOBODY: u32 = 65534;

/// The data directory of a cluster, below the system's temporary directory. Dropping it stops the cluster and removes
/// the directory.
struct ClusterDir {
    path: PathBuf,
    durability: Durability,
}

impl ClusterDir {
    fn new() -> Self {
        Self::with_suffix("")
    }

    /// A directory for tests that kill the server.
    fn durable() -> Self {
        let mut dir = Self::new();
        dir.durability = Durability::Durable;
        dir
    }

    fn with_suffix(suffix: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rosterd-cluster-{}-{number}{suffix}", std::process::id());
        Self::at(std::env::temp_dir().join(name))
    }

    fn at(path: PathBuf) -> Self {
        Self {
            path,
            durability: Durability::Fast,
        }
    }

    fn options(&self) -> ClusterOptions {
        cluster_options(&self.path, self.durability)
    }

    fn open(&self) -> Cluster {
        Cluster::open(&self.options(), &|_| ()).unwrap()
    }

    /// Opens the cluster and returns the progress messages too.
    fn open_with_progress(&self) -> (Cluster, String) {
        let messages = RefCell::new(Vec::new());
        let progress = |message: &str| messages.borrow_mut().push(message.to_owned());
        let cluster = Cluster::open(&self.options(), &progress).unwrap();
        (cluster, messages.into_inner().join("\n"))
    }

    fn pid_file(&self) -> PathBuf {
        self.path.join("pgdata/postmaster.pid")
    }

    fn postmaster_pid(&self) -> u32 {
        let text = fs::read_to_string(self.pid_file()).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }

    /// The sorted names of the files in the directory.
    fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.path).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for ClusterDir {
    fn drop(&mut self) {
        if self.pid_file().exists() {
            drop(Cluster::open(&self.options(), &|_| ()));
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn cluster_options(path: &Path, durability: Durability) -> ClusterOptions {
    #[expect(
        clippy::disallowed_methods,
        reason = "the PostgreSQL programs are found through PATH"
    )]
    let search_path = std::env::var_os("PATH").unwrap();
    let mut options = ClusterOptions::new(path, search_path, MissingCluster::Create);
    options.durability = durability;
    options
}

fn connect(cluster: &Cluster) -> PgConnection {
    PgConnection::establish(&cluster.url()).unwrap()
}

/// The value of a PostgreSQL setting.
fn setting(connection: &mut PgConnection, name: &str) -> String {
    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let query = sql_query("SELECT current_setting($1) AS value").bind::<Text, _>(name);
    query.get_result::<Setting>(connection).unwrap().value
}

/// Commits one row to the table `notes`.
fn insert_row(cluster: &Cluster) {
    connect(cluster)
        .batch_execute("CREATE TABLE IF NOT EXISTS notes (); INSERT INTO notes DEFAULT VALUES")
        .unwrap();
}

/// The number of rows in the table `notes`.
fn count_rows(cluster: &Cluster) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let query = sql_query("SELECT count(*) AS count FROM notes");
    query
        .get_result::<Count>(&mut connect(cluster))
        .unwrap()
        .count
}

/// Kills a process with SIGKILL and waits for its end.
fn kill(pid: u32) {
    signal(pid, "-KILL");
    wait_until(|| !is_alive(pid));
}

/// Waits up to a minute, because PostgreSQL may have to recover first.
#[track_caller]
fn wait_until(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the condition was not met in time"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// The ids of the processes whose working directory is this directory.
fn pids_with_cwd(directory: &Path) -> Vec<u32> {
    let has_cwd = |entry: &fs::DirEntry| {
        fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == directory)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().filter(has_cwd);
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// A child process, killed when dropped.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Tells [`cluster_process`] what to open: `stop_with_parent` and the data directory.
const CLUSTER_PROCESS_VARIABLE: &str = "ROSTERD_TEST_CLUSTER_PROCESS";

/// A second process that uses a cluster: this test binary, running only [`cluster_process`].
struct ClusterProcess(KilledOnDrop);

impl ClusterProcess {
    fn start(dir: &ClusterDir, stop_with_parent: bool) -> Self {
        let (_, module) = module_path!().split_once("::").unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                &format!("{module}::cluster_process"),
                "--nocapture",
            ])
            .env(
                CLUSTER_PROCESS_VARIABLE,
                format!("{stop_with_parent} {}", dir.path.display()),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(KilledOnDrop(child))
    }

    fn wait_until_open(mut self) -> Self {
        let lines = BufReader::new(self.0.0.stdout.take().unwrap()).lines();
        assert!(
            lines
                .map_while(Result::ok)
                .any(|line| line.contains("cluster is open"))
        );
        self
    }

    fn kill(self) {
        drop(self);
    }
}

/// The body of [`ClusterProcess`]: opens the cluster and holds it until standard input closes. In a normal test run the
/// variable is not set, and nothing happens.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the parent passes its arguments in a variable"
)]
fn cluster_process() {
    let Ok(arguments) = std::env::var(CLUSTER_PROCESS_VARIABLE) else {
        return;
    };
    let (stop_with_parent, path) = arguments.split_once(' ').unwrap();
    let mut options = cluster_options(Path::new(path), Durability::Fast);
    options.stop_with_parent = stop_with_parent == "true";
    let cluster = Cluster::open(&options, &|_| ()).unwrap();
    writeln!(std::io::stdout(), "cluster is open").unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(cluster);
}
