//! Determines the client's IP address. The configured forwarding header is used only if the peer is a trusted proxy. If a
//! hop can't be parsed, the last parsed hop is used, so that a client can't evade rate limits with a malformed header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{self, HeaderMap, HeaderName};

use super::ip_network::IpNetwork;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The maximum number of hops that are followed.
const MAX_HOPS: usize = 16;

/// The header in which the trusted proxies pass on the client's address. The other one is ignored: a proxy that does not
/// set it may pass it on unchanged from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies whose forwarding header is used.
#[derive(Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNetwork>,
    header: ForwardedHeader,
    has_warned: AtomicBool,
}

impl TrustedProxies {
    /// Trusts this header from peers in these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNetwork>, header: ForwardedHeader) -> Self {
        Self {
            networks,
            header,
            has_warned: AtomicBool::new(false),
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }

    /// Warns of a forwarding header from a peer that is not trusted. Only the first one is logged, because any client can
    /// send one.
    fn warn_of_ignored_header(&self, peer: IpAddr, headers: &HeaderMap) {
        let has_header =
            headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
        if has_header && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "ignored a forwarding header from {peer}, which is not in ROSTERD_TRUSTED_PROXIES: if it is your proxy, add it there; \
                 this is logged once"
            );
        }
    }
}

/// The client's address: `peer` unless it is a trusted proxy, otherwise the nearest hop that is not a trusted proxy.
/// A peer without an address is connected over a Unix socket and is treated as 127.0.0.1.
#[must_use]
pub fn client_address(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted_proxies: &TrustedProxies,
) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.to_canonical());
    if !trusted_proxies.contains(peer) {
        trusted_proxies.warn_of_ignored_header(peer, headers);
        return peer;
    }
    let (name, parse): (_, fn(&str) -> _) = match trusted_proxies.header {
        ForwardedHeader::XForwardedFor => (&X_FORWARDED_FOR, parse_hop),
        ForwardedHeader::Forwarded => (&header::FORWARDED, parse_forwarded_element),
    };
    // From the last hop to the first.
    let lines: Vec<_> = headers.get_all(name).collect();
    let hops = lines
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
    let mut client = peer;
    for hop in hops.take(MAX_HOPS) {
        let Some(address) = std::str::from_utf8(hop).ok().and_then(parse) else {
            break;
        };
        client = address;
        if !trusted_proxies.contains(address) {
            break;
        }
    }
    client
}

/// Parses an address, optionally with brackets, zone and port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        let (address, suffix) = rest.split_once(']')?;
        let is_port_valid = suffix.is_empty() || suffix.strip_prefix(':').is_some_and(is_port);
        return is_port_valid.then(|| parse_ipv6(address)).flatten();
    }
    if let Some(address) = parse_ipv6(text) {
        return Some(address);
    }
    let address = match text.split_once(':') {
        Some((address, port)) if is_port(port) => address,
        Some(_) => return None,
        None => text,
    };
    address.parse().ok().map(IpAddr::V4)
}

