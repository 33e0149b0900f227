//! Restarts the server of the private cluster after it has died, with increasing delays, and gives up after several failures
//! in a row.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::error::ClusterError;
use super::layout::LOG;
use super::server::{Server, ServerStatus};

const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// A server that has run for this time after a restart counts as recovered.
const RECOVERED_AFTER: Duration = Duration::from_secs(60);
/// The number of failures after which the supervisor gives up.
const MAX_FAILURES: u32 = 5;

/// A thread that restarts the server. Stopped on drop.
pub(super) struct Supervisor {
    /// Dropped to stop the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ClusterError>>>,
}

/// The state of the thread.
struct Supervision {
    server: Arc<Server>,
    restarts: Arc<AtomicU64>,
    stop: mpsc::Receiver<()>,
    /// The number of starts, successful or not, since the server last ran for [`RECOVERED_AFTER`].
    failures: u32,
    last_start: Instant,
}

impl Supervisor {
    /// Starts the thread. It calls `on_give_up` and ends when the server cannot be restarted.
    pub fn start(
        server: Arc<Server>,
        restarts: Arc<AtomicU64>,
        on_give_up: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let mut supervision = Supervision {
            server,
            restarts,
            stop: receiver,
            failures: 0,
            last_start: Instant::now(),
        };
        let thread = thread::Builder::new()
            .name("postgresql supervisor".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || {
                let result = supervision.run();
                if result.is_err() {
                    on_give_up();
                }
                result
            })?;
        Ok(Self {
            stop: Some(sender),
            thread: Some(thread),
        })
    }

    /// Stops the thread.
    ///
    /// # Errors
    /// The error after which the thread gave up.
    pub fn stop(mut self) -> Result<(), ClusterError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), ClusterError> {
        drop(self.stop.take());
        let result = self.thread.take().map(JoinHandle::join);
        // A panic has been logged.
        result.and_then(Result::ok).unwrap_or(Ok(()))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            tracing::warn!(%error, "PostgreSQL could not be restarted");
        }
    }
}

impl Supervision {
    /// Returns when the supervisor is dropped.
    fn run(&mut self) -> Result<(), ClusterError> {
        while !self.is_stopped_within(CHECK_INTERVAL) {
            // A server whose state cannot be read is left alone: the socket may be readable again later.
            if self.server.status().ok() != Some(ServerStatus::NotListening) {
                continue;
            }
            if self.last_start.elapsed() > RECOVERED_AFTER {
                self.failures = 0;
            }
            let log = self.server.data_dir.path(LOG);
            if self.failures >= MAX_FAILURES {
                return Err(ClusterError::DiesRepeatedly { log });
            }
            tracing::error!(log = %log.display(), "PostgreSQL is not running: starting it again");
            while let Err(error) = self.restart() {
                if self.failures >= MAX_FAILURES {
                    return Err(error);
                }
                tracing::error!(%error, failures = self.failures, "cannot start PostgreSQL: will try again");
            }
        }
        Ok(())
    }

    /// Starts the server after a delay that doubles with each failure: 0, 1, 2, 4, 8 seconds.
    fn restart(&mut self) -> Result<(), ClusterError> {
        let delay = match self.failures {
            0 => Duration::ZERO,
            failures => Duration::from_secs(1 << (failures - 1)),
        };
        if self.is_stopped_within(delay) {
            return Ok(());
        }
        self.failures += 1;
        let _start_lock = self.server.data_dir.lock_start(&|_| ())?;
        self.server
            .start_and_wait(&|step| tracing::info!("{step}"))?;
        self.last_start = Instant::now();
        self.restarts.fetch_add(1, Ordering::Relaxed);
        tracing::info!("PostgreSQL is running again");
        Ok(())
    }

    fn is_stopped_within(&self, time: Duration) -> bool {
        !matches!(self.stop.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}
