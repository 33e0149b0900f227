//! Limits on open connections, in total and per peer, so that one client cannot use up the file descriptors of the process.
//!
//! A connection above a limit is answered with 503 and closed. Of these there is a limited number too; further ones are closed
//! without a response. Loopback addresses and trusted proxies have no limit of their own, because many callers share them.

use std::any::Any;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Shutdown};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;

use super::ip_network::IpNetwork;

/// The limits.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// The maximum number of connections.
    pub max_total: usize,
    /// The maximum number of connections of one IPv4 address or IPv6 /64 network.
    pub max_per_peer: usize,
    /// The proxies to which `max_per_peer` does not apply.
    pub trusted_proxies: Vec<IpNetwork>,
}

/// The open connections of the process. Clones share the state.
#[derive(Clone)]
pub struct OpenConnections(Arc<Shared>);

struct Shared {
    limits: ConnectionLimits,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Connections within the limits.
    served: usize,
    /// Connections that are answered with 503.
    surplus: usize,
    /// Connections within the limits, by peer.
    per_peer: HashMap<IpAddr, usize>,
}

/// The place of one connection in the counts, which is given back when it is dropped.
pub struct ConnectionSlot {
    connections: OpenConnections,
    kind: SlotKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlotKind {
    /// Within the limits, and counted for this peer if it has a limit of its own.
    Served(Option<IpAddr>),
    /// Above a limit.
    Surplus,
}

impl OpenConnections {
    /// No connections yet.
    #[must_use]
    pub fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            counts: Mutex::default(),
        }))
    }

    /// Counts a new connection: for `HttpServer::on_connect`. Its slot is kept in `extensions` until it is closed. A connection
    /// that must not even be answered is shut down.
    pub fn accept(&self, io: &dyn Any, extensions: &mut Extensions) {
        let stream = tcp_stream(io);
        let peer = stream.and_then(|stream| stream.peer_addr().ok());
        // A peer that is already disconnected is counted in the total.
        let address = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.ip());
        match (self.admit(address), stream) {
            (Some(slot), _) => drop(extensions.insert(slot)),
            // The server sees the end of the stream and closes the connection.
            (None, Some(stream)) => drop(SockRef::from(stream).shutdown(Shutdown::Both)),
            (None, None) => {}
        }
    }

    /// The slot for a new connection, or `None` if it must be closed.
    fn admit(&self, peer: IpAddr) -> Option<ConnectionSlot> {
        let limits = &self.0.limits;
        let peer = self.limited_peer(peer);
        let mut counts = self.counts();
        let of_peer = peer.map_or(0, |peer| counts.per_peer.get(&peer).copied().unwrap_or(0));
        let kind = if counts.served < limits.max_total && of_peer < limits.max_per_peer {
            counts.served += 1;
            if let Some(peer) = peer {
                counts.per_peer.insert(peer, of_peer + 1);
            }
            SlotKind::Served(peer)
        } else if counts.surplus < max_surplus(limits.max_total) {
            counts.surplus += 1;
            SlotKind::Surplus
        } else {
            return None;
        };
        drop(counts);
        let connections = self.clone();
        Some(ConnectionSlot { connections, kind })
    }

    /// The address that the connections of `peer` are counted under; `None` if the peer has no limit of its own.
    fn limited_peer(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let proxies = &self.0.limits.trusted_proxies;
        if peer.is_loopback() || proxies.iter().any(|network| network.contains(peer)) {
            return None;
        }
        Some(match peer {
            IpAddr::V4(_) => peer,
            // One subscriber usually has a whole /64.
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        })
    }

    /// The number of open connections.
    #[must_use]
    pub fn count(&self) -> usize {
        let counts = self.counts();
        counts.served + counts.surplus
    }

    /// Whether three quarters of the connections are in use. Responses then close their connection, so that idle connections
    /// do not keep others from connecting.
    fn is_under_pressure(&self) -> bool {
        self.counts().served >= self.0.limits.max_total.div_ceil(4) * 3
    }

    /// Locks the counts. A poisoned lock is ignored, because no code that holds it can panic.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The TCP connection of a connection of the HTTP server, with or without TLS.
