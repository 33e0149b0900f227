//! Those who verify our tokens as apps do: `PyJWT` and jose, set up by `scripts/setup --tests` below `target/verifiers`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Python with the libraries of `tests/verifiers/requirements.txt`, where it is set up.
pub fn python() -> Option<Command> {
    let program = root().join("target/verifiers/python/bin/python");
    there(&program).map(Command::new)
}

/// node with the libraries of `tests/verifiers/package.json`, where it is set up. It works in their folder.
pub fn node() -> Option<Command> {
    there(&node_modules())?;
    let mut command = Command::new("node");
    command.current_dir(root().join("target/verifiers/node"));
    Some(command)
}

/// Where node's libraries are, if they are set up.
pub fn node_modules() -> PathBuf {
    root().join("target/verifiers/node/node_modules")
}

fn there(path: &Path) -> Option<PathBuf> {
    let is_there = path.exists();
    if !is_there {
        eprintln!(
            "{} is not there: this part is not tested (scripts/setup --tests sets it up)",
            path.display()
        );
    }
    is_there.then(|| path.to_owned())
}

/// A program that verifies tokens, and keeps the keys that it has read, until it is dropped.
pub struct Verifier {
    child: Child,
    tokens: ChildStdin,
    verdicts: BufReader<ChildStdout>,
}

impl Verifier {
    /// Those that are set up here, with the public keys at this address.
    pub fn all(jwks: &str) -> Vec<Self> {
        let scripts = [(python(), "verify.py"), (node(), "verify.mjs")];
        scripts
            .into_iter()
            .filter_map(|(command, script)| Some(Self::start(command?, script, jwks)))
            .collect()
    }

    fn start(mut command: Command, script: &str, jwks: &str) -> Self {
        let mut child = command
            .arg(root().join("tests/verifiers").join(script))
            .arg(jwks)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            tokens: child.stdin.take().unwrap(),
            verdicts: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// What it says of a token: `good` and the subject, or `bad` and why.
    pub fn judge(&mut self, token: &str) -> String {
        writeln!(self.tokens, "{token}").unwrap();
        let mut verdict = String::new();
        self.verdicts.read_line(&mut verdict).unwrap();
        verdict.trim().to_owned()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
