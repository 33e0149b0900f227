//! A request that begins after a revocation was answered is refused by every replica, also by one that receives no
//! notifications.

mod cli_commands;
mod kinds;
mod long;
mod replicas;

use super::revocation_across_replicas::{listener_pids, send_signal};
use crate::support::{TestApp, wait_until};
use kinds::KINDS;
use replicas::{Replicas, Tally};

/// Revokes each kind several times on three replicas. The listener of the last one is stopped shortly before each round, so
/// that its lease is still valid when the first revocations are committed.
#[test]
fn no_replica_accepts_what_was_revoked_before_the_request_began() {
    let first = TestApp::start();
    let second = first.start_replica();
    wait_until(|| listener_pids(&first).len() == 2);
    let deaf = first.start_replica();
    wait_until(|| listener_pids(&first).len() == 3);
    let deaf_listener = listener_pids(&first)[2];
    let replicas = Replicas::new(
        [&first, &second, &deaf]
            .map(|app| app.base.clone())
            .to_vec(),
        &first.url(),
        first.super_admin_token(),
    );
    let tally = Tally::default();
    for _ in 0..4 {
        std::thread::scope(|scope| {
            for kind in KINDS {
                scope.spawn(|| replicas.revoke_one(kind, &tally));
            }
            scope.spawn(|| {
                for _ in 0..3 {
                    send_signal(deaf_listener, "STOP");
                    std::thread::sleep(std::time::Duration::from_millis(150));
                    send_signal(deaf_listener, "CONT");
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
            });
        });
    }
    tally.assert_none_accepted();
    assert_eq!(tally.revocations(), 4 * KINDS.len());
}
