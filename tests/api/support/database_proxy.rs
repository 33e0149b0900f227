//! A TCP proxy in front of PostgreSQL that can drop connections or stop forwarding bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

/// What the proxy does with connections.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ProxyMode {
    /// Bytes are forwarded.
    Forward,
    /// Connections stay open, but no bytes are forwarded.
    Stall,
    /// Connections are closed, new ones at once.
    Disconnect,
}

/// A proxy that listens on a TCP port and forwards to a PostgreSQL server's Unix socket.
pub struct DatabaseProxy {
    addr: SocketAddr,
    mode: Arc<AtomicU8>,
    url: String,
}

impl DatabaseProxy {
    /// Starts a proxy in front of the server of this URL.
    pub fn start(url: &str) -> Self {
        let (credentials, rest) = url.split_once('@').unwrap();
        let (host, database) = rest.split_once('/').unwrap();
        // The host is a percent-encoded directory.
        let host = format!("x://x/?host={host}");
        let host = url::Url::parse(&host).unwrap();
        let directory = PathBuf::from(host.query_pairs().next().unwrap().1.into_owned());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mode = Arc::new(AtomicU8::new(ProxyMode::Forward as u8));
        let listener_mode = Arc::clone(&mode);
        thread::spawn(move || {
            for client in listener.incoming() {
                forward_connection(
                    &client.unwrap(),
                    &directory.join(".s.PGSQL.5432"),
                    &listener_mode,
                );
            }
        });
        Self {
            url: format!("{credentials}@{addr}/{database}"),
            addr,
            mode,
        }
    }

    /// The URL of the same database through the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn set_mode(&self, mode: ProxyMode) {
        self.mode.store(mode as u8, Ordering::Relaxed);
        if mode == ProxyMode::Disconnect {
            // A connection makes `accept` return once, so that the listener reads the new mode.
            drop(TcpStream::connect(self.addr));
        }
    }
}

fn forward_connection(client: &TcpStream, socket: &std::path::Path, mode: &Arc<AtomicU8>) {
    if mode.load(Ordering::Relaxed) == ProxyMode::Disconnect as u8 {
        return;
    }
    // While the server restarts, it has no socket.
    let Ok(server) = UnixStream::connect(socket) else {
        return;
    };
    let timeout = Some(Duration::from_millis(10));
    client.set_read_timeout(timeout).unwrap();
    server.set_read_timeout(timeout).unwrap();
    let both = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (to_server_mode, to_client_mode) = (Arc::clone(mode), Arc::clone(mode));
    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        copy_bytes(from, to, &to_server_mode);
        let _ = both.0.shutdown(Shutdown::Both);
        let _ = both.1.shutdown(Shutdown::Both);
    });
    let (from, to) = (server, client.try_clone().unwrap());
    thread::spawn(move || copy_bytes(from, to, &to_client_mode));
}

/// Copies bytes until one side is closed or the mode is [`ProxyMode::Disconnect`].
fn copy_bytes(mut from: impl Read, mut to: impl Write, mode: &AtomicU8) {
    let mut buffer = [0; 4096];
    loop {
        let current = mode.load(Ordering::Relaxed);
        if current == ProxyMode::Disconnect as u8 {
            return;
        }
        if current == ProxyMode::Stall as u8 {
            thread::sleep(Duration::from_millis(10));
            continue;
        }
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if to.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}
