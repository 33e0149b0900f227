//! A fixed number of threads, each with its own [`HashMemory`], that process one queue of jobs per [`Priority`], each in
//! order. A job that would wait longer than the maximum is rejected.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::oneshot;

use super::working_memory::{HashError, HashMemory};
use crate::platform::error::{AppError, Code};

/// The queue of the hashing threads is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many passwords are being hashed; try again in {retry_after_secs} s")]
pub struct HasherOverloaded {
    /// When to retry, in whole seconds, at least one.
    pub retry_after_secs: u64,
}

impl HasherOverloaded {
    fn with_wait(wait: Duration) -> Self {
        let whole_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self {
            retry_after_secs: whole_seconds.max(1),
        }
    }
}

impl From<HasherOverloaded> for AppError {
    fn from(overloaded: HasherOverloaded) -> Self {
        let retry_after = Duration::from_secs(overloaded.retry_after_secs);
        Self::new(Code::Overloaded).with_retry_after(retry_after)
    }
}

/// Which jobs run first. A flood of jobs of one priority does not delay those of a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// The password of a caller who has a session or uses a device on which the account recently signed in.
    KnownCaller,
    /// The password of an unknown caller.
    SignIn,
    /// A new password, also of people who register.
    NewPassword,
}

impl Priority {
    const COUNT: usize = 3;

    /// The position of its queue. Queues with a lower position come first.
    const fn queue(self) -> usize {
        self as usize
    }
}

/// Numbers of jobs, now or since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HasherStats {
    /// Jobs in the queue now.
    pub waiting: usize,
    /// Jobs running now.
    pub running: usize,
    /// Jobs finished, successfully or not.
    pub finished: u64,
    /// Jobs rejected because they would have waited too long.
    pub rejected: u64,
    /// Jobs dropped from the queue because the caller no longer waited for the result.
    pub abandoned: u64,
}

/// Owns the threads, which end when it is dropped.
pub(super) struct HashThreadPool {
    shared: Arc<PoolShared>,
}

/// The result of a queued job.
pub(super) struct PendingResult<T>(oneshot::Receiver<T>);

struct PoolShared {
    threads: usize,
    max_wait: Duration,
    state: Mutex<QueueState>,
    /// Notifies one thread of each new job, and all threads when the pool closes.
    job_available: Condvar,
}

struct QueueState {
    /// One queue for each [`Priority`].
    queues: [VecDeque<Box<dyn Job>>; Priority::COUNT],
    /// The number of jobs taken from the queues.
    taken: usize,
    running: usize,
    /// An exponential moving average with weight 1/8.
    average_job_time: Duration,
    is_closed: bool,
    finished: u64,
    rejected: u64,
    abandoned: u64,
}

type ReplyFn = Box<dyn FnOnce()>;

trait Job: Send {
    /// Whether the caller no longer waits for the result.
    fn is_abandoned(&self) -> bool;
    /// Does the work and returns a function that sends the result.
    fn run(self: Box<Self>, memory: &mut HashMemory) -> ReplyFn;
}

struct JobWithReply<T, W> {
    work: W,
    reply: oneshot::Sender<T>,
}

impl<T, W> Job for JobWithReply<T, W>
where
    T: Send + 'static,
    W: FnOnce(&mut HashMemory) -> Result<T, HashError> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(self: Box<Self>, memory: &mut HashMemory) -> ReplyFn {
        let Self { work, reply } = *self;
        match work(memory) {
            // Sending fails if the caller stopped waiting; then the result is not needed.
            Ok(result) => Box::new(|| drop(reply.send(result))),
            Err(error) => {
                tracing::error!(%error, "a password hash failed");
                Box::new(|| drop(reply))
            }
        }
    }
}

impl HashThreadPool {
    /// Starts one thread per memory. `average_job_time` is the initial estimate.
    pub(super) fn start(
        memories: Vec<HashMemory>,
        max_wait: Duration,
        average_job_time: Duration,
    ) -> io::Result<Self> {
        let pool = Self {
            shared: Arc::new(PoolShared::new(memories.len(), max_wait, average_job_time)),
        };
        for (number, memory) in memories.into_iter().enumerate() {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || shared.run_worker(memory))?;
        }
        Ok(pool)
    }

    /// Queues a job, or rejects it if it would wait too long. The job is dropped without running if the caller stops
    /// waiting before its turn.
    pub(super) fn submit<T, W>(
        &self,
        priority: Priority,
        work: W,
    ) -> Result<PendingResult<T>, HasherOverloaded>
    where
        T: Send + 'static,
        W: FnOnce(&mut HashMemory) -> Result<T, HashError> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        self.shared
            .enqueue(priority, Box::new(JobWithReply { work, reply }))?;
        Ok(PendingResult(result))
    }

    /// Fails if [`Self::submit`] would reject a job now.
    pub(super) fn check_capacity(&self, priority: Priority) -> Result<(), HasherOverloaded> {
        self.shared
            .check_capacity(&mut self.shared.state(), priority)
    }

    pub(super) fn stats(&self) -> HasherStats {
        let state = self.shared.state();
        HasherStats {
            waiting: state.queues.iter().map(VecDeque::len).sum(),
            running: state.running,
            finished: state.finished,
            rejected: state.rejected,
            abandoned: state.abandoned,
        }
    }
}

