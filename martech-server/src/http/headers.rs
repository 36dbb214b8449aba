//! Security and cache headers of all responses. A route can set its own values: pages have their own content security
//! policy and may be cached.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

/// Restricts which sites may load a response, in addition to CORS. Only `/events` is open to other sites.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const DEFAULTS: [(HeaderName, HeaderValue); 6] = [
    // Responses are specific to the caller.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // Browsers must not guess a content type.
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // A response that a browser renders as a page loads and runs nothing, and cannot be framed.
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

/// Middleware that adds the [defaults](add_defaults) to each response.
pub(crate) async fn add(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    add_defaults(response.headers_mut());
    response
}

/// Adds the default headers that the route did not set.
pub(crate) fn add_defaults(headers: &mut HeaderMap) {
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
}

/// Lets pages of other sites load a response.
pub(crate) fn share_with_other_sites(headers: &mut HeaderMap) {
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
}
