//! The response headers `RateLimit-Policy` and `RateLimit` of the IETF draft `draft-ietf-httpapi-ratelimit-headers`
//! (version 10): the quota, `"address";q=5000;w=10`, and the remaining quota, `"address";r=4999;t=1`.
//!
//! A quota of bytes also has the unit, `qu="content-bytes"`.
//!
//! `q` requests may come at once, and as many again over `w` seconds. `r` of them may come now. The full quota is
//! available after `t` seconds. If `r` is 0 and the request was rejected, `t` is the time until the next request is
//! accepted, as in `Retry-After`.

use std::{fmt::Write, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::{Left, Rate};
use crate::http::error::whole_seconds;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
/// The name of the policy that counts bytes.
pub(super) const BYTES: &str = "bytes";

/// A limit that counted a request, and its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// `address`, `site`, `key` or `bytes`.
    pub(super) by: &'static str,
    pub(super) rate: Rate,
    pub(super) outcome: Result<Left, Duration>,
}

impl Counted {
    /// Returns the time until another request is accepted.
    pub(super) fn wait(self) -> Duration {
        match (self.outcome, self.rate.bucket()) {
            (Err(wait), _) => wait,
            // This request has used the last of the quota.
            (Ok(Left { count: 0, .. }), Some((_, period))) => period,
            (Ok(_), _) => Duration::ZERO,
        }
    }

    /// Extends the wait of a rejected request to at least `other`.
    pub(super) fn at_least(self, other: Duration) -> Self {
        Self { outcome: self.outcome.map_err(|wait| wait.max(other)), ..self }
    }
}

/// Writes the headers for the limits that counted a request.
pub(super) fn tell(headers: &mut HeaderMap, counted: impl Iterator<Item = Counted>) {
    let (mut policy, mut state) = (String::new(), String::new());
    for Counted { by, rate, outcome } in counted {
        let Rate::Of { count, seconds } = rate else { continue };
        let separator = if policy.is_empty() { "" } else { ", " };
        let (left, after) = match outcome {
            Ok(left) if left.whole_in.is_zero() => (left.count, 0),
            Ok(left) => (left.count, whole_seconds(left.whole_in)),
            Err(wait) => (0, whole_seconds(wait)),
        };
        let unit = if by == BYTES { ";qu=\"content-bytes\"" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(policy, "{separator}\"{by}\";q={count}{unit};w={seconds}");
        let _ = write!(state, "{separator}\"{by}\";r={left};t={after}");
    }
    for (name, value) in [(POLICY, policy), (STATE, state)] {
        if let Ok(value) = HeaderValue::from_str(&value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_headers_in_the_format_of_the_draft() {
        let rate = |text: &str| text.parse().unwrap();
        let told = |counted: &[Counted]| {
            let mut headers = HeaderMap::new();
            tell(&mut headers, counted.iter().copied());
            [POLICY, STATE].map(|name| headers.get(name).map(|value| value.to_str().unwrap().to_owned()))
        };
        let left = Left { count: 4999, whole_in: Duration::from_millis(2) };
        let by_address = Counted { by: "address", rate: rate("5000/10s"), outcome: Ok(left) };
        let by_key = Counted { by: "key", rate: rate("10/1m"), outcome: Err(Duration::from_millis(5_001)) };
        assert_eq!(told(&[]), [None, None]);
        assert_eq!(told(&[by_address]).map(Option::unwrap), ["\"address\";q=5000;w=10", "\"address\";r=4999;t=1"]);
        assert_eq!(
            told(&[by_address, by_key]).map(Option::unwrap),
            ["\"address\";q=5000;w=10, \"key\";q=10;w=60", "\"address\";r=4999;t=1, \"key\";r=0;t=6"]
        );
        assert_eq!(told(&[Counted { rate: Rate::Off, ..by_key }]), [None, None]);
    }
}
