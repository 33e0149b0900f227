//! Tests of the queue and its threads with jobs that compute no hash.

use std::sync::mpsc;

use argon2::{Algorithm, Argon2, Params, Version};

use super::*;

const JOB_TIME: Duration = Duration::from_millis(100);

fn pool(threads: usize, max_wait: Duration) -> HashThreadPool {
    let memories = (0..threads).map(|_| HashMemory::new(0).unwrap()).collect();
    HashThreadPool::start(memories, max_wait, JOB_TIME).unwrap()
}

/// Keeps one thread busy until the returned sender is dropped or sends.
fn occupy(pool: &HashThreadPool) -> (mpsc::Sender<()>, PendingResult<()>) {
    let (release, released) = mpsc::channel();
    let (started, has_started) = mpsc::channel();
    let pending = pool
        .submit(Priority::SignIn, move |_| {
            started.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        })
        .unwrap();
    has_started.recv().unwrap();
    (release, pending)
}

#[test]
fn without_waiting_a_job_is_rejected_while_the_thread_is_busy() {
    let pool = pool(1, Duration::ZERO);
    let (release, busy) = occupy(&pool);
    let error = pool.submit(Priority::SignIn, |_| Ok(())).err();
    assert_eq!(
        error,
        Some(HasherOverloaded {
            retry_after_secs: 1
        })
    );
    assert_eq!(
        pool.stats(),
        HasherStats {
            running: 1,
            rejected: 1,
            ..HasherStats::default()
        }
    );
    drop(release);
    busy.wait_blocking().unwrap();
    assert_eq!(
        pool.submit(Priority::SignIn, |_| Ok(7))
            .unwrap()
            .wait_blocking(),
        Ok(7)
    );
}

#[test]
fn queue_accepts_jobs_up_to_the_maximum_wait() {
    let pool = pool(2, 3 * JOB_TIME);
    let occupied = [occupy(&pool), occupy(&pool)];
    // With two threads and 100 ms per job, the job at position n waits n * 50 ms.
    let queued: Vec<_> = (0..6)
        .map(|n| pool.submit(Priority::SignIn, move |_| Ok(n)).unwrap())
        .collect();
    assert!(pool.submit(Priority::SignIn, |_| Ok(6)).is_err());
    assert_eq!((pool.stats().waiting, pool.stats().rejected), (6, 1));
    drop(occupied);
    for (n, pending) in queued.into_iter().enumerate() {
        assert_eq!(pending.wait_blocking(), Ok(n));
    }
}

#[test]
fn retry_after_is_rounded_up_to_whole_seconds() {
    assert_eq!(
        HasherOverloaded::with_wait(Duration::ZERO).retry_after_secs,
        1
    );
    assert_eq!(
        HasherOverloaded::with_wait(Duration::from_secs(2)).retry_after_secs,
        2
    );
    assert_eq!(
        HasherOverloaded::with_wait(Duration::from_millis(2_001)).retry_after_secs,
        3
    );
}

#[test]
fn jobs_run_in_the_order_of_submission() {
    let pool = pool(1, 100 * JOB_TIME);
    let (release, _busy) = occupy(&pool);
    let (executed, execution_order) = mpsc::channel();
    let pending: Vec<_> = (0..20)
        .map(|n| {
            let executed = executed.clone();
            pool.submit(Priority::SignIn, move |_| {
                executed
                    .send(n)
                    .map_err(|_| argon2::Error::OutOfMemory.into())
            })
            .unwrap()
        })
        .collect();
    drop((release, executed));
    assert_eq!(
        execution_order.iter().collect::<Vec<_>>(),
        (0..20).collect::<Vec<_>>()
    );
    assert_eq!(pending.len(), 20);
}

#[test]
fn job_of_a_known_caller_is_accepted_and_runs_first_when_the_queue_is_full() {
    let pool = pool(1, 2 * JOB_TIME);
    let (release, _busy) = occupy(&pool);
    let (executed, execution_order) = mpsc::channel();
    let submit = |priority, name| {
        let executed = executed.clone();
        pool.submit(priority, move |_| {
            executed
                .send(name)
                .map_err(|_| argon2::Error::OutOfMemory.into())
        })
    };
    let mut pending = vec![submit(Priority::NewPassword, "registration").unwrap()];
    pending.push(submit(Priority::SignIn, "sign-in").unwrap());
    pending.push(submit(Priority::SignIn, "second sign-in").unwrap());
    assert!(submit(Priority::SignIn, "refused").is_err());
    assert!(submit(Priority::NewPassword, "refused").is_err());
    pending.push(submit(Priority::KnownCaller, "known").unwrap());
    drop((release, executed));
    let order: Vec<_> = execution_order.iter().collect();
    assert_eq!(order.first(), Some(&"known"));
    assert_eq!(order.len(), 4);
    assert!(order.contains(&"registration"));
}

