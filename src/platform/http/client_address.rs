//! Determines the client's IP address. Forwarding headers are used only if the peer is a trusted proxy. If a hop can't be
//! parsed, the last parsed hop is used, so that a client can't evade rate limits with a malformed header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::http::header::{self, HeaderMap, HeaderName};

use super::ip_network::IpNetwork;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The maximum number of hops that are followed.
const MAX_HOPS: usize = 16;

/// The client's address: `peer` unless it is a trusted proxy, otherwise the nearest hop that is not a trusted proxy.
/// A peer without an address is connected over a Unix socket and is treated as 127.0.0.1.
#[must_use]
pub fn client_address(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted_proxies: &[IpNetwork],
) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.to_canonical());
    if !is_trusted(peer, trusted_proxies) {
        return peer;
    }
    let x_forwarded_for =
        nearest_untrusted_hop(peer, headers, &X_FORWARDED_FOR, trusted_proxies, parse_hop);
    let forwarded = nearest_untrusted_hop(
        peer,
        headers,
        &header::FORWARDED,
        trusted_proxies,
        parse_forwarded_element,
    );
    match (x_forwarded_for, forwarded) {
        (Some(address), None) | (None, Some(address)) => address,
        (Some(first), Some(second)) if first == second => first,
        // A proxy sets one of the two headers and may pass on the other one unchanged from the client. It is unknown
        // which, so both are ignored.
        (Some(_), Some(_)) | (None, None) => peer,
    }
}

fn is_trusted(address: IpAddr, trusted_proxies: &[IpNetwork]) -> bool {
    trusted_proxies
        .iter()
        .any(|network| network.contains(address))
}

/// Follows the hops in the header `name` from the last one to the first. Returns `None` if the header is absent.
fn nearest_untrusted_hop(
    peer: IpAddr,
    headers: &HeaderMap,
    name: &HeaderName,
    trusted_proxies: &[IpNetwork],
    parse: fn(&str) -> Option<IpAddr>,
) -> Option<IpAddr> {
    let lines: Vec<_> = headers.get_all(name).collect();
    if lines.is_empty() {
        return None;
    }
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
        if !is_trusted(address, trusted_proxies) {
            break;
        }
    }
    Some(client)
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

    fn trusted_proxies() -> Vec<IpNetwork> {
        ["10.0.0.0/8", "fd00::/8", "192.0.2.7"]
            .map(|text| text.parse().unwrap())
            .to_vec()
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
        client_address(Some(address(peer)), &headers(&lines), &trusted_proxies()).to_string()
    }

    fn client_by_forwarded(line: &str) -> String {
        let headers = headers(&[(header::FORWARDED, line)]);
        client_address(Some(address(PROXY)), &headers, &trusted_proxies()).to_string()
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
    fn contradicting_headers_are_both_ignored() {
        let client = |x_forwarded_for: &str, forwarded: &str| {
            let headers = headers(&[
                (X_FORWARDED_FOR, x_forwarded_for),
                (header::FORWARDED, forwarded),
            ]);
            client_address(Some(address(PROXY)), &headers, &trusted_proxies()).to_string()
        };
        assert_eq!(client(CLIENT, "for=203.0.113.9"), CLIENT);
        assert_eq!(client(CLIENT, "for=6.6.6.6"), PROXY);
        assert_eq!(client("6.6.6.6", "for=203.0.113.9"), PROXY);
    }

    #[test]
    fn unix_socket_peer_is_treated_as_loopback() {
        let headers = headers(&[(X_FORWARDED_FOR, CLIENT)]);
        let client = |trusted: &[IpNetwork]| client_address(None, &headers, trusted).to_string();
        assert_eq!(client(&[]), "127.0.0.1");
        assert_eq!(client(&["127.0.0.0/8".parse().unwrap()]), CLIENT);
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
            let _ = client_address(Some(address(PROXY)), &headers, &trusted_proxies());
        }

        #[test]
        fn hops_prepended_by_the_client_are_ignored(forged in "[ -~]{0,60}") {
            prop_assert_eq!(client_by_x_forwarded_for(PROXY, &[&format!("{forged},{CLIENT}")]), CLIENT);
        }
    }
}
