//! The real binary as a process of its own: started with nothing of our environment, told to end by signals, and gone
//! with the test whatever becomes of it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rosterd::platform::db::cluster::{Cluster, Mode, Options};

use super::{Call, Schema};

/// Far beyond what an answer may take even on a busy machine; less than a request would hang for that nobody gives up.
const LONGEST_ANSWER: Duration = Duration::from_secs(45);

/// Far beyond anything real; what waits so long has failed.
const LONGEST: Duration = Duration::from_secs(120);

/// What every start on a database of its own needs, and patience with a machine that is busy with other tests.
pub fn on(schema: &Schema) -> Vec<(String, String)> {
    [
        ("DATABASE_URL", schema.url()),
        ("ROSTERD_SECRET_KEY", "5a".repeat(32)),
        ("ROSTERD_DB_ACQUIRE_MS", "30000".to_owned()),
        ("ROSTERD_HASH_QUEUE_MS", "30000".to_owned()),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into()
}

/// A folder under the machine's folder for temporary files, which PostgreSQL's user can reach too. At the end the
/// cluster in it is stopped, and the folder removed.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rosterd-binary-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the private cluster is.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// A start with a private cluster in this folder.
    pub fn settings(&self) -> Vec<(String, String)> {
        let data = self.data().to_str().unwrap().to_owned();
        [
            ("ROSTERD_DATA_DIR", data),
            ("ROSTERD_DB_ACQUIRE_MS", "30000".to_owned()),
            ("ROSTERD_HASH_QUEUE_MS", "30000".to_owned()),
        ]
        .map(|(name, text)| (name.to_owned(), text))
        .into()
    }

    /// The process of the private cluster, if it runs.
    pub fn postmaster(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data().join("pgdata/postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// The private cluster, brought up if it does not run.
    pub fn cluster(&self) -> Cluster {
        let options = Options::new(self.data(), path_variable(), Mode::Existing);
        Cluster::open(&options, &|_| ()).unwrap()
    }
}

impl Folder {
    /// The address of the private cluster, which is brought up if it does not run, and left running.
    pub fn cluster_url(&self) -> String {
        let cluster = self.cluster();
        let url = cluster.url();
        // Its end would stop the server.
        std::mem::forget(cluster);
        url
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.postmaster().is_some() {
            drop(self.cluster());
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn path_variable() -> std::ffi::OsString {
    #[expect(clippy::disallowed_methods, reason = "the tests have no settings room")]
    std::env::var_os("PATH").unwrap()
}

/// `rosterd` with these arguments and settings and no others, in a folder without `.env`.
pub fn rosterd(arguments: &[&str], settings: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", path_variable())
        .envs(settings.iter().cloned())
        .current_dir("/");
    command
}

/// Runs it to its end with this on its standard input; bounded in time.
pub fn run(arguments: &[&str], settings: &[(String, String)], input: &str) -> Output {
    let mut child = rosterd(arguments, settings)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without having read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let out = collect(child.stdout.take().unwrap());
    let err = collect(child.stderr.take().unwrap());
    let status = wait(&mut child);
    Output {
        status,
        stdout: out.join().unwrap(),
        stderr: err.join().unwrap(),
    }
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

fn wait(child: &mut Child) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if began.elapsed() > LONGEST {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not end");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Ends badly, with nothing but this one line on standard error.
#[track_caller]
pub fn expect_refusal(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with('{')).collect();
    let [line] = lines[..] else {
        panic!("not one line: {said}");
    };
    line.strip_prefix("rosterd: ").unwrap().to_owned()
}

/// A running `rosterd serve`.
pub struct Service {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    agent: ureq::Agent,
    /// `http://127.0.0.1:port`.
    pub base: String,
}

impl Service {
    /// Starts it on a free port, and returns when it has said where it serves.
    pub fn start(settings: &[(String, String)]) -> Self {
        let mut service = Self::spawn(settings);
        service.until_it_serves();
        service
    }

    /// Starts it, and does not wait.
    pub fn spawn(settings: &[(String, String)]) -> Self {
        let mut command = rosterd(&["serve"], &[]);
        command
            .env("ROSTERD_ADDR", "127.0.0.1:0")
            .env("ROSTERD_DRAIN_DELAY_SECONDS", "0")
            .envs(settings.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::default();
        listen(child.stdout.take().unwrap(), &said);
        listen(child.stderr.take().unwrap(), &said);
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(LONGEST_ANSWER))
            .build()
            .into();
        Self {
            child,
            said,
            agent,
            base: String::new(),
        }
    }

    /// Returns when it has said where it serves.
    #[track_caller]
    pub fn until_it_serves(&mut self) {
        let line = self.until_it_says("rosterd serves on ");
        let base = line.split(' ').nth(3).unwrap();
        base.clone_into(&mut self.base);
    }

    /// The first line with this text, on whichever of its outputs.
    #[track_caller]
    pub fn until_it_says(&mut self, text: &str) -> String {
        let began = Instant::now();
        loop {
            let has_ended = self.child.try_wait().unwrap();
            if let Some(line) = self.said().iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let all = || self.said().join("\n");
            assert!(has_ended.is_none(), "it ended: {has_ended:?}\n{}", all());
            assert!(began.elapsed() < LONGEST, "never said {text:?}:\n{}", all());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that it has written.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// `127.0.0.1:port`.
    pub fn addr(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(&self.agent, method, &format!("{}{path}", self.base))
    }

    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    /// The first password, as it was shown.
    pub fn first_password(&self) -> String {
        let said = self.said();
        let line = said
            .iter()
            .find_map(|line| line.strip_prefix("  password  "));
        line.unwrap().to_owned()
    }

    /// The access token of a new session; empty where there is none to be had.
    pub fn token(&self, username: &str, password: &str) -> String {
        let body = serde_json::json!({"username": username, "password": password});
        let answer = self.post("/api/v1/auth/login").json(&body).send();
        answer.data()["accessToken"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Sends it a signal, such as `-TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.said().join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(from: impl Read + Send + 'static, said: &Arc<Mutex<Vec<String>>>) {
    let said = Arc::clone(said);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            said.lock().unwrap().push(line);
        }
    });
}

/// Sends a signal to a process that is ours.
pub fn signal(pid: u32, name: &str) {
    let kill = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(kill.unwrap().success());
}

/// Whether the process runs; one that only waits for its parent to look at it does not.
pub fn is_alive(pid: u32) -> bool {
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    state.stdout.first().is_some_and(|state| *state != b'Z')
}
