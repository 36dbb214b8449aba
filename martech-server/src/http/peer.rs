//! The address of the client, also behind proxies.

use std::{net::IpAddr, str::FromStr};

use axum::http::{Extensions, HeaderMap, Request, request::Parts};

use crate::util::Networks;

/// The proxies whose `X-Forwarded-*` headers are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Networks);

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl TrustedProxies {
    /// Returns whether an address is that of a trusted proxy.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(address)
    }

    /// Returns the client address of a request, as the peer or trusted proxies report it.
    pub(crate) fn client_of<B>(&self, request: &Request<B>) -> IpAddr {
        self.client(peer(request.extensions()), request.headers())
    }

    /// Returns the client address of the head of a request.
    pub(crate) fn client_of_head(&self, head: &Parts) -> IpAddr {
        self.client(peer(&head.extensions), &head.headers)
    }

    /// Returns the last address of `X-Forwarded-For` that is not a trusted proxy's. Addresses before it are ignored,
    /// because the client may have written them.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.contains(peer) {
            return peer.to_canonical();
        }
        let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        let mut client = peer;
        // Split bytes, because the client's part of the header need not be UTF-8.
        for hop in lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
            // Not an address. The hop that wrote it is the last known one.
            let Some(address) = std::str::from_utf8(hop).ok().and_then(|hop| parse_hop(hop.trim())) else { break };
            client = address;
            if !self.contains(address) {
                break;
            }
        }
        client.to_canonical()
    }

    /// Returns whether a trusted proxy reports that its client used TLS.
    pub(super) fn is_secure(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let says_so =
            || headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
        self.contains(peer) && says_so()
    }
}

/// Parses an address. Some proxies add a port or brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let address = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    // The zone of a link-local address has a meaning only on the host that wrote it.
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(address).or_else(bracketed)
}

/// The peer of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// Whether this server terminated TLS on the connection.
    pub(crate) tls: bool,
}

/// Returns the peer address of a request; 0.0.0.0 if the router runs without a connection.
pub(super) fn peer(extensions: &Extensions) -> IpAddr {
    extensions.get().map_or(IpAddr::from([0, 0, 0, 0]), |peer: &Peer| peer.address)
}

/// Returns whether a request came over TLS that this server terminated.
pub(super) fn has_tls(extensions: &Extensions) -> bool {
    extensions.get().is_some_and(|peer: &Peer| peer.tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", axum::http::HeaderValue::from_bytes(&unescape(line)).unwrap());
        }
        trusted.parse::<TrustedProxies>().unwrap().client(peer.parse().unwrap(), &headers).to_string()
    }

    /// Replaces `~` by a byte that is not UTF-8.
    fn unescape(line: &str) -> Vec<u8> {
        line.bytes().map(|byte| if byte == b'~' { 0xff } else { byte }).collect()
    }

    #[test]
    fn client_is_the_last_untrusted_address() {
        for (trusted, peer, forwarded, expected) in [
            ("", "192.0.2.1", &["198.51.100.1"][..], "192.0.2.1"),
            ("10.0.0.0/8", "192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("10.0.0.0/8", "10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.0/8", "10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.0/8", "10.0.0.1", &["203.0.113.9,198.51.100.1 , 10.1.2.3"], "198.51.100.1"),
            ("10.0.0.0/8", "10.0.0.1", &["203.0.113.9", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),
            ("10.0.0.0/8", "10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
            ("10.0.0.0/8", "10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.0/8", "10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", &["~, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.0/8", "10.0.0.1", &["~", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.0/8", "10.0.0.1", &["198.51.100.1, ~"], "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", &["fe80::1%eth0"], "fe80::1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("127.0.0.1, ::1", "::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("127.0.0.1,::1", "127.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
        ] {
            assert_eq!(client(trusted, peer, forwarded), expected, "{trusted} {peer} {forwarded:?}");
        }
        let error = "10.0.0.0/8, proxy.example".parse::<TrustedProxies>().unwrap_err();
        assert!(error.contains("`proxy.example`"), "{error}");
    }
}
