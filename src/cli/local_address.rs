//! The address under which this machine reaches its own service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address under which this machine reaches a service that listens on `addr`: loopback for `0.0.0.0` and `[::]`.
pub fn loopback_if_unspecified(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
