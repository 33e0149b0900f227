//! Who may take a connection of the pool. There are as many permits as connections, and fewer for writes, so that writes that
//! wait for a lock leave connections for reads.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The work takes no lock, so it does not wait for other transactions.
    Read,
    /// The work can wait for the locks of other transactions.
    Write,
}

/// The permits of a pool.
pub struct Permits {
    all: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

/// A permit, returned when the value is dropped.
pub struct Permit {
    _all: OwnedSemaphorePermit,
    _write: Option<OwnedSemaphorePermit>,
}

impl Permits {
    pub fn new(pool_size: u32) -> Self {
        let all = usize::try_from(pool_size).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            all: Arc::new(Semaphore::new(all)),
            writes: Arc::new(Semaphore::new(all - reserved_for_reads(all))),
        }
    }

    /// Waits for a permit until `deadline`. A write first waits for one of the permits for writes, without holding another
    /// one, so reads wait only for connections in use.
    pub async fn acquire(&self, access: Access, deadline: Instant) -> Option<Permit> {
        let acquire = async {
            let write = match access {
                Access::Read => None,
                Access::Write => Some(self.writes.clone().acquire_owned().await.ok()?),
            };
            Some(Permit {
                _all: self.all.clone().acquire_owned().await.ok()?,
                _write: write,
            })
        };
        timeout_at(deadline.into(), acquire).await.ok().flatten()
    }

    /// Makes all calls of [`Permits::acquire`] return without a permit, also those that wait.
    pub fn close(&self) {
        self.all.close();
        self.writes.close();
    }
}

/// The number of connections that writes leave free: a quarter, and at least one. A pool of one connection has none to spare.
const fn reserved_for_reads(pool_size: usize) -> usize {
    match pool_size {
        0 | 1 => 0,
        2..8 => 1,
        _ => pool_size / 4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn try_acquire(permits: &Permits, access: Access) -> Option<Permit> {
        permits.acquire(access, Instant::now()).await
    }

    #[tokio::test]
    async fn writes_leave_a_quarter_of_the_connections_for_reads() {
        for (pool_size, for_writes) in [(1, 1), (2, 1), (3, 2), (7, 6), (8, 6), (16, 12)] {
            let permits = Permits::new(pool_size);
            let mut writes = Vec::new();
            while let Some(permit) = try_acquire(&permits, Access::Write).await {
                writes.push(permit);
            }
            assert_eq!(writes.len(), for_writes, "of {pool_size}");
            let mut reads = Vec::new();
            while let Some(permit) = try_acquire(&permits, Access::Read).await {
                reads.push(permit);
            }
            assert_eq!(writes.len() + reads.len(), pool_size as usize);
            drop(writes);
            let reads_use_all = |count| async move {
                let permits = Permits::new(pool_size);
                let mut held = Vec::new();
                for _ in 0..count {
                    held.push(try_acquire(&permits, Access::Read).await.unwrap());
                }
            };
            reads_use_all(pool_size).await;
        }
    }

    #[tokio::test]
    async fn write_that_waits_takes_nothing_from_reads() {
        let permits = Arc::new(Permits::new(2));
        let write = try_acquire(&permits, Access::Write).await.unwrap();
        let waiting = tokio::spawn({
            let permits = Arc::clone(&permits);
            let deadline = Instant::now() + Duration::from_secs(60);
            async move { permits.acquire(Access::Write, deadline).await.is_some() }
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
            assert!(try_acquire(&permits, Access::Read).await.is_some());
        }
        drop(write);
        assert!(waiting.await.unwrap());
    }
}
