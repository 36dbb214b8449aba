//! Where a request comes from, when proxies stand between.

use std::{convert::Infallible, net::IpAddr, str::FromStr};

use axum::{
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, Request, header, request::Parts},
};
use ipnet::IpNet;

use crate::{App, accounts::Origin};

/// Addresses and networks, separated by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// The proxies whose word on their clients is believed.
pub type TrustedProxies = Networks;

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
    /// Whether an address is one of theirs.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Where a request comes from, by what a trusted proxy says.
    pub(crate) fn client_of<B>(&self, request: &Request<B>) -> IpAddr {
        self.client(peer(request.extensions()), request.headers())
    }

    /// The same, of the head of a request.
    pub(crate) fn client_of_head(&self, head: &Parts) -> IpAddr {
        self.client(peer(&head.extensions), &head.headers)
    }

    /// The client: the last address of `X-Forwarded-For` that is no trusted proxy's, as far as trusted ones have written
    /// there. What others have written is not looked at.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.contains(peer) {
            return peer.to_canonical();
        }
        let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        let mut client = peer;
        // Byte by byte: what a client has written before the proxies must not spoil what they have.
        for hop in lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
            // A name, or nonsense: who wrote it is as far as we know.
            let Some(address) = std::str::from_utf8(hop).ok().and_then(|hop| parse_hop(hop.trim())) else { break };
            client = address;
            if !self.contains(address) {
                break;
            }
        }
        client.to_canonical()
    }

    /// Whether a trusted proxy says that its client used TLS.
    pub(super) fn is_secure(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let says_so =
            || headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
        self.contains(peer) && says_so()
    }
}

/// Some proxies add a port, or brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let address = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    // The zone of a link-local address is for the host that wrote it.
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(address).or_else(bracketed)
}

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// Whether the connection has TLS, made by this server.
    pub(crate) tls: bool,
}

/// The address of a request's peer; unspecified where the router is called without a connection.
pub(super) fn peer(extensions: &Extensions) -> IpAddr {
    extensions.get().map_or(IpAddr::from([0, 0, 0, 0]), |peer: &Peer| peer.address)
}

/// Whether a request came over TLS of this server's own.
pub(super) fn has_tls(extensions: &Extensions) -> bool {
    extensions.get().is_some_and(|peer: &Peer| peer.tls)
}

impl FromRequestParts<App> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Ok(Self { address: Some(app.access().proxies.client_of_head(parts)), user_agent: agent.map(str::to_owned) })
    }
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

    /// `~` stands for a byte that is no text.
    fn unescape(line: &str) -> Vec<u8> {
        line.bytes().map(|byte| if byte == b'~' { 0xff } else { byte }).collect()
    }

    #[test]
    fn the_client_is_the_last_that_no_trusted_proxy_is() {
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