impl Drop for HashThreadPool {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.job_available.notify_all();
    }
}

impl<T> PendingResult<T> {
    /// Waits for the result. A job that failed or panicked (both are logged) is reported as overload: it says nothing about
    /// the password, and a retry may succeed.
    pub(super) async fn wait(self) -> Result<T, HasherOverloaded> {
        self.0
            .await
            .map_err(|_| HasherOverloaded::with_wait(Duration::ZERO))
    }

    /// [`Self::wait`], blocking the thread.
    pub(super) fn wait_blocking(self) -> Result<T, HasherOverloaded> {
        self.0
            .blocking_recv()
            .map_err(|_| HasherOverloaded::with_wait(Duration::ZERO))
    }
}

impl PoolShared {
    fn new(threads: usize, max_wait: Duration, average_job_time: Duration) -> Self {
        let state = QueueState {
            queues: [const { VecDeque::new() }; Priority::COUNT],
            taken: 0,
            running: 0,
            average_job_time,
            is_closed: false,
            finished: 0,
            rejected: 0,
            abandoned: 0,
        };
        Self {
            threads,
            max_wait,
            state: Mutex::new(state),
            job_available: Condvar::new(),
        }
    }

    /// Locks the state. A poisoned lock is ignored, because the state is consistent after each statement that changes it.
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, priority: Priority, job: Box<dyn Job>) -> Result<(), HasherOverloaded> {
        let mut state = self.state();
        self.check_capacity(&mut state, priority)?;
        if let Some(queue) = state.queues.get_mut(priority.queue()) {
            queue.push_back(job);
        }
        drop(state);
        self.job_available.notify_one();
        Ok(())
    }

    fn check_capacity(
        &self,
        state: &mut QueueState,
        priority: Priority,
    ) -> Result<(), HasherOverloaded> {
        if state.expected_wait(self.threads, priority) > self.max_wait {
            state.drop_abandoned();
        }
        let wait = state.expected_wait(self.threads, priority);
        if wait > self.max_wait {
            state.rejected += 1;
            return Err(HasherOverloaded::with_wait(wait));
        }
        Ok(())
    }

    /// The main loop of a thread.
    fn run_worker(&self, mut memory: HashMemory) {
        while let Some(job) = self.next_job(&mut memory) {
            let started_at = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| job.run(&mut memory)));
            // The job is counted as finished before its result is sent, so that a caller with a result finds a free thread.
            self.state().record_finished(started_at.elapsed());
            if let Ok(send_result) = result {
                send_result();
            } else {
                tracing::error!("a password hash panicked; the hashing thread continues");
            }
        }
    }

    /// Waits for the next job. The memory is zeroized before waiting. `None` when the pool is closed and the queue is empty.
    fn next_job(&self, memory: &mut HashMemory) -> Option<Box<dyn Job>> {
        let job = self.state().take_job();
        if job.is_some() {
            return job;
        }
        memory.zeroize();
        let mut state = self.state();
        loop {
            let job = state.take_job();
            if job.is_some() || state.is_closed {
                return job;
            }
            state = self
                .job_available
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl QueueState {
    /// The estimated wait of a job that is queued now. Jobs of lower priority are not counted.
    fn expected_wait(&self, threads: usize, priority: Priority) -> Duration {
        let queues_ahead = self.queues.iter().take(priority.queue() + 1);
        let jobs_ahead = queues_ahead.map(VecDeque::len).sum::<usize>() + self.running;
        let turns = (jobs_ahead + 1).saturating_sub(threads);
        let saturating_u32 = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        self.average_job_time.saturating_mul(saturating_u32(turns)) / saturating_u32(threads.max(1))
    }

    fn drop_abandoned(&mut self) {
        let mut dropped = 0;
        for queue in &mut self.queues {
            let before = queue.len();
            queue.retain(|job| !job.is_abandoned());
            dropped += before - queue.len();
        }
        self.count_abandoned(dropped);
    }

    fn count_abandoned(&mut self, count: usize) {
        self.abandoned += u64::try_from(count).unwrap_or_default();
    }

    /// Takes a job of the highest priority. Every fourth job is one of each queue in turn, so that every queue makes progress.
    fn pop_next(&mut self) -> Option<Box<dyn Job>> {
        self.taken += 1;
        let first = if self.taken.is_multiple_of(4) {
            self.taken / 4 % self.queues.len()
        } else {
            0
        };
        let (higher, from_first) = self.queues.split_at_mut(first);
        let mut queues = from_first.iter_mut().chain(higher);
        queues.find_map(VecDeque::pop_front)
    }

    /// Takes the first job that is not abandoned.
    fn take_job(&mut self) -> Option<Box<dyn Job>> {
        while let Some(job) = self.pop_next() {
            if !job.is_abandoned() {
                self.running += 1;
                return Some(job);
            }
            self.count_abandoned(1);
        }
        None
    }

    fn record_finished(&mut self, job_time: Duration) {
        self.running -= 1;
        self.finished += 1;
        self.average_job_time = self.average_job_time / 8 * 7 + job_time / 8;
    }
}

#[cfg(test)]
mod tests;