#[test]
fn abandoned_job_is_never_started() {
    let pool = pool(1, 100 * JOB_TIME);
    let (release, _busy) = occupy(&pool);
    let (started, has_started) = mpsc::channel();
    let abandoned = pool.submit(Priority::SignIn, move |_| {
        started.send(()).unwrap();
        Ok(())
    });
    drop(abandoned.unwrap());
    let last = pool.submit(Priority::SignIn, |_| Ok(())).unwrap();
    drop(release);
    last.wait_blocking().unwrap();
    assert!(has_started.recv().is_err());
    assert_eq!(pool.stats().abandoned, 1);
}

#[test]
fn abandoned_jobs_are_dropped_before_a_job_is_rejected() {
    let pool = pool(1, 4 * JOB_TIME);
    let (_release, _busy) = occupy(&pool);
    let abandoned: Vec<_> = (0..4)
        .map(|_| pool.submit(Priority::SignIn, |_| Ok(())).unwrap())
        .collect();
    assert!(pool.submit(Priority::SignIn, |_| Ok(())).is_err());
    drop(abandoned);
    let _waiting: Vec<_> = (0..4)
        .map(|_| pool.submit(Priority::SignIn, |_| Ok(())).unwrap())
        .collect();
    assert!(pool.submit(Priority::SignIn, |_| Ok(())).is_err());
    let stats = pool.stats();
    assert_eq!((stats.abandoned, stats.waiting, stats.rejected), (4, 4, 2));
}

#[test]
fn thread_survives_a_panic_or_an_error_of_a_job() {
    let pool = pool(1, 100 * JOB_TIME);
    let panicked = pool
        .submit::<(), _>(Priority::SignIn, |_| panic!("on purpose"))
        .unwrap();
    assert_eq!(
        panicked.wait_blocking(),
        Err(HasherOverloaded {
            retry_after_secs: 1
        })
    );
    let failed = pool
        .submit::<(), _>(Priority::SignIn, |_| Err(argon2::Error::OutOfMemory.into()))
        .unwrap();
    assert_eq!(
        failed.wait_blocking(),
        Err(HasherOverloaded {
            retry_after_secs: 1
        })
    );
    assert_eq!(
        pool.submit(Priority::SignIn, |_| Ok("alive"))
            .unwrap()
            .wait_blocking(),
        Ok("alive")
    );
}

#[test]
fn threads_finish_the_queue_and_end_when_the_pool_is_dropped() {
    let pool = pool(2, 100 * JOB_TIME);
    let (release, busy) = occupy(&pool);
    let shared = Arc::downgrade(&pool.shared);
    drop(pool);
    drop(release);
    busy.wait_blocking().unwrap();
    // Each thread holds the shared state until it ends. If one does not end, this test does not either.
    while shared.strong_count() > 0 {
        thread::yield_now();
    }
}

#[test]
fn average_job_time_follows_the_measured_times() {
    let mut state = PoolShared::new(1, JOB_TIME, JOB_TIME)
        .state
        .into_inner()
        .unwrap();
    for _ in 0..100 {
        state.running += 1;
        state.record_finished(10 * JOB_TIME);
    }
    assert!(state.average_job_time > 9 * JOB_TIME && state.average_job_time <= 10 * JOB_TIME);
}

#[test]
fn thread_zeroizes_its_memory_before_waiting_but_not_between_jobs() {
    let shared = PoolShared::new(1, JOB_TIME, JOB_TIME);
    let argon2 = Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(8, 1, 1, None).unwrap(),
    );
    let mut memory = HashMemory::new(8).unwrap();
    memory
        .compute(&argon2, b"password", b"sixteen bytes...", 32)
        .unwrap();
    let (reply, _result) = oneshot::channel();
    shared
        .enqueue(
            Priority::SignIn,
            Box::new(JobWithReply {
                work: |_: &mut HashMemory| Ok(()),
                reply,
            }),
        )
        .unwrap();
    assert!(shared.next_job(&mut memory).is_some());
    assert!(!memory.is_zeroed());
    shared.state().is_closed = true;
    assert!(shared.next_job(&mut memory).is_none());
    assert!(memory.is_zeroed());
}
