//! A way to the database that can be cut or made to swallow every byte, as networks and failing servers do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

/// What becomes of the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// They get through.
    Open,
    /// They get nowhere, and nobody is told.
    Silent,
    /// Connections end, and new ones end at once.
    Cut,
}

/// Listens on a port and leads to a PostgreSQL server's socket.
pub struct Wire {
    addr: SocketAddr,
    way: Arc<AtomicU8>,
    url: String,
}

impl Wire {
    /// To the server that this URL leads to.
    pub fn to(url: &str) -> Self {
        let (begin, rest) = url.split_once('@').unwrap();
        let (host, end) = rest.split_once('/').unwrap();
        let host = format!("x://x/?host={host}");
        let host = url::Url::parse(&host).unwrap();
        let folder = PathBuf::from(host.query_pairs().next().unwrap().1.into_owned());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let way = Arc::new(AtomicU8::new(Way::Open as u8));
        let seen = Arc::clone(&way);
        thread::spawn(move || {
            for caller in listener.incoming() {
                lead(&caller.unwrap(), &folder.join(".s.PGSQL.5432"), &seen);
            }
        });
        Self {
            url: format!("{begin}@{addr}/{end}"),
            addr,
            way,
        }
    }

    /// The same database, through here.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn turn(&self, way: Way) {
        self.way.store(way as u8, Ordering::Relaxed);
        if way == Way::Cut {
            // Wakes the listener, so that it sees the change; what it makes of the connection does not matter.
            drop(TcpStream::connect(self.addr));
        }
    }
}

fn lead(caller: &TcpStream, socket: &std::path::Path, way: &Arc<AtomicU8>) {
    if way.load(Ordering::Relaxed) == Way::Cut as u8 {
        return;
    }
    let server = UnixStream::connect(socket).unwrap();
    let pause = Some(Duration::from_millis(10));
    caller.set_read_timeout(pause).unwrap();
    server.set_read_timeout(pause).unwrap();
    let ends = (caller.try_clone().unwrap(), server.try_clone().unwrap());
    let (there, back) = (Arc::clone(way), Arc::clone(way));
    let (from, to) = (caller.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        carry(from, to, &there);
        let _ = ends.0.shutdown(Shutdown::Both);
        let _ = ends.1.shutdown(Shutdown::Both);
    });
    let (from, to) = (server, caller.try_clone().unwrap());
    thread::spawn(move || carry(from, to, &back));
}

/// Returns when one end has closed, or the way is cut.
fn carry(mut from: impl Read, mut to: impl Write, way: &AtomicU8) {
    let mut bytes = [0; 4096];
    loop {
        let now = way.load(Ordering::Relaxed);
        if now == Way::Cut as u8 {
            return;
        }
        if now == Way::Silent as u8 {
            thread::sleep(Duration::from_millis(10));
            continue;
        }
        match from.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => {
                if to.write_all(&bytes[..count]).is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}
