//! How the service is told to end: SIGTERM and SIGINT, heard from the first moment on. It says what was asked, and acts
//! itself only where an operator has lost patience.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What the signals so far ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// To end, after whoever sends requests had a moment to notice (SIGTERM).
    ToLeave,
    /// To end without that moment: somebody waits at a terminal (SIGINT).
    ToEnd,
    /// To end without regard for what is in flight (a second signal).
    AtOnce,
}

/// Hears the signals for as long as the process lives.
pub struct ShutdownSignals {
    asked: watch::Receiver<Asked>,
    is_serving: Arc<AtomicBool>,
}

impl ShutdownSignals {
    /// Begins to hear them: from now on they no longer kill, but for the second one while nothing is served that could
    /// be cut off, and the third one always.
    ///
    /// # Errors
    /// When the machine has no thread or no signals for it.
    pub fn hear() -> io::Result<Self> {
        let (tell, asked) = watch::channel(Asked::Nothing);
        let is_serving = Arc::new(AtomicBool::new(false));
        let serving = Arc::clone(&is_serving);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        drop(entered);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let mut count = 0;
                loop {
                    let first = runtime.block_on(next(&mut terminate, &mut interrupt));
                    count += 1;
                    let patience = if serving.load(Ordering::Relaxed) {
                        2
                    } else {
                        1
                    };
                    if count > patience {
                        std::process::exit(1);
                    }
                    tell.send_modify(|asked| {
                        *asked = if count == 1 { first } else { Asked::AtOnce };
                    });
                }
            })?;
        Ok(Self { asked, is_serving })
    }

    /// Whether the end was asked for.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow() != Asked::Nothing
    }

    /// Says whether there is something in flight that a second signal cuts off.
    pub fn serve(&self, is_serving: bool) {
        self.is_serving.store(is_serving, Ordering::Relaxed);
    }

    /// Waits until at least this much is asked for, and says what.
    pub async fn asked(&mut self, least: Asked) -> Asked {
        match self.asked.wait_for(|asked| *asked >= least).await {
            Ok(asked) => *asked,
            // The thread lives as long as the process.
            Err(_) => Asked::AtOnce,
        }
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> Asked {
    tokio::select! {
        _ = terminate.recv() => Asked::ToLeave,
        _ = interrupt.recv() => Asked::ToEnd,
    }
}
