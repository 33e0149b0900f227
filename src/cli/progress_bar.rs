//! A progress bar on standard error, shown on a terminal only and removed when the work is done.

use std::io::{IsTerminal, Write};

/// Counts the items that are done.
pub struct ProgressBar {
    total: usize,
    done: usize,
    is_shown: bool,
}

impl ProgressBar {
    /// A bar for `total` items. Small totals show no bar: the work is short, and the bar would mix with the printed table.
    pub fn new(total: usize) -> Self {
        const MAX_WITHOUT_BAR: usize = 50;
        Self {
            total,
            done: 0,
            is_shown: total > MAX_WITHOUT_BAR && std::io::stderr().is_terminal(),
        }
    }

    /// Counts one more item.
    pub fn advance(&mut self) {
        const WIDTH: usize = 30;
        self.done += 1;
        if self.is_shown {
            // There may be more items than were counted at the beginning.
            let filled = (WIDTH * self.done / self.total).min(WIDTH);
            let bar = format!("{}{}", "#".repeat(filled), ".".repeat(WIDTH - filled));
            write(&format!("\r[{bar}] {} of {}", self.done, self.total));
        }
    }

    /// Removes the bar from the terminal.
    pub fn clear(&self) {
        if self.is_shown {
            write("\r\u{1b}[K");
        }
    }
}

/// Ignores errors: the work continues when standard error is closed.
fn write(text: &str) {
    let mut out = std::io::stderr();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
