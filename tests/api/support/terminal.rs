//! Runs a command in a pseudo-terminal of 80 columns.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::wait_until;

/// A command in its own pseudo-terminal.
pub struct Terminal {
    child: Child,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    /// Starts the command with its own environment.
    pub fn start(command: &Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted: Vec<String> = words
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let line = format!("stty rows 40 cols 80; exec {}", quoted.join(" "));
        // A shell ignores SIGINT in its background jobs, and the tests may be one.
        let mut script = Command::new("env");
        script
            .args(["--default-signal=INT", "script"])
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, text)| Some((name, text?))),
            )
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = script.spawn().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let (shown, mut out) = (Arc::clone(&screen), child.stdout.take().unwrap());
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = out.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..read]);
                shown.lock().unwrap().push_str(&text);
            }
        });
        Self { child, screen }
    }

    /// The process id of the command.
    pub fn pid(&self) -> u32 {
        let script = self.child.id().to_string();
        let output = Command::new("ps")
            .args(["-o", "pid=", "--ppid", &script])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().parse().unwrap()
    }

    /// All output so far.
    pub fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits until the output contains `text` at least `times` times.
    #[track_caller]
    pub fn wait_for_text(&self, text: &str, times: usize) {
        wait_until(|| self.screen().matches(text).count() >= times);
    }

    /// Types keys.
    pub fn type_keys(&mut self, keys: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(keys.as_bytes()).unwrap();
        input.flush().unwrap();
    }

    /// Waits for the command to end. Returns its exit status and the whole output.
    pub fn wait_for_exit(mut self) -> (i32, String) {
        let status = self.child.wait().unwrap().code().unwrap();
        let screen = Arc::clone(&self.screen);
        // The reader thread holds a reference until the output ends.
        wait_until(|| Arc::strong_count(&screen) <= 2);
        (status, self.screen())
    }
}
