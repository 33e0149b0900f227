//! Starts external programs, such as nginx and Caddy, beside the service. Also reads code blocks from the guides.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Map, Value};

/// The first of these programs that can be run. `package` is the Debian package that contains it.
///
/// A missing program fails the test when `CI=true`. Otherwise a message is printed and the test skips this part.
#[track_caller]
pub fn find_program(candidates: &[&str], package: &str) -> Option<PathBuf> {
    let is_runnable = |program: &&&str| {
        Path::new(program).is_file()
            || Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok()
    };
    let found = candidates.iter().find(is_runnable).map(PathBuf::from);
    if found.is_none() {
        skip_or_fail(candidates[candidates.len() - 1], package);
    }
    found
}

/// The path, if it exists. It is created by `scripts/setup --tests` from `package`.
///
/// A missing path is handled as in [`find_program`].
#[track_caller]
pub fn find_path(path: PathBuf, package: &str) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    skip_or_fail(&path.display().to_string(), package);
    None
}

#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "tests read the environment without the service's configuration"
)]
fn skip_or_fail(missing: &str, package: &str) {
    let message =
        format!("{missing} is missing: install {package}, or run `scripts/setup --tests`");
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!is_ci, "{message}");
    eprintln!("skipped: {message}");
}

/// The first code block of this language below a heading of a guide in `docs/`.
pub fn guide_code_block(guide: &str, heading: &str, language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(guide);
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = section.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// A TCP port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A running program with its own directory. Both are removed when the value is dropped.
pub struct ExternalProgram {
    child: Child,
    directory: PathBuf,
}

impl ExternalProgram {
    /// Starts nginx with this `server` block. `None` if nginx is not installed (see [`find_program`]).
    pub fn nginx(server: &str, port: u16) -> Option<Self> {
        let program = find_program(&["/usr/sbin/nginx", "nginx"], "nginx")?;
        let directory = program_directory("nginx", port);
        let config = format!(
            "daemon off; master_process off; pid {0}/pid; error_log stderr;\nevents {{}}\nhttp {{\n access_log off;\n \
             types {{ text/html html; text/css css; text/javascript js; }}\n client_body_temp_path {0}/a; proxy_temp_path {0}/b;\n \
             fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n{server}\n}}\n",
            directory.display()
        );
        let file = directory.join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(file).arg("-p").arg(&directory);
        Some(Self::start(&mut command, directory, port))
    }

    /// Starts Caddy with this Caddyfile. `None` if Caddy is not installed (see [`find_program`]).
    pub fn caddy(caddyfile: &str, port: u16) -> Option<Self> {
        let program = find_program(&["caddy"], "caddy")?;
        let directory = program_directory("caddy", port);
        let path = directory.join("Caddyfile");
        std::fs::write(
            &path,
            format!("{{\n\tadmin off\n\tauto_https off\n}}\n{caddyfile}"),
        )
        .unwrap();
        let mut command = Command::new(program);
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(path)
            .env("HOME", &directory);
        Some(Self::start(&mut command, directory, port))
    }

    /// Starts a program and waits until it listens on `port`.
    pub fn start(command: &mut Command, directory: PathBuf, port: u16) -> Self {
        let log = std::fs::File::create(directory.join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let program = Self { child, directory };
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return program;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!(
            "the program does not listen: {}",
            std::fs::read_to_string(program.directory.join("log")).unwrap()
        );
    }
}

impl Drop for ExternalProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Creates a temporary directory for a program on this port.
pub fn program_directory(name: &str, port: u16) -> PathBuf {
    let directory =
        std::env::temp_dir().join(format!("rosterd-{name}-{}-{port}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Starts an HTTP server that responds with the request headers as a JSON object with lower-case names.
pub fn start_header_echo_app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            std::thread::spawn(move || {
                let mut headers = Map::new();
                for line in BufReader::new(stream.try_clone().unwrap())
                    .lines()
                    .map_while(Result::ok)
                    .skip(1)
                {
                    let Some((name, value)) = line.split_once(": ") else {
                        break;
                    };
                    headers.insert(name.to_lowercase(), value.into());
                }
                let body = Value::Object(headers).to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    address
}
