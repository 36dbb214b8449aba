//! The cookie of a session, as [Better Auth](https://www.better-auth.com/docs/concepts/cookies) names and signs it.

use axum::{
    http::{HeaderMap, HeaderValue, header},
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

/// The token in a cookie of the request that we have signed.
pub(super) fn session_token(headers: &HeaderMap, key: &CookieKey) -> Option<String> {
    cookies(headers).find_map(|cookie| {
        let signed = is_session(&cookie).then(|| percent_decode_str(cookie.value()).decode_utf8().ok())??;
        key.verify(&signed).map(str::to_owned)
    })
}

/// Whether a cookie of the request claims to be a session's.
pub(super) fn has_session(headers: &HeaderMap) -> bool {
    cookies(headers).any(|cookie| is_session(&cookie))
}

fn is_session(cookie: &Cookie<'_>) -> bool {
    cookie.name().strip_prefix(SECURE_PREFIX).unwrap_or(cookie.name()) == SESSION
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = Cookie<'_>> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| Cookie::split_parse(line).filter_map(Result::ok))
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
