//! The queue and its threads, with work that is no hash: who is refused, who is served, who is skipped.

use std::sync::mpsc;

use argon2::{Algorithm, Argon2, Params, Version};

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
    let permissions = [occupy(&pool), occupy(&pool)];
    // Two threads, each job 100 ms: the job at place n waits n * 50 ms.
    let queued: Vec<_> = (0..6)
        .map(|n| pool.submit(move |_| Ok(n)).unwrap())
        .collect();
    assert!(pool.submit(|_| Ok(6)).is_err());
    assert_eq!((pool.stats().waiting, pool.stats().refused), (6, 1));
    drop(permissions);
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

#[test]
fn a_thread_wipes_its_arena_before_it_waits_but_not_between_jobs() {
    let shared = Shared::new(1, USUAL, USUAL);
    let argon2 = Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(8, 1, 1, None).unwrap(),
    );
    let mut arena = Arena::new(8).unwrap();
    arena
        .digest(&argon2, b"password", b"sixteen bytes...", 32)
        .unwrap();
    let (reply, _answer) = oneshot::channel();
    shared
        .enqueue(Box::new(Answering {
            work: |_: &mut Arena| Ok(()),
            reply,
        }))
        .unwrap();
    assert!(shared.next(&mut arena).is_some());
    assert!(!arena.is_blank());
    shared.state().closed = true;
    assert!(shared.next(&mut arena).is_none());
    assert!(arena.is_blank());
}
