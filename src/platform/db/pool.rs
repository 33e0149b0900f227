//! The pool of connections. It is replaced as a whole when threads may be blocked in it, because libpq cannot be interrupted:
//! they keep their connections and permits, and the new pool has as many as the first.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::connection::{ConnectionFactory, ConnectionManager};
use super::permits::Permits;

/// Connections, and a permit for each.
pub struct Pool {
    pub connections: r2d2::Pool<ConnectionFactory>,
    pub permits: Permits,
    /// When another pool took the place of this one.
    replaced_at: OnceLock<Instant>,
}

/// The pool that is used at present.
pub struct CurrentPool {
    manager: Arc<ConnectionManager>,
    size: u32,
    acquire_timeout: Duration,
    current: RwLock<Arc<Pool>>,
}

impl Pool {
    fn new(manager: &Arc<ConnectionManager>, size: u32, acquire_timeout: Duration) -> Self {
        let connections = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(acquire_timeout)
            .error_handler(Box::new(DebugErrorHandler))
            .build_unchecked(ConnectionFactory(Arc::clone(manager)));
        Self {
            connections,
            permits: Permits::new(size),
            replaced_at: OnceLock::new(),
        }
    }

    /// When the pool was replaced, if it was.
    pub fn replaced_at(&self) -> Option<Instant> {
        self.replaced_at.get().copied()
    }
}

impl CurrentPool {
    pub fn new(manager: Arc<ConnectionManager>, size: u32, acquire_timeout: Duration) -> Self {
        let first = Arc::new(Pool::new(&manager, size, acquire_timeout));
        Self {
            manager,
            size,
            acquire_timeout,
            current: RwLock::new(first),
        }
    }

    pub fn get(&self) -> Arc<Pool> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the pool. Callers that wait for a permit of the previous one get none.
    pub fn replace(&self) {
        let next = Arc::new(Pool::new(&self.manager, self.size, self.acquire_timeout));
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let previous = std::mem::replace(&mut *current, next);
        drop(current);
        let _ = previous.replaced_at.set(Instant::now());
        previous.permits.close();
    }
}

/// Logs connection errors at debug level. The pool retries, and callers receive the error when the retries fail.
#[derive(Debug)]
struct DebugErrorHandler;

impl<E: std::error::Error> r2d2::HandleError<E> for DebugErrorHandler {
    fn handle_error(&self, error: E) {
        tracing::debug!(%error, "cannot connect to the database; retrying");
    }
}
