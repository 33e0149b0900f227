//! What the tests stand on: a real PostgreSQL, a schema for each test, the service on a port of its own, and a client
//! that reads like the calls it makes.

mod app;
mod attack;
pub mod binary;
pub mod browser;
mod call;
mod cli;
mod database;
mod operations;
mod own_role;
pub mod proxy;
mod smtp;
mod terminal;
pub mod verifiers;
pub mod wire;

pub use app::{PASSWORD, TestApp, User};
pub use attack::{Footprint, to_the_end};
pub use call::{Answer, Call};
pub use cli::{Cli, OPERATOR, Ran};
pub use database::Schema;
pub use operations::{Operation, document, operations};
pub use own_role::OwnRole;
pub use smtp::{Letter, MailServer};
pub use terminal::Terminal;

/// Asks until it is so; for what other processes are told of, and not in which time.
#[track_caller]
pub fn eventually(mut so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it never came to be so");
}

/// Runs `act` on `count` threads that all begin at the same moment; their answers in order.
pub fn at_once<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|index| {
                let (start, act) = (&start, &act);
                scope.spawn(move || {
                    start.wait();
                    act(index)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}
