//! The service restarts its private PostgreSQL when that dies.

use std::fs::OpenOptions;
use std::io::Write;

use crate::support::binary::{ServiceProcess, TempDir, signal};
use crate::support::wait_until;

#[test]
fn service_restarts_a_postgresql_that_was_killed() {
    let directory = TempDir::new();
    let mut service = ServiceProcess::start(&directory.private_cluster_settings());
    let password = service.generated_password();
    for _ in 0..2 {
        let killed = directory.postmaster_pid().unwrap();
        signal(killed, "-KILL");
        wait_until(|| {
            service.get("/readyz").send().status == 200 && is_restarted(&directory, killed)
        });
        assert_ne!(service.token("admin", &password), "");
    }
    service.wait_for_output("PostgreSQL is not running");
    service.wait_for_output("PostgreSQL is running again");
    service.signal("-TERM");
    assert!(service.wait_for_exit().success());
    assert_eq!(directory.postmaster_pid(), None);
}

#[test]
fn service_exits_when_postgresql_cannot_be_restarted() {
    let directory = TempDir::new();
    let mut service = ServiceProcess::start(&directory.private_cluster_settings());
    let configuration = directory.data_dir().join("pgdata/postgresql.conf");
    let mut file = OpenOptions::new().append(true).open(configuration).unwrap();
    writeln!(file, "no_such_setting = on").unwrap();
    signal(directory.postmaster_pid().unwrap(), "-KILL");
    service.wait_for_output("cannot start PostgreSQL");
    assert_eq!(service.get("/livez").send().status, 200);
    assert_eq!(service.wait_for_exit().code(), Some(1));
    let output = service.output().join("\n");
    let line = output
        .lines()
        .find(|line| line.starts_with("rosterd: "))
        .unwrap();
    assert!(line.contains("PostgreSQL did not start"), "{output}");
}

#[test]
fn service_exits_when_postgresql_dies_again_and_again() {
    let directory = TempDir::new();
    let mut service = ServiceProcess::start(&directory.private_cluster_settings());
    let mut killed = 0;
    for _ in 0..6 {
        wait_until(|| {
            service.get("/readyz").send().status == 200 && is_restarted(&directory, killed)
        });
        killed = directory.postmaster_pid().unwrap();
        signal(killed, "-KILL");
    }
    assert_eq!(service.wait_for_exit().code(), Some(1));
    let output = service.output().join("\n");
    assert!(
        output.contains("rosterd: PostgreSQL was started several times and died each time"),
        "{output}"
    );
}

fn is_restarted(directory: &TempDir, killed: u32) -> bool {
    directory.postmaster_pid().is_some_and(|pid| pid != killed)
}
