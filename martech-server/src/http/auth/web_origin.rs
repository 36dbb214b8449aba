//! Web origins.

use std::{fmt, str::FromStr};

use axum::http::Uri;

/// A web origin: scheme, host, and a port other than the default one, such as `https://analytics.shop.example`. Parsing
/// accepts `http` and `https` only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin {
    pub(super) secure: bool,
    pub(super) authority: String,
}

impl FromStr for WebOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "an origin, such as https://analytics.shop.example, without a path";
        let uri: Uri = text.parse().map_err(|_| SHAPE)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(SHAPE),
        };
        // Wildcards are not supported, and no browser sends `*.shop.example` as an origin.
        let authority = uri.authority().filter(|authority| !authority.as_str().contains(['@', '*'])).ok_or(SHAPE)?;
        let bare = uri.path().trim_end_matches('/').is_empty() && uri.query().is_none();
        if bare { Ok(Self { secure, authority: normal(authority.as_str(), secure) }) } else { Err(SHAPE) }
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http{}://{}", if self.secure { "s" } else { "" }, self.authority)
    }
}

/// Returns the authority in lower case, without the default port of the scheme.
pub(super) fn normal(authority: &str, secure: bool) -> String {
    let authority = authority.to_ascii_lowercase();
    match authority.strip_suffix(if secure { ":443" } else { ":80" }) {
        Some(host) => host.to_owned(),
        None => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_origins_without_path_or_userinfo() {
        for (text, shown) in [
            ("https://Shop.example/", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("https://shop.example:8443", "https://shop.example:8443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(text.parse::<WebOrigin>().unwrap().to_string(), shown);
        }
        for text in [
            "shop.example",
            "ftp://shop.example",
            "https://",
            "https://shop.example/path",
            "https://u:p@shop.example",
            "https://*.shop.example",
            "/",
        ] {
            assert!(text.parse::<WebOrigin>().is_err(), "{text}");
        }
    }
}
