//! Whose request it is, by address. What a header says is believed only as far as trusted proxies vouch for it;
//! where the chain becomes unreadable, the last hop that was readable counts, so that no throttle is ever evaded.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use actix_web::http::header::{self, HeaderMap, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The longest chain of trusted proxies that is followed.
const LONGEST_CHAIN: usize = 16;

/// A range of addresses, such as `10.0.0.0/8` or `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an address or a range of addresses such as 10.0.0.0/8")]
pub struct NoNetwork;

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| NoNetwork)?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let width = width(address);
        let prefix = prefix.unwrap_or(width);
        match address.to_canonical() {
            _ if prefix > width => Err(NoNetwork),
            // A range of mapped addresses is the range of IPv4 that it maps.
            canonical if canonical.is_ipv4() && address.is_ipv6() => {
                let prefix = prefix.checked_sub(96).ok_or(NoNetwork)?;
                Ok(Self {
                    address: canonical,
                    prefix,
                })
            }
            canonical => Ok(Self {
                address: canonical,
                prefix,
            }),
        }
    }
}

impl Network {
    /// Whether `address` lies in this range; an IPv4 address mapped into IPv6 counts as the former.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, own_width) = bits(self.address);
        let (other, other_width) = bits(address.to_canonical());
        let beyond = u32::from(own_width) - u32::from(self.prefix).min(u32::from(own_width));
        let network = |bits: u128| bits.checked_shr(beyond).unwrap_or_default();
        own_width == other_width && network(own) == network(other)
    }
}

fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

fn width(address: IpAddr) -> u8 {
    bits(address).1
}

/// The address of the client behind `peer`: `peer` itself unless it is a trusted proxy, else the nearest hop that is
/// none. A peer without an address sits on a Unix socket and counts as 127.0.0.1.
#[must_use]
pub fn client_address(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.to_canonical());
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let by_x = nearest_stranger(peer, headers, &X_FORWARDED_FOR, trusted, hop);
    let by_standard = nearest_stranger(peer, headers, &header::FORWARDED, trusted, hop_of_element);
    match (by_x, by_standard) {
        (Some(address), None) | (None, Some(address)) => address,
        (Some(one), Some(other)) if one == other => one,
        // A proxy writes one of the two and may hand on the other as the client sent it: which, is not known.
        (Some(_), Some(_)) | (None, None) => peer,
    }
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// Follows the chain in `name` from its near end. `None` when the header is absent.
fn nearest_stranger(
    peer: IpAddr,
    headers: &HeaderMap,
    name: &HeaderName,
    trusted: &[Network],
    read: fn(&str) -> Option<IpAddr>,
) -> Option<IpAddr> {
    let lines: Vec<_> = headers.get_all(name).collect();
    if lines.is_empty() {
        return None;
    }
    let entries = lines
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
    let mut believed = peer;
    for entry in entries.take(LONGEST_CHAIN) {
        let Some(address) = std::str::from_utf8(entry).ok().and_then(read) else {
            break;
        };
        believed = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    Some(believed)
}

/// An address as proxies write it: bare, or in brackets, with a zone, with a port.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let port_fits = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return port_fits.then(|| ipv6(address)).flatten();
    }
    if let Some(address) = ipv6(text) {
        return Some(address);
    }
    let address = match text.split_once(':') {
        Some((address, port)) if is_port(port) => address,
        Some(_) => return None,
        None => text,
    };
    address.parse().ok().map(IpAddr::V4)
}

