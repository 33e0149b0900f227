//! Where attempts at one name wait for their turn inside this process, so that they don't all ask the database for a
//! place. What counts is counted in the database; this only keeps the queue out of it.

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::policy::FREE;
use super::service::{self, Attempt, Begun, RateLimitSlot};
use crate::platform::db::Db;
use crate::platform::error::{AppError, Code};

/// The queues. Names are spread over a fixed number of them, so two may have to share one.
pub struct AdmissionQueue {
    queues: Vec<Semaphore>,
    spread: RandomState,
    patience: Duration,
}

impl AdmissionQueue {
    const QUEUES: usize = 256;
    /// How long to wait before asking again for a place that other replicas have.
    const PAUSE: Duration = Duration::from_millis(25);

    /// A gate at which nobody waits for longer than `patience`.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        let at_once = usize::try_from(FREE).unwrap_or(1);
        Self {
            queues: (0..Self::QUEUES).map(|_| Semaphore::new(at_once)).collect(),
            spread: RandomState::new(),
            patience,
        }
    }

    /// Waits for a turn, which lasts until it is dropped.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when it does not come in time.
    pub async fn enter(&self, name: impl Hash) -> Result<SemaphorePermit<'_>, AppError> {
        let index = usize::try_from(self.spread.hash_one(name) % Self::QUEUES as u64);
        let queue = index.ok().and_then(|index| self.queues.get(index));
        let queue = queue.ok_or_else(too_long)?;
        match tokio::time::timeout(self.patience, queue.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(too_long()),
        }
    }

    /// The place for which `attempt` asked. While others have all there are, it asks again.
    ///
    /// # Errors
    /// [`Code::RateLimited`]; [`Code::Overloaded`] when there is none in time; the database's failures.
    pub async fn place(
        &self,
        db: &Db,
        attempt: &Attempt,
        mut begun: Begun,
    ) -> Result<RateLimitSlot, AppError> {
        let mut waited = Duration::ZERO;
        loop {
            let trust = match begun {
                Begun::RateLimitSlot(place) => return Ok(place),
                Begun::Refused(trust) => trust,
            };
            let refused = attempt.clone();
            db.write(move |tx| service::explain(tx, &refused, trust))
                .await?;
            if waited >= self.patience {
                return Err(too_long());
            }
            tokio::time::sleep(Self::PAUSE).await;
            waited += Self::PAUSE;
            let again = attempt.clone();
            begun = db.read(move |tx| service::begin(tx, &again)).await?;
        }
    }
}

/// The answer to whoever waited for too long.
fn too_long() -> AppError {
    AppError::new(Code::Overloaded).retry_after(Duration::from_secs(1))
}
