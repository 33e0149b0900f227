//! SIGTERM and SIGINT as shutdown requests. A further signal aborts the drain, and the one after it ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What the signals received so far request, in ascending order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownRequest {
    /// No signal yet.
    None,
    /// SIGTERM: report "not ready" for the drain delay, so that load balancers notice, then stop.
    Drain,
    /// SIGINT: stop without the drain delay.
    Stop,
    /// A second signal: stop without waiting for the requests in flight.
    Abort,
}

/// The signal handlers, active for the rest of the process.
pub struct ShutdownSignals {
    sender: watch::Sender<ShutdownRequest>,
    request: watch::Receiver<ShutdownRequest>,
    is_serving: Arc<AtomicBool>,
}

impl ShutdownSignals {
    /// Installs the handlers. From now on the first signal does not kill the process. The second one does while no
    /// requests are served; the third one always does.
    ///
    /// # Errors
    /// When the thread or a handler can't be created.
    pub fn install() -> io::Result<Self> {
        let (sender, request) = watch::channel(ShutdownRequest::None);
        let is_serving = Arc::new(AtomicBool::new(false));
        let serving = Arc::clone(&is_serving);
        let signal_sender = sender.clone();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let runtime_guard = runtime.enter();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        drop(runtime_guard);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let mut count = 0;
                loop {
                    let received = runtime.block_on(next_signal(&mut terminate, &mut interrupt));
                    count += 1;
                    let max_signals = if serving.load(Ordering::Relaxed) {
                        2
                    } else {
                        1
                    };
                    if count > max_signals {
                        std::process::exit(1);
                    }
                    signal_sender.send_replace(if count == 1 {
                        received
                    } else {
                        ShutdownRequest::Abort
                    });
                }
            })?;
        Ok(Self {
            sender,
            request,
            is_serving,
        })
    }

    /// Whether a signal has arrived.
    pub fn is_shutdown_requested(&self) -> bool {
        *self.request.borrow() != ShutdownRequest::None
    }

    /// A function that stops the service as SIGINT does.
    pub fn stop_function(&self) -> impl FnOnce() + Send + 'static {
        let sender = self.sender.clone();
        move || {
            sender.send_if_modified(|request| {
                let is_first = *request < ShutdownRequest::Stop;
                *request = (*request).max(ShutdownRequest::Stop);
                is_first
            });
        }
    }

    /// Sets whether there may be requests in flight, which the second signal cuts off.
    pub fn set_serving(&self, is_serving: bool) {
        self.is_serving.store(is_serving, Ordering::Relaxed);
    }

    /// Waits for a request that is at least as urgent as `minimum`, and returns it.
    pub async fn wait_for(&mut self, minimum: ShutdownRequest) -> ShutdownRequest {
        match self.request.wait_for(|request| *request >= minimum).await {
            Ok(request) => *request,
            // Unreachable: the sending thread lives as long as the process.
            Err(_) => ShutdownRequest::Abort,
        }
    }
}

async fn next_signal(terminate: &mut Signal, interrupt: &mut Signal) -> ShutdownRequest {
    tokio::select! {
        _ = terminate.recv() => ShutdownRequest::Drain,
        _ = interrupt.recv() => ShutdownRequest::Stop,
    }
}
