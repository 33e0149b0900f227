//! Proof that notifications of the database reach this process. Once a second the heartbeat thread changes a row, and the
//! listener must receive the notification of that change. Without it the cache has no lease: a connection pooler, a
//! disabled trigger or another schema can make a listener deaf although its own connection works.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// How often a heartbeat is sent.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a notification may take.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// What is known about the delivery of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Delivery {
    /// No heartbeat has arrived on this connection yet.
    Unproven,
    /// The last heartbeat arrived in time.
    Proven,
    /// A heartbeat did not arrive in time.
    Failed,
}

/// The state that the heartbeat thread and the listener share.
pub struct DeliveryProof {
    state: Mutex<State>,
    heartbeat_due: Condvar,
    /// The last observed [`Delivery`], for monitoring.
    observed: AtomicU8,
}

struct State {
    /// When the listener connected.
    connected_at: Instant,
    /// The announcement that has been sent but not received, and when.
    awaited: Option<(Uuid, Instant)>,
    /// When the last heartbeat that arrived was sent.
    proven_at: Option<Instant>,
    /// Whether a heartbeat must be sent without waiting for the interval.
    is_requested: bool,
}

impl Default for DeliveryProof {
    fn default() -> Self {
        let state = State {
            connected_at: Instant::now(),
            awaited: None,
            proven_at: None,
            is_requested: true,
        };
        Self {
            state: Mutex::new(state),
            heartbeat_due: Condvar::new(),
            observed: AtomicU8::new(Delivery::Unproven as u8),
        }
    }
}

impl DeliveryProof {
    /// The listener has a new connection: earlier proof does not count, and a heartbeat is due.
    pub fn restart(&self) {
        *self.lock() = State {
            connected_at: Instant::now(),
            awaited: None,
            proven_at: None,
            is_requested: true,
        };
        self.heartbeat_due.notify_all();
    }

    /// A heartbeat that announces this id is about to be sent.
    pub fn expect(&self, announcement: Uuid) {
        let mut state = self.lock();
        state.is_requested = false;
        state.awaited = Some((announcement, Instant::now()));
    }

    /// The listener received this id. Returns whether it is the awaited announcement.
    pub fn receive(&self, announcement: Uuid) -> bool {
        let mut state = self.lock();
        match state.awaited {
            Some((awaited, sent_at)) if awaited == announcement => {
                state.awaited = None;
                state.proven_at = Some(sent_at);
                self.heartbeat_due.notify_all();
                true
            }
            _ => false,
        }
    }

    /// What is known now. The listener must not renew the lease unless it is `Delivery::Proven`.
    pub fn check(&self) -> Delivery {
        let state = self.lock();
        let is_overdue = match (state.awaited, state.proven_at) {
            (Some((_, sent_at)), _) if sent_at.elapsed() >= MAX_DELAY => true,
            // The heartbeat thread cannot write.
            (_, proven_at) => {
                proven_at.unwrap_or(state.connected_at).elapsed() >= INTERVAL + MAX_DELAY
            }
        };
        let delivery = match state.proven_at {
            _ if is_overdue => Delivery::Failed,
            Some(_) => Delivery::Proven,
            None => Delivery::Unproven,
        };
        drop(state);
        self.observe(delivery);
        delivery
    }

    /// Whether notifications arrived when this was last checked.
    pub fn is_proven(&self) -> bool {
        self.observed.load(Ordering::Relaxed) == Delivery::Proven as u8
    }

    /// Records that the listener has no connection.
    pub fn disconnect(&self) {
        self.observe(Delivery::Failed);
    }

    /// Waits until the next heartbeat is due: after the interval, but not while one is awaited, or when the listener has a
    /// new connection.
    pub fn wait_until_due(&self) {
        let wait = |limit, condition: fn(&mut State) -> bool| {
            let waited = self
                .heartbeat_due
                .wait_timeout_while(self.lock(), limit, condition);
            drop(waited);
        };
        wait(INTERVAL, |state| !state.is_requested);
        wait(MAX_DELAY, |state| {
            state.awaited.is_some() && !state.is_requested
        });
    }

    fn observe(&self, delivery: Delivery) {
        let previous = self.observed.swap(delivery as u8, Ordering::Relaxed);
        if delivery == Delivery::Failed && previous != Delivery::Failed as u8 {
            tracing::warn!(
                "notifications of the database do not arrive: every request reads its caller from the database"
            );
        } else if delivery == Delivery::Proven && previous == Delivery::Failed as u8 {
            tracing::info!("notifications of the database arrive again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_awaited_announcement_is_a_proof() {
        let proof = DeliveryProof::default();
        assert_eq!(proof.check(), Delivery::Unproven);
        let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
        assert!(!proof.receive(first), "nothing was sent");
        proof.expect(first);
        assert!(
            !proof.receive(second),
            "the notification of another replica"
        );
        assert!(proof.receive(first));
        assert_eq!(proof.check(), Delivery::Proven);
        proof.expect(second);
        assert!(
            !proof.receive(first),
            "a notification that was delivered twice"
        );
        proof.restart();
        assert!(!proof.receive(second), "sent before the listener connected");
        assert_eq!(proof.check(), Delivery::Unproven);
    }

    #[test]
    fn a_lost_announcement_ends_the_proof() {
        let proof = DeliveryProof::default();
        let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
        proof.expect(first);
        assert!(proof.receive(first));
        proof.expect(second);
        std::thread::sleep(MAX_DELAY);
        assert_eq!(proof.check(), Delivery::Failed);
        assert!(!proof.is_proven());
    }
}
