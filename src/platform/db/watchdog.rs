//! The thread that asks all hosts after a silence of the database, and that replaces the pool when its connections have failed.
//! It calls libpq only on other threads, so it never blocks.

use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::connection::ConnectionManager;
use super::host_probe::{HostProbe, Verdict};
use super::hosts::Hosts;
use super::server_guard::ServerGuard;
use super::{Db, DbInner};

/// How often the state is examined.
const INTERVAL: Duration = Duration::from_millis(100);

/// How often all hosts are asked: while the database is silent, and in other phases of suspicion.
const SUSPENDED_INTERVAL: Duration = Duration::from_millis(250);
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How long all hosts are asked after the start and after a silence, because a standby may be promoted late.
const VIGILANCE: Duration = Duration::from_secs(60);

/// After how many probes with an answer the connections count as failed that still do not answer.
const PROBES_UNTIL_ABANDONMENT: u32 = 3;

impl Db {
    /// Starts the thread. It ends when the last clone of the value is dropped.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start_watchdog(&self) -> io::Result<()> {
        let inner = Arc::downgrade(&self.inner);
        let manager = Arc::clone(&self.inner.manager);
        let thread = thread::Builder::new().name("database watchdog".to_owned());
        let watch = move || Watchdog::new(&manager).run(&inner);
        thread.stack_size(256 * 1024).spawn(watch).map(drop)
    }
}

struct Watchdog {
    guard: Arc<ServerGuard>,
    probe: HostProbe,
    has_several_hosts: bool,
    epoch: u64,
    vigilant_until: Instant,
    last_probe: Instant,
    /// The number of probes with an answer since the last response on an open connection.
    probes_without_response: u32,
    is_outage_reported: bool,
}

impl Watchdog {
    fn new(manager: &ConnectionManager) -> Self {
        let (guard, now) = (Arc::clone(&manager.guard), Instant::now());
        Self {
            epoch: guard.epoch(),
            guard,
            probe: HostProbe::new(manager.hosts()),
            has_several_hosts: manager.hosts().len() > 1,
            vigilant_until: now + VIGILANCE,
            last_probe: now,
            // Until the listener is connected, only the probes tell whether the database answers.
            probes_without_response: PROBES_UNTIL_ABANDONMENT,
            is_outage_reported: false,
        }
    }

    fn run(mut self, db: &Weak<DbInner>) {
        while db.strong_count() > 0 {
            self.examine();
            let epoch = self.guard.epoch();
            if epoch != self.epoch {
                self.epoch = epoch;
                self.vigilant_until = Instant::now() + VIGILANCE;
                if let Some(db) = db.upgrade() {
                    db.pool.replace();
                }
            }
            self.guard.wait_for_suspicion(epoch, INTERVAL);
        }
    }

    fn examine(&mut self) {
        if self.guard.is_suspended() {
            self.vigilant_until = Instant::now() + VIGILANCE;
            self.ask_all_hosts();
            if self.guard.is_suspended() {
                thread::sleep(SUSPENDED_INTERVAL);
            }
        } else if self.last_probe.elapsed() < PROBE_INTERVAL {
            // It is not time yet.
        } else if self.probes_without_response > 0 && !self.guard.is_tracking() {
            self.ask_all_hosts();
        } else {
            self.probes_without_response = 0;
            if self.has_several_hosts && Instant::now() < self.vigilant_until {
                self.ask_all_hosts();
            }
        }
    }

    fn ask_all_hosts(&mut self) {
        let was_suspended = self.guard.is_suspended();
        let verdict = self.probe.ask(self.guard.highest_timeline());
        self.last_probe = Instant::now();
        match verdict {
            Verdict::Newer { position, role } => {
                Hosts::prefer(position);
                // The result is the epoch of a connection, and this one is closed already.
                let _ = self.guard.admit(role, self.guard.epoch());
                self.end_silence();
            }
            Verdict::Unchanged { position } if was_suspended => {
                Hosts::prefer(position);
                self.end_silence();
            }
            Verdict::Unchanged { .. } => self.count_probe(),
            Verdict::NoPrimary if was_suspended => self.report_outage(),
            Verdict::NoPrimary if self.probes_without_response > 0 => self.guard.suspend(),
            // The listener is answered by the primary, although no host accepts a new connection.
            Verdict::NoPrimary => {}
        }
    }

    /// After a silence, the connections from before it may have failed although the server answers on new ones.
    fn count_probe(&mut self) {
        if self.guard.is_tracking() || self.probes_without_response == 0 {
            return;
        }
        self.probes_without_response += 1;
        if self.probes_without_response == PROBES_UNTIL_ABANDONMENT {
            tracing::warn!(
                "open connections to the database do not answer: they are not used any more"
            );
            self.guard.abandon_connections();
        }
    }

    fn end_silence(&mut self) {
        if self.is_outage_reported {
            tracing::info!("a database server accepts writes again");
        }
        self.is_outage_reported = false;
        self.probes_without_response = 1;
        self.guard.resume();
    }

    fn report_outage(&mut self) {
        if !self.is_outage_reported {
            tracing::warn!(
                "the database is silent, and no host of DATABASE_URL answers as the primary of the highest known timeline: \
                 requests are answered with 503"
            );
        }
        self.is_outage_reported = true;
    }
}
