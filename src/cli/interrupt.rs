//! Ctrl-C in long work, which stops where it can say how far it came, and at prompts.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::termios::{self, OptionalActions};
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use super::cli_error::end_by_interrupt;

/// Whether Ctrl-C was pressed since the value was created. A second Ctrl-C ends the process at once, and so does the first one
/// after the value is dropped.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to watch for Ctrl-C.
    pub fn watch() -> io::Result<Self> {
        let pressed = Arc::new(AtomicBool::new(false));
        // In this order: the first signal only sets the flag, the second one finds it set.
        flag::register_conditional_default(SIGINT, Arc::clone(&pressed))?;
        flag::register(SIGINT, Arc::clone(&pressed))?;
        Ok(Self(pressed))
    }

    /// Whether Ctrl-C was pressed.
    pub fn is_pressed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ends the process at Ctrl-C while a prompt without echo waits, with the terminal as it was. Ctrl-C can arrive as a key or, before
/// the terminal is ready for the prompt, as a signal.
pub struct PromptInterrupt {
    pressed: Arc<AtomicBool>,
    is_done: Arc<AtomicBool>,
}

impl PromptInterrupt {
    /// Begins to watch for Ctrl-C, until the value is dropped.
    pub fn watch() -> io::Result<Self> {
        const POLL_INTERVAL: Duration = Duration::from_millis(20);
        let terminal = File::open("/dev/tty")?;
        let modes = termios::tcgetattr(&terminal)?;
        let (pressed, is_done) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        flag::register_conditional_default(SIGINT, Arc::clone(&is_done))?;
        flag::register(SIGINT, Arc::clone(&pressed))?;
        let watched = (Arc::clone(&pressed), Arc::clone(&is_done));
        thread::Builder::new()
            .name("prompt".to_owned())
            .spawn(move || {
                let (pressed, is_done) = watched;
                while !is_done.load(Ordering::Relaxed) {
                    if pressed.load(Ordering::Relaxed) {
                        let _ = termios::tcsetattr(&terminal, OptionalActions::Now, &modes);
                        signal_hook::low_level::exit(end_by_interrupt());
                    }
                    thread::sleep(POLL_INTERVAL);
                }
            })?;
        Ok(Self { pressed, is_done })
    }

    /// Whether Ctrl-C was pressed.
    pub fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }
}

impl Drop for PromptInterrupt {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::Relaxed);
    }
}
