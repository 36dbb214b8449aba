//! The site of a request, as browsers see it: its pages may use its cookies, those of others may not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts};

use super::{
    TrustedProxies, WebOrigin,
    peer::{has_tls, peer},
    web_origin::normal,
};
use crate::error::ApiError;

/// The site that a request was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// Whether the browser used TLS.
    pub(crate) secure: bool,
    authority: Option<String>,
}

impl Site {
    /// What the settings say; otherwise where the server listens, with TLS or without.
    pub(crate) fn at(listener: SocketAddr, public: Option<&WebOrigin>, secure: bool) -> Self {
        match public {
            Some(WebOrigin { secure, authority }) => Self { secure: *secure, authority: Some(authority.clone()) },
            None => Self { secure, authority: Some(reachable(listener).to_string()) },
        }
    }

    /// What the settings say; otherwise what the connection and the request do.
    pub(super) fn of(parts: &Parts, public: Option<&WebOrigin>, proxies: &TrustedProxies) -> Self {
        if let Some(WebOrigin { secure, authority }) = public {
            return Self { secure: *secure, authority: Some(authority.clone()) };
        }
        let secure = has_tls(&parts.extensions) || proxies.is_secure(peer(&parts.extensions), &parts.headers);
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 has a pseudo-header in its place.
        let host = host.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
        Self { secure, authority: host.map(|host| normal(host, secure)) }
    }

    /// Where somebody who is invited signs up. What stands behind the `#` browsers keep to themselves.
    pub(crate) fn sign_up_link(&self, token: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}/sign-up#{token}", self.authority.as_deref().unwrap_or("localhost"))
    }

    /// Whether a request with a cookie may change something: only where the page that sent it is this site's.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
        if method.is_safe() { Ok(()) } else { self.check_source(headers) }
    }

    /// Whether the page that sent a request is this site's.
    pub(crate) fn check_source(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let source = headers.get(header::ORIGIN).or_else(|| headers.get(header::REFERER));
        let Some(source) = source.and_then(|value| value.to_str().ok()).filter(|text| *text != "null") else {
            let message = "Missing or null Origin: a request with a cookie has to say which page it comes from";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "MISSING_OR_NULL_ORIGIN", message));
        };
        if self.is_own(source) {
            Ok(())
        } else {
            let message = "Invalid origin: only pages of this site may use its cookies";
            Err(ApiError::new(StatusCode::FORBIDDEN, "INVALID_ORIGIN", message))
        }
    }

    fn is_own(&self, source: &str) -> bool {
        let Ok(uri) = source.parse::<Uri>() else { return false };
        let secure = match uri.scheme_str() {
            Some("https") => true,
            // Where there is TLS, a page without it may be anybody's.
            Some("http") if !self.secure => false,
            _ => return false,
        };
        uri.authority().is_some_and(|source| Some(normal(source.as_str(), secure)) == self.authority)
    }
}

/// Who listens on all addresses is found at that of this machine.
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
    use axum::http::Request;

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
    fn only_pages_of_the_site_use_its_cookies() {
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
    fn a_link_leads_to_where_the_server_can_be_found() {
        let link = |listener: &str| Site::at(listener.parse().unwrap(), None, false).sign_up_link("x");
        assert_eq!(link("192.0.2.1:3000"), "http://192.0.2.1:3000/sign-up#x");
        assert_eq!(link("0.0.0.0:3000"), "http://127.0.0.1:3000/sign-up#x");
        assert_eq!(link("[::]:3000"), "http://[::1]:3000/sign-up#x");
    }

    #[test]
    fn behind_a_proxy_the_public_url_counts() {
        let public = Some("https://shop.example");
        let host = ("host", "127.0.0.1:3000");
        assert_eq!(check(public, &[host, ("origin", "https://shop.example")]), Ok(()));
        assert_eq!(check(public, &[host, ("origin", "https://shop.example:443")]), Ok(()));
        assert!(check(public, &[host, ("origin", "http://shop.example")]).is_err(), "not without TLS");
        assert!(check(public, &[host, ("origin", "http://127.0.0.1:3000")]).is_err());
    }
}
