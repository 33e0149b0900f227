//! The sockets of the service and of the metrics. They are bound at the beginning of the start, so that an address in use
//! is reported before anything is created; connections are refused until the service is ready.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::platform::config::Config;
use crate::platform::start_error::StartError;

/// The maximum length of the queue of connections that wait to be accepted; the kernel may use a lower one.
const BACKLOG: i32 = 1024;

/// The bound sockets, which do not listen yet.
pub struct BoundSockets {
    service: BoundSocket,
    metrics: Option<BoundSocket>,
}

/// The listening sockets.
pub struct Listeners {
    pub service: TcpListener,
    pub metrics: Option<TcpListener>,
}

impl BoundSockets {
    /// Binds `ROSTERD_ADDR` and, if set, `ROSTERD_METRICS_ADDR`.
    ///
    /// # Errors
    /// When an address is in use or does not belong to this machine.
    pub fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            service: BoundSocket::bind(config.addr).map_err(service_error)?,
            metrics: config
                .metrics_addr
                .map(BoundSocket::bind)
                .transpose()
                .map_err(metrics_error)?,
        })
    }

    /// The address of the service; a configured port 0 is replaced by the port that the kernel chose.
    pub const fn service_addr(&self) -> SocketAddr {
        self.service.addr
    }

    /// Starts to accept connections.
    ///
    /// # Errors
    /// When another process listens on the same address.
    pub fn listen(self) -> Result<Listeners, StartError> {
        Ok(Listeners {
            service: self.service.listen().map_err(service_error)?,
            metrics: self
                .metrics
                .map(BoundSocket::listen)
                .transpose()
                .map_err(metrics_error)?,
        })
    }
}

fn service_error(error: io::Error) -> StartError {
    StartError::Io("can't listen on ROSTERD_ADDR", error)
}

fn metrics_error(error: io::Error) -> StartError {
    StartError::Io("can't listen on ROSTERD_METRICS_ADDR", error)
}

/// A socket that is bound and does not listen yet.
struct BoundSocket {
    socket: Socket,
    addr: SocketAddr,
}

impl BoundSocket {
    fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of an earlier process may still be in TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        let bound = socket.local_addr()?.as_socket();
        let addr = bound.ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { socket, addr })
    }

    fn listen(self) -> io::Result<TcpListener> {
        self.socket.listen(BACKLOG)?;
        Ok(self.socket.into())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn connections_are_refused_until_the_socket_listens() {
        let socket = BoundSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = socket.addr;
        assert_ne!(addr.port(), 0);
        let error = TcpStream::connect(addr).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let listener = socket.listen().unwrap();
        TcpStream::connect(addr).unwrap();
        let error = BoundSocket::bind(addr).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
    }
}
