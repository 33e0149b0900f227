//! Fixtures shared by all integration tests: a private PostgreSQL cluster with one schema per test, the service on its
//! own port, the `rosterd` binary as a child process, and a small HTTP client.

mod app;
pub mod binary;
pub mod browser;
pub mod certificates;
mod cli;
mod database;
pub mod database_proxy;
mod documented_responses;
mod golden_file;
mod http_client;
mod operations;
pub mod pgbouncer;
pub mod postgres_server;
pub mod programs;
mod restricted_role;
mod security_checks;
pub mod small_file_system;
mod smtp;
mod terminal;
pub mod verifiers;

pub use app::{PASSWORD, TestApp, TestUser, password_hash};
pub use cli::{Cli, CommandOutput, operator};
pub use database::{Schema, backend_pid};
pub use golden_file::assert_matches_golden_file;
pub use http_client::{RequestBuilder, Response};
pub use operations::{Operation, document, operations};
pub use restricted_role::{RestrictedRole, superuser_url};
pub use security_checks::{ProcessUsage, read_until_closed};
pub use smtp::{MailServer, ReceivedEmail};
pub use terminal::Terminal;

/// `ROSTERD_SECRET_KEY` of the services that the tests start.
pub const SECRET_KEY: &str = "c497f3a01a15acecde6a984ed3cc2d390a6282b436d2a4fec68a210b46de64ab";

/// The keys that are derived from [`SECRET_KEY`].
pub fn vault() -> rosterd::platform::crypto::Vault {
    let key = hex::decode(SECRET_KEY).unwrap().try_into().unwrap();
    rosterd::platform::crypto::Vault::new(&key).unwrap()
}

/// Polls `condition` until it is true, for effects that reach another process or replica asynchronously.
/// Panics after about ten seconds.
#[track_caller]
pub fn wait_until(mut condition: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the condition was not met in time");
}

/// Runs `action` on `count` threads that start at the same moment. Returns the results in the order of the thread
/// index.
pub fn run_concurrently<T: Send>(count: usize, action: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|index| {
                let (barrier, action) = (&barrier, &action);
                scope.spawn(move || {
                    barrier.wait();
                    action(index)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}
