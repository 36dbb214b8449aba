//! The cookie of a session, as [Better Auth](https://www.better-auth.com/docs/concepts/cookies) names and signs it.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use cookie::{Cookie, SameSite, time::Duration};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::accounts::{Session, secret::CookieKey};

const SESSION: &str = "better-auth.session_token";
/// There where the session ends with the browser.
const UNREMEMBERED: &str = "better-auth.dont_remember";
/// Browsers take cookies of such names over TLS only.
const SECURE_PREFIX: &str = "__Secure-";

/// So many of a request are looked up.
const MOST: usize = 4;

/// Where clients that keep no cookies find what they send as a bearer, as Better Auth's
/// [plugin](https://www.better-auth.com/docs/plugins/bearer) has it.
pub(crate) const AUTH_TOKEN: HeaderName = HeaderName::from_static("set-auth-token");

/// What JavaScript's `encodeURIComponent` encodes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What tells a browser to keep a session.
pub(crate) fn session_cookies(token: &str, session: &Session, key: &CookieKey, secure: bool) -> Vec<HeaderValue> {
    let mut cookie = cookie(SESSION, &key.sign(token), secure);
    if session.remembered {
        // It was made, or made to last longer, just now.
        cookie.set_max_age(Duration::milliseconds(session.expires_at.millis() - session.updated_at.millis()));
        return [written(cookie)].into_iter().flatten().collect();
    }
    let unremembered = self::cookie(UNREMEMBERED, &key.sign("true"), secure);
    [written(cookie), written(unremembered)].into_iter().flatten().collect()
}

/// The same for who keeps no cookies.
pub(crate) fn auth_token(token: &str, key: &CookieKey) -> Option<HeaderValue> {
    HeaderValue::from_str(&key.sign(token)).ok()
}

/// What tells a browser to forget it.
pub(crate) fn expired_cookies(secure: bool) -> Vec<HeaderValue> {
    let expired = |name| {
        let mut cookie = cookie(name, "", secure);
        cookie.set_max_age(Duration::ZERO);
        written(cookie)
    };
    [SESSION, UNREMEMBERED].into_iter().filter_map(expired).collect()
}

/// An answer that tells a browser so.
pub(crate) fn with_cookies(answer: impl IntoResponse, cookies: Vec<HeaderValue>) -> Response {
    let mut response = answer.into_response();
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The tokens in cookies of the request that we have signed. A browser may send several, of other paths or of before; which of
/// them is that of a session is for the records to say.
pub(super) fn session_tokens(headers: &HeaderMap, key: &CookieKey, secure: bool) -> Vec<String> {
    let mut tokens = Vec::new();
    for token in sessions(headers, secure).filter_map(|cookie| unsigned(cookie.value(), key)) {
        if tokens.len() < MOST && !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens
}

/// The token in a value that we have signed, of a cookie or of [`AUTH_TOKEN`].
pub(super) fn unsigned(value: &str, key: &CookieKey) -> Option<String> {
    let signed = percent_decode_str(value).decode_utf8().ok()?;
    key.verify(&signed).map(str::to_owned)
}

/// Whether a cookie of the request claims to be a session's.
pub(super) fn has_session(headers: &HeaderMap, secure: bool) -> bool {
    sessions(headers, secure).next().is_some()
}

/// Cookies of the session's name. Over TLS that of before there was any is another's: everybody on the way could have set it.
fn sessions(headers: &HeaderMap, secure: bool) -> impl Iterator<Item = Cookie<'_>> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let cookies = lines.flat_map(|line| Cookie::split_parse(line).filter_map(Result::ok));
    let prefix = if secure { SECURE_PREFIX } else { "" };
    cookies.filter(move |cookie| cookie.name().strip_prefix(prefix) == Some(SESSION))
}

fn cookie(name: &str, value: &str, secure: bool) -> Cookie<'static> {
    let prefix = if secure { SECURE_PREFIX } else { "" };
    Cookie::build((format!("{prefix}{name}"), utf8_percent_encode(value, ENCODED).to_string()))
        .path("/")
        .http_only(true)
        .secure(secure)
        .same_site(SameSite::Lax)
        .build()
}

fn written(cookie: Cookie<'_>) -> Option<HeaderValue> {
    HeaderValue::from_str(&cookie.to_string()).ok()
}
