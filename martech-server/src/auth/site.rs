//! The site of a request, as browsers see it: its pages may use its cookies, those of others may not.

use std::{net::SocketAddr, str::FromStr};

use axum::http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts};

use super::{TrustedProxies, peer::peer};
use crate::error::ApiError;

/// Where browsers reach the server: `https://analytics.shop.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    secure: bool,
    /// Host, and port where it is not the scheme's own.
    authority: String,
}

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "an origin, such as https://analytics.shop.example, without a path";
        let uri: Uri = text.parse().map_err(|_| SHAPE)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(SHAPE),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or(SHAPE)?;
        let bare = uri.path().trim_end_matches('/').is_empty() && uri.query().is_none();
        if bare { Ok(Self { secure, authority: normal(authority.as_str(), secure) }) } else { Err(SHAPE) }
    }
}

impl std::fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http{}://{}", if self.secure { "s" } else { "" }, self.authority)
    }
}

/// In lower case, and without the port that the scheme has anyway.
fn normal(authority: &str, secure: bool) -> String {
    let authority = authority.to_ascii_lowercase();
    match authority.strip_suffix(if secure { ":443" } else { ":80" }) {
        Some(host) => host.to_owned(),
        None => authority,
    }
}

/// The site that a request was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// Whether the browser used TLS.
    pub(crate) secure: bool,
    authority: Option<String>,
}

impl Site {
    /// What the settings say; otherwise where the server listens.
    pub(crate) fn at(listener: SocketAddr, public: Option<&PublicUrl>) -> Self {
        match public {
            Some(PublicUrl { secure, authority }) => Self { secure: *secure, authority: Some(authority.clone()) },
            None => Self { secure: false, authority: Some(listener.to_string()) },
        }
    }

    /// What the settings say; otherwise what the request does.
    pub(super) fn of(parts: &Parts, public: Option<&PublicUrl>, proxies: &TrustedProxies) -> Self {
        if let Some(PublicUrl { secure, authority }) = public {
            return Self { secure: *secure, authority: Some(authority.clone()) };
        }
        let secure = proxies.is_secure(peer(parts), &parts.headers);
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
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
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| *text != "null");
        let Some(source) = text(header::ORIGIN).or_else(|| text(header::REFERER)) else {
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
        assert_eq!(check(None, &[host, ("referer", "http://shop.example:3000/page?x=1")]), Ok(()));
        assert_eq!(check(None, &[("origin", "http://shop.example")]), Err(StatusCode::FORBIDDEN));
        let read = Request::get("/").body(()).unwrap().into_parts().0;
        let site = Site::of(&read, None, &TrustedProxies::default());
        assert!(site.check(&read.method, &read.headers).is_ok());
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

    #[test]
    fn a_public_url_is_an_origin() {
        for (text, shown) in [
            ("https://Shop.example/", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("https://shop.example:8443", "https://shop.example:8443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), shown);
        }
        for text in [
            "shop.example",
            "ftp://shop.example",
            "https://",
            "https://shop.example/path",
            "https://u:p@shop.example",
            "/",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }
}
