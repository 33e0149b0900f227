//! The PostgreSQL server of one data directory: which installation runs it, whether it accepts connections, how it is
//! stopped. Callers hold the start lock.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use super::data_dir::{DataDir, run};
use super::error::ClusterError;
use super::installation::Installation;
use super::layout::PGDATA;
use super::options::{ClusterOptions, Durability, NAME};

/// A server that does not reply within this time is not ready.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Server {
    pub data_dir: DataDir,
    pub installation: Installation,
    pub durability: Durability,
    pub max_connections: u32,
}

/// How the server responds to a new connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServerStatus {
    AcceptsConnections,
    /// The server is starting, recovering or stopping.
    NotReady,
    NotListening,
}

impl Server {
    /// The server for the existing cluster, or for a new one if there is none yet.
    pub fn new(data_dir: DataDir, options: &ClusterOptions) -> Result<Self, ClusterError> {
        let search_path = &options.search_path;
        let version = fs::read_to_string(data_dir.path(PGDATA).join("PG_VERSION"));
        let installation = match version.ok().and_then(|version| version.trim().parse().ok()) {
            Some(major) => Installation::with_major(search_path, major).ok_or_else(|| {
                ClusterError::VersionNotInstalled {
                    major,
                    data_dir: data_dir.root.clone(),
                }
            })?,
            None => Installation::newest(search_path).ok_or(ClusterError::NotInstalled)?,
        };
        Ok(Self {
            data_dir,
            installation,
            durability: options.durability,
            max_connections: options.max_connections,
        })
    }

    pub fn has_database(&self) -> bool {
        self.data_dir.path(PGDATA).join("PG_VERSION").is_file()
    }

    /// Connects to the socket to find out. Only the cluster's user can create a socket in its directory, so a reply comes
    /// from this cluster.
    pub fn status(&self) -> Result<ServerStatus, ClusterError> {
        let socket = self.data_dir.socket_dir.socket();
        match UnixStream::connect(&socket) {
            Ok(stream) => Ok(send_startup_message(stream).unwrap_or(ServerStatus::NotReady)),
            Err(cause) => match cause.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    Ok(ServerStatus::NotListening)
                }
                _ => Err(ClusterError::at(socket)(cause)),
            },
        }
    }

    /// Stops the server if it runs. Its sessions are terminated and their open transactions rolled back.
    pub fn stop(&self) -> Result<(), ClusterError> {
        if self.status()? != ServerStatus::NotListening {
            self.run_pg_ctl_stop()?;
        }
        // The next start creates it again. Removed because it may be in /tmp.
        let _ = fs::remove_dir(&self.data_dir.socket_dir.path);
        Ok(())
    }

    /// Call this only while the pid file is known to contain the pid of this cluster's server.
    pub fn run_pg_ctl_stop(&self) -> Result<(), ClusterError> {
        let mut stop = self.data_dir.command(self.pg_ctl());
        stop.args(["stop", "-D", PGDATA, "-m", "fast", "-w", "-t", "60"]);
        run(&mut stop)
    }

    pub fn pg_ctl(&self) -> PathBuf {
        self.installation.path("pg_ctl")
    }
}

/// Sends the first message of a session (PostgreSQL's `StartupMessage`, protocol 3.0) and reads the reply.
fn send_startup_message(mut stream: UnixStream) -> io::Result<ServerStatus> {
    let body = format!("user\0{NAME}\0database\0{NAME}\0\0");
    let length = u32::try_from(body.len() + 8).map_err(io::Error::other)?;
    let version = 3_u32 << 16;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&version.to_be_bytes())?;
    stream.write_all(body.as_bytes())?;

    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    let mut reply = [0; 512];
    let length = stream.read(&mut reply)?;
    // Not ready: no reply, or an error with the SQLSTATE 57P03 (cannot_connect_now). Any other error, such as 53300
    // (too_many_connections), comes from a server that is ready.
    let is_not_ready = length == 0 || reply.windows(6).any(|field| field == b"C57P03");
    Ok(if is_not_ready {
        ServerStatus::NotReady
    } else {
        ServerStatus::AcceptsConnections
    })
}
