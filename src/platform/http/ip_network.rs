//! IP networks in CIDR notation, for the list of trusted proxies.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// An IP network such as `10.0.0.0/8`, or a single address such as `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNetwork(IpNet);

/// The text is not an IP network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address or a network in CIDR notation, such as 10.0.0.0/8")]
pub struct InvalidIpNetwork;

impl FromStr for IpNetwork {
    type Err = InvalidIpNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidIpNetwork> {
        let (address, prefix_len) = match text.trim().split_once('/') {
            Some((address, prefix_len)) => (address, Some(prefix_len)),
            None => (text.trim(), None),
        };
        // Parsed by std, because ipnet's parser accepts leading zeros such as `010.0.0.0`.
        let address: IpAddr = address.parse().map_err(|_| InvalidIpNetwork)?;
        let network = match prefix_len {
            Some(prefix_len) => {
                let prefix_len = prefix_len.parse().map_err(|_| InvalidIpNetwork)?;
                IpNet::new(address, prefix_len).map_err(|_| InvalidIpNetwork)?
            }
            None => IpNet::from(address),
        };
        unmap_ipv4(network).map(Self)
    }
}

impl IpNetwork {
    /// Whether this is the network of all IPv4 or all IPv6 addresses.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.prefix_len() == 0
    }

    /// Whether `address` is in this network. An IPv4-mapped IPv6 address is treated as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// Converts a network of IPv4-mapped IPv6 addresses (`::ffff:0:0/96` and below) to the IPv4 network.
fn unmap_ipv4(network: IpNet) -> Result<IpNet, InvalidIpNetwork> {
    let address = network.addr().to_canonical();
    if network.addr() == address {
        return Ok(network);
    }
    let prefix_len = network
        .prefix_len()
        .checked_sub(96)
        .ok_or(InvalidIpNetwork)?;
    IpNet::new(address, prefix_len).map_err(|_| InvalidIpNetwork)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network: IpNetwork = network.parse().unwrap();
        network.contains(address.parse().unwrap())
    }

    #[test]
    fn contains_the_addresses_with_its_prefix() {
        assert!(contains("10.1.2.3/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("0.0.0.0/0", "8.8.8.8") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("::/0", "2001:db8::1") && !contains("::/0", "8.8.8.8"));
        assert!(contains("fd00::/8", "fdff::1") && !contains("fd00::/8", "fe00::1"));
    }

    #[test]
    fn single_address_contains_only_itself() {
        assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.8"));
        assert!(contains("::1", "::1") && !contains("::1", "::2"));
    }

    #[test]
    fn ipv4_mapped_addresses_are_treated_as_ipv4() {
        assert!(contains("10.0.0.0/8", "::ffff:10.2.3.4"));
        assert!(contains("::ffff:10.0.0.0/104", "10.2.3.4"));
        assert!(!contains("::ffff:10.0.0.0/104", "11.2.3.4"));
        assert!(contains("::ffff:10.2.3.4", "10.2.3.4"));
    }

    #[test]
    fn invalid_text_is_rejected() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "010.0.0.0/8",
            "::/129",
            "10.0.0.0/-1",
            "10.0.0.0/",
            "::ffff:10.0.0.0/90",
            "host",
        ] {
            assert_eq!(text.parse::<IpNetwork>(), Err(InvalidIpNetwork), "{text}");
        }
    }
}
