//! Asks all hosts of `DATABASE_URL` for their role, each on a thread of its own, because a host that is frozen accepts the
//! connection and does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, Connection as _};
use diesel::pg::PgConnection;

use super::timeline::{Admission, ServerRole, Timeline};

/// How long a host may take to answer. Longer than the timeout for a connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// When hosts are asked again while others have not answered: a standby may have been promoted.
const REPEAT_INTERVAL: Duration = Duration::from_millis(250);

/// What is known about a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAnswer {
    /// It has been asked.
    Pending,
    /// It did not answer in time, or refused the connection.
    None,
    /// Its role.
    Role(ServerRole),
}

/// What follows from the answers of all hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The host at this position was promoted after every server that was seen before.
    Newer { position: usize, role: ServerRole },
    /// All hosts were asked, and none was promoted since. The one at this position is the primary.
    Unchanged { position: usize },
    /// No host can be used now.
    NoPrimary,
}

/// The hosts, with the threads that wait for their answers.
pub struct HostProbe(Vec<Host>);

struct Host {
    url: String,
    /// The number of threads that wait for an answer.
    waiting: Arc<AtomicUsize>,
}

impl HostProbe {
    pub fn new(urls: &[String]) -> Self {
        let host = |url: &String| Host {
            url: url.clone(),
            waiting: Arc::default(),
        };
        Self(urls.iter().map(host).collect())
    }

    /// Asks all hosts. Returns as soon as one is newer than `highest`, else when all have answered or the time is over.
    pub fn ask(&self, highest: Option<Timeline>) -> Verdict {
        let end = Instant::now() + ANSWER_TIMEOUT;
        let (sender, answers) = mpsc::channel();
        let mut known: Vec<HostAnswer> = vec![HostAnswer::Pending; self.0.len()];
        for (position, host) in self.0.iter().enumerate() {
            host.ask(position, &sender);
        }
        loop {
            if let Some(verdict) = decide(highest, &known) {
                return verdict;
            }
            let now = Instant::now();
            if now >= end {
                known.iter_mut().for_each(HostAnswer::give_up);
                continue;
            }
            match answers.recv_timeout(REPEAT_INTERVAL.min(end - now)) {
                Ok((position, answer)) => {
                    if let Some(known) = known.get_mut(position) {
                        *known = answer;
                    }
                }
                Err(_) => {
                    for (position, (host, known)) in self.0.iter().zip(&known).enumerate() {
                        if matches!(known, HostAnswer::Role(_)) {
                            host.ask(position, &sender);
                        }
                    }
                }
            }
        }
    }
}

impl HostAnswer {
    fn give_up(&mut self) {
        if *self == Self::Pending {
            *self = Self::None;
        }
    }
}

impl Host {
    /// Sends the answer when it arrives. The connection can block after the timeout for its establishment, so the number of
    /// threads is limited.
    fn ask(&self, position: usize, sender: &Sender<(usize, HostAnswer)>) {
        const MAX_WAITING: usize = 3;
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let _ = sender.send((position, HostAnswer::None));
            return;
        }
        let (url, waiting, thread_sender) =
            (self.url.clone(), Arc::clone(&self.waiting), sender.clone());
        let thread = thread::Builder::new()
            .name("database host".to_owned())
            .stack_size(256 * 1024);
        let spawned = thread.spawn(move || {
            let answer = read_role(&url).map_or(HostAnswer::None, HostAnswer::Role);
            waiting.fetch_sub(1, Ordering::Relaxed);
            let _ = thread_sender.send((position, answer));
        });
        if spawned.is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let _ = sender.send((position, HostAnswer::None));
        }
    }
}

fn read_role(url: &str) -> Option<ServerRole> {
    let mut connection = PgConnection::establish(url).ok()?;
    connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    ServerRole::read(&mut connection).ok()
}

/// The verdict, or `None` if it depends on a host that has not answered.
fn decide(highest: Option<Timeline>, answers: &[HostAnswer]) -> Option<Verdict> {
    let primaries = || {
        answers
            .iter()
            .enumerate()
            .filter_map(|(position, answer)| match answer {
                HostAnswer::Role(role) => Some((position, *role, role.admission(highest))),
                _ => None,
            })
    };
    let newer = primaries().filter_map(|(position, role, admission)| match admission {
        Admission::Newer(timeline) => Some((timeline, position, role)),
        _ => None,
    });
    if let Some((_, position, role)) = newer.max_by_key(|(timeline, ..)| *timeline) {
        return Some(Verdict::Newer { position, role });
    }
    if answers.contains(&HostAnswer::Pending) {
        return None;
    }
    let current = primaries().find(|(.., admission)| *admission == Admission::Current);
    Some(
        current.map_or(Verdict::NoPrimary, |(position, ..)| Verdict::Unchanged {
            position,
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(id: i64) -> Option<Timeline> {
        Timeline::from_column(Some(id))
    }

    fn primary(id: i64) -> HostAnswer {
        HostAnswer::Role(ServerRole::Primary(timeline(id)))
    }

    const STANDBY: HostAnswer = HostAnswer::Role(ServerRole::Standby);

    #[test]
    fn newer_primary_is_used_without_waiting_for_the_others() {
        let verdict = decide(timeline(1), &[HostAnswer::Pending, primary(2), primary(3)]);
        let expected = Verdict::Newer {
            position: 2,
            role: ServerRole::Primary(timeline(3)),
        };
        assert_eq!(verdict, Some(expected));
    }

    #[test]
    fn known_primary_is_used_only_when_all_hosts_were_asked() {
        let unchanged = Some(Verdict::Unchanged { position: 1 });
        assert_eq!(
            decide(timeline(2), &[HostAnswer::Pending, primary(2)]),
            None
        );
        assert_eq!(
            decide(timeline(2), &[HostAnswer::None, primary(2), STANDBY]),
            unchanged
        );
        assert_eq!(decide(timeline(2), &[primary(1), primary(2)]), unchanged);
    }

    #[test]
    fn standby_and_previous_primary_are_not_used() {
        for answer in [STANDBY, primary(1), HostAnswer::None] {
            assert_eq!(
                decide(timeline(2), &[answer]),
                Some(Verdict::NoPrimary),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn hosts_that_refuse_connections_are_no_primary() {
        let urls = ["postgres://127.0.0.1:1/a", "postgres://127.0.0.1:9/a"].map(str::to_owned);
        assert_eq!(HostProbe::new(&urls).ask(None), Verdict::NoPrimary);
    }
}
