//! Addresses that are ours before anybody is heard there: one that is taken is found at once, and whoever calls too early
//! is refused, not left waiting.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::platform::config::Config;
use crate::platform::start_error::StartError;

/// How many callers may wait for their connection to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1024;

/// All addresses of a service.
pub struct Ports {
    service: Port,
    metrics: Option<Port>,
}

/// Where callers are let in.
pub struct Listeners {
    pub service: TcpListener,
    pub metrics: Option<TcpListener>,
}

impl Ports {
    /// Takes them.
    ///
    /// # Errors
    /// When somebody else listens there, or they are none of this machine's.
    pub fn take(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            service: Port::take(config.addr).map_err(no_service)?,
            metrics: config
                .metrics_addr
                .map(Port::take)
                .transpose()
                .map_err(no_metrics)?,
        })
    }

    /// Where the service will listen, with the port that the system chose where 0 was asked for.
    pub const fn addr(&self) -> SocketAddr {
        self.service.addr
    }

    /// Lets callers in.
    ///
    /// # Errors
    /// When somebody else took the same address meanwhile, and listened first.
    pub fn listen(self) -> Result<Listeners, StartError> {
        Ok(Listeners {
            service: self.service.listen().map_err(no_service)?,
            metrics: self
                .metrics
                .map(Port::listen)
                .transpose()
                .map_err(no_metrics)?,
        })
    }
}

fn no_service(error: io::Error) -> StartError {
    StartError::Io("ROSTERD_ADDR can't be listened on", error)
}

fn no_metrics(error: io::Error) -> StartError {
    StartError::Io("ROSTERD_METRICS_ADDR can't be listened on", error)
}

/// A bound socket that does not listen yet.
struct Port {
    socket: Socket,
    addr: SocketAddr,
}

impl Port {
    fn take(addr: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of an earlier process may linger there.
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
    fn callers_are_refused_until_the_service_is_ready() {
        let port = Port::take("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = port.addr;
        assert_ne!(addr.port(), 0);
        let refused = TcpStream::connect(addr).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let listener = port.listen().unwrap();
        TcpStream::connect(addr).unwrap();
        let taken = Port::take(addr).err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
    }
}
