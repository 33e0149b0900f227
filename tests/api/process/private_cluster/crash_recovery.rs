//! Starts after a crash of rosterd or of PostgreSQL.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::{fs, thread};

use diesel::connection::SimpleConnection;
use rosterd::platform::db::private_cluster::{Cluster, is_root};

use super::{
    ClusterDir, ClusterProcess, KilledOnDrop, connect, count_rows, insert_row, kill, pids_with_cwd,
    setting, wait_until,
};
use crate::support::binary::{is_alive, signal};

#[test]
fn cluster_of_a_killed_process_is_taken_over() {
    let dir = ClusterDir::new();
    let process = ClusterProcess::start(&dir, false).wait_until_open();
    let postmaster = dir.postmaster_pid();
    process.kill();
    assert!(is_alive(postmaster));

    let (mut cluster, progress) = dir.open_with_progress();
    assert_eq!(progress, "", "nothing was created or started");
    assert_eq!(dir.postmaster_pid(), postmaster);
    insert_row(&cluster);
    cluster.stop().unwrap();
    assert!(!is_alive(postmaster));
}

#[test]
fn killed_postmaster_is_restarted_with_all_committed_rows() {
    let dir = ClusterDir::durable();
    let cluster = dir.open();
    for round in 1..=5 {
        insert_row(&cluster);
        let killed = dir.postmaster_pid();
        kill(killed);
        assert_eq!(count_rows(&dir.open()), round);
        assert_ne!(dir.postmaster_pid(), killed);
    }
}

#[test]
fn start_waits_for_the_backends_of_a_killed_postmaster() {
    let dir = ClusterDir::durable();
    let cluster = dir.open();
    insert_row(&cluster);
    let mut connection = connect(&cluster);
    connection
        .batch_execute("SELECT set_config('rosterd.session', pg_backend_pid()::text, false)")
        .unwrap();
    let session = setting(&mut connection, "rosterd.session").parse().unwrap();
    // A suspended backend does not notice the end of its postmaster, and keeps the shared memory attached.
    signal(session, "-STOP");
    kill(dir.postmaster_pid());
    thread::scope(|scope| {
        let next = scope.spawn(|| dir.open());
        let log = || fs::read_to_string(dir.path.join("postgres.log")).unwrap();
        wait_until(|| log().contains("pre-existing shared memory block"));
        signal(session, "-CONT");
        assert_eq!(count_rows(&next.join().unwrap()), 1);
    });
}

#[test]
fn stale_pid_file_that_names_an_unrelated_process_is_ignored() {
    let dir = ClusterDir::durable();
    let mut cluster = dir.open();
    insert_row(&cluster);
    let pgdata = fs::metadata(dir.path.join("pgdata")).unwrap();
    let mut unrelated = Command::new("sleep");
    unrelated.arg("600");
    if is_root() {
        // Run it as the user of the cluster: PostgreSQL ignores a pid file that names another user's process.
        unrelated.uid(pgdata.uid()).gid(pgdata.gid());
    }
    let unrelated = KilledOnDrop(unrelated.stdout(Stdio::null()).spawn().unwrap());
    let pid_file = fs::read_to_string(dir.pid_file()).unwrap();
    let lock_file = dir.path.join("socket/.s.PGSQL.5432.lock");
    let lock = fs::read_to_string(&lock_file).unwrap();
    let killed = dir.postmaster_pid();
    kill(killed);
    let reused = |text: &str| text.replacen(&killed.to_string(), &unrelated.0.id().to_string(), 1);
    fs::write(dir.pid_file(), reused(&pid_file)).unwrap();
    fs::write(&lock_file, reused(&lock)).unwrap();

    // Stopping a cluster that is gone must not signal the unrelated process.
    cluster.stop().unwrap();
    assert!(is_alive(unrelated.0.id()));
    let next = dir.open();
    assert_eq!(count_rows(&next), 1);
    assert!(is_alive(unrelated.0.id()));
}

#[test]
fn server_without_its_socket_directory_is_restarted() {
    let dir = ClusterDir::new();
    let cluster = dir.open();
    insert_row(&cluster);
    let before = dir.postmaster_pid();
    fs::remove_dir_all(dir.path.join("socket")).unwrap();
    let next = dir.open();
    assert_ne!(dir.postmaster_pid(), before);
    assert!(!is_alive(before));
    assert_eq!(count_rows(&next), 1);
}

#[test]
fn killed_first_start_is_repaired_by_the_next_one() {
    let dir = ClusterDir::new();
    let process = ClusterProcess::start(&dir, false);
    let initdb_has_started = || {
        let entries = fs::read_dir(&dir.path).into_iter().flatten().flatten();
        let mut bases = entries.map(|entry| entry.path().join("base"));
        bases.any(|base| base.exists())
    };
    wait_until(initdb_has_started);
    // While it is suspended (SIGSTOP), initdb survives the end of its parent.
    let initdb = *pids_with_cwd(&dir.path).first().unwrap();
    signal(initdb, "-STOP");
    process.kill();
    assert!(!dir.path.join("pgdata").exists());

    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let options = dir.options();
        let open = move || {
            Cluster::open(&options, &|message| {
                sender.send(message.to_owned()).unwrap();
            })
        };
        let open = scope.spawn(move || open().unwrap());
        assert!(
            receiver
                .recv()
                .unwrap()
                .starts_with("waiting for another rosterd process")
        );
        signal(initdb, "-CONT");
        assert!(
            receiver
                .recv()
                .unwrap()
                .starts_with("creating the database cluster")
        );
        insert_row(&open.join().unwrap());
    });
    let expected = [
        "password",
        "pgdata",
        "postgres.log",
        "start.lock",
        "users.lock",
    ];
    assert_eq!(dir.entries(), expected);
}
