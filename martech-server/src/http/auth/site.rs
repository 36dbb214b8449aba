//! The site of a request, as browsers see it. Only pages of the site may use its cookies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, Method, Uri, header, request::Parts};

use super::{WebOrigin, web_origin::normal};
use crate::http::{
    error::{ApiError, catalogue},
    peer::{TrustedProxies, has_tls, peer},
};

/// The site that received a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// Whether the browser used TLS.
    pub(crate) secure: bool,
    authority: Option<String>,
}

impl Site {
    /// Returns the site of the settings, otherwise of the listener.
    pub(crate) fn at(listener: SocketAddr, public: Option<&WebOrigin>, secure: bool) -> Self {
        match public {
            Some(WebOrigin { secure, authority }) => Self { secure: *secure, authority: Some(authority.clone()) },
            None => Self { secure, authority: Some(reachable(listener).to_string()) },
        }
    }

    /// Returns the site of the settings, otherwise of the connection and the request.
    pub(super) fn of(parts: &Parts, public: Option<&WebOrigin>, proxies: &TrustedProxies) -> Self {
        if let Some(WebOrigin { secure, authority }) = public {
            return Self { secure: *secure, authority: Some(authority.clone()) };
        }
        let secure = has_tls(&parts.extensions) || proxies.is_secure(peer(&parts.extensions), &parts.headers);
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 has the pseudo-header `:authority` instead.
        let host = host.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
        Self { secure, authority: host.map(|host| normal(host, secure)) }
    }

    /// Returns the sign-up link of an invitation. The token is in the fragment, which browsers do not send.
    pub(crate) fn sign_up_link(&self, token: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}/dashboard/sign-up#{token}", self.authority.as_deref().unwrap_or("localhost"))
    }

    /// Checks that a request with a cookie either uses a safe method or comes from a page of this site.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
        if method.is_safe() { Ok(()) } else { self.check_source(headers) }
    }

    /// Checks that a request comes from a page of this site, by `Origin` or `Referer`.
    pub(crate) fn check_source(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let source = headers.get(header::ORIGIN).or_else(|| headers.get(header::REFERER));
        let Some(source) = source.and_then(|value| value.to_str().ok()).filter(|text| *text != "null") else {
            return Err(catalogue::missing_origin());
        };
        if self.is_own(source) { Ok(()) } else { Err(catalogue::invalid_origin()) }
    }

    fn is_own(&self, source: &str) -> bool {
        let Ok(uri) = source.parse::<Uri>() else { return false };
        let secure = match uri.scheme_str() {
            Some("https") => true,
            // On a site with TLS, an attacker on the network could serve a page without it.
            Some("http") if !self.secure => false,
            _ => return false,
        };
        uri.authority().is_some_and(|source| Some(normal(source.as_str(), secure)) == self.authority)
    }
}

/// Replaces an unspecified address by the loopback address.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, StatusCode};

    use super::*;

    fn parts(headers: &[(&'static str, &str)]) -> Parts {
        let mut request = Request::builder().method(Method::POST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn check(public: Option<&str>, headers: &[(&'static str, &str)]) -> Result<(), StatusCode> {
        let parts = parts(headers);
        let public = public.map(|url| url.parse().unwrap());
        let site = Site::of(&parts, public.as_ref(), &TrustedProxies::default());
        site.check(&parts.method, &parts.headers).map_err(|error| error.status)
    }

    #[test]
    fn accepts_cookies_only_from_own_pages() {
        let host = ("host", "shop.example:3000");
        for (origin, may) in [
            ("http://shop.example:3000", true),
            ("http://SHOP.example:3000", true),
            ("https://shop.example:3000", true),
            ("http://shop.example", false),
            ("http://shop.example:3001", false),
            ("http://evil.example:3000", false),
            ("http://shop.example:3000.evil.example", false),
            ("file://shop.example:3000", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(check(None, &[host, ("origin", origin)]).is_ok(), may, "{origin}");
        }
        assert_eq!(check(None, &[host]), Err(StatusCode::FORBIDDEN));
        let referer = ("referer", "http://shop.example:3000/page?x=1");
        assert_eq!(check(None, &[host, referer]), Ok(()));
        assert_eq!(check(None, &[host, ("origin", "null"), referer]), Err(StatusCode::FORBIDDEN));
        assert_eq!(check(None, &[("origin", "http://shop.example")]), Err(StatusCode::FORBIDDEN));
        let read = Request::get("/").body(()).unwrap().into_parts().0;
        let site = Site::of(&read, None, &TrustedProxies::default());
        assert!(site.check(&read.method, &read.headers).is_ok());
    }

    #[test]
    fn sign_up_link_has_a_reachable_address() {
        let link = |listener: &str| Site::at(listener.parse().unwrap(), None, false).sign_up_link("x");
        assert_eq!(link("192.0.2.1:3000"), "http://192.0.2.1:3000/dashboard/sign-up#x");
        assert_eq!(link("0.0.0.0:3000"), "http://127.0.0.1:3000/dashboard/sign-up#x");
        assert_eq!(link("[::]:3000"), "http://[::1]:3000/dashboard/sign-up#x");
    }

    #[test]
    fn public_url_determines_the_site() {
        let public = Some("https://shop.example");
        let host = ("host", "127.0.0.1:3000");
        assert_eq!(check(public, &[host, ("origin", "https://shop.example")]), Ok(()));
        assert_eq!(check(public, &[host, ("origin", "https://shop.example:443")]), Ok(()));
        assert!(check(public, &[host, ("origin", "http://shop.example")]).is_err(), "not without TLS");
        assert!(check(public, &[host, ("origin", "http://127.0.0.1:3000")]).is_err());
    }
}
