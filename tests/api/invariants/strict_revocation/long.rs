//! Ten thousand revocations on three replicas with faults, and some from the command line. The tests take minutes and run in
//! `make test-long`.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::sql_types::{Array, Integer};

use super::cli_commands::{REVOKING_COMMANDS, revoke_with_command};
use super::kinds::{FREQUENT_KINDS, KINDS, Kind};
use super::replicas::{Replicas, Tally};
use crate::support::binary::{ServiceProcess, TempDir, is_alive, signal};
use crate::support::database_proxy::DatabaseProxy;
use crate::support::{Cli, PASSWORD, SECRET_KEY, wait_until};

const REVOCATIONS: usize = 10_000;
const THREADS: usize = 48;
const COMMANDS: usize = 200;

/// Three processes on one private cluster. The last one reaches the database through a proxy, so that its server processes
/// can be told from those of the others.
struct Fleet {
    // Fields are dropped in this order: the services must disconnect before the cluster stops.
    services: [ServiceProcess; 3],
    replicas: Replicas,
    settings: Vec<(String, String)>,
    directory: TempDir,
}

impl Fleet {
    fn start() -> Self {
        let directory = TempDir::new();
        let url = directory.start_large_cluster();
        let proxy = DatabaseProxy::start(&url);
        let settings = |url: &str| {
            [
                ("DATABASE_URL", url),
                ("ROSTERD_SECRET_KEY", SECRET_KEY),
                ("ROSTERD_PUBLIC_URL", "https://id.example.org"),
                ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", "admin"),
                ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", PASSWORD),
                ("ROSTERD_LOG", "error"),
                ("ROSTERD_TRUSTED_PROXIES", "127.0.0.1"),
                ("ROSTERD_WORKERS", "2"),
                ("ROSTERD_DB_POOL_SIZE", "12"),
                ("ROSTERD_DB_ACQUIRE_MS", "20000"),
                ("ROSTERD_HASH_QUEUE_MS", "30000"),
            ]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .to_vec()
        };
        let services =
            [url.as_str(), &url, proxy.url()].map(|url| ServiceProcess::start(&settings(url)));
        let admin = services[0].token("admin", PASSWORD);
        let bases = services.iter().map(|service| service.base.clone());
        Self {
            replicas: Replicas::new(bases.collect(), &url, admin),
            services,
            settings: settings(&url),
            directory,
        }
    }

    /// The PostgreSQL process that notifies the replica behind the proxy, if it is connected.
    fn deaf_listener(&self) -> Option<u32> {
        let sql = "(SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity \
                   WHERE client_addr IS NOT NULL AND application_name LIKE 'rosterd listener%')";
        let pids: Vec<i32> = diesel::select(diesel::dsl::sql::<Array<Integer>>(sql))
            .get_result(&mut self.replicas.connect())
            .ok()?;
        pids.first().and_then(|pid| u32::try_from(*pid).ok())
    }

    /// Shuts the server down and starts it again. `-INT` is a fast shutdown, `-QUIT` an immediate one.
    fn restart_database(&self, shutdown: &str) {
        let postmaster = self.directory.postmaster_pid().unwrap();
        signal(postmaster, shutdown);
        wait_until(|| !is_alive(postmaster));
        self.directory.start_large_cluster();
    }

    /// Injects faults until `is_done`: the second replica is stopped for a while again and again; the third one first
    /// receives no notifications, then loses its listening connection again and again; the database restarts twice.
    fn inject_faults(&self, tally: &Tally, is_done: &AtomicBool) {
        let is_running = || !is_done.load(Ordering::Relaxed);
        let mut stopped_listener = None;
        let mut restarts = ["-INT", "-QUIT"]
            .into_iter()
            .zip([REVOCATIONS / 3, REVOCATIONS * 2 / 3])
            .peekable();
        while is_running() {
            self.services[1].signal("-STOP");
            thread::sleep(Duration::from_millis(300));
            self.services[1].signal("-CONT");
            let is_first_third = tally.revocations() < REVOCATIONS / 3;
            if is_first_third && stopped_listener.is_none() {
                stopped_listener = self.deaf_listener();
                send_to(stopped_listener, "-STOP");
            }
            if let Some((shutdown, _)) =
                restarts.next_if(|(_, after)| tally.revocations() >= *after)
            {
                send_to(stopped_listener.take(), "-CONT");
                self.restart_database(shutdown);
            }
            for _ in 0..10 {
                thread::sleep(Duration::from_millis(100));
                if !is_first_third && let Some(pid) = self.deaf_listener() {
                    let sql = format!("SELECT pg_terminate_backend({pid})");
                    let _ = diesel::sql_query(sql).execute(&mut self.replicas.connect());
                }
            }
        }
        send_to(stopped_listener, "-CONT");
        assert!(
            restarts.next().is_none(),
            "the database was not restarted twice"
        );
    }

    /// Runs `work` on many threads until it has been started `count` times, while faults are injected.
    fn run(&self, tally: &Tally, count: usize, work: impl Fn(usize) + Sync) {
        let (next, is_done) = (AtomicUsize::new(0), AtomicBool::new(false));
        let started = Instant::now();
        thread::scope(|scope| {
            let workers: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            if number >= count {
                                return;
                            }
                            work(number);
                        }
                    })
                })
                .collect();
            if count == REVOCATIONS {
                scope.spawn(|| self.inject_faults(tally, &is_done));
            }
            let results: Vec<_> = workers
                .into_iter()
                .map(thread::ScopedJoinHandle::join)
                .collect();
            is_done.store(true, Ordering::Relaxed);
            assert!(results.iter().all(Result::is_ok));
        });
        writeln!(
            std::io::stdout(),
            "{} in {:?}",
            tally.summary(),
            started.elapsed()
        )
        .unwrap();
    }
}

/// Sends a signal to a process, if there is one.
fn send_to(process: Option<u32>, name: &str) {
    if let Some(pid) = process {
        signal(pid, name);
    }
}

/// Every 25th revocation is of a kind that hashes a password or invalidates the caches of all callers.
fn kind_of(number: usize) -> &'static Kind {
    let (frequent, rare) = KINDS.split_at(FREQUENT_KINDS);
    if number.is_multiple_of(25) {
        &rare[number / 25 % rare.len()]
    } else {
        &frequent[number % frequent.len()]
    }
}

#[test]
#[ignore = "long: run by make test-long"]
fn none_of_ten_thousand_revocations_is_ignored_while_replicas_and_the_database_fail() {
    let fleet = Fleet::start();
    let tally = Tally::default();
    fleet.run(&tally, REVOCATIONS, |number| {
        fleet.replicas.revoke_one(kind_of(number), &tally);
    });
    tally.assert_none_accepted();
    assert_eq!(tally.revocations(), REVOCATIONS);
}

#[test]
#[ignore = "long: run by make test-long"]
fn none_of_many_revocations_from_the_command_line_is_ignored() {
    let fleet = Fleet::start();
    let tally = Tally::default();
    let cli = Cli::new(fleet.settings.clone());
    fleet.run(&tally, COMMANDS, |number| {
        let command = &REVOKING_COMMANDS[number % REVOKING_COMMANDS.len()];
        revoke_with_command(&fleet.replicas, &cli, command, &tally);
    });
    tally.assert_none_accepted();
    assert_eq!(tally.revocations(), COMMANDS);
}
