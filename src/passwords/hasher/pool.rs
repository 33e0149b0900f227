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
        if state.expected_wait(self.threads) > self.max_wait {
            state.forget_abandoned();
        }
        let wait = state.expected_wait(self.threads);
        if wait > self.max_wait {
            state.refused += 1;
            return Err(Overloaded::after(wait));
        }
        state.queue.push_back(job);
        drop(state);
        self.news.notify_one();
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
mod tests {
    use std::sync::mpsc;

    use super::*;

    const USUAL: Duration = Duration::from_millis(100);

    fn pool(threads: usize, max_wait: Duration) -> Pool {
        let arenas = (0..threads).map(|_| Arena::new(0).unwrap()).collect();
        Pool::start(arenas, max_wait, USUAL).unwrap()
    }

    /// Keeps one thread busy until the returned sender is dropped or used.
    fn occupy(pool: &Pool) -> (mpsc::Sender<()>, Pending<()>) {
        let (release, released) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        let pending = pool
            .submit(move |_| {
                begun.send(()).unwrap();
                let _ = released.recv();
                Ok(())
            })
            .unwrap();
        has_begun.recv().unwrap();
        (release, pending)
    }

    #[test]
    fn with_no_wait_allowed_a_busy_thread_refuses_at_once_and_a_free_one_does_not() {
        let pool = pool(1, Duration::ZERO);
        let (release, busy) = occupy(&pool);
        let refused = pool.submit(|_| Ok(())).err();
        assert_eq!(
            refused,
            Some(Overloaded {
                retry_after_secs: 1
            })
        );
        assert_eq!(
            pool.stats(),
            HasherStats {
                running: 1,
                refused: 1,
                ..HasherStats::default()
            }
        );
        drop(release);
        busy.answer_now().unwrap();
        assert_eq!(pool.submit(|_| Ok(7)).unwrap().answer_now(), Ok(7));
    }

    #[test]
    fn the_queue_ends_where_the_expected_wait_does() {
        let pool = pool(2, 3 * USUAL);
        let held = [occupy(&pool), occupy(&pool)];
        // Two threads, each job 100 ms: the job at place n waits n * 50 ms.
        let queued: Vec<_> = (0..6)
            .map(|n| pool.submit(move |_| Ok(n)).unwrap())
            .collect();
        assert!(pool.submit(|_| Ok(6)).is_err());
        assert_eq!((pool.stats().waiting, pool.stats().refused), (6, 1));
        drop(held);
        for (n, pending) in queued.into_iter().enumerate() {
            assert_eq!(pending.answer_now(), Ok(n));
        }
    }

    #[test]
    fn a_long_wait_is_told_in_whole_seconds() {
        assert_eq!(Overloaded::after(Duration::ZERO).retry_after_secs, 1);
        assert_eq!(
            Overloaded::after(Duration::from_secs(2)).retry_after_secs,
            2
        );
        assert_eq!(
            Overloaded::after(Duration::from_millis(2_001)).retry_after_secs,
            3
        );
    }

    #[test]
    fn first_come_first_served() {
        let pool = pool(1, 100 * USUAL);
        let (release, _busy) = occupy(&pool);
        let (told, order) = mpsc::channel();
        let pending: Vec<_> = (0..20)
            .map(|n| {
                let told = told.clone();
                pool.submit(move |_| told.send(n).map_err(|_| argon2::Error::OutOfMemory.into()))
                    .unwrap()
            })
            .collect();
        drop((release, told));
        assert_eq!(
            order.iter().collect::<Vec<_>>(),
            (0..20).collect::<Vec<_>>()
        );
        assert_eq!(pending.len(), 20);
    }

    #[test]
    fn a_job_that_nobody_waits_for_is_never_begun() {
        let pool = pool(1, 100 * USUAL);
        let (release, _busy) = occupy(&pool);
        let (begun, has_begun) = mpsc::channel();
        let unwanted = pool.submit(move |_| {
            begun.send(()).unwrap();
            Ok(())
        });
        drop(unwanted.unwrap());
        let last = pool.submit(|_| Ok(())).unwrap();
        drop(release);
        last.answer_now().unwrap();
        assert!(has_begun.recv().is_err());
        assert_eq!(pool.stats().abandoned, 1);
    }

    #[test]
    fn abandoned_jobs_make_room_before_anything_is_refused() {
        let pool = pool(1, 4 * USUAL);
        let (_release, _busy) = occupy(&pool);
        let abandoned: Vec<_> = (0..4).map(|_| pool.submit(|_| Ok(())).unwrap()).collect();
        assert!(pool.submit(|_| Ok(())).is_err());
        drop(abandoned);
        let _kept: Vec<_> = (0..4).map(|_| pool.submit(|_| Ok(())).unwrap()).collect();
        assert!(pool.submit(|_| Ok(())).is_err());
        let stats = pool.stats();
        assert_eq!((stats.abandoned, stats.waiting, stats.refused), (4, 4, 2));
    }

    #[test]
    fn a_panic_or_an_error_costs_its_job_and_not_the_thread() {
        let pool = pool(1, 100 * USUAL);
        let panicked = pool.submit::<(), _>(|_| panic!("on purpose")).unwrap();
        assert_eq!(
            panicked.answer_now(),
            Err(Overloaded {
                retry_after_secs: 1
            })
        );
        let failed = pool
            .submit::<(), _>(|_| Err(argon2::Error::OutOfMemory.into()))
            .unwrap();
        assert_eq!(
            failed.answer_now(),
            Err(Overloaded {
                retry_after_secs: 1
            })
        );
        assert_eq!(
            pool.submit(|_| Ok("alive")).unwrap().answer_now(),
            Ok("alive")
        );
    }

    #[test]
    fn threads_finish_the_queue_and_end_with_the_pool() {
        let pool = pool(2, 100 * USUAL);
        let (release, busy) = occupy(&pool);
        let shared = Arc::downgrade(&pool.shared);
        drop(pool);
        drop(release);
        busy.answer_now().unwrap();
        // Each thread holds the shared state until it ends; without an end this test never does.
        while shared.strong_count() > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn the_usual_time_follows_what_jobs_take() {
        let mut state = Shared::new(1, USUAL, USUAL).state.into_inner().unwrap();
        for _ in 0..100 {
            state.running += 1;
            state.finish(10 * USUAL);
        }
        assert!(state.usual_time > 9 * USUAL && state.usual_time <= 10 * USUAL);
    }
}