fn parse_ipv6(text: &str) -> Option<IpAddr> {
    let address = text
        .split_once('%')
        .map_or(text, |(address, _zone)| address);
    address
        .parse::<Ipv6Addr>()
        .ok()
        .map(|address| IpAddr::V6(address).to_canonical())
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

/// Parses the `for` parameter of one `Forwarded` element (RFC 7239, section 4). Splitting at commas and semicolons is
/// safe, because addresses contain neither.
fn parse_forwarded_element(text: &str) -> Option<IpAddr> {
    let mut nodes = text.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then_some(value.trim())
    });
    match (nodes.next(), nodes.next()) {
        (Some(node), None) => match node.strip_prefix('"') {
            Some(quoted) => parse_hop(quoted.strip_suffix('"')?),
            None => parse_hop(node),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    const CLIENT: &str = "203.0.113.9";
    const PROXY: &str = "10.0.0.1";

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn trusted_proxies(header: ForwardedHeader) -> TrustedProxies {
        let networks = ["10.0.0.0/8", "fd00::/8", "192.0.2.7"].map(|text| text.parse().unwrap());
        TrustedProxies::new(networks.to_vec(), header)
    }

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(
                name.clone(),
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        headers
    }

    /// The client's address for a request from `peer` with these `X-Forwarded-For` lines.
    fn client_by_x_forwarded_for(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| (X_FORWARDED_FOR, *line)).collect();
        let trusted_proxies = trusted_proxies(ForwardedHeader::XForwardedFor);
        client_address(Some(address(peer)), &headers(&lines), &trusted_proxies).to_string()
    }

    fn client_by_forwarded(line: &str) -> String {
        let headers = headers(&[(header::FORWARDED, line)]);
        let trusted_proxies = trusted_proxies(ForwardedHeader::Forwarded);
        client_address(Some(address(PROXY)), &headers, &trusted_proxies).to_string()
    }

    #[test]
    fn headers_of_an_untrusted_peer_are_ignored() {
        let client = client_by_x_forwarded_for;
        assert_eq!(client("198.51.100.1", &["1.2.3.4"]), "198.51.100.1");
        assert_eq!(client("127.0.0.1", &["1.2.3.4"]), "127.0.0.1");
        assert_eq!(client("::ffff:198.51.100.1", &[]), "198.51.100.1");
    }

    #[test]
    fn nearest_untrusted_hop_behind_trusted_proxies_is_the_client() {
        let client = client_by_x_forwarded_for;
        assert_eq!(client(PROXY, &[]), PROXY);
        assert_eq!(client(PROXY, &[CLIENT]), CLIENT);
        assert_eq!(
            client(PROXY, &["6.6.6.6, 203.0.113.9, 192.0.2.7,fd00::1"]),
            CLIENT
        );
        assert_eq!(
            client(PROXY, &["6.6.6.6", "203.0.113.9", "10.9.9.9"]),
            CLIENT
        );
        assert_eq!(client("::ffff:10.0.0.1", &[CLIENT]), CLIENT);
        assert_eq!(client(PROXY, &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn malformed_hop_ends_the_chain_at_the_last_valid_one() {
        let client = client_by_x_forwarded_for;
        for malformed in [
            "a",
            "",
            "unknown",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.4:99999",
            "[::1",
            "é",
            "1.2.3.4 5.6.7.8",
        ] {
            assert_eq!(
                client(PROXY, &[&format!("{CLIENT}, {malformed}")]),
                PROXY,
                "{malformed}"
            );
            assert_eq!(
                client(PROXY, &[&format!("{CLIENT}, {malformed}, 10.0.0.2")]),
                "10.0.0.2",
                "{malformed}"
            );
        }
    }

    #[test]
    fn hops_may_have_brackets_zones_and_ports() {
        for (hop, expected) in [
            ("203.0.113.9:4711", CLIENT),
            ("::ffff:203.0.113.9", CLIENT),
            ("[::ffff:203.0.113.9]:80", CLIENT),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:443", "fe80::1"),
        ] {
            assert_eq!(client_by_x_forwarded_for(PROXY, &[hop]), expected, "{hop}");
        }
    }

    #[test]
    fn forwarded_header_follows_the_same_rules() {
        assert_eq!(
            client_by_forwarded("for=203.0.113.9;proto=https;by=10.0.0.1"),
            CLIENT
        );
        assert_eq!(
            client_by_forwarded("proto=https; For=\"[2001:db8::1]:4711\""),
            "2001:db8::1"
        );
        assert_eq!(
            client_by_forwarded("for=6.6.6.6, for=203.0.113.9, for=10.0.0.2"),
            CLIENT
        );
        assert_eq!(
            client_by_forwarded("for=\"6.6.6.6, for=203.0.113.9"),
            CLIENT
        );
        for malformed in [
            "for=unknown",
            "for=_hidden",
            "proto=https",
            "for=\"1.2.3.4",
            "for=1.2.3.4;for=5.6.7.8",
            "",
        ] {
            assert_eq!(client_by_forwarded(malformed), PROXY, "{malformed}");
        }
    }

    #[test]
    fn only_the_configured_header_counts() {
        let client = |header: ForwardedHeader, lines: &[(HeaderName, &str)]| {
            let trusted_proxies = trusted_proxies(header);
            client_address(Some(address(PROXY)), &headers(lines), &trusted_proxies).to_string()
        };
        let both = [
            (X_FORWARDED_FOR, CLIENT),
            (header::FORWARDED, "for=6.6.6.6"),
        ];
        assert_eq!(client(ForwardedHeader::XForwardedFor, &both), CLIENT);
        assert_eq!(client(ForwardedHeader::Forwarded, &both), "6.6.6.6");
        assert_eq!(client(ForwardedHeader::XForwardedFor, &both[1..]), PROXY);
        assert_eq!(client(ForwardedHeader::Forwarded, &both[..1]), PROXY);
    }

    #[test]
    fn unix_socket_peer_is_treated_as_loopback() {
        let headers = headers(&[(X_FORWARDED_FOR, CLIENT)]);
        let client = |networks| {
            let trusted = TrustedProxies::new(networks, ForwardedHeader::XForwardedFor);
            client_address(None, &headers, &trusted).to_string()
        };
        assert_eq!(client(Vec::new()), "127.0.0.1");
        assert_eq!(client(vec!["127.0.0.0/8".parse().unwrap()]), CLIENT);
    }

    #[test]
    fn at_most_16_hops_are_followed() {
        let hops = (1..=250)
            .map(|last| format!("10.0.0.{last}"))
            .collect::<Vec<_>>()
            .join(",");
        assert_eq!(
            client_by_x_forwarded_for(PROXY, &[&format!("{CLIENT},{hops}")]),
            "10.0.0.235"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_headers_do_not_panic(x_forwarded_for in "[ -~]{0,60}", forwarded in "[ -~]{0,60}") {
            let headers = headers(&[(X_FORWARDED_FOR, &x_forwarded_for), (header::FORWARDED, &forwarded)]);
            for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
                let _ = client_address(Some(address(PROXY)), &headers, &trusted_proxies(header));
            }
        }

        #[test]
        fn hops_prepended_by_the_client_are_ignored(forged in "[ -~]{0,60}") {
            prop_assert_eq!(client_by_x_forwarded_for(PROXY, &[&format!("{forged},{CLIENT}")]), CLIENT);
        }
    }
}
