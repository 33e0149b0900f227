//! A guard process that stops the cluster when its parent process ends, even by `kill -9`, unless another process uses
//! the cluster. For tests.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Stdio},
};

use super::error::ClusterError;
use super::layout::{PGDATA, START_LOCK, USERS_LOCK};
use super::server::Server;

/// The guard's standard input is a pipe whose write end only the parent has: it reads end of file when the parent ends.
/// It then waits, so that a test runner with one process per test does not restart the cluster for each test, and stops
/// the cluster if no other process uses it.
const SCRIPT: &str = r#"trap '' HUP INT TERM
read -r _
sleep 2
exec flock "$2" flock --nonblock "$3" "$1" stop -D "$4" -m immediate"#;

pub(super) struct GuardProcess(Child);

impl GuardProcess {
    /// Starts the guard in its own process group, so that a terminal's Ctrl-C for the parent does not end it.
    pub fn start(server: &Server) -> Result<Self, ClusterError> {
        if !server.data_dir.has_program("flock") {
            return Err(ClusterError::NoFlock);
        }
        let mut sh = server.data_dir.command("/bin/sh");
        sh.args(["-c", SCRIPT, "rosterd-guard"])
            .arg(server.pg_ctl())
            .args([START_LOCK, USERS_LOCK, PGDATA]);
        let child = sh.stdin(Stdio::piped()).process_group(0).spawn();
        child.map(Self).map_err(ClusterError::at("/bin/sh"))
    }

    /// Ends the guard without stopping the cluster.
    pub fn kill(mut self) {
        // Errors are ignored: the guard may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
