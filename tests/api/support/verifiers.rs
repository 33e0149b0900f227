//! Token verification with `PyJWT` and jose, as apps do it. `scripts/setup --tests` installs both in
//! `target/verifiers`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::programs::find_path;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Python with the packages of `tests/verifiers/requirements.txt`. `None` if they are not installed (see
/// [`find_path`]).
#[track_caller]
pub fn python() -> Option<Command> {
    let program = repository().join("target/verifiers/python/bin/python");
    find_path(
        program,
        "python3-venv and tests/verifiers/requirements.txt (PyJWT, Flask)",
    )
    .map(Command::new)
}

/// Node.js with the packages of `tests/verifiers/package.json`. `None` if they are not installed (see [`find_path`]).
#[track_caller]
pub fn node() -> Option<Command> {
    find_path(
        node_modules(),
        "nodejs, npm and tests/verifiers/package.json (jose, express)",
    )?;
    let mut command = Command::new("node");
    command.current_dir(repository().join("target/verifiers/node"));
    Some(command)
}

/// The directory of the installed Node.js packages.
pub fn node_modules() -> PathBuf {
    repository().join("target/verifiers/node/node_modules")
}

/// A running verifier program. It caches the public keys it has fetched, and ends when the value is dropped.
pub struct Verifier {
    child: Child,
    tokens: ChildStdin,
    results: BufReader<ChildStdout>,
}

impl Verifier {
    /// Starts all installed verifiers with the public keys at this URL.
    #[track_caller]
    pub fn all(jwks_url: &str) -> Vec<Self> {
        let scripts = [(python(), "verify.py"), (node(), "verify.mjs")];
        scripts
            .into_iter()
            .filter_map(|(command, script)| Some(Self::start(command?, script, jwks_url)))
            .collect()
    }

    fn start(mut command: Command, script: &str, jwks_url: &str) -> Self {
        let mut child = command
            .arg(repository().join("tests/verifiers").join(script))
            .arg(jwks_url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            tokens: child.stdin.take().unwrap(),
            results: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Verifies a token: `good` and the subject, or `bad` and the error.
    pub fn verify(&mut self, token: &str) -> String {
        writeln!(self.tokens, "{token}").unwrap();
        let mut result = String::new();
        self.results.read_line(&mut result).unwrap();
        result.trim().to_owned()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
