//! The session cookie, with the name and signature of [Better Auth](https://www.better-auth.com/docs/concepts/cookies).

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use cookie::{Cookie, SameSite, time::Duration};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::identity::{Session, secret::CookieKey};

const SESSION: &str = "better-auth.session_token";
/// Present if the session ends with the browser.
const UNREMEMBERED: &str = "better-auth.dont_remember";
/// Browsers accept a cookie with this prefix only over TLS.
const SECURE_PREFIX: &str = "__Secure-";

/// The maximum number of session cookies of a request that are looked up.
const MOST: usize = 4;

/// The response header with the signed token, for clients that send it as a bearer token, as in Better Auth's
/// [plugin](https://www.better-auth.com/docs/plugins/bearer).
pub(crate) const AUTH_TOKEN: HeaderName = HeaderName::from_static("set-auth-token");

/// The characters that JavaScript's `encodeURIComponent` encodes.
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

/// Returns the cookies that store a session in the browser.
pub(crate) fn session_cookies(token: &str, session: &Session, key: &CookieKey, secure: bool) -> Vec<HeaderValue> {
    let mut cookie = cookie(SESSION, &key.sign(token), secure);
    if session.remembered {
        // `updated_at` is now, since the session has just been created or extended.
        cookie.set_max_age(Duration::milliseconds(session.expires_at.millis() - session.updated_at.millis()));
        return [written(cookie)].into_iter().flatten().collect();
    }
    let unremembered = self::cookie(UNREMEMBERED, &key.sign("true"), secure);
    [written(cookie), written(unremembered)].into_iter().flatten().collect()
}

/// Returns the signed token for [`AUTH_TOKEN`].
pub(crate) fn auth_token(token: &str, key: &CookieKey) -> Option<HeaderValue> {
    HeaderValue::from_str(&key.sign(token)).ok()
}

/// Returns cookies that delete the session from the browser.
pub(crate) fn expired_cookies(secure: bool) -> Vec<HeaderValue> {
    let expired = |name| {
        let mut cookie = cookie(name, "", secure);
        cookie.set_max_age(Duration::ZERO);
        written(cookie)
    };
    [SESSION, UNREMEMBERED].into_iter().filter_map(expired).collect()
}

/// Adds `Set-Cookie` headers to a response.
pub(crate) fn with_cookies(answer: impl IntoResponse, cookies: Vec<HeaderValue>) -> Response {
    let mut response = answer.into_response();
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Returns the tokens of session cookies with a valid signature. A browser may send several, of different paths or
/// ages. The records show which one has a session.
pub(super) fn session_tokens(headers: &HeaderMap, key: &CookieKey, secure: bool) -> Vec<String> {
    let mut tokens = Vec::new();
    for token in sessions(headers, secure).filter_map(|cookie| unsigned(cookie.value(), key)) {
        if tokens.len() < MOST && !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens
}

/// Returns the token of a cookie or of [`AUTH_TOKEN`] if its signature is valid.
pub(super) fn unsigned(value: &str, key: &CookieKey) -> Option<String> {
    let signed = percent_decode_str(value).decode_utf8().ok()?;
    key.verify(&signed).map(str::to_owned)
}

/// Returns whether a request has a session cookie, valid or not.
pub(super) fn has_session(headers: &HeaderMap, secure: bool) -> bool {
    sessions(headers, secure).next().is_some()
}

/// Returns the session cookies. Over TLS, a cookie without the `__Secure-` prefix does not count, because anyone on the
/// network could have set it over plain HTTP.
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
