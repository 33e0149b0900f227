//! Real programs around the service: nginx, Caddy, and a small app behind them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Map, Value};

/// The code block of this language under this heading of a guide.
pub fn snippet(guide: &str, heading: &str, language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(guide);
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = section.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// A port that nobody listens on at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A program that runs until it is dropped, in a folder of its own.
pub struct Program {
    child: Child,
    folder: PathBuf,
}

impl Program {
    /// nginx with this `server` block, or `None` where there is no nginx.
    pub fn nginx(server: &str, port: u16) -> Option<Self> {
        let folder = folder("nginx", port);
        let config = format!(
            "daemon off; master_process off; pid {0}/pid; error_log stderr;\nevents {{}}\nhttp {{\n access_log off;\n \
             types {{ text/html html; text/css css; text/javascript js; }}\n client_body_temp_path {0}/a; proxy_temp_path {0}/b;\n \
             fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n{server}\n}}\n",
            folder.display()
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let program = ["/usr/sbin/nginx", "nginx"]
            .into_iter()
            .find(|name| is_there(name))?;
        let mut command = Command::new(program);
        command.arg("-c").arg(file).arg("-p").arg(&folder);
        Some(Self::start(&mut command, folder, port))
    }

    /// Caddy with this Caddyfile, or `None` where there is no Caddy.
    pub fn caddy(file: &str, port: u16) -> Option<Self> {
        let folder = folder("caddy", port);
        let path = folder.join("Caddyfile");
        std::fs::write(
            &path,
            format!("{{\n\tadmin off\n\tauto_https off\n}}\n{file}"),
        )
        .unwrap();
        let mut command = Command::new("caddy");
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(path)
            .env("HOME", &folder);
        is_there("caddy").then_some(())?;
        Some(Self::start(&mut command, folder, port))
    }

    /// Another program, which is ready when it listens on `port`.
    pub fn start(command: &mut Command, folder: PathBuf, port: u16) -> Self {
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let program = Self { child, folder };
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return program;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!(
            "it does not listen: {}",
            std::fs::read_to_string(program.folder.join("log")).unwrap()
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A folder for a program on this port.
pub fn folder(name: &str, port: u16) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("rosterd-{name}-{}-{port}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Whether this program can be run here; says so when not, since a test then shows less.
pub fn is_there(program: &str) -> bool {
    let there = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
        || Path::new(program).is_file();
    if !there {
        eprintln!(
            "{program} is not installed: this part is not tested (scripts/setup --tests installs it)"
        );
    }
    there
}

/// An app that answers every request with the headers that reached it, as a JSON object of lower-case names.
pub fn echo_app() -> SocketAddr {
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
