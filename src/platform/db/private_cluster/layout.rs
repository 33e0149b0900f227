//! The names of the files and directories in the data directory.

pub(super) const PGDATA: &str = "pgdata";
pub(super) const LOG: &str = "postgres.log";
/// Locked while a process creates, starts or stops the cluster.
pub(super) const START_LOCK: &str = "start.lock";
/// Locked in shared mode by every process that uses the cluster. A process that gets it in exclusive mode is the last
/// user and may stop the cluster.
pub(super) const USERS_LOCK: &str = "users.lock";
/// The name of PostgreSQL's socket for the default port. No network port is opened.
pub(super) const SOCKET: &str = ".s.PGSQL.5432";
pub(super) const PASSWORD: &str = "password";
