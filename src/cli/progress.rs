//! How far long work has come, on a terminal only: on standard error, and gone when the work is done.

use std::io::{IsTerminal, Write};

/// A counter of things done.
pub struct Progress {
    total: usize,
    done: usize,
    is_shown: bool,
}

impl Progress {
    /// Begins to count; what is soon done is not worth showing, and a table that is printed meanwhile does not mix with it.
    pub fn begin(total: usize) -> Self {
        const SOON_DONE: usize = 50;
        Self {
            total,
            done: 0,
            is_shown: total > SOON_DONE && std::io::stderr().is_terminal(),
        }
    }

    /// One more is done.
    pub fn step(&mut self) {
        const WIDTH: usize = 30;
        self.done += 1;
        if self.is_shown {
            // More may come while it is counted.
            let full = (WIDTH * self.done / self.total).min(WIDTH);
            let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDTH - full));
            write(&format!("\r[{bar}] {} of {}", self.done, self.total));
        }
    }

    /// Takes it away.
    pub fn end(&self) {
        if self.is_shown {
            write("\r\u{1b}[K");
        }
    }
}

/// Nobody there to see it is no reason to fail.
fn write(text: &str) {
    let mut out = std::io::stderr();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
