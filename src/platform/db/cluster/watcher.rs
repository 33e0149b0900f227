//! A small process that ends the cluster after its parent, however the parent ended. Refuses to end one that others use.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Stdio},
};

use super::{
    ClusterError,
    folder::{PGDATA, START_LOCK, USERS_LOCK},
    server::Server,
};

/// Its standard input is a pipe that only the parent can write to: it ends with the parent. Then it lingers, so that a
/// test runner with a process per test does not start the cluster anew for each, and stops it if nobody else uses it.
const SCRIPT: &str = r#"trap '' HUP INT TERM
read -r _
sleep 2
exec flock "$2" flock --nonblock "$3" "$1" stop -D "$4" -m immediate"#;

pub(super) struct Watcher(Child);

impl Watcher {
    /// Begins to watch, in a process group of its own: a terminal's Ctrl-C for the parent does not reach it.
    pub fn start(server: &Server) -> Result<Self, ClusterError> {
        if !server.folder.has_program("flock") {
            return Err(ClusterError::NoFlock);
        }
        let mut sh = server.folder.command("/bin/sh");
        sh.args(["-c", SCRIPT, "rosterd-watcher"])
            .arg(server.pg_ctl())
            .args([START_LOCK, USERS_LOCK, PGDATA]);
        let child = sh.stdin(Stdio::piped()).process_group(0).spawn();
        child.map(Self).map_err(ClusterError::at("/bin/sh"))
    }

    /// Ends the watcher, when the cluster needs it no more.
    pub fn dismiss(mut self) {
        // Its end is all that is wanted; one that ended already is no failure.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
