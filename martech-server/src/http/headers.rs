//! Security and cache headers of all responses. A route can set its own values: pages have their own content security
//! policy and may be cached.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
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

/// Adds the default headers that the route did not set.
pub(crate) async fn add(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    add_security_headers(&mut response);
    response
}

/// Adds the default headers to a response. Also used for responses that do not come from a route.
pub(crate) fn add_security_headers(response: &mut Response) {
    for (name, value) in DEFAULTS {
        response.headers_mut().entry(name).or_insert(value);
    }
}

/// Lets pages of other sites load the responses of a route.
pub(crate) async fn share(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    response
}
