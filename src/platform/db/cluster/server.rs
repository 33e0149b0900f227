//! The server of one data folder: which programs run it, whether it answers, how it stops. Refuses to decide who may
//! stop it: its callers hold the start lock.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use super::{
    ClusterError, Durability, NAME, Options,
    folder::{Folder, PGDATA, run},
    programs::Programs,
};

/// A server that is asked and says nothing for so long is not ready.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

pub(super) struct Server {
    pub folder: Folder,
    pub programs: Programs,
    pub durability: Durability,
    pub max_connections: u32,
}

/// How a server takes a new connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ready,
    /// It starts, recovers or stops.
    NotYet,
    /// Nothing listens.
    Nobody,
}

impl Server {
    /// The server for the data in `folder`, or for a new cluster if there is none yet.
    pub fn find(folder: Folder, options: &Options) -> Result<Self, ClusterError> {
        let version = fs::read_to_string(folder.path(PGDATA).join("PG_VERSION"));
        let programs = match version.ok().and_then(|version| version.trim().parse().ok()) {
            Some(major) => Programs::of_major(&options.search_path, major).ok_or_else(|| {
                ClusterError::NoProgramsOf {
                    major,
                    data_dir: folder.root.clone(),
                }
            })?,
            None => Programs::newest(&options.search_path).ok_or(ClusterError::NoPrograms)?,
        };
        Ok(Self {
            folder,
            programs,
            durability: options.durability,
            max_connections: options.max_connections,
        })
    }

    pub fn has_database(&self) -> bool {
        self.folder.path(PGDATA).join("PG_VERSION").is_file()
    }

    /// Asks by a connection. Only the owner can listen in the socket's folder, so an answer is this cluster's.
    pub fn answer(&self) -> Result<Answer, ClusterError> {
        let socket = self.folder.sockets.socket();
        match UnixStream::connect(&socket) {
            Ok(stream) => Ok(greet(stream).unwrap_or(Answer::NotYet)),
            Err(cause) => match cause.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(Answer::Nobody),
                _ => Err(ClusterError::at(socket)(cause)),
            },
        }
    }

    /// Stops the server if it runs: its sessions end, what they have not committed is rolled back.
    pub fn shut_down(&self) -> Result<(), ClusterError> {
        if self.answer()? != Answer::Nobody {
            self.pg_ctl_stop()?;
        }
        // Made again at the next start; under /tmp it would be litter.
        let _ = fs::remove_dir(&self.folder.sockets.folder);
        Ok(())
    }

    /// To be asked only while the number in the pid file is known to be the server's.
    pub fn pg_ctl_stop(&self) -> Result<(), ClusterError> {
        let mut stop = self.folder.command(self.pg_ctl());
        stop.args(["stop", "-D", PGDATA, "-m", "fast", "-w", "-t", "60"]);
        run(&mut stop)
    }

    pub fn pg_ctl(&self) -> PathBuf {
        self.programs.path("pg_ctl")
    }
}

/// Sends the first message of a session (PostgreSQL's `StartupMessage`, protocol 3.0) and looks at the answer.
fn greet(mut stream: UnixStream) -> io::Result<Answer> {
    let body = format!("user\0{NAME}\0database\0{NAME}\0\0");
    let length = u32::try_from(body.len() + 8).map_err(io::Error::other)?;
    let version = 3_u32 << 16;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&version.to_be_bytes())?;
    stream.write_all(body.as_bytes())?;

    stream.set_read_timeout(Some(LONGEST_ANSWER))?;
    let mut answer = [0; 512];
    let read = stream.read(&mut answer)?;
    // No answer, or an error with the SQLSTATE 57P03 (cannot_connect_now): not yet. Any other error, such as 53300
    // (too_many_connections), comes from a server that is up.
    let not_yet = read == 0 || answer.windows(6).any(|field| field == b"C57P03");
    Ok(if not_yet {
        Answer::NotYet
    } else {
        Answer::Ready
    })
}
