//! Runs the `rosterd` binary as a child process with an empty environment. The process is killed when the test ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rosterd::platform::db::private_cluster::{Cluster, ClusterOptions, MissingCluster};

use super::{PASSWORD, RequestBuilder, SECRET_KEY, Schema};

/// The timeout of a request: longer than any response takes on a busy machine, shorter than a request that hangs.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);

/// The timeout for the start, the output and the exit of a process.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(120);

/// The settings for a schema, with long queue timeouts because other tests keep the machine busy.
pub fn database_settings(schema: &Schema) -> Vec<(String, String)> {
    [
        ("DATABASE_URL", schema.url()),
        ("ROSTERD_SECRET_KEY", SECRET_KEY.to_owned()),
        ("ROSTERD_DB_ACQUIRE_MS", "30000".to_owned()),
        ("ROSTERD_HASH_QUEUE_MS", "30000".to_owned()),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into()
}

/// [`database_settings`] with two worker and hash threads, and an initial administrator `admin` with [`PASSWORD`].
pub fn settings_with_administrator(schema: &Schema) -> Vec<(String, String)> {
    let mut settings = database_settings(schema);
    for (name, value) in [
        ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", "admin"),
        ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", PASSWORD),
        ("ROSTERD_LOG", "warn"),
        ("ROSTERD_WORKERS", "2"),
        ("ROSTERD_HASH_THREADS", "2"),
    ] {
        settings.push((name.to_owned(), value.to_owned()));
    }
    settings
}

/// A temporary directory that the PostgreSQL user can access. When dropped, a private cluster in it is stopped and the
/// directory is removed.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rosterd-binary-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        Self(directory)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The data directory of the private cluster.
    pub fn data_dir(&self) -> PathBuf {
        self.0.join("data")
    }

    /// The settings for a private cluster in this directory.
    pub fn private_cluster_settings(&self) -> Vec<(String, String)> {
        let data_dir = self.data_dir().to_str().unwrap().to_owned();
        [
            ("ROSTERD_DATA_DIR", data_dir),
            ("ROSTERD_DB_ACQUIRE_MS", "30000".to_owned()),
            ("ROSTERD_HASH_QUEUE_MS", "30000".to_owned()),
        ]
        .map(|(name, text)| (name.to_owned(), text))
        .into()
    }

    /// The process id of the private cluster's postmaster, if it runs.
    pub fn postmaster_pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data_dir().join("pgdata/postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// Opens the private cluster and starts it if necessary. It stops when the value is dropped.
    pub fn open_cluster(&self) -> Cluster {
        let options = ClusterOptions::new(self.data_dir(), path_variable(), MissingCluster::Fail);
        Cluster::open(&options, &|_| ()).unwrap()
    }

    /// Creates the private cluster if necessary, starts it with enough connections for several replicas, and leaves it
    /// running. Returns its URL.
    pub fn start_large_cluster(&self) -> String {
        let mut options =
            ClusterOptions::new(self.data_dir(), path_variable(), MissingCluster::Create);
        options.max_connections = 200;
        let cluster = Cluster::open(&options, &|_| ()).unwrap();
        let url = cluster.url();
        // Dropping the value would stop the server.
        std::mem::forget(cluster);
        url
    }

    /// The URL of the private cluster, which is started if necessary and keeps running.
    pub fn cluster_url(&self) -> String {
        let cluster = self.open_cluster();
        let url = cluster.url();
        // Dropping the value would stop the server.
        std::mem::forget(cluster);
        url
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if self.postmaster_pid().is_some() {
            drop(self.open_cluster());
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn path_variable() -> std::ffi::OsString {
    #[expect(
        clippy::disallowed_methods,
        reason = "the child processes need PATH and nothing else of the environment"
    )]
    std::env::var_os("PATH").unwrap()
}

/// The `rosterd` command with these arguments and settings, in a directory without `.env`.
pub fn rosterd_command(arguments: &[&str], settings: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", path_variable())
        .envs(settings.iter().cloned())
        .current_dir("/");
    command
}

/// Runs `rosterd` with this standard input and waits for its exit.
pub fn run_rosterd(arguments: &[&str], settings: &[(String, String)], input: &str) -> Output {
    let mut child = rosterd_command(arguments, settings)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The process may exit without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let out = read_in_background(child.stdout.take().unwrap());
    let err = read_in_background(child.stderr.take().unwrap());
    let status = wait_with_timeout(&mut child);
    Output {
        status,
        stdout: out.join().unwrap(),
        stderr: err.join().unwrap(),
    }
}

fn read_in_background(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

fn wait_with_timeout(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > PROCESS_TIMEOUT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the process does not exit");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Asserts exit status 1, an empty standard output, and one line on standard error besides log lines. Returns the line
/// without `rosterd: `.
#[track_caller]
pub fn expect_error_line(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(output.stdout.is_empty());
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.starts_with('{'))
        .collect();
    let [line] = lines[..] else {
        panic!("not one line: {stderr}");
    };
    line.strip_prefix("rosterd: ").unwrap().to_owned()
}

/// A running `rosterd serve`, killed when dropped.
pub struct ServiceProcess {
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
    agent: ureq::Agent,
    /// `http://127.0.0.1:port`.
    pub base: String,
}

impl ServiceProcess {
    /// Starts the process on a free port and waits until it listens.
    pub fn start(settings: &[(String, String)]) -> Self {
        let mut service = Self::spawn(settings);
        service.wait_until_listening();
        service
    }

    /// Starts the process without waiting.
    pub fn spawn(settings: &[(String, String)]) -> Self {
        let mut command = rosterd_command(&["serve"], &[]);
        command
            .env("ROSTERD_ADDR", "127.0.0.1:0")
            .env("ROSTERD_PUBLIC_URL", "https://id.example.org")
            .env("ROSTERD_DRAIN_DELAY_SECONDS", "0")
            .envs(settings.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = Arc::default();
        collect_lines(child.stdout.take().unwrap(), &output);
        collect_lines(child.stderr.take().unwrap(), &output);
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_TIMEOUT))
            .build()
            .into();
        Self {
            child,
            output,
            agent,
            base: String::new(),
        }
    }

    /// Waits until the process prints its address, and stores the address.
    #[track_caller]
    pub fn wait_until_listening(&mut self) {
        let line = self.wait_for_output("rosterd serves on ");
        let base = line.split(' ').nth(3).unwrap();
        base.clone_into(&mut self.base);
    }

    /// Waits for a line that contains this text on standard output or standard error, and returns it.
    #[track_caller]
    pub fn wait_for_output(&mut self, text: &str) -> String {
        let started = Instant::now();
        loop {
            let exit_status = self.child.try_wait().unwrap();
            if let Some(line) = self.output().iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let all = || self.output().join("\n");
            assert!(
                exit_status.is_none(),
                "the process exited: {exit_status:?}\n{}",
                all()
            );
            assert!(
                started.elapsed() < PROCESS_TIMEOUT,
                "no line contains {text:?}:\n{}",
                all()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The lines of standard output and standard error so far.
    pub fn output(&self) -> Vec<String> {
        self.output.lock().unwrap().clone()
    }

    /// `127.0.0.1:port`.
    pub fn addr(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn call(&self, method: &str, path: &str) -> RequestBuilder {
        RequestBuilder::new(&self.agent, method, &format!("{}{path}", self.base))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.call("POST", path)
    }

    /// The password of the first account, from the file that the log named at the first start.
    pub fn generated_password(&mut self) -> String {
        let line = self.wait_for_output("its password is in ");
        let (_, rest) = line.split_once("its password is in ").unwrap();
        let (path, _) = rest.split_once(": sign in").unwrap();
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// Signs in and returns the access token; an empty string if signing in fails.
    pub fn token(&self, username: &str, password: &str) -> String {
        let body = serde_json::json!({"username": username, "password": password});
        let response = self.post("/api/v1/auth/login").json(&body).send();
        response.data()["accessToken"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Sends a signal, such as `-TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the exit of the process.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        wait_with_timeout(&mut self.child)
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.output().join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect_lines(from: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    });
}

/// Sends a signal, such as `-TERM`, to a process.
pub fn signal(pid: u32, name: &str) {
    let kill = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(kill.unwrap().success());
}

/// Whether the process runs. A zombie does not count as running.
pub fn is_alive(pid: u32) -> bool {
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    state.stdout.first().is_some_and(|state| *state != b'Z')
}