fn tcp_stream(io: &dyn Any) -> Option<&TcpStream> {
    let of_tls = || Some(io.downcast_ref::<TlsStream<TcpStream>>()?.get_ref().0);
    io.downcast_ref().or_else(of_tls)
}

/// The number of connections that may wait for their 503, besides those within the limits.
fn max_surplus(max_total: usize) -> usize {
    max_total.div_ceil(10)
}

impl ConnectionSlot {
    /// Whether the connection is above a limit, and must be answered with 503.
    #[must_use]
    pub fn is_surplus(&self) -> bool {
        self.kind == SlotKind::Surplus
    }

    /// Whether the connection must be closed after the response.
    #[must_use]
    pub fn must_close(&self) -> bool {
        self.is_surplus() || self.connections.is_under_pressure()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut counts = self.connections.counts();
        match self.kind {
            SlotKind::Surplus => counts.surplus -= 1,
            SlotKind::Served(peer) => {
                counts.served -= 1;
                if let Some(peer) = peer
                    && let Some(count) = counts.per_peer.get_mut(&peer)
                {
                    *count -= 1;
                    if *count == 0 {
                        counts.per_peer.remove(&peer);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(max_total: usize, max_per_peer: usize) -> OpenConnections {
        OpenConnections::new(ConnectionLimits {
            max_total,
            max_per_peer,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        })
    }

    /// Opens this many connections. Returns those within the limits.
    fn open(connections: &OpenConnections, peer: &str, count: usize) -> Vec<ConnectionSlot> {
        let peer = peer.parse().unwrap();
        (0..count)
            .filter_map(|_| connections.admit(peer))
            .filter(|slot| !slot.is_surplus())
            .collect()
    }

    #[test]
    fn one_peer_cannot_use_the_connections_of_others() {
        let connections = connections(100, 5);
        let attacker = open(&connections, "203.0.113.7", 50);
        assert_eq!(attacker.len(), 5);
        assert_eq!(open(&connections, "203.0.113.8", 1).len(), 1);
        drop(attacker);
        assert_eq!(open(&connections, "203.0.113.7", 50).len(), 5);
        assert!(connections.counts().per_peer.is_empty());
    }

    #[test]
    fn ipv6_connections_are_counted_by_network() {
        let connections = connections(100, 2);
        let _first = open(&connections, "2001:db8:1:2::1", 1);
        let _second = open(&connections, "2001:db8:1:2:ffff::2", 1);
        assert!(open(&connections, "2001:db8:1:2::3", 1).is_empty());
        assert_eq!(open(&connections, "2001:db8:1:3::1", 1).len(), 1);
        let _mapped = open(&connections, "::ffff:203.0.113.7", 2);
        assert!(open(&connections, "203.0.113.7", 1).is_empty());
    }

    #[test]
    fn loopback_and_trusted_proxies_have_only_the_total_limit() {
        let connections = connections(20, 1);
        let local = open(&connections, "127.0.0.1", 8);
        let proxied = open(&connections, "10.1.2.3", 8);
        assert_eq!((local.len(), proxied.len()), (8, 8));
        assert_eq!(open(&connections, "::1", 8).len(), 4);
    }

    #[test]
    fn surplus_connections_are_limited_and_closed_after_the_response() {
        let connections = connections(20, 20);
        let peer = "127.0.0.1".parse().unwrap();
        let served = open(&connections, "127.0.0.1", 15);
        assert!(served.iter().all(ConnectionSlot::must_close));
        drop(served);
        let few = open(&connections, "127.0.0.1", 14);
        assert!(!few.iter().any(ConnectionSlot::must_close));
        let _all = open(&connections, "127.0.0.1", 6);
        let surplus: Vec<_> = (0..5).map_while(|_| connections.admit(peer)).collect();
        assert_eq!(surplus.len(), 2);
        assert!(surplus.iter().all(ConnectionSlot::must_close));
        drop((few, surplus));
        assert_eq!(open(&connections, "127.0.0.1", 1).len(), 1);
    }
}
