//! Several processes that use one cluster, and the end of the last one.

use std::thread;

use rosterd::platform::db::private_cluster::Cluster;

use super::{ClusterDir, ClusterProcess, count_rows, insert_row, pids_with_cwd, wait_until};
use crate::support::binary::is_alive;

#[test]
fn concurrent_starts_create_one_cluster() {
    check_concurrent_starts();
}

#[test]
#[ignore = "long: run by make test-long"]
fn concurrent_starts_create_one_cluster_in_twenty_rounds() {
    for _ in 0..20 {
        check_concurrent_starts();
    }
}

fn check_concurrent_starts() {
    let dir = ClusterDir::new();
    let opened: Vec<(Cluster, String)> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| dir.open_with_progress()))
            .collect();
        let opened = starts.into_iter().map(|start| start.join().unwrap());
        opened.collect()
    });
    let count = |message| {
        opened
            .iter()
            .filter(|(_, progress)| progress.contains(message))
            .count()
    };
    assert_eq!((count("creating"), count("starting")), (1, 1));
    for (cluster, _) in &opened {
        insert_row(cluster);
    }
    assert_eq!(count_rows(&dir.open()), 4);
}

#[test]
fn last_process_stops_the_cluster() {
    let dir = ClusterDir::new();
    let mut first = dir.open();
    let process = ClusterProcess::start(&dir, false).wait_until_open();
    let second = dir.open();
    first.stop().unwrap();
    insert_row(&second);
    drop(second);
    let postmaster = dir.postmaster_pid();
    assert!(is_alive(postmaster), "the other process uses it");
    process.kill();
    dir.open().stop().unwrap();
    assert!(!is_alive(postmaster));
}

#[test]
fn cluster_stops_with_the_last_process_that_requested_it() {
    let dir = ClusterDir::new();
    let first = ClusterProcess::start(&dir, true).wait_until_open();
    let second = ClusterProcess::start(&dir, true).wait_until_open();
    let postmaster = dir.postmaster_pid();
    first.kill();
    // The watcher of the first process ends after it has checked for other users.
    wait_until(|| count_watchers(&dir) == 1);
    assert!(is_alive(postmaster), "the second process uses it");
    second.kill();
    wait_until(|| !is_alive(postmaster));
    wait_until(|| count_watchers(&dir) == 0);
    assert!(!dir.pid_file().exists());
}

#[test]
fn stopping_a_cluster_ends_its_watcher() {
    let dir = ClusterDir::new();
    let mut options = dir.options();
    options.stop_with_parent = true;
    let mut cluster = Cluster::open(&options, &|_| ()).unwrap();
    assert_eq!(count_watchers(&dir), 1);
    cluster.stop().unwrap();
    assert_eq!(count_watchers(&dir), 0);
}

/// The number of watcher processes of this cluster. No other long-lived process has the data directory as working
/// directory.
fn count_watchers(dir: &ClusterDir) -> usize {
    pids_with_cwd(&dir.path).len()
}
