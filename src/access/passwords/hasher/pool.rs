//! A few threads, each with an arena of its own, behind one queue: first come, first served, and no
//! further than the longest wait allowed. It does not know what the work is.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::oneshot;

use super::arena::{Arena, HashFailed};

/// The hashing threads have more to do than they can in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many passwords are being hashed; try again in {retry_after_secs} s")]
pub struct Overloaded {
    /// When to try again: whole seconds, at least one.
    pub retry_after_secs: u64,
}

impl Overloaded {
    fn after(wait: Duration) -> Self {
        let whole_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self {
            retry_after_secs: whole_seconds.max(1),
        }
    }
}

/// What the hashing threads have done since they started, and have before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HasherStats {
    /// Jobs in the queue now.
    pub waiting: usize,
    /// Jobs being done now.
    pub running: usize,
    /// Jobs done, whatever came of them.
    pub done: u64,
    /// Jobs refused because their turn would have come too late.
    pub refused: u64,
    /// Jobs never begun, because nobody waited for their answer any more.
    pub abandoned: u64,
}

/// The threads' owner: they end when it is dropped.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

/// An answer on its way.
pub(super) struct Pending<T>(oneshot::Receiver<T>);

struct Shared {
    threads: usize,
    max_wait: Duration,
    state: Mutex<State>,
    /// Signalled once for each job, and to all when the pool is closed.
    news: Condvar,
}

struct State {
    queue: VecDeque<Box<dyn Job>>,
    running: usize,
    /// How long a job takes: a mean that forgets, an eighth with each job.
    usual_time: Duration,
    closed: bool,
    done: u64,
    refused: u64,
    abandoned: u64,
}

type Delivery = Box<dyn FnOnce()>;

trait Job: Send {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Does the work, and gives back the sending of the answer.
    fn run(self: Box<Self>, arena: &mut Arena) -> Delivery;
}

struct Answering<T, W> {
    work: W,
    reply: oneshot::Sender<T>,
}

impl<T, W> Job for Answering<T, W>
where
    T: Send + 'static,
    W: FnOnce(&mut Arena) -> Result<T, HashFailed> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(self: Box<Self>, arena: &mut Arena) -> Delivery {
        let Self { work, reply } = *self;
        match work(arena) {
            // Whoever asked may have gone away meanwhile.
            Ok(answer) => Box::new(|| drop(reply.send(answer))),
            Err(error) => {
                tracing::error!(%error, "a password hash failed");
                Box::new(|| drop(reply))
            }
        }
    }
}

impl Pool {
    /// Starts one thread per arena; `usual_time` is a first guess of how long a job takes.
    pub(super) fn start(
        arenas: Vec<Arena>,
        max_wait: Duration,
        usual_time: Duration,
    ) -> io::Result<Self> {
        let pool = Self {
            shared: Arc::new(Shared::new(arenas.len(), max_wait, usual_time)),
        };
        for (number, arena) in arenas.into_iter().enumerate() {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || shared.serve(arena))?;
        }
        Ok(pool)
    }

    /// Queues work, unless its turn would come too late. When nobody waits for the answer any more by
    /// then, it is not begun.
    pub(super) fn submit<T, W>(&self, work: W) -> Result<Pending<T>, Overloaded>
    where
        T: Send + 'static,
        W: FnOnce(&mut Arena) -> Result<T, HashFailed> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.shared.enqueue(Box::new(Answering { work, reply }))?;
        Ok(Pending(answer))
    }

    /// Refuses as [`Self::submit`] would now.
    pub(super) fn check_load(&self) -> Result<(), Overloaded> {
        self.shared.admit(&mut self.shared.state())
    }

    pub(super) fn stats(&self) -> HasherStats {
        let state = self.shared.state();
        HasherStats {
            waiting: state.queue.len(),
            running: state.running,
            done: state.done,
            refused: state.refused,
            abandoned: state.abandoned,
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.news.notify_all();
    }
}

impl<T> Pending<T> {
    /// Work that broke off, by an error or a panic (both are logged), is answered as overload: nothing
    /// is known of the password, and another try may fare better.
    pub(super) async fn answer(self) -> Result<T, Overloaded> {
        self.0.await.map_err(|_| Overloaded::after(Duration::ZERO))
    }

    /// As [`Self::answer`], blocking the thread.
    pub(super) fn answer_now(self) -> Result<T, Overloaded> {
        self.0
            .blocking_recv()
            .map_err(|_| Overloaded::after(Duration::ZERO))
    }
}

impl Shared {
    fn new(threads: usize, max_wait: Duration, usual_time: Duration) -> Self {
        let state = State {
            queue: VecDeque::new(),
            running: 0,
            usual_time,
            closed: false,
            done: 0,
            refused: 0,
            abandoned: 0,
        };
        Self {
            threads,
            max_wait,
            state: Mutex::new(state),
            news: Condvar::new(),
        }
    }

    /// The state holds together after each statement that changes it, so a panic leaves nothing broken.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, job: Box<dyn Job>) -> Result<(), Overloaded> {
        let mut state = self.state();
        self.admit(&mut state)?;
        state.queue.push_back(job);
        drop(state);
        self.news.notify_one();
        Ok(())
    }

    /// Refuses what would wait for too long.
    fn admit(&self, state: &mut State) -> Result<(), Overloaded> {
        if state.expected_wait(self.threads) > self.max_wait {
            state.forget_abandoned();
        }
        let wait = state.expected_wait(self.threads);
        if wait > self.max_wait {
            state.refused += 1;
            return Err(Overloaded::after(wait));
        }
        Ok(())
    }

    /// A thread's life.
    fn serve(&self, mut arena: Arena) {
        while let Some(job) = self.next(&mut arena) {
            let began = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| job.run(&mut arena)));
            // Counted before it is answered: whoever has the answer finds the thread free again.
            self.state().finish(began.elapsed());
            if let Ok(deliver) = outcome {
                deliver();
            } else {
                tracing::error!("a hashing thread panicked and goes on");
            }
        }
    }

    /// The next job, waited for with the arena wiped. None when the pool is closed and all is done.
    fn next(&self, arena: &mut Arena) -> Option<Box<dyn Job>> {
        let job = self.state().begin();
        if job.is_some() {
            return job;
        }
        arena.wipe();
        let mut state = self.state();
        loop {
            let job = state.begin();
            if job.is_some() || state.closed {
                return job;
            }
            state = self
                .news
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    /// How long a job that came now would wait for its turn.
    fn expected_wait(&self, threads: usize) -> Duration {
        let ahead = self.queue.len() + self.running;
        let turns = (ahead + 1).saturating_sub(threads);
        let shares = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        self.usual_time.saturating_mul(shares(turns)) / shares(threads.max(1))
    }

    fn forget_abandoned(&mut self) {
        let before = self.queue.len();
        self.queue.retain(|job| !job.is_abandoned());
        self.count_abandoned(before - self.queue.len());
    }

    fn count_abandoned(&mut self, count: usize) {
        self.abandoned += u64::try_from(count).unwrap_or_default();
    }

    /// Takes the first job that somebody still waits for.
    fn begin(&mut self) -> Option<Box<dyn Job>> {
        while let Some(job) = self.queue.pop_front() {
            if !job.is_abandoned() {
                self.running += 1;
                return Some(job);
            }
            self.count_abandoned(1);
        }
        None
    }

    fn finish(&mut self, took: Duration) {
        self.running -= 1;
        self.done += 1;
        self.usual_time = self.usual_time / 8 * 7 + took / 8;
    }
}

#[cfg(test)]
mod tests;
