//! Limits how many attempts for one login name run at the same time in this process, so that a burst for one name does not
//! occupy the database connections. The rate limits are counted separately, in the database.

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::policy::FREE_FAILURES;
use super::service::{self, PasswordAttempt, RateLimitSlot, SlotDecision};
use crate::platform::db::Db;
use crate::platform::error::{AppError, Code};

/// A fixed number of semaphores. Login names are distributed over them by hash, so two names can share one.
pub struct AdmissionQueue {
    semaphores: Vec<Semaphore>,
    hash_state: RandomState,
    max_wait: Duration,
}

impl AdmissionQueue {
    const SEMAPHORES: usize = 256;
    /// The pause before requesting a slot again while other replicas hold all of them.
    const RETRY_INTERVAL: Duration = Duration::from_millis(25);

    /// A queue in which an attempt waits for at most `max_wait`.
    #[must_use]
    pub fn new(max_wait: Duration) -> Self {
        let permits = usize::try_from(FREE_FAILURES).unwrap_or(1);
        Self {
            semaphores: (0..Self::SEMAPHORES)
                .map(|_| Semaphore::new(permits))
                .collect(),
            hash_state: RandomState::new(),
            max_wait,
        }
    }

    /// Waits for a permit, which is released when it is dropped.
    ///
    /// # Errors
    /// [`Code::Overloaded`] after the maximum wait.
    pub async fn acquire(&self, name: impl Hash) -> Result<SemaphorePermit<'_>, AppError> {
        let index = usize::try_from(self.hash_state.hash_one(name) % Self::SEMAPHORES as u64);
        let semaphore = index.ok().and_then(|index| self.semaphores.get(index));
        let semaphore = semaphore.ok_or_else(overloaded)?;
        match tokio::time::timeout(self.max_wait, semaphore.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(overloaded()),
        }
    }

    /// Returns the slot if the decision granted one. While other attempts hold all slots, asks again at intervals, for at most
    /// the maximum wait.
    ///
    /// # Errors
    /// [`Code::RateLimited`] if a limit is reached. [`Code::Overloaded`] if no slot became free in time. Database errors.
    pub async fn wait_for_slot(
        &self,
        db: &Db,
        attempt: &PasswordAttempt,
        mut decision: SlotDecision,
    ) -> Result<RateLimitSlot, AppError> {
        let mut waited = Duration::ZERO;
        loop {
            let trust = match decision {
                SlotDecision::Granted(slot) => return Ok(slot),
                SlotDecision::Denied(trust) => trust,
            };
            let denied = attempt.clone();
            db.write(move |tx| service::check_limits(tx, &denied, trust))
                .await?;
            if waited >= self.max_wait {
                return Err(overloaded());
            }
            tokio::time::sleep(Self::RETRY_INTERVAL).await;
            waited += Self::RETRY_INTERVAL;
            let retried = attempt.clone();
            decision = db
                .write(move |tx| Ok(service::request_slot(tx, &retried)?))
                .await?;
        }
    }
}

fn overloaded() -> AppError {
    AppError::new(Code::Overloaded).with_retry_after(Duration::from_secs(1))
}
