//! Request ids.

use std::fmt;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use serde::Serialize;
use uuid::Uuid;

/// Id of a request in the log, in the `X-Request-Id` header of its response, and in its error.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RequestId(Box<str>);

impl RequestId {
    pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
    const MAX_CHARS: usize = 128;

    /// Returns the id from the client (or a proxy in front of the server) if it is safe to log, and a new one
    /// otherwise.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(Self::HEADER).and_then(|value| value.to_str().ok()).filter(|id| Self::is_sane(id));
        match given {
            Some(id) => Self(id.into()),
            None => Self(Uuid::now_v7().simple().to_string().into()),
        }
    }

    /// Returns the id of the examples in the API description.
    pub(crate) fn example() -> Self {
        Self("0193a5b8c7d97e0f8a1b2c3d4e5f6071".into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Sets the id as a header of the response.
    pub(crate) fn name(&self, response: &mut Response) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            response.headers_mut().insert(Self::HEADER, value);
        }
    }

    fn is_sane(id: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
        (1..=Self::MAX_CHARS).contains(&id.len()) && id.bytes().all(allowed)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(given: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(RequestId::HEADER, HeaderValue::from_str(given).unwrap());
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn keeps_safe_request_ids_and_replaces_others() {
        assert_eq!(id_for("checkout-7:a.b"), "checkout-7:a.b");
        for bad in ["", "two words", "quote\"", &"x".repeat(129)] {
            let made = id_for(bad);
            assert_ne!(made, bad);
            assert!(RequestId::is_sane(&made));
        }
    }
}
