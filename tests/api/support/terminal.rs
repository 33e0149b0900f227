//! A command at a terminal of 80 columns: what a person sees of it, and what it is typed.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::eventually;

/// A command that runs at a terminal of its own.
pub struct Terminal {
    child: Child,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    /// Starts the command, with the environment that it has.
    pub fn start(command: &Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted: Vec<String> = words
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let line = format!("stty rows 40 cols 80; exec {}", quoted.join(" "));
        let mut script = Command::new("script");
        script
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
            let mut piece = [0; 1024];
            while let Ok(read @ 1..) = out.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..read]);
                shown.lock().unwrap().push_str(&text);
            }
        });
        Self { child, screen }
    }

    /// All that has been shown.
    pub fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits until this is shown `times` times.
    #[track_caller]
    pub fn shows(&self, text: &str, times: usize) {
        eventually(|| self.screen().matches(text).count() >= times);
    }

    /// Types this.
    pub fn types(&mut self, keys: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(keys.as_bytes()).unwrap();
        input.flush().unwrap();
    }

    /// What the command ends with.
    pub fn status(mut self) -> (i32, String) {
        let status = self.child.wait().unwrap().code().unwrap();
        let screen = Arc::clone(&self.screen);
        // The reader holds it for as long as there is something to be read.
        eventually(|| Arc::strong_count(&screen) <= 2);
        (status, self.screen())
    }
}
