//! What an `Authorization` header holds.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::accounts::is_key;

/// The token of `Bearer TOKEN`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    scheme(headers, "bearer")
}

/// The key of `Bearer KEY`, or of `Basic` with a key as the name or the password.
pub(super) fn key(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    if let Some(token) = bearer(headers) {
        return is_key(token).then_some(Cow::Borrowed(token));
    }
    let pair = String::from_utf8(STANDARD.decode(scheme(headers, "basic")?).ok()?).ok()?;
    let (name, password) = pair.split_once(':')?;
    [name, password].into_iter().find(|part| is_key(part)).map(|key| Cow::Owned(key.to_owned()))
}

fn scheme<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_as_a_bearer_or_in_a_pair() {
        let found = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            key(&headers).map(Cow::into_owned)
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
}