fn ipv6(text: &str) -> Option<IpAddr> {
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

/// The `for` of one element of `Forwarded` (RFC 7239, section 4). Addresses contain neither comma nor semicolon.
fn hop_of_element(text: &str) -> Option<IpAddr> {
    let mut nodes = text.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then_some(value.trim())
    });
    match (nodes.next(), nodes.next()) {
        (Some(node), None) => match node.strip_prefix('"') {
            Some(quoted) => hop(quoted.strip_suffix('"')?),
            None => hop(node),
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

    fn trusted() -> Vec<Network> {
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

    /// Who is believed to have called, through `peer`, with these lines of `X-Forwarded-For`.
    fn client(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| (X_FORWARDED_FOR, *line)).collect();
        client_address(Some(address(peer)), &headers(&lines), &trusted()).to_string()
    }

    fn client_by_standard(line: &str) -> String {
        let headers = headers(&[(header::FORWARDED, line)]);
        client_address(Some(address(PROXY)), &headers, &trusted()).to_string()
    }

    #[test]
    fn an_untrusted_peer_is_believed_nothing() {
        assert_eq!(client("198.51.100.1", &["1.2.3.4"]), "198.51.100.1");
        assert_eq!(client("127.0.0.1", &["1.2.3.4"]), "127.0.0.1");
        assert_eq!(client("::ffff:198.51.100.1", &[]), "198.51.100.1");
    }

    #[test]
    fn behind_trusted_proxies_the_nearest_stranger_is_the_client() {
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
    fn an_unreadable_hop_ends_the_chain_at_the_last_readable_one() {
        for bad in [
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
                client(PROXY, &[&format!("{CLIENT}, {bad}")]),
                PROXY,
                "{bad}"
            );
            assert_eq!(
                client(PROXY, &[&format!("{CLIENT}, {bad}, 10.0.0.2")]),
                "10.0.0.2",
                "{bad}"
            );
        }
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        for (written, read) in [
            ("203.0.113.9:4711", CLIENT),
            ("::ffff:203.0.113.9", CLIENT),
            ("[::ffff:203.0.113.9]:80", CLIENT),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:443", "fe80::1"),
        ] {
            assert_eq!(client(PROXY, &[written]), read, "{written}");
        }
    }

    #[test]
    fn the_standard_header_is_read_alike() {
        assert_eq!(
            client_by_standard("for=203.0.113.9;proto=https;by=10.0.0.1"),
            CLIENT
        );
        assert_eq!(
            client_by_standard("proto=https; For=\"[2001:db8::1]:4711\""),
            "2001:db8::1"
        );
        assert_eq!(
            client_by_standard("for=6.6.6.6, for=203.0.113.9, for=10.0.0.2"),
            CLIENT
        );
        assert_eq!(client_by_standard("for=\"6.6.6.6, for=203.0.113.9"), CLIENT);
        for bad in [
            "for=unknown",
            "for=_hidden",
            "proto=https",
            "for=\"1.2.3.4",
            "for=1.2.3.4;for=5.6.7.8",
            "",
        ] {
            assert_eq!(client_by_standard(bad), PROXY, "{bad}");
        }
    }

    #[test]
    fn two_headers_that_disagree_are_both_disbelieved() {
        let both = |x: &str, standard: &str| {
            let headers = headers(&[(X_FORWARDED_FOR, x), (header::FORWARDED, standard)]);
            client_address(Some(address(PROXY)), &headers, &trusted()).to_string()
        };
        assert_eq!(both(CLIENT, "for=203.0.113.9"), CLIENT);
        assert_eq!(both(CLIENT, "for=6.6.6.6"), PROXY);
        assert_eq!(both("6.6.6.6", "for=203.0.113.9"), PROXY);
    }

    #[test]
    fn a_unix_peer_counts_as_loopback() {
        let headers = headers(&[(X_FORWARDED_FOR, CLIENT)]);
        let of = |trusted: &[Network]| client_address(None, &headers, trusted).to_string();
        assert_eq!(of(&[]), "127.0.0.1");
        assert_eq!(of(&["127.0.0.0/8".parse().unwrap()]), CLIENT);
    }

    #[test]
    fn only_so_long_a_chain_is_followed() {
        let hops = (1..=250)
            .map(|last| format!("10.0.0.{last}"))
            .collect::<Vec<_>>()
            .join(",");
        assert_eq!(client(PROXY, &[&format!("{CLIENT},{hops}")]), "10.0.0.235");
    }

    #[test]
    fn ranges_contain_what_their_prefix_says() {
        let contains =
            |range: &str, inside: &str| range.parse::<Network>().unwrap().contains(address(inside));
        assert!(contains("10.1.2.3/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("0.0.0.0/0", "8.8.8.8") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("::/0", "2001:db8::1") && !contains("::/0", "8.8.8.8"));
        assert!(
            contains("::ffff:10.0.0.0/104", "10.2.3.4")
                && !contains("::ffff:10.0.0.0/104", "11.2.3.4")
        );
        assert!(contains("10.0.0.0/8", "::ffff:10.2.3.4"));
        assert!(contains("fd00::/8", "fdff::1") && !contains("fd00::/8", "fe00::1"));
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/-1",
            "10.0.0.0/",
            "::ffff:10.0.0.0/90",
            "host",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(NoNetwork), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(x in "[ -~]{0,60}", standard in "[ -~]{0,60}") {
            let headers = headers(&[(X_FORWARDED_FOR, &x), (header::FORWARDED, &standard)]);
            let _ = client_address(Some(address(PROXY)), &headers, &trusted());
        }

        #[test]
        fn what_the_client_puts_in_front_changes_nothing(forged in "[ -~]{0,60}") {
            prop_assert_eq!(client(PROXY, &[&format!("{forged},{CLIENT}")]), CLIENT);
        }
    }
}
