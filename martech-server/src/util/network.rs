//! IP addresses and networks.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use ipnet::IpNet;

/// Returns the /64 network of an IPv6 address, which usually belongs to one client. Returns an IPv4 address, also an
/// IPv4-mapped one, as it is.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

/// Returns the /48 site of an IPv6 address, which has 65,536 networks; `None` for an IPv4 address. The last bit is set,
/// so that a site never equals one of its networks.
pub(crate) fn site(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V6(address) => Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 80 << 80 | 1))),
        IpAddr::V4(_) => None,
    }
}

/// Addresses and networks, parsed from a comma-separated list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |part: &str| {
            let network = part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| format!("`{part}` is neither an address nor a network, such as 10.0.0.0/8"))
        };
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Networks {
    /// Returns whether one of the networks contains an address.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// Parses an address, or resolves the name of a host. If a host has several addresses, returns the first IPv4 address,
/// which most clients try.
pub(crate) fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    let expected = || "expected a host and a port, such as 127.0.0.1:3000, localhost:3000 or [::1]:3000".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    if host.is_empty() || host.contains([':', '/']) || port.parse::<u16>().is_err() {
        return Err(expected());
    }
    let unknown = |reason: &dyn std::fmt::Display| format!("cannot resolve the host {host:?}: {reason}");
    let found: Vec<SocketAddr> = text.to_socket_addrs().map_err(|error| unknown(&error))?.collect();
    let best = found.iter().find(|addr| addr.is_ipv4()).or(found.first());
    best.copied().ok_or_else(|| unknown(&"no address found"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_masks_ipv6_and_unmaps_ipv4() {
        let parse = |text: &str| network(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:0:1"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
        assert_ne!(parse("10.0.0.1"), parse("10.0.0.2"));
    }
}
