//! The credential in an `Authorization` header.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::identity::is_key;

/// A credential from the `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credential<'a> {
    /// `Bearer KEY`, or `Basic` with a key as the user or the password.
    Key(Cow<'a, str>),
    /// `Bearer TOKEN` with any other token.
    Bearer(&'a str),
}

impl<'a> Credential<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(if is_key(rest) { Self::Key(Cow::Borrowed(rest)) } else { Self::Bearer(rest) });
        }
        let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest).ok())??;
        let pair = String::from_utf8(pair).ok()?;
        let (name, password) = pair.split_once(':')?;
        [name, password].into_iter().find(|part| is_key(part)).map(|key| Self::Key(Cow::Owned(key.to_owned())))
    }
}

/// Returns whether the header contains a key in any form. Only for requests without a [`Credential::Key`].
pub(super) fn holds_a_key(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')).any(is_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys_from_bearer_and_basic() {
        let found = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            match Credential::of(&headers)? {
                Credential::Key(key) => Some(key.into_owned()),
                Credential::Bearer(_) => None,
            }
        };
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        let key = Some("mt_write_x".to_owned());
        for value in [
            "Bearer mt_write_x".to_owned(),
            "bearer  mt_write_x".to_owned(),
            basic("mt_write_x:"),
            basic("any:mt_write_x"),
        ] {
            assert_eq!(found(&value), key, "{value}");
        }
        for value in [
            "Bearer other".to_owned(),
            "Basic ???".to_owned(),
            basic("mt_write_x"),
            basic("a:b"),
            "mt_write_x".to_owned(),
        ] {
            assert_eq!(found(&value), None, "{value}");
        }
    }

    #[test]
    fn detects_keys_in_other_schemes() {
        let holds = |value: &str| holds_a_key(&HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]));
        for value in ["mt_write_x", "Bearer \"mt_read_x\"", "Token mt_write_x", "Key key=mt_write_x"] {
            assert!(holds(value), "{value}");
        }
        for value in ["Bearer hello", "Basic YTpi", "Digest username=mt"] {
            assert!(!holds(value), "{value}");
        }
    }
}
